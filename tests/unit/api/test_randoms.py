from stanine.api.randoms import FETCHED, Randoms


def test_every_attempt_gets_random_bytes_of_its_own() -> None:
    randoms = Randoms()
    taken = [randoms.take() for _ in range(3 * FETCHED + 1)]
    assert len(set(taken)) == len(taken)
    assert {len(each) for each in taken} == {12}

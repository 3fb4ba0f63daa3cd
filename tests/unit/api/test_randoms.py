from stanine.api.intake.id_entropy import FETCHED, IdEntropy
from stanine.store.records import RANDOM_BYTES


def test_every_attempt_has_distinct_random_bytes_in_partition_0() -> None:
    randoms = IdEntropy()
    taken = [randoms.take() for _ in range(3 * FETCHED + 1)]
    assert len(set(taken)) == len(taken)
    assert {len(each) for each in taken} == {RANDOM_BYTES}
    assert {each[0] & 0x0F for each in taken} == {0}, (
        "the low half of the first byte is the partition"
    )
    assert len({each[0] for each in taken}) == 16, "the high half is random"

"""Ids of returned items: all are found again, also those that are no longer in memory."""

from stanine.client.seen_ids import SeenIds

#: More than are kept in memory.
MANY = 100_000


def test_every_added_id_and_no_other_is_found_whether_in_memory_or_in_the_file() -> None:
    seen = SeenIds()
    for number in range(MANY):
        seen.add(f"{number:032x}")
    assert all(f"{number:032x}" in seen for number in range(MANY))
    assert f"{MANY:032x}" not in seen
    seen.add(f"{MANY:032x}")
    assert f"{MANY:032x}" in seen


def test_an_id_is_the_same_with_and_without_leading_zeros() -> None:
    seen = SeenIds()
    seen.add("0a")
    assert f"{10:032x}" in seen

"""Detection of another history of the API server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine_operator.controller.history import differs, is_lower
from stanine_operator.controller.resource import Resource

KNOWN = Resource(kind="Queue", namespace="n", name="q", uid="u", version="7", generation=2)
LISTED = {"uid": "u", "resourceVersion": "7", "generation": 2}


@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_versions_are_compared_as_numbers(version: int, last: int) -> None:
    assert is_lower(str(version), str(last)) == (version < last)


@pytest.mark.parametrize(
    ("version", "last"), [("5", ""), ("", "5"), ("", ""), ("a", "b"), ("5", "a")]
)
def test_non_numeric_versions_are_unordered(version: str, last: str) -> None:
    assert not is_lower(version, last)


def test_the_cached_state_does_not_differ() -> None:
    assert not differs(KNOWN, LISTED)
    assert not differs(None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"uid": "v"},
        {"resourceVersion": "6"},
        {"resourceVersion": "8"},
        {"generation": 1},
        {"deletionTimestamp": "2026-11-23T09:00:00Z"},
    ],
)
def test_another_uid_version_generation_or_deletion_differs(
    change: dict[str, object],
) -> None:
    assert differs(KNOWN, LISTED | change)


def test_a_resource_only_cached_or_only_listed_differs() -> None:
    assert differs(KNOWN, None)
    assert differs(None, LISTED)

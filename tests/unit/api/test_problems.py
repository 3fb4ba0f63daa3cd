import re
from pathlib import Path

import msgspec
import pytest

from stanine.api.web.problems import (
    KINDS,
    TOO_MANY_FAILED_LOGINS,
    NotFound,
    ProblemDocument,
    from_faults,
    unavailable,
)
from stanine.domain.errors import Fault, InvalidAttempt

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "problems.md"


def test_exactly_the_existing_problems_are_documented() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert [(code, int(status)) for code, status in rows] == [
        (kind.code, kind.status) for kind in KINDS
    ]


def test_codes_are_distinct_and_temporary_problems_have_retry_after() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        if kind is not TOO_MANY_FAILED_LOGINS:  # its header has the time that the address waits
            assert (kind.retry_after is not None) == (kind.status in {429, 503})


def test_a_hundred_errors_are_listed_and_all_are_counted() -> None:
    error = InvalidAttempt(
        [Fault(f"/answers/{number}", "UnknownItem", "x") for number in range(150)], 4000
    )
    document = from_faults(KINDS[11], error).document
    assert isinstance(document.errors, list)
    assert (len(document.errors), document.error_count) == (100, 4000)


def test_a_problem_without_errors_omits_the_members() -> None:
    body = msgspec.json.decode(msgspec.json.encode(unavailable().document))
    assert body.keys() == {"type", "title", "status", "detail"}
    assert (
        msgspec.json.decode(msgspec.json.encode(unavailable().document), type=ProblemDocument)
        == unavailable().document
    )


@pytest.mark.parametrize(
    "given", ["scale-e1234-aduld", "cale-e1234-adult", "sacle-e1234-adult", "scalee1234-adult"]
)
@pytest.mark.parametrize("turn", [1, -1])
def test_the_most_similar_of_thousands_of_names_is_suggested(given: str, turn: int) -> None:
    names = [
        f"scale-{'abcdef'[number % 6]}{number:04}-{group}"
        for number in range(1300)
        for group in ("short", "long", "adult")
    ]
    detail = NotFound("Instrument", given, names[::turn]).document.detail
    assert detail.endswith("Did you mean 'scale-e1234-adult'?")

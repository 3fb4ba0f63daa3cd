"""Every problem that the server documents has its exception, which says whether to try again and never quotes a person or a key."""

import pickle
import re
from pathlib import Path

import pytest

from stanine.api.web.problems import KINDS
from stanine.client import errors

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "problems.md").read_text()


def test_every_problem_of_the_server_and_of_the_page_has_a_class_and_no_other() -> None:
    assert (
        set(errors.CLASSES)
        == {kind.code for kind in KINDS}
        == set(re.findall(r"^\| `([a-z-]+)` \| \d", PAGE, re.MULTILINE))
    )
    assert len(set(errors.CLASSES.values())) == len(errors.CLASSES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_problem_is_temporary_where_its_status_says_so(kind: "errors.ProblemInfo") -> None:
    error = errors.error_of(errors.ProblemInfo(kind.type, kind.title, kind.status, "why"))
    assert isinstance(error, errors.TemporaryError) is (kind.status in {408, 429, 503})
    assert isinstance(error, errors.PermanentError) is (kind.status not in {408, 429, 503})


def test_only_of_unavailable_and_of_unknown_servers_is_the_effect_unknown() -> None:
    temporary = {
        code: each
        for code, each in errors.CLASSES.items()
        if issubclass(each, errors.TemporaryError)
    }
    assert [code for code, each in temporary.items() if not each.had_no_effect] == ["unavailable"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(409, errors.PermanentError), (503, errors.TemporaryError), (429, errors.TemporaryError)],
)
def test_a_type_of_a_later_version_is_told_by_its_status(
    status: int, kind: type[errors.StanineClientError]
) -> None:
    assert isinstance(
        errors.error_of(errors.ProblemInfo("urn:stanine:problem:new", "New", status)), kind
    )


def test_an_error_survives_pickling() -> None:
    error = errors.error_of(
        errors.ProblemInfo("urn:stanine:problem:full", "Full", 503, "why"), 30.0
    )
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.problem, copy.retry_after) == (errors.FullError, error.problem, 30.0)


def test_the_text_of_an_invalid_attempt_quotes_nothing_and_its_lines_say_all() -> None:
    items = (
        errors.ErrorItem("/answers/i-am-sad", "UnknownItem", "said: SECRET"),
        errors.ErrorItem("/answers/b", "NotAnAnswer", "SECRET"),
    )
    problem = errors.ProblemInfo(
        "urn:stanine:problem:invalid-attempt", "It does not fit", 422, "2 things SECRET", items, 2
    )
    error = errors.error_of(problem)
    for text in (str(error), repr(error), repr(problem), repr(items)):
        assert "SECRET" not in text
        assert "sad" not in text
    assert str(error) == "It does not fit (422 invalid-attempt): NotAnAnswer, UnknownItem"
    assert problem.lines() == [
        "2 things SECRET",
        "/answers/i-am-sad: said: SECRET",
        "/answers/b: SECRET",
    ]


def test_the_text_of_an_invalid_document_names_the_places() -> None:
    items = tuple(
        errors.ErrorItem(f"spec.items[{number}]", "WrongType", "text belongs here")
        for number in range(7)
    )
    error = errors.error_of(
        errors.ProblemInfo("urn:stanine:problem:invalid-document", "Not valid", 422, "", items, 120)
    )
    assert "spec.items[0]: text belongs here" in str(error)
    assert str(error).endswith("; and 115 more")

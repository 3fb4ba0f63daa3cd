"""Warnings that only the server gives are shown once."""

from stanine.cli.commands.publish import _more_warnings
from stanine.client.records import DocumentWarning, Publication
from stanine.domain.errors import Fault

KNOWN = [Fault("spec.retentionDays", "NoEffect", "it has no effect yet")]


def published(*warnings: DocumentWarning, count: int) -> Publication:
    return Publication("x", 1, 1, "d", True, False, list(warnings), count)


def test_only_warnings_of_the_server_alone_are_added() -> None:
    same = DocumentWarning("spec.retentionDays", "NoEffect", "other words")
    new = DocumentWarning("spec.scales[0]", "DifferentRanges", "look at it")
    assert list(_more_warnings(published(same, new, count=2), KNOWN)) == [
        "spec.scales[0]: look at it"
    ]
    assert list(_more_warnings(published(count=0), KNOWN)) == [], "an older server gives none"


def test_warnings_omitted_from_an_answer_are_counted() -> None:
    one = DocumentWarning("spec.retentionDays", "NoEffect", "…")
    assert list(_more_warnings(published(one, count=130), KNOWN)) == ["the server has 130 warnings"]

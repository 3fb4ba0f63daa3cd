"""Warnings that the server gives and the command did not: each is shown once."""

from stanine.cli.commands.publish import _more_warnings
from stanine.domain.errors import Fault

KNOWN = [Fault("spec.retentionDays", "NoEffect", "it has no effect yet")]


def test_only_what_the_server_alone_warns_of_is_added() -> None:
    same = {"pointer": "spec.retentionDays", "code": "NoEffect", "detail": "other words"}
    new = {"pointer": "spec.scales[0]", "code": "DifferentRanges", "detail": "look at it"}
    answer = {"warnings": [same, new], "warningCount": 2}
    assert list(_more_warnings(answer, KNOWN)) == ["spec.scales[0]: look at it"]
    assert list(_more_warnings({}, KNOWN)) == [], "an older server gives none"


def test_warnings_that_an_answer_leaves_out_are_counted() -> None:
    one = {"pointer": "spec.retentionDays", "code": "NoEffect", "detail": "…"}
    answer = {"warnings": [one], "warningCount": 130}
    assert list(_more_warnings(answer, KNOWN)) == ["the server has 130 warnings"]

"""Answers that a process knows: right or unknown, and bounded."""

import pytest

from stanine.api.people import known_answers
from stanine.api.people.known_answers import KnownAnswers, SavedAnswers
from stanine.store.sessions import AnswersMark, SaveOutcome

OPENED = SavedAnswers(AnswersMark(), {})
FIRST = SaveOutcome("Saved", AnswersMark(), AnswersMark(1, b"first"))


def test_a_save_is_merged_into_the_answers_that_it_was_stored_with() -> None:
    known = KnownAnswers()
    known.note(b"s", OPENED, {"a": b"1", "b": b"2"}, FIRST)
    second = SaveOutcome("Saved", FIRST.after, AnswersMark(2, b"second"))
    known.note(b"s", known.of(b"s"), {"b": b"", "c": b"3"}, second)
    assert known.of(b"s") == SavedAnswers(second.after, {"a": b"1", "c": b"3"})
    known.note(b"s", known.of(b"s"), {"c": b"4"}, SaveOutcome("Repeated"))
    assert known.of(b"s") == SavedAnswers(second.after, {"a": b"1", "c": b"3"})


@pytest.mark.parametrize(
    "outcome",
    [
        SaveOutcome("Saved", AnswersMark(7, b"another process"), AnswersMark(8, b"here")),
        SaveOutcome("Saved", AnswersMark(1, b"older data"), AnswersMark(2, b"here")),
        SaveOutcome("Withdrawn"),
        SaveOutcome("Older"),
    ],
)
def test_after_a_save_into_other_answers_or_none_nothing_is_known(outcome: SaveOutcome) -> None:
    known = KnownAnswers()
    known.note(b"s", OPENED, {"a": b"1"}, FIRST)
    known.note(b"s", known.of(b"s"), {"a": b"2"}, outcome)
    assert known.of(b"s") is None


def test_answers_are_bounded_in_number_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_answers, "MAX_SESSIONS", 3)
    known = KnownAnswers()
    for number in range(5):
        known.note(b"%d" % number, OPENED, {"a": b"1"}, FIRST)
    assert [known.of(b"%d" % number) is None for number in range(5)] == [True] * 2 + [False] * 3
    known.note(b"4", OPENED, {"a": b"x" * known_answers.MAX_BYTES}, FIRST)
    assert known.of(b"4") is None
    known.forget(b"3")
    assert known.of(b"3") is None

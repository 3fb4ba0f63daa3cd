"""Saves of a session are validated with the other answers where these count, and without them elsewhere."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stanine.domain.attempts.session_answers import SessionForm
from stanine.domain.errors import InvalidAttempt
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry

FIVE = [{"value": value} for value in range(5)]
DOCUMENT = {
    "apiVersion": "stanine.dev/v1alpha1",
    "kind": "Instrument",
    "metadata": {"name": "x"},
    "spec": {
        "title": "X",
        "items": [
            {"id": "free", "text": "?", "options": FIVE},
            {"id": "most", "text": "?", "options": FIVE},
            {"id": "least", "text": "?", "options": FIVE, "distinctFrom": "most"},
            {"id": "asked", "text": "?", "options": FIVE},
            {"id": "then", "text": "?", "options": FIVE, "when": "asked > 2"},
            {"id": "words", "text": "?", "type": "Text"},
        ],
        "scales": [{"id": "s", "items": ["free"], "score": "Sum"}],
    },
}
FORM = SessionForm(
    build_entry(parse_instrument(DOCUMENT, name="x"), number=1, revision=1, form=1, digest="d")
)
CHOICES = st.sampled_from(["free", "most", "least", "asked", "then"])
SAVES = st.dictionaries(CHOICES, st.none() | st.integers(-1, 5), min_size=1) | st.dictionaries(
    st.sampled_from(["free", "words", "unknown"]), st.sampled_from([None, 1, "text"]), min_size=1
)


def faults(save: dict[str, Any], saved: dict[str, Any]) -> set[tuple[str, str]]:
    try:
        FORM.check(save, saved, {})
    except InvalidAttempt as error:
        return {(each.place, each.code) for each in error.faults}
    return set()


def test_a_condition_and_a_pair_need_the_other_answers() -> None:
    assert [item.id for item in FORM.entry.items if FORM.needs_others([item.id])] == [
        "most",
        "least",
        "then",
    ]
    assert faults({"then": 1}, {"asked": 0}) == {("/answers/then", "NotShown")}
    assert faults({"most": 1}, {"least": 1})
    assert faults({"least": 1}, {"most": 1})


@given(st.lists(SAVES, max_size=6))
def test_a_save_that_needs_no_other_answers_is_judged_the_same_without_them(
    saves: list[dict[str, Any]],
) -> None:
    saved: dict[str, Any] = {}
    for save in saves:
        found = faults(save, saved)
        if not FORM.needs_others(save):
            assert faults(save, {}) == found
        if not found:
            saved = {
                name: answer for name, answer in {**saved, **save}.items() if answer is not None
            }

"""Figures about how an attempt was filled in, by hand and against a second way of counting."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stanine.domain.attempts.quality import AttemptQuality, quality_of
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import IndexEntry, build_entry


def entry_of(items: list[dict[str, Any]]) -> IndexEntry:
    spec = {
        "title": "X",
        "responseSets": [
            {"name": "r", "options": [{"value": 1}, {"value": 2}, {"value": 9, "missing": True}]}
        ],
        "items": items,
        "scales": [{"id": "s", "items": [items[0]["id"]], "score": "Sum"}],
    }
    document = {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "x"},
        "spec": spec,
    }
    return build_entry(parse_instrument(document), number=1, revision=1, form=1, digest="")


def choice(name: str) -> dict[str, Any]:
    return {"id": name, "text": "t", "responses": "r"}


MIXED = entry_of(
    [
        choice("a"),
        choice("b"),
        choice("c"),
        {"id": "n", "text": "t", "type": "Number", "min": 0, "max": 9, "integer": True},
        {"id": "m", "text": "t", "type": "Multiple", "options": [{"value": 1}, {"value": 2}]},
        choice("d"),
    ]
)


def test_a_missing_option_is_missing_and_runs_compare_what_was_chosen() -> None:
    answers: dict[str, Any] = {"a": 9, "b": 9, "c": 1, "n": 1, "m": [], "d": 1}
    assert quality_of(MIXED, answers, (), 42.5) == AttemptQuality(6, 2, 2 / 6, 2, 42.5)


def test_a_number_does_not_continue_a_run_of_choices_and_an_omitted_item_ends_it() -> None:
    assert quality_of(MIXED, {"a": 2, "b": 2, "c": 2, "n": 2}).longest_run == 3
    assert quality_of(MIXED, {"a": 2, "c": 2}).longest_run == 1


def test_items_that_were_not_shown_count_nowhere_and_do_not_end_a_run() -> None:
    found = quality_of(MIXED, {"a": 2, "c": 2}, ("b", "n", "m", "d"))
    assert found == AttemptQuality(2, 0, 0.0, 2, None)
    everything = tuple(item.id for item in MIXED.items)
    assert quality_of(MIXED, {}, everything) == AttemptQuality(0, 0, None, 0, None)


@given(st.lists(st.sampled_from([None, 1, 2]), min_size=1, max_size=30))
def test_figures_agree_with_a_second_way_of_counting(given_: list[int | None]) -> None:
    entry = entry_of([choice(f"i{number}") for number in range(len(given_))])
    found = quality_of(entry, {f"i{number}": value for number, value in enumerate(given_)})
    runs = [len(list(run)) for value, run in itertools.groupby(given_) if value is not None]
    assert (found.items, found.missing) == (len(given_), given_.count(None))
    assert found.longest_run == max(runs, default=0)

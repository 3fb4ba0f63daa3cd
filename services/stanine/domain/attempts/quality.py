"""Response quality figures of one attempt. Called by the API for `include=quality`.

The figures are descriptive: which values are doubtful depends on the instrument.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from stanine.domain.attempts.answer_codes import Answer
from stanine.domain.scoring.index_entry import FormItem, IndexEntry

#: Types whose answers are compared for runs. Other answers are lists or texts; equal ones in a row indicate little.
_COMPARED = frozenset({"Choice", "Number"})


class AttemptQuality(msgspec.Struct, frozen=True, rename="camel"):
    """The response quality figures of one attempt."""

    #: Items that were shown.
    items: int
    #: Items shown without an answer, or with a missing option ("don't know").
    missing: int
    #: `missing` divided by `items`, from 0 to 1; null if no item was shown.
    missing_share: float | None
    #: Longest run of Choice or Number items with the same answer, as chosen, before any reversal.
    longest_run: int
    #: Duration in seconds as submitted; null if not submitted.
    seconds: float | None


def quality_of(
    entry: IndexEntry,
    answers: Mapping[str, Answer | None],
    hidden: Collection[str] = (),
    seconds: float | None = None,
) -> AttemptQuality:
    """Return the figures of an attempt.

    `answers`: by item id, None or absent for no answer. `hidden`: the items not shown; they count nowhere and do not
    interrupt a run. An item without an answer, or of another type, ends the run.
    """
    hidden = frozenset(hidden)
    shown = [item for item in entry.items if item.id not in hidden]
    missing = sum(_is_missing(entry, item, answers.get(item.id)) for item in shown)
    return AttemptQuality(
        items=len(shown),
        missing=missing,
        missing_share=missing / len(shown) if shown else None,
        longest_run=_longest_run(shown, answers),
        seconds=seconds,
    )


def _is_missing(entry: IndexEntry, item: FormItem, answer: Answer | None) -> bool:
    if answer is None:
        return True
    chosen = answer if isinstance(answer, list) else [answer]
    options = entry.option_sets[item.options] if item.type in ("Choice", "Multiple") else ()
    declared = {option.value for option in options if option.missing}
    return any(value in declared for value in chosen)


def _longest_run(shown: Sequence[FormItem], answers: Mapping[str, Answer | None]) -> int:
    longest = run = 0
    before: tuple[str, Answer] | None = None
    for item in shown:
        answer = answers.get(item.id)
        if answer is None or item.type not in _COMPARED:
            run, before = 0, None
            continue
        run = run + 1 if before == (item.type, answer) else 1
        before = (item.type, answer)
        longest = max(longest, run)
    return longest

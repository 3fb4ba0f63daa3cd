"""Permitted answers of a Multiple or Ranking, and their numbering where an answer takes one byte.

Used by `points` (the points of each), `answer_codes` (packing) and `item_checks`.
"""

import functools
import itertools
from collections.abc import Collection, Iterator

from stanine.domain import limits
from stanine.domain.instruments.item_forms import ItemForm


def is_alone(form: ItemForm, index: int) -> bool:
    """Return whether an option must be chosen alone: an exclusive or missing one."""
    return form.options[index].exclusive or form.options[index].missing


def is_missing_choice(form: ItemForm, chosen: Collection[int]) -> bool:
    """Return whether a choice is a missing answer."""
    return any(form.options[index].missing for index in chosen)


def wrong_choice(form: ItemForm, chosen: Collection[int]) -> str | None:
    """Return why a choice of a Multiple (option indices) is invalid; None if it is valid."""
    if any(is_alone(form, index) for index in chosen):
        return "an option that is chosen alone stands beside another" if len(chosen) > 1 else None
    if len(chosen) < form.min_chosen:
        return f"at least {form.min_chosen} must be chosen"
    if len(chosen) > form.max_chosen:
        return f"at most {form.max_chosen} may be chosen"
    return None


def is_coded(form: ItemForm) -> bool:
    """Return whether every answer to a Multiple or Ranking has a code below `MAX_CODES_OF_BYTE`."""
    most = limits.MAX_CODED_CHOICES if form.type == "Multiple" else limits.MAX_CODED_RANKS
    return len(form.options) <= most


def choice_of_mask(mask: int) -> tuple[int, ...]:
    """Return the indices of the options whose bits are set."""
    return tuple(index for index in range(mask.bit_length()) if mask >> index & 1)


def masks(form: ItemForm) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield every permitted choice of a coded Multiple: its number and its option indices."""
    for mask in range(1 << len(form.options)):
        chosen = choice_of_mask(mask)
        if wrong_choice(form, chosen) is None:
            yield mask, chosen


@functools.lru_cache(maxsize=limits.MAX_CODED_RANKS + 1)
def orders(count: int) -> tuple[tuple[int, ...], ...]:
    """Yield every order of `count` options by number: option indices, the first rank first."""
    return tuple(itertools.permutations(range(count)))

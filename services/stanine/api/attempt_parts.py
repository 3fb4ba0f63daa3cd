"""Parts of attempts in lists: answers, attributes, and the labels of both. Used by `attempt_export` and the routes."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import UNSET, UnsetType

from stanine.api.attempt_reader import Found
from stanine.api.bodies import given
from stanine.api.export_bodies import AttemptLabels
from stanine.domain.attempts.unpacking import Unpacker
from stanine.domain.instruments.public_form import public_form
from stanine.domain.scoring.index import IndexEntry
from stanine.store.errors import CorruptRecordError

T = TypeVar("T")


class IncludedParts(NamedTuple):
    """The parts of an attempt that were asked for; the others are unset."""

    attributes: dict[str, float | str] | UnsetType
    answers: dict[str, Any] | UnsetType
    not_shown: tuple[str, ...] | UnsetType
    labels: AttemptLabels | UnsetType


class AttemptParts:
    """Makes the parts of attempts; what depends on a form only is made once."""

    def __init__(self, parts: Collection[str], language: str | None) -> None:
        """`parts`: of `answers`, `attributes` and `labels`; labels are in `language`, None: the document's own."""
        self._parts = parts
        self._unpackers = PerForm(Unpacker)
        self._labels = PerForm(lambda entry: _labels_by_id(entry, language))

    def of(self, found: Found) -> IncludedParts:
        """Return the parts of an attempt. Raises CorruptRecordError."""
        attempt, parts = found.attempt, self._parts
        answers, hidden = read_answers(self._unpackers.of(found.entry), found)
        has_answers, has_attributes = "answers" in parts, "attributes" in parts
        return IncludedParts(
            attributes=given({**attempt.attributes} or None) if has_attributes else UNSET,
            answers=answers if has_answers else UNSET,
            not_shown=given(hidden or None) if has_answers else UNSET,
            labels=_labels(
                self._labels.of(found.entry),
                answers if has_answers else {},
                attempt.attributes if has_attributes else {},
            )
            if "labels" in parts
            else UNSET,
        )


class PerForm(Generic[T]):
    """What depends on a form only, made once per form and revision of its entry."""

    def __init__(self, make: Callable[[IndexEntry], T]) -> None:
        self._make = make
        self._made: dict[tuple[int, int], T] = {}

    def of(self, entry: IndexEntry) -> T:
        """Return what was made of an entry."""
        name = entry.form, entry.revision
        if name not in self._made:
            self._made[name] = self._make(entry)
        return self._made[name]


def read_answers(unpacker: Unpacker, found: Found) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return an attempt's answers, and the items that were not shown. Raises CorruptRecordError."""
    try:
        return unpacker.read(found.attempt.codes)
    except ValueError as error:
        raise CorruptRecordError(f"answers of attempt {found.attempt.id.hex()}: {error}") from None


def _labels_by_id(
    entry: IndexEntry, language: str | None
) -> tuple[dict[str, dict[Any, str]], dict[str, dict[Any, str]]]:
    """Return the labels of values by item, and by attribute."""
    form = public_form(entry, language)
    items = {
        item["id"]: {one["value"]: one["label"] for one in item["options"] if "label" in one}
        for item in form["items"]
        if "options" in item
    }
    attributes = {
        each["id"]: {
            value: label
            for value, label in zip(each["values"], each["labels"], strict=False)
            if label
        }
        for each in form["attributes"]
        if "labels" in each
    }
    return items, attributes


def _labels(
    known: tuple[dict[str, dict[Any, str]], dict[str, dict[Any, str]]],
    answers: Mapping[str, Any],
    attributes: Mapping[str, Any],
) -> AttemptLabels:
    of_items, of_attributes = known
    found: dict[str, str | list[str]] = {}
    for item, labels in of_items.items():
        answer = answers.get(item)
        if isinstance(answer, list):
            found[item] = [labels.get(value, str(value)) for value in answer]
        elif answer is not None and answer in labels:
            found[item] = labels[answer]
    return AttemptLabels(
        found,
        {
            name: labels[attributes[name]]
            for name, labels in of_attributes.items()
            if attributes.get(name) in labels
        },
    )

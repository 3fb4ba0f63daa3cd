"""Puts imported items into sections: consecutive items of the same groups share one. Used by `fhir` and `reproschema`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stanine.cli.imports.draft import Draft
from stanine.domain.limits import MAX_PASSAGE, MAX_TITLE


class GroupPath(NamedTuple):
    """The nested groups that an item is in: their titles and conditions, and of the innermost its name and translations."""

    name: str = ""
    titles: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    words: Mapping[str, str] = {}


class Sections:
    """The sections of a draft. A document without groups has none."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._last: GroupPath | None = None
        #: Texts to be shown before the next item, with their translations.
        self._waiting: list[tuple[str, Mapping[str, str]]] = []
        self._are_needed = False

    def say(self, text: str, words: Mapping[str, str]) -> None:
        """Show a text before the next item."""
        self._waiting.append((text, words))

    def place(self, item: str, group: GroupPath) -> None:
        """Put an item into the last section, or into a new one if its groups are others."""
        if not self._draft.sections and not group.titles and not group.conditions:
            self._introduce()
        if self._waiting or self._last is None or self._last != group:
            self._begin(group)
        self._draft.sections[-1]["items"].append(item)

    def finish(self) -> None:
        """Drop sections without title, text and condition; list texts after the last item."""
        if not self._are_needed:
            self._draft.sections.clear()
        for text, _ in self._waiting:
            self._draft.omit("display", f"a text after the last item of {len(text)} characters")

    def _introduce(self) -> None:
        """Show the texts before the first item at the beginning of the instrument."""
        if not self._waiting:
            return
        self._draft.set_text(
            "instructions", "\n\n".join(text for text, _ in self._waiting), MAX_PASSAGE
        )
        for language, text in _joined([words for _, words in self._waiting]).items():
            self._draft.translate(language, "instructions", text=text)
        self._waiting = []

    def _begin(self, group: GroupPath) -> None:
        draft = self._draft
        name = f"section_{len(draft.sections) + 1}"
        section: dict[str, Any] = {"id": name, "items": []}
        if group.titles:
            section["title"] = draft.text(": ".join(group.titles), group.name, MAX_TITLE)
        if len(group.titles) == 1:
            for language, text in group.words.items():
                draft.translate(language, "sections", name, "title", text=text)
        elif group.words:
            draft.omit(group.name, "the translations of the title of a group within a group")
        if self._waiting:
            section["instructions"] = "\n\n".join(text for text, _ in self._waiting)
            for language, text in _joined([words for _, words in self._waiting]).items():
                draft.translate(language, "sections", name, "instructions", text=text)
            self._waiting = []
        if group.conditions:
            section["when"] = join(group.conditions, "and")
        self._are_needed = self._are_needed or len(section) > 2
        draft.sections.append(section)
        self._last = group


def join(conditions: Sequence[str], word: str) -> str:
    """Return conditions joined by `and` or `or`."""
    if len(conditions) == 1:
        return conditions[0]
    return f" {word} ".join(f"({one})" for one in conditions)


def _joined(words: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the texts of each language that has all of them."""
    languages = set.intersection(*(set(one) for one in words))
    return {language: "\n\n".join(one[language] for one in words) for language in sorted(languages)}

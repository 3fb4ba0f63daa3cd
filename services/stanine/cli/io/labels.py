"""Finds options by their labels. Used by `cell_parsers` and `cell_groups`.

Labels are compared without case and repeated spaces. A text that two options have finds none of them.
"""

from collections.abc import Sequence


class LabelIndex:
    """The labels of an item's options, in all languages of the document."""

    def __init__(self, labels: Sequence[Sequence[str]]) -> None:
        self._places: dict[str, int] = {}
        self._shared: set[str] = set()
        for place, texts in enumerate(labels):
            for text in texts:
                plain = plain_label(text)
                if self._places.setdefault(plain, place) != place:
                    self._shared.add(plain)

    def find(self, text: str) -> int | None:
        """Return the place of the only option with this label."""
        plain = plain_label(text)
        return None if plain in self._shared else self._places.get(plain)

    def has(self, text: str) -> bool:
        """Return whether any option has this label."""
        return plain_label(text) in self._places


def plain_label(text: str) -> str:
    """Return a label without case and repeated spaces."""
    return " ".join(text.casefold().split())

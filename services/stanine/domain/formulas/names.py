"""Meaning of the names in a formula or condition.

The checks create it from a document and pass it to `checking`. A name is an item, an option of a Multiple or Ranking
item (`m1.a`), an attribute or a score of a scale (`mood`, `mood.t`).
"""

from typing import Literal

import msgspec

#: Type of a name's value. Number: a number. Text: a text, for == and != only. Mixed: a Choice or an attribute whose
#: values are numbers and texts, for == and != only. Whole: an item that only `answered` may name (Multiple, Ranking,
#: Text, Date).
Kind = Literal["Number", "Text", "Mixed", "Whole"]
#: The derived scores of a scale, as written after the dot.
DERIVED = ("score", "z", "t", "sten", "stanine", "percentile")


class Named(msgspec.Struct, frozen=True):
    """One item or attribute."""

    kind: Kind
    #: The texts among its values, without those of `missing` options; None if any text is possible (an attribute of
    #: type Text).
    texts: tuple[str, ...] | None = ()
    #: The texts of its `missing` options: null in a formula, comparable in a condition.
    missing_texts: tuple[str, ...] = ()
    #: The options of a Multiple or Ranking item, as written after the dot.
    options: tuple[str, ...] = ()


class Names(msgspec.Struct, frozen=True):
    """The names that one text may use. `items` are in the order of the form, which ranges follow."""

    items: dict[str, Named]
    attributes: dict[str, Named] = {}
    #: Each scale with its derived scores of DERIVED. A condition has none.
    scales: dict[str, tuple[str, ...]] = {}
    #: The scales with a table, for `lookup`. A condition has none.
    tables: frozenset[str] = frozenset()
    #: Items that a condition may not use because they come after its item or section.
    later: frozenset[str] = frozenset()

"""What the names in a formula or a condition mean. Made from a document by its checks, passed to `checking`.

A name is an item, an option of a Multiple or Ranking item (`m1.a`), an attribute or a score of a scale (`mood`, `mood.t`).
"""

from typing import Literal

import msgspec

#: What a name's value is. Number: a number. Text: a text, so that == and != are all that can be done with it. Mixed: a Choice or an
#: attribute whose values are numbers and texts, == and != only. Whole: an item that only `answered` may name (Multiple, Ranking, Text,
#: Date).
Kind = Literal["Number", "Text", "Mixed", "Whole"]
#: The scores of a scale beside its raw score, as they stand after the dot.
DERIVED = ("score", "z", "t", "sten", "stanine", "percentile")


class Named(msgspec.Struct, frozen=True):
    """One item or attribute."""

    kind: Kind
    #: The texts among its values, without those of `missing` options; None if any text is possible (an attribute of type Text).
    texts: tuple[str, ...] | None = ()
    #: The texts of its `missing` options: in a formula null, in a condition comparable.
    missing_texts: tuple[str, ...] = ()
    #: The options of a Multiple or Ranking item, which stand after the dot.
    options: tuple[str, ...] = ()


class Names(msgspec.Struct, frozen=True):
    """The names that one text may use. `items` are in the order of the form, which ranges follow."""

    items: dict[str, Named]
    attributes: dict[str, Named] = {}
    #: Each scale with those of DERIVED that it has. A condition has none.
    scales: dict[str, tuple[str, ...]] = {}
    #: The scales with a table, which `lookup` may name. A condition has none.
    tables: frozenset[str] = frozenset()
    #: Items that exist and may not be used here, because they come later than the item or section with the condition.
    later: frozenset[str] = frozenset()

"""The index entry: a form as it is served and scored.

API, CLI, store and watchers import from here. `index_entry` compiles, writes and reads entries; `public_form` selects
what participants may see.
"""

from stanine.domain.instruments.public_form import choose_language, language_of, public_form
from stanine.domain.scoring.index_entry import (
    FormAttribute,
    FormItem,
    FormNumber,
    FormOption,
    FormSection,
    IndexEntry,
    build_entry,
    decode_entry,
    encode_entry,
    entry_version,
    is_intact,
    item_forms,
)
from stanine.domain.scoring.points import Table

__all__ = [
    "FormAttribute",
    "FormItem",
    "FormNumber",
    "FormOption",
    "FormSection",
    "IndexEntry",
    "Table",
    "build_entry",
    "choose_language",
    "decode_entry",
    "encode_entry",
    "entry_version",
    "is_intact",
    "item_forms",
    "language_of",
    "public_form",
]

"""Field types of a document, and the base of its records.

Used by the records of the form, of the scales and of the wording.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stanine.domain import limits

Id = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z][A-Za-z0-9_]*$",
        max_length=limits.MAX_ID,
        description="an id: letters, digits and _, a letter first",
    ),
]
#: A term of a scale: an item `A1` (reversed `-A1`), an option `m1.a` or `-r1.a`, a scale `memory` or its part
#: `memory.t`.
TermReference = Annotated[
    str,
    Meta(
        pattern="^-?[A-Za-z][A-Za-z0-9_]*(\\.[A-Za-z0-9_]+)?$",
        max_length=limits.MAX_ID + limits.MAX_VALUE + 2,
        description="an item's id, with a minus before it if reverse-keyed; or item.option; or a scale's id, or scale.part",
    ),
]
#: A scale, or a part of it: `memory`, `memory.t`.
PartReference = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z][A-Za-z0-9_]*(\\.[a-z]+)?$",
        max_length=limits.MAX_ID + limits.MAX_VALUE + 1,
        description="a scale's id, or scale.part",
    ),
]
DnsLabel = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="a DNS-1123 label: lower-case letters, digits and -, beginning and ending with a letter or digit",
    ),
]
Language = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$",
        max_length=35,
        description='a language tag (BCP 47) such as "en" or "pt-BR"',
    ),
]
Title = Annotated[str, Meta(min_length=1, max_length=limits.MAX_TITLE)]
Line = Annotated[str, Meta(min_length=1, max_length=limits.MAX_LINE)]
Passage = Annotated[str, Meta(max_length=limits.MAX_PASSAGE)]
Number = Annotated[float, Meta(ge=-limits.LARGEST_NUMBER, le=limits.LARGEST_NUMBER)]
Whole = Annotated[int, Meta(ge=-limits.LARGEST_NUMBER, le=limits.LARGEST_NUMBER)]
Count = Annotated[int, Meta(ge=0, le=limits.MAX_ITEMS)]
ValueText = Annotated[str, Meta(min_length=1, max_length=limits.MAX_VALUE)]
#: The value of an answer or attribute: a number or a text, never a boolean.
Value = Whole | Number | ValueText
#: The source of a formula or condition; its length is limited before parsing.
Expression = Annotated[str, Meta(min_length=1, max_length=limits.MAX_EXPRESSION)]
Seconds = Annotated[int, Meta(ge=1, le=limits.MAX_TIME_LIMIT)]
Method = Literal["Mean", "Sum", "Percent"]
ItemType = Literal["Choice", "Number", "Multiple", "Ranking", "Text", "Date"]


class Record(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """Base of all records of a document: camelCase names, no unknown fields."""


class Coding(Record, frozen=True):
    """A code of a system of terms, such as LOINC or SNOMED CT."""

    #: The system, by its address.
    system: Title
    #: The code there.
    code: Title


Codes = Annotated[tuple[Coding, ...], Meta(max_length=limits.MAX_CODES)]

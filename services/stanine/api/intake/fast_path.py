"""The short way through an attempt's bytes: read, checked, packed and digested with a decoder compiled for one form. Used by the intake.

It takes the usual attempt only: a key, a participant, a revision of this form, and answers that are options of the form as they stand
there, or null. What else it meets, faults included, it leaves to the domain's `decode_attempt`, `Packer.pack` and `meaning`; where it
answers, it answers as they do, which a test holds. It takes 5 µs for 50 answers where they take 14, which is most of what a line of a bulk
submission costs.
"""

import hashlib
from operator import getitem, itemgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stanine.api.bodies import AttemptBody
from stanine.domain.attempts.attempt import MEANING_BYTES
from stanine.domain.scoring.compiler import OMITTED
from stanine.domain.scoring.index import IndexEntry

#: Items of a form that gets a decoder of its own: making one takes about 10 µs an item.
MAX_ITEMS = 500

#: What one byte can be: the length of a table for `bytes.translate`.
TABLE = 256


class Packed(msgspec.Struct, frozen=True, gc=False):
    """What a usual attempt came to; `revision` is the one that it names."""

    key: str | None
    revision: int | None
    participant: str | None
    codes: bytes
    meaning: bytes


_encode = msgspec.msgpack.Encoder().encode
_astuple = msgspec.structs.astuple
_NOTHING: dict[str, Any] = {}
_REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class FormReader:
    """Reads attempts at one form."""

    def __init__(self, entry: IndexEntry) -> None:
        """Compile the decoder; raises ValueError for a form that has no short way."""
        if not entry.is_plain:
            raise ValueError("only a form of Choice items that are always shown has a short way")
        options = [
            [option.value for option in entry.option_sets[item.options]] for item in entry.items
        ]
        whole_or_text = all(type(value) in {int, str} for values in options for value in values)
        if not (whole_or_text and 1 < len(options) <= MAX_ITEMS):
            raise ValueError(
                "only a form of several items with whole numbers and texts as options has a short way"
            )
        #: From values to codes for a whole attempt at once, where all items have the same options, small whole numbers; and the value that
        #: stands for no answer: then a number too, for encoding leaves a default out whatever it is.
        self._translation, self._missing = _translation(options)
        # In the order of their names, so that encoding them gives the bytes that `meaning` sorts for.
        order = sorted(range(len(options)), key=lambda index: entry.items[index].id)
        answers = msgspec.defstruct(
            "Answers",
            [
                (f"item_{index}", Literal[tuple(options[index])] | None, self._missing)
                for index in order
            ],
            rename={f"item_{index}": entry.items[index].id for index in order},
            forbid_unknown_fields=True,
            omit_defaults=True,
            gc=False,
        )
        types = AttemptBody.__annotations__
        sent = msgspec.defstruct(
            "Sent",
            [
                ("answers", answers),
                ("key", types["key"] | UnsetType, UNSET),
                # The revisions that have had this form since another one was published.
                (
                    "revision",
                    Annotated[int, Meta(ge=entry.spans[-1][0], le=entry.revision)]
                    | None
                    | UnsetType,
                    UNSET,
                ),
                ("participant", types["participant"] | UnsetType, UNSET),
            ],
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decode: Any = msgspec.json.Decoder(sent).decode
        places = [order.index(index) for index in range(len(options))]
        self._in_form_order = itemgetter(*places)
        #: The same for bytes: places translated by a table that is the row itself are the row in another order.
        self._places, self._unused = (
            (bytes(places), bytes(TABLE - len(places))) if self._translation else (b"", b"")
        )
        self._codes: list[dict[Any, int]] = [
            {value: code for code, value in enumerate(values)} | {self._missing: OMITTED}
            for values in options
        ]
        self._fields = answers.__struct_fields__

    def read(self, text: bytes, header_key: str | None = None) -> Packed | None:
        """Return what the attempt comes to, or None for one that is not usual. `header_key`: the key that a header gives it."""
        try:
            sent = self._decode(text)
        except _REFUSALS:
            return None
        answers, key, revision, participant = (
            sent.answers,
            sent.key,
            sent.revision,
            sent.participant,
        )
        codes, names = self._pack(answers)
        if codes.count(OMITTED) == len(codes):
            return None
        names += 1
        if key is UNSET:
            key = None
        else:
            names += 1
        if revision is UNSET:
            revision = None
        else:
            names += 1
        if participant is UNSET:
            participant = None
        else:
            names += 1
        # A name given twice leaves more colons than names, and so does a colon in a text.
        if header_key is not None:
            if key is not None:
                return None
            key = header_key
        if text.count(b":") != names or not (
            (key is None or key.isprintable())
            and (participant is None or participant.isprintable())
        ):
            return None
        meaning = hashlib.blake2b(
            _encode((key, revision, participant, answers, _NOTHING)), digest_size=MEANING_BYTES
        ).digest()
        return Packed(key, revision, participant, codes, meaning)

    def _pack(self, answers: Any) -> tuple[bytes, int]:
        """Return the codes of an attempt's answers, and how many there are, nulls included; the nulls are dropped."""
        if self._translation is None:
            nulls = self._drop_nulls(answers)
            values = self._in_form_order(_astuple(answers))
            return bytes(map(getitem, self._codes, values)), len(values) - values.count(
                UNSET
            ) + nulls
        nulls = 0
        try:
            row = bytes(_astuple(answers))
        except TypeError:
            nulls = self._drop_nulls(answers)
            row = bytes(_astuple(answers))
        codes = self._places.translate(row.translate(self._translation) + self._unused)
        return codes, len(row) - row.count(self._missing) + nulls

    def _drop_nulls(self, answers: Any) -> int:
        nulls = [name for name in self._fields if getattr(answers, name) is None]
        for name in nulls:
            setattr(answers, name, self._missing)
        return len(nulls)


def _translation(options: list[list[Any]]) -> tuple[bytes | None, Any]:
    first = options[0]
    alike = len(options) <= TABLE and all(values == first for values in options)
    if not (alike and all(type(value) is int and 0 <= value < TABLE for value in first)):
        return None, UNSET
    missing = next(value for value in reversed(range(TABLE)) if value not in first)
    return bytes(
        first.index(value) if value in first else OMITTED for value in range(TABLE)
    ), missing

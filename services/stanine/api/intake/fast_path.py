"""Fast path: reads, checks, packs and digests an attempt with a decoder compiled for its form.

Used by the intake. It handles the usual attempt: a key, a participant, a revision of this form, and answers that
are null or option values in canonical spelling. All other attempts, including invalid ones, are left to the
domain's `decode_attempt`, `Packer.pack` and `meaning`. A test checks that both give the same results. It takes 5 µs
for 50 answers, the domain 14 µs; this is most of the time of a line of a bulk submission.
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

#: Maximum items of a form with a compiled decoder. Compilation takes about 10 µs per item.
MAX_ITEMS = 500

#: Number of values of a byte: the length of a table for `bytes.translate`.
TABLE = 256


class Packed(msgspec.Struct, frozen=True, gc=False):
    """A packed attempt; `revision` is the one that the attempt names."""

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
    """Reads attempts of one form."""

    def __init__(self, entry: IndexEntry) -> None:
        """Compile the decoder. Raises ValueError for a form without a fast path."""
        if not entry.is_plain:
            raise ValueError("only a form of Choice items that are always shown has a fast path")
        options = [
            [option.value for option in entry.option_sets[item.options]] for item in entry.items
        ]
        whole_or_text = all(type(value) in {int, str} for values in options for value in values)
        if not (whole_or_text and 1 < len(options) <= MAX_ITEMS):
            raise ValueError(
                "only a form of several items with integers and texts as options has a fast path"
            )
        #: Maps values to codes for a whole attempt in one call, if all items have the same options and these are
        #: small integers; and the value of a missing answer, then an integer too, because the encoder omits
        #: defaults of any type.
        self._translation, self._missing = _translation(options)
        # Sorted by name, so that encoding gives the bytes that `meaning` digests.
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
                # The revisions since which no other form was published.
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
        #: The same for bytes: translating the positions by a row as the table reorders the row.
        self._places, self._unused = (
            (bytes(places), bytes(TABLE - len(places))) if self._translation else (b"", b"")
        )
        self._codes: list[dict[Any, int]] = [
            {value: code for code, value in enumerate(values)} | {self._missing: OMITTED}
            for values in options
        ]
        self._fields = answers.__struct_fields__

    def read(self, text: bytes, header_key: str | None = None) -> Packed | None:
        """Return the packed attempt, or None for an attempt that is not usual.

        `header_key`: the key from the Idempotency-Key header.
        """
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
        # A repeated name or a colon in a text gives more colons than names.
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
        """Drop the nulls; return the codes of the answers, and the number of answers and nulls."""
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

"""Attempts as submitted: strict JSON to a record. Others import this through `response`.

One compiled decoder reads a usual attempt. `explain` reads rejected texts again, and texts that may contain duplicate
names; it is slower and reports every error.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from stanine.domain.attempts import explain
from stanine.domain.attempts.explain import LANGUAGE
from stanine.domain.errors import Faults, InvalidAttempt
from stanine.domain.limits import (
    MAX_ATTEMPT_BYTES,
    MAX_ATTRIBUTE_TEXT,
    MAX_INTEGER,
    MAX_KEY,
    MAX_LANGUAGE,
    MAX_PARTICIPANT,
    MAX_REVISION,
)

#: Lists contain values of options.
Answer = int | float | str | list[int | float | str]
AttributeValue = int | float | str

#: Bytes of a content digest. Two different attempts of one caller collide with probability 2**-64 per repeated key.
MEANING_BYTES = 16


class Attempt(msgspec.Struct, frozen=True):
    """One person's answers as submitted: nulls dropped, 2.0 as 2.

    `Packer.pack` checks them against a form.
    """

    answers: dict[str, Answer]
    key: str | None = None
    revision: int | None = None
    participant: str | None = None
    attributes: dict[str, AttributeValue] = {}
    #: Language of the attempt, and its duration in seconds.
    language: str | None = None
    seconds: float | None = None


_Integer = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
_Float = Annotated[float, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]


class _Sent(msgspec.Struct, forbid_unknown_fields=True):
    answers: dict[str, _Integer | _Float | str | list[_Integer | _Float | str] | None]
    key: Annotated[str, Meta(min_length=1, max_length=MAX_KEY)] | UnsetType | None = UNSET
    revision: Annotated[int, Meta(ge=1, le=MAX_REVISION)] | UnsetType | None = UNSET
    participant: (
        Annotated[str, Meta(min_length=1, max_length=MAX_PARTICIPANT)] | UnsetType | None
    ) = UNSET
    attributes: (
        dict[str, _Integer | _Float | Annotated[str, Meta(max_length=MAX_ATTRIBUTE_TEXT)] | None]
        | UnsetType
        | None
    ) = UNSET
    language: Annotated[str, Meta(pattern=LANGUAGE, max_length=MAX_LANGUAGE)] | UnsetType | None = (
        UNSET
    )
    seconds: Annotated[float, Meta(ge=0, le=MAX_INTEGER)] | UnsetType | None = UNSET

    def names(self) -> int:
        """Return the number of names in the objects."""
        own = (
            1
            + (self.key is not UNSET)
            + (self.revision is not UNSET)
            + (self.participant is not UNSET)
            + (self.attributes is not UNSET)
        )
        own += (self.language is not UNSET) + (self.seconds is not UNSET)
        return (
            own
            + len(self.answers)
            + (len(self.attributes) if isinstance(self.attributes, dict) else 0)
        )


_DECODER = msgspec.json.Decoder(_Sent)
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def decode_attempt(text: bytes) -> Attempt:
    """Decode the attempt in a JSON object. Raises only InvalidAttempt, with all errors."""
    if len(text) > MAX_ATTEMPT_BYTES:
        faults = Faults()
        faults.add(
            "", "TooLarge", f"the attempt has {len(text)} bytes; {MAX_ATTEMPT_BYTES} are allowed"
        )
        raise InvalidAttempt(faults.kept, faults.count)
    try:
        sent = _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise explain.explain(text, error) from None
    key, participant = sent.key or None, sent.participant or None
    # A duplicate name leaves more colons than names; so does a colon in a text. The slow reader decides.
    if text.count(b":") != sent.names() or not _is_printable(key) or not _is_printable(participant):
        explain.check(text)
    answers = settled(sent.answers)
    if not any(answer != "" for answer in answers.values()):
        explain.check(text)
    seconds = None if sent.seconds is UNSET or sent.seconds is None else _whole(sent.seconds)
    return Attempt(
        answers,
        key,
        sent.revision or None,
        participant,
        settled(sent.attributes or {}),
        sent.language or None,
        seconds,
    )


def meaning(attempt: Attempt) -> bytes:
    """Return the content digest (16 bytes); it ignores name order, nulls, and 2.0 versus 2."""
    content: list[Any] = [
        attempt.key,
        attempt.revision,
        attempt.participant,
        settled(attempt.answers),
        settled(attempt.attributes),
    ]
    if attempt.language is not None or attempt.seconds is not None:
        content += [attempt.language, attempt.seconds]
    return hashlib.blake2b(_ENCODER.encode(content), digest_size=MEANING_BYTES).digest()


def _is_printable(text: str | None) -> bool:
    return text is None or text.isprintable()


def settled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values without nulls, whole floats as integers."""
    kinds = set(map(type, values.values()))
    if type(None) in kinds:
        values = {name: value for name, value in values.items() if value is not None}
    if float in kinds:
        values = {name: _whole(value) for name, value in values.items()}
    if list in kinds:
        values = {
            name: [_whole(one) for one in value] if type(value) is list else value
            for name, value in values.items()
        }
    return values if isinstance(values, dict) else dict(values)


def _whole(value: Any) -> Any:
    """Return a whole float as an integer."""
    return int(value) if type(value) is float and value.is_integer() else value

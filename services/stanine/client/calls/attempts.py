"""Calls that submit and read attempts. Used by the resource `attempts` and by `bulk`."""

import re
import uuid
from collections.abc import Mapping

import msgspec

from stanine.client.messages import NDJSON, Call, Reply, call, json_call, query, reader
from stanine.client.records import (
    AnswerValue,
    Attempt,
    AttributeValue,
    LineAnswer,
    Receipt,
    Result,
    StoredAttempt,
)

#: Keys that fit the header Idempotency-Key in quotes; other keys are sent in the body.
_PRINTABLE = re.compile(r"[ !#-\[\]-~]{1,64}", re.ASCII)
_BULK = "/v1/instruments/{name}/attempts:bulk"

_read_receipt = reader(Receipt)
_read_result = reader(Result)
_encode = msgspec.json.Encoder().encode


def new_attempt(
    answers: Mapping[str, AnswerValue] | Attempt,
    key: str | None = None,
    participant: str | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
    revision: int | None = None,
    language: str | None = None,
    seconds: float | None = None,
) -> Attempt:
    """Return an attempt with a key: the caller's, or a random one for idempotent retries.

    Raises ValueError if `answers` is an Attempt and another argument is given.
    """
    if isinstance(answers, Attempt):
        others = (key, participant, attributes, revision, language, seconds)
        if any(each is not None for each in others):
            raise ValueError("an Attempt holds key, participant, attributes and the rest itself")
        return (
            answers
            if answers.key is not None
            else msgspec.structs.replace(answers, key=uuid.uuid4().hex)
        )
    return Attempt(
        answers,
        uuid.uuid4().hex if key is None else key,
        revision,
        participant,
        attributes,
        language,
        seconds,
    )


def submit(instrument: str, attempt: Attempt, wait: float) -> Call[tuple[Receipt, Result | None]]:
    """Submit an attempt with a key.

    The answer includes the result if it is scored within `wait` seconds.
    """
    key = attempt.key or ""
    headers = {}
    if _PRINTABLE.fullmatch(key):
        headers = {"idempotency-key": f'"{key}"'}
        attempt = msgspec.structs.replace(attempt, key=None)

    def decode(reply: Reply) -> tuple[Receipt, Result | None]:
        result = _read_result(reply) if reply.status == 200 else None
        return msgspec.structs.replace(_read_receipt(reply), key=key), result

    return json_call(
        "POST", "/v1/instruments/{name}/attempts", decode, {"name": instrument}, body=attempt, headers=headers,
        query=query(wait=wait or None), hold=wait,
    )  # fmt: skip


def submit_lines(instrument: str, body: bytes) -> Call[None]:
    """Submit lines; the answer is read as a stream, not by `decode`."""
    return call(
        "POST",
        _BULK,
        lambda _: None,
        {"name": instrument},
        body=body,
        headers={"content-type": NDJSON},
    )


def encode_line(attempt: Attempt | Mapping[str, object] | bytes | str) -> bytes:
    """Return an attempt as one line without line break.

    Text is used as given, with its line breaks (never part of a value) replaced by spaces.
    """
    if isinstance(attempt, str):
        attempt = attempt.encode()
    if isinstance(attempt, bytes):
        return attempt.replace(b"\r", b" ").replace(b"\n", b" ").strip()
    return _encode(attempt)


def decode_line(line: bytes) -> LineAnswer:
    """Parse one line of a bulk answer. Raises msgspec.MsgspecError or UnicodeDecodeError."""
    return _line_decoder.decode(line)


_line_decoder = msgspec.json.Decoder(LineAnswer)


def read(attempt: str, *, quality: bool = False) -> Call[StoredAttempt]:
    """Read an attempt as it was answered."""
    return call(
        "GET",
        "/v1/attempts/{id}",
        reader(StoredAttempt),
        {"id": attempt},
        query=query(include="quality" if quality else None),
    )

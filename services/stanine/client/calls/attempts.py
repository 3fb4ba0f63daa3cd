"""Calls that submit, read and erase attempts. Used by the resource `attempts` and by `bulk`."""

import uuid
from collections.abc import Mapping

import msgspec

from stanine.client.calls.lines import BulkRoute
from stanine.client.messages import ApiCall, Reply, call, json_call, key_header, query, reader
from stanine.client.records import (
    AnswerValue,
    AttemptInfo,
    AttemptOutcome,
    AttemptReceipt,
    AttemptRequest,
    AttemptResult,
    AttributeValue,
)

_read_receipt = reader(AttemptReceipt)
_read_result = reader(AttemptResult)


def new_attempt(
    answers: Mapping[str, AnswerValue] | AttemptRequest,
    key: str | None = None,
    participant: str | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
    revision: int | None = None,
    language: str | None = None,
    seconds: float | None = None,
) -> AttemptRequest:
    """Return an attempt with a key: the caller's, or a random one for idempotent retries.

    Raises ValueError if `answers` is an AttemptRequest and another argument is given.
    """
    if isinstance(answers, AttemptRequest):
        others = (key, participant, attributes, revision, language, seconds)
        if any(each is not None for each in others):
            raise ValueError(
                "an AttemptRequest holds key, participant, attributes and the rest itself"
            )
        return (
            answers
            if answers.key is not None
            else msgspec.structs.replace(answers, key=uuid.uuid4().hex)
        )
    return AttemptRequest(
        answers,
        uuid.uuid4().hex if key is None else key,
        revision,
        participant,
        attributes,
        language,
        seconds,
    )


def submit(
    instrument: str, attempt: AttemptRequest, wait: float
) -> ApiCall[tuple[AttemptReceipt, AttemptResult | None]]:
    """Submit an attempt with a key.

    The answer includes the result if it is scored within `wait` seconds.
    """
    key = attempt.key or ""
    headers = key_header(key)
    if headers:
        attempt = msgspec.structs.replace(attempt, key=None)

    def decode(reply: Reply) -> tuple[AttemptReceipt, AttemptResult | None]:
        result = _read_result(reply) if reply.status == 200 else None
        return msgspec.structs.replace(_read_receipt(reply), key=key), result

    return json_call(
        "POST", "/v1/instruments/{name}/attempts", decode, {"name": instrument}, body=attempt, headers=headers,
        query=query(wait=wait or None), hold=wait,
    )  # fmt: skip


def _is_accepted(answer: AttemptOutcome) -> bool:
    return bool(answer.attempt and answer.token)


#: Submission of many attempts.
BULK = BulkRoute(
    "/v1/instruments/{name}/attempts:bulk",
    msgspec.json.Decoder(AttemptOutcome).decode,
    _is_accepted,
)


def read(attempt: str, *, quality: bool = False) -> ApiCall[AttemptInfo]:
    """Read an attempt as it was answered."""
    return call(
        "GET",
        "/v1/attempts/{id}",
        reader(AttemptInfo),
        {"id": attempt},
        query=query(include="quality" if quality else None),
    )


def erase(attempt: str) -> ApiCall[None]:
    """Erase an attempt."""
    return call("DELETE", "/v1/attempts/{id}", lambda _: None, {"id": attempt})

"""Calls about sessions and about the data of participants. Used by the resources `sessions` and `participants`."""

import uuid
from collections.abc import Mapping

import msgspec

from stanine.client.messages import JSON, ApiCall, call, json_call, key_header, query, reader
from stanine.client.records import (
    AnswerValue,
    AttributeValue,
    ErasedCounts,
    FormInfo,
    SessionExtended,
    SessionInfo,
    SessionRequest,
    SessionSaved,
    SessionSubmitted,
    SessionWithdrawn,
)

#: Seconds that the server may take to erase all data of a participant.
_ERASURE_SECONDS = 45.0
_ONE = "/v1/sessions/{id}"


def open_session(
    instrument: str, request: SessionRequest, code: str | None
) -> ApiCall[SessionInfo]:
    """Open a session, by the client's key or by a code. Without a key it gets a random one, for idempotent retries.

    Raises ValueError for a code with a key that no header can hold.
    """
    key = uuid.uuid4().hex if request.key is None else request.key
    headers = key_header(key) if code is not None else {}
    if code is not None and not headers:
        raise ValueError(
            "with a code, the key has 1 to 64 printable ASCII characters without quotes"
        )
    request = msgspec.structs.replace(request, key=None if headers else key)
    return json_call(
        "POST",
        "/v1/instruments/{name}/sessions",
        reader(SessionInfo),
        {"name": instrument},
        body=request,
        headers=headers,
        token=code,
    )


def read(session: str, token: str) -> ApiCall[SessionInfo]:
    """Read a session."""
    return call("GET", _ONE, reader(SessionInfo), {"id": session}, token=token)


def form(session: str, token: str) -> ApiCall[FormInfo]:
    """Read the form of a session in its language."""
    return call("GET", f"{_ONE}/form", reader(FormInfo), {"id": session}, token=token)


def save(
    session: str,
    token: str,
    seq: int,
    answers: Mapping[str, AnswerValue] | None,
    attributes: Mapping[str, AttributeValue] | None,
    page: int,
    section: str | None,
    language: str | None,
) -> ApiCall[SessionSaved]:
    """Merge answers and attributes into a session; idempotent by `seq`."""
    order: dict[str, object] = {
        "seq": seq,
        "answers": answers or {},
        "attributes": attributes or {},
        "page": page,
    }
    optional = {"section": section, "language": language}
    order |= {name: value for name, value in optional.items() if value is not None}
    return json_call("PATCH", _ONE, reader(SessionSaved), {"id": session}, body=order, token=token)


def submit(session: str, token: str, wait: float) -> ApiCall[SessionSubmitted]:
    """Submit a session."""
    return call(
        "POST",
        f"{_ONE}:submit",
        reader(SessionSubmitted),
        {"id": session},
        query=query(wait=wait or None),
        headers={"content-type": JSON},
        token=token,
        hold=wait,
    )


def withdraw(session: str, token: str) -> ApiCall[SessionWithdrawn]:
    """Withdraw a session; idempotent."""
    return call(
        "POST",
        f"{_ONE}:withdraw",
        reader(SessionWithdrawn),
        {"id": session},
        headers={"content-type": JSON},
        token=token,
    )


def extend(session: str, time_limit_seconds: int) -> ApiCall[SessionExtended]:
    """Extend the time limit of a session, by the client's key."""
    return json_call(
        "POST",
        f"{_ONE}:extend",
        reader(SessionExtended),
        {"id": session},
        body={"timeLimitSeconds": time_limit_seconds},
    )


def erase_participant(participant: str) -> ApiCall[ErasedCounts]:
    """Erase all data of a participant; idempotent."""
    return call(
        "POST",
        "/v1/participants/{id}:erase",
        reader(ErasedCounts),
        {"id": participant},
        headers={"content-type": JSON},
        hold=_ERASURE_SECONDS,
    )

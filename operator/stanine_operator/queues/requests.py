"""One-shot requests by token: whether to execute a purge or requeue, and its status. Pure.

A token is handled once. It is recorded twice: in Redis (the last token of this resource, `handled`) and in the status
(`reported`). If Redis has no record of a resource, the token came with it: the resource may be a copy of one that was
deleted or restored, so nothing is executed. If one record is lost, the other is used; if both are, nothing is
executed.
"""

from typing import Any, Literal

import msgspec

from stanine.crds.queue import QueueSpec

#: Results of a request.
EXECUTED, NOT_EXECUTED, TOKEN_CONFLICT = "Executed", "NotExecuted", "TokenConflict"


class QueueRequest(msgspec.Struct, frozen=True):
    """A request in the spec."""

    #: Field of spec and status.
    field: Literal["purge", "requeueDead"]
    #: Name of the broker's record of handled tokens.
    mark: Literal["purge", "requeue"]
    #: Action of the broker.
    action: str
    token: str
    reason: str = ""
    actor: str = ""


class RequestStatus(msgspec.Struct, frozen=True):
    """Status of a request."""

    token: str
    outcome: str
    count: int | None = None

    def as_field(self) -> dict[str, object]:
        """Return the status field."""
        fields: dict[str, object] = {"token": self.token, "outcome": self.outcome}
        return fields if self.count is None else fields | {"count": self.count}


def find_requests(spec: QueueSpec) -> list[QueueRequest]:
    """Return the requests in a spec."""
    found = []
    if spec.purge is not None:
        purge = spec.purge
        found.append(
            QueueRequest(
                "purge",
                "purge",
                f"purge {purge.part.lower()}",
                purge.token,
                purge.reason or "",
                purge.actor or "",
            )
        )
    if spec.requeue_dead is not None:
        again = spec.requeue_dead
        found.append(
            QueueRequest(
                "requeueDead",
                "requeue",
                "requeue dead",
                again.token,
                again.reason or "",
                again.actor or "",
            )
        )
    return found


def read_reported(status: dict[str, Any], field: str) -> RequestStatus | None:
    """Return the reported status of a request, or None."""
    found = status.get(field)
    if not isinstance(found, dict) or "token" not in found:
        return None
    return RequestStatus(str(found["token"]), str(found.get("outcome", "")), found.get("count"))


def must_execute(request: QueueRequest, handled: str, reported: RequestStatus | None) -> bool:
    """Return whether a request must be executed: neither Redis nor the status records its token."""
    return request.token not in (handled, reported.token if reported else "")

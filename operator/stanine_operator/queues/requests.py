"""One-shot requests by token: what is to be done about a purge or a re-queueing, and what the status says of it. Pure.

A token is dealt with once. Two memories tell: Redis (the last token of this very resource, `handled`) and the status (`told`). A resource
that Redis has never heard of has brought its token along: it may be a copy of one that was deleted or restored, so nothing is executed.
Where one memory is lost, the other stands in; where both are, nothing is executed.
"""

from typing import Any, Literal

import msgspec

from stanine.crds.queue import QueueSpec

#: What became of a request.
EXECUTED, NOT_EXECUTED, TOKEN_CONFLICT = "Executed", "NotExecuted", "TokenConflict"


class QueueRequest(msgspec.Struct, frozen=True):
    """A request as the spec has it."""

    #: The field of spec and status.
    field: Literal["purge", "requeueDead"]
    #: What the broker calls it when it notes that it was dealt with.
    mark: Literal["purge", "requeue"]
    #: What the broker is to carry out.
    action: str
    token: str
    reason: str = ""
    actor: str = ""


class RequestStatus(msgspec.Struct, frozen=True):
    """What the status says of a request."""

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


def tokens_of(spec: QueueSpec) -> tuple[str, str]:
    """Return the tokens of purge and requeueDead, empty where there is none."""
    return (
        spec.purge.token if spec.purge else "",
        spec.requeue_dead.token if spec.requeue_dead else "",
    )


def read_reported(status: dict[str, Any], field: str) -> RequestStatus | None:
    """Return what a status says of a request."""
    found = status.get(field)
    if not isinstance(found, dict) or "token" not in found:
        return None
    return RequestStatus(str(found["token"]), str(found.get("outcome", "")), found.get("count"))


def must_execute(request: QueueRequest, handled: str, reported: RequestStatus | None) -> bool:
    """Tell whether a request is to be carried out: neither Redis nor the status has it as dealt with."""
    return request.token not in (handled, reported.token if reported else "")

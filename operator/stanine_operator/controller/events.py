"""Events: what happened to a resource, for `kubectl describe`. Posted on transitions only, the same one counted rather than repeated.

The name of an Event is made from what it says, so that the API server itself tells whether it was posted within the last hour, by this
process or by one before. Posting is beside the work: it waits in a bounded queue, and what cannot be posted is dropped and counted.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from stanine.telemetry.logs import get_log
from stanine_operator.controller.conditions import RECONCILIATION_PAUSED
from stanine_operator.controller.kinds import GROUP, VERSION
from stanine_operator.controller.reconcile_result import EventSpec
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.status import Status, changed_conditions
from stanine_operator.kubernetes.client import ClusterError

#: Events that may wait: as many as a thousand resources that turn at the same time; more are dropped.
QUEUE_SIZE = 2000
#: Events a resource may post at once, and seconds until it may post one more: a resource that flaps is no flood.
BURST, REFILL_SECONDS = 10, 60.0
#: Resources whose rate is remembered, and notices that are posted once.
REMEMBERED = 4096
#: Characters of an Event's message (the API server allows 1,024 bytes).
MAX_MESSAGE = 1000
#: Conditions that are bad news when they are True.
_WARNINGS = frozenset({"MemoryHigh"})
#: Conditions that are news but never bad.
_NEUTRAL = frozenset({"Paused"})


class PendingEvent(msgspec.Struct, frozen=True):
    """One Event to post."""

    namespace: str
    uid: str
    name: str
    body: dict[str, Any]


class EventsApi(Protocol):
    """What of the API server is needed here (see cluster.py)."""

    async def post_event(self, namespace: str, event: dict[str, Any]) -> None: ...  # noqa: D102 - see cluster.py

    async def repeat_event(self, namespace: str, name: str, count: int, at: str) -> None: ...  # noqa: D102 - likewise


def transition_events(old: Status, new: Status) -> list[EventSpec]:
    """Return what the transitions between two statuses are worth saying: each reason once, the summary first."""
    said: set[tuple[str, str]] = set()
    events = []
    for before, after in sorted(
        changed_conditions(old, new), key=lambda change: change[1]["type"] != "Ready"
    ):
        kind, status, reason, message = (
            after["type"],
            after["status"],
            after["reason"],
            after.get("message", ""),
        )
        # At first sight only the summary is news; Unknown is none.
        if (
            status == "Unknown"
            or (before is None and kind != "Ready" and reason != RECONCILIATION_PAUSED)
            or (reason, message) in said
        ):
            continue
        said.add((reason, message))
        events.append(
            EventSpec(_is_warning(kind, status), reason, message or f"{kind} is {status}.")
        )
    return events


def make_pending_event(resource: Resource, event: EventSpec, now: datetime) -> PendingEvent:
    """Return the Event of a notice; the same notice gives the same name."""
    kind = "Warning" if event.warning else "Normal"
    message = (
        event.message
        if len(event.message) <= MAX_MESSAGE
        else event.message[: MAX_MESSAGE - 1] + "…"
    )
    digest = hashlib.sha256(
        "\0".join((resource.uid, kind, event.reason, message)).encode()
    ).hexdigest()[:16]
    name = f"{resource.name[:200]}.{digest}"
    at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": resource.namespace},
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": resource.kind,
            "namespace": resource.namespace,
            "name": resource.name,
            "uid": resource.uid,
        },
        "type": kind,
        "reason": event.reason,
        "message": message,
        "source": {"component": "stanine-operator"},
        "reportingComponent": "stanine-operator",
        "reportingInstance": "",
        "count": 1,
        "firstTimestamp": at,
        "lastTimestamp": at,
    }
    return PendingEvent(resource.namespace, resource.uid, name, body)


class EventRecorder:
    """Posts events one after another. `dropped` is told why one was not posted, for the metrics."""

    def __init__(
        self,
        api: EventsApi,
        *,
        dropped: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._dropped = dropped
        self._clock = clock
        self._queue: asyncio.Queue[PendingEvent] = asyncio.Queue(QUEUE_SIZE)
        self._rates: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._once: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._counts: OrderedDict[str, int] = OrderedDict()

    def post(self, resource: Resource, event: EventSpec, now: datetime) -> None:
        """Have a notice posted soon, unless it was posted once for all or the resource posts too many."""
        if event.once:
            mark = (resource.uid, event.once)
            if mark in self._once:
                return
            _remember(self._once, mark, None)
        if not self._may_post(resource.uid):
            self._dropped("rate")
            return
        try:
            self._queue.put_nowait(make_pending_event(resource, event, now))
        except asyncio.QueueFull:
            self._dropped("full")

    async def run(self) -> None:
        """Post what is waiting until cancelled."""
        while True:
            post = await self._queue.get()
            try:
                await self._send(post)
            except ClusterError as error:
                # A namespace that is going takes no events, and an event is never worth holding up work for.
                self._dropped("refused")
                get_log().debug(
                    "event.refused",
                    namespace=post.namespace,
                    event_name=post.name,
                    status=error.status,
                )
            finally:
                self._queue.task_done()

    async def drain(self, seconds: float) -> None:
        """Wait until what is waiting has been posted, for so long at the most."""
        try:
            async with asyncio.timeout(seconds):
                await self._queue.join()
        except TimeoutError:
            pass

    async def _send(self, post: PendingEvent) -> None:
        count = self._counts.get(post.name, 0) + 1
        if count == 1:
            try:
                await self._api.post_event(post.namespace, post.body)
            except ClusterError as error:
                if error.status != 409:
                    raise
                count = 2  # posted by the process before this one, which knew the count
        if count > 1:
            try:
                await self._api.repeat_event(
                    post.namespace, post.name, count, post.body["lastTimestamp"]
                )
            except ClusterError as error:
                if not error.not_found:
                    raise
                count = 1  # the API server forgets events after an hour
                await self._api.post_event(post.namespace, post.body)
        _remember(self._counts, post.name, count)

    def _may_post(self, uid: str) -> bool:
        now = self._clock()
        left, since = self._rates.get(uid, (float(BURST), now))
        left = min(float(BURST), left + (now - since) / REFILL_SECONDS)
        allowed = left >= 1
        _remember(self._rates, uid, (left - allowed, now))
        return allowed


def _remember(memory: "OrderedDict[Any, Any]", key: Any, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)


def _is_warning(kind: str, status: str) -> bool:
    if kind in _NEUTRAL:
        return False
    return (status == "True") == (kind in _WARNINGS)

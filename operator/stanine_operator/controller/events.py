"""Kubernetes Events for `kubectl describe`.

Posted on transitions only; repeated Events are counted. The name of an Event is derived from its content, so that the
API server detects repetitions within its retention of one hour, also across restarts of the operator. Events wait in
a bounded queue; an Event that cannot be posted is dropped and counted.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from stanine.telemetry.logs import get_log
from stanine_operator.controller.conditions import RECONCILIATION_PAUSED, transitions
from stanine_operator.controller.kinds import GROUP, VERSION
from stanine_operator.controller.reconcile_result import EventSpec
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.status import Status
from stanine_operator.kubernetes.client import ClusterError

#: Maximum number of waiting Events: one for each of a thousand resources that change at the same time, with reserve.
QUEUE_SIZE = 2000
#: Burst of Events of one resource, and seconds until it may post one more: limits a flapping resource.
BURST, REFILL_SECONDS = 10, 60.0
#: Number of resources whose rate is tracked, and of `once` marks.
REMEMBERED = 4096
#: Maximum length of an Event's message in characters (the API server allows 1,024 bytes).
MAX_MESSAGE = 1000
#: Conditions that warn when True.
_WARNINGS = frozenset({"MemoryHigh"})
#: Conditions that never warn.
_NEUTRAL = frozenset({"Paused"})


class PendingEvent(msgspec.Struct, frozen=True):
    """One Event to post."""

    namespace: str
    uid: str
    name: str
    body: dict[str, Any]


class EventsApi(Protocol):
    """The calls to the API server that the recorder needs (implemented by cluster.py)."""

    async def post_event(self, namespace: str, event: dict[str, Any]) -> None: ...  # noqa: D102 - see cluster.py

    async def repeat_event(self, namespace: str, name: str, count: int, at: str) -> None: ...  # noqa: D102 - likewise


def transition_events(old: Status, new: Status) -> list[EventSpec]:
    """Return the Events for the transitions between two statuses: Ready first, each reason once."""
    reported: set[tuple[str, str]] = set()
    events = []
    for before, after in sorted(
        transitions(old.get("conditions") or (), new.get("conditions") or ()),
        key=lambda change: change[1]["type"] != "Ready",
    ):
        kind, status, reason, message = (
            after["type"],
            after["status"],
            after["reason"],
            after.get("message", ""),
        )
        # Of new conditions only the summary is reported; Unknown never is.
        if (
            status == "Unknown"
            or (before is None and kind != "Ready" and reason != RECONCILIATION_PAUSED)
            or (reason, message) in reported
        ):
            continue
        reported.add((reason, message))
        events.append(
            EventSpec(_is_warning(kind, status), reason, message or f"{kind} is {status}.")
        )
    return events


def make_pending_event(resource: Resource, event: EventSpec, now: str) -> PendingEvent:
    """Return the Event to post at `now` (RFC 3339); equal events get equal names."""
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
        "firstTimestamp": now,
        "lastTimestamp": now,
    }
    return PendingEvent(resource.namespace, resource.uid, name, body)


class EventRecorder:
    """Posts Events sequentially. `dropped` is called with the reason for every dropped Event."""

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

    def post(self, resource: Resource, event: EventSpec, now: str) -> None:
        """Queue an event unless it was already posted (`once`) or the resource exceeds its rate."""
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
        """Post queued Events until cancelled."""
        while True:
            post = await self._queue.get()
            try:
                await self._send(post)
            except ClusterError as error:
                # A terminating namespace accepts no Events, and an Event must never delay reconciliation.
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
        """Wait until all queued Events are posted, for at most `seconds`."""
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
                count = 2  # posted by an earlier process, whose count is unknown
        if count > 1:
            try:
                await self._api.repeat_event(
                    post.namespace, post.name, count, post.body["lastTimestamp"]
                )
            except ClusterError as error:
                if not error.not_found:
                    raise
                count = 1  # the API server deletes Events after an hour
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

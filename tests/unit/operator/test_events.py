"""Events: transitions only, repetitions counted, limited rate, no delay of reconciliation."""

import asyncio
from typing import Any

from stanine_operator.controller.events import (
    BURST,
    EventRecorder,
    make_pending_event,
    transition_events,
)
from stanine_operator.controller.reconcile_result import EventSpec, ResourceCondition
from stanine_operator.controller.resource import Resource
from stanine_operator.controller.status import compose_status
from stanine_operator.kubernetes.client import ClusterError

NOW = "2026-11-23T09:00:00Z"
QUEUE = Resource(kind="Queue", namespace="n", name="q", uid="u")
SAID = EventSpec(warning=True, reason="ConnectionRefused", message="Nothing listens.")


class FakeEvents:
    """The API server's events in memory."""

    def __init__(self, status: int = 0) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.status = status

    async def post_event(self, namespace: str, event: dict[str, Any]) -> None:
        if self.status:
            raise ClusterError(self.status, "POST")
        name = event["metadata"]["name"]
        if name in self.events:
            raise ClusterError(409, "POST")
        self.events[name] = dict(event)

    async def repeat_event(self, namespace: str, name: str, count: int, at: str) -> None:
        if name not in self.events:
            raise ClusterError(404, "PATCH")
        self.events[name] |= {"count": count, "lastTimestamp": at}


def post(api: FakeEvents, *events: EventSpec) -> list[str]:
    """Post these with a new recorder; return the reasons of dropped events."""
    dropped: list[str] = []

    async def work() -> None:
        recorder = EventRecorder(api, dropped=dropped.append, clock=lambda: 0.0)
        running = asyncio.create_task(recorder.run())
        for event in events:
            recorder.post(QUEUE, event, NOW)
        await recorder.drain(5)
        running.cancel()

    asyncio.run(work())
    return dropped


def status(*conditions: ResourceCondition, before: Any = None) -> dict[str, Any]:
    return compose_status(
        before or {}, conditions, generation=1, now="2026-11-23T09:00:00Z", fields={}
    )


def test_a_repeated_event_is_counted_also_across_restarts() -> None:
    api = FakeEvents()
    post(api, SAID, SAID, SAID)
    post(api, SAID)
    (event,) = api.events.values()
    assert event["count"] >= 2
    assert (event["type"], event["reason"], event["involvedObject"]["name"]) == (
        "Warning",
        "ConnectionRefused",
        "q",
    )


def test_an_event_deleted_by_the_api_server_is_posted_again() -> None:
    api = FakeEvents()

    async def work() -> None:
        recorder = EventRecorder(api, dropped=lambda _why: None)
        running = asyncio.create_task(recorder.run())
        recorder.post(QUEUE, SAID, NOW)
        await recorder.drain(5)
        api.events.clear()
        recorder.post(QUEUE, SAID, NOW)
        await recorder.drain(5)
        running.cancel()

    asyncio.run(work())
    assert [event["count"] for event in api.events.values()] == [1]


def test_events_of_one_resource_are_rate_limited() -> None:
    api = FakeEvents()
    dropped = post(api, *[EventSpec(False, "R", str(number)) for number in range(BURST + 5)])
    assert len(api.events) == BURST
    assert dropped == ["rate"] * 5


def test_a_once_event_is_posted_once() -> None:
    api = FakeEvents()
    event = EventSpec(False, "Purged", "12 messages", once="token-1")
    post(api, event, event, event)
    assert [event["count"] for event in api.events.values()] == [1]


def test_a_rejected_event_is_dropped_and_the_next_is_posted() -> None:
    api = FakeEvents(status=403)
    assert post(api, SAID) == ["refused"]


def test_transitions_give_one_event_per_reason_with_the_right_type() -> None:
    first = status(
        ResourceCondition("Ready", False, "ConnectionRefused", "m"),
        ResourceCondition("Reachable", False, "ConnectionRefused", "m"),
    )
    assert [(event.warning, event.reason) for event in transition_events({}, first)] == [
        (True, "ConnectionRefused")
    ]
    well = status(
        ResourceCondition("Ready", True, "Applied", "a"),
        ResourceCondition("Reachable", True, "Answered", "b"),
        before=first,
    )
    assert [(event.warning, event.reason) for event in transition_events(first, well)] == [
        (False, "Applied"),
        (False, "Answered"),
    ]
    assert transition_events(well, well) == []
    before = status(
        ResourceCondition("Ready", True, "Applied", "a"),
        ResourceCondition("MemoryHigh", False, "Below", ""),
    )
    high = status(
        ResourceCondition("Ready", True, "Applied", "a"),
        ResourceCondition("MemoryHigh", True, "PastThreshold", "c"),
        ResourceCondition("Migrated", None, "X", "d"),
        before=before,
    )
    assert [(event.warning, event.reason) for event in transition_events(before, high)] == [
        (True, "PastThreshold")
    ]


def test_long_messages_and_names_are_truncated() -> None:
    long = Resource(kind="Queue", namespace="n", name="q" * 253, uid="u")
    made = make_pending_event(long, EventSpec(True, "R", "m" * 5000), NOW)
    assert len(made.body["message"]) <= 1024
    assert len(made.name) <= 253

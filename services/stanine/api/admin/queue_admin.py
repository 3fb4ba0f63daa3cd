"""Administers queues through the broker and follows their states.

Used by the routes of queues and by a loop. The broker's operations are synchronous and rare, so each runs in a
thread.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
import redis.asyncio

from stanine.api.admin.queue_bodies import DeadLetterBody, QueueBody
from stanine.api.bodies import given
from stanine.api.intake.storing import Intake
from stanine.api.result_presenter import iso
from stanine.api.web.deadlines import within
from stanine.api.web.problems import NotFound
from stanine.broker import StreamsBroker
from stanine.broker.administration import QueueStats
from stanine.broker.deadletters import DeadLetter
from stanine.broker.errors import BrokerSettingsInvalid
from stanine.broker.keys import queue_keys
from stanine.broker.settings import QueueSettings
from stanine.broker.state import STATE_FIELD, QueueState
from stanine.messages import (
    BUILD_INDEX,
    SCORE_ATTEMPTS,
    MessageRoute,
    split_attempt_ids,
    split_names,
)
from stanine.telemetry.logs import get_log

T = TypeVar("T")

#: All queues, by name.
ROUTES = {route.queue: route for route in (BUILD_INDEX, SCORE_ATTEMPTS)}

log = get_log()


class QueueAdmin:
    """Calls the broker's operations for the API."""

    def __init__(self, broker: StreamsBroker) -> None:
        self._broker = broker

    async def call(self, work: Callable[[StreamsBroker], T]) -> T:
        """Run an operation of the broker in a thread. Raises redis-py's errors and TimeoutError."""
        return await within(asyncio.to_thread(work, self._broker))

    async def read(self, queue: str) -> QueueBody:
        """Return the state and sizes of a queue."""
        return await self.call(lambda broker: _read(broker, ROUTES[queue]))

    def close(self) -> None:
        """Close the broker's connections."""
        self._broker.close()


class StateFollower:
    """Reports draining queues to the intake.

    The intake writes messages with the records, without the broker's check of the queue's state.
    """

    def __init__(self, client: "redis.asyncio.Redis", namespace: str, intake: Intake) -> None:
        self._client: Any = client
        self._keys = {queue: queue_keys(namespace, queue).settings for queue in ROUTES}
        self._intake = intake

    async def refresh(self) -> None:
        """Read the states of the queues."""
        states = {
            queue: await within(self._client.hget(key, STATE_FIELD))
            for queue, key in self._keys.items()
        }
        draining = frozenset(
            queue for queue, state in states.items() if state == QueueState.DRAINING.encode()
        )
        if draining != self._intake.draining:
            self._intake.draining = draining
            log.warning("queues.draining", queues=sorted(draining))


def route_of(queue: str) -> MessageRoute:
    """Return the route of a queue. Raises a Problem (not-found)."""
    route = ROUTES.get(queue)
    if route is None:
        raise NotFound("Queue", queue, ROUTES)
    return route


def describe_letter(letter: DeadLetter) -> DeadLetterBody:
    """Return the body of a dead letter."""
    return DeadLetterBody(
        letter.id,
        letter.reason,
        letter.actor,
        letter.deliveries,
        iso(letter.created_ms),
        iso(letter.died_ms),
        _about(letter),
    )


def _read(broker: StreamsBroker, route: MessageRoute) -> QueueBody:
    stats = broker.stats(route.queue)
    try:
        body = _describe(route, stats)
        return msgspec.structs.replace(body, settings=_camel(broker.settings(route.queue)))
    except BrokerSettingsInvalid as error:
        return msgspec.structs.replace(body, faults=list(error.faults))


def _describe(route: MessageRoute, stats: QueueStats) -> QueueBody:
    return QueueBody(
        queue=route.queue,
        actor=route.actor,
        state=stats.state.value,
        drained=stats.is_drained,
        ready=stats.ready,
        in_flight=stats.in_flight,
        delayed=stats.delayed,
        dead=stats.dead,
        deaths=dict(sorted(stats.deaths.items())),
        oldest_seconds=None
        if stats.oldest_ms is None
        else max(0, stats.now_ms - stats.oldest_ms) / 1000,
        consumers=stats.consumers,
        managed_by=given(stats.managed_by),
    )


def _camel(settings: QueueSettings) -> dict[str, int]:
    def name(words: list[str]) -> str:
        return words[0] + "".join(word.capitalize() for word in words[1:])

    return {name(field.split("_")): value for field, value in settings.as_fields().items()}


def _about(letter: DeadLetter) -> list[str]:
    read: dict[str, Callable[[bytes], Iterable[str]]] = {
        SCORE_ATTEMPTS.actor: lambda ids: (each.hex() for each in split_attempt_ids(ids)),
        BUILD_INDEX.actor: split_names,
    }
    try:
        return list(read[letter.actor](letter.ids))
    except (KeyError, ValueError):  # an unknown actor or invalid ids
        return []

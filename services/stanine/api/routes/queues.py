"""/v1/queues: state, operations and dead letters of queues. For operators."""

import re
from typing import TypeVar

import msgspec

from stanine.api.admin.queue_admin import ROUTES, QueueAdmin, describe_letter, route_of
from stanine.api.admin.queue_bodies import (
    LETTER_PATTERN,
    DeadLetterBody,
    DeadLetterOrder,
    DeadLetterPage,
    Done,
    PurgeOrder,
    QueueBody,
    QueueList,
)
from stanine.api.web.auth import Scope
from stanine.api.web.dispatch import json_answer
from stanine.api.web.http import JSON, Answer, Request
from stanine.api.web.problems import (
    FULL,
    HISTORY_CHANGED,
    INVALID_REQUEST,
    MANAGED,
    TOKEN_CONFLICT,
    TOO_LARGE,
    TOO_SLOW,
    UNSUPPORTED_CONTENT,
    NotFound,
    Problem,
)
from stanine.api.web.queries import ACTOR, AFTER_LETTER, LIMIT, REASON, Query
from stanine.api.web.routing import Content, Handler, Route
from stanine.broker import QueueState, RequestConflict
from stanine.store.errors import LostCursorError
from stanine.telemetry.logs import get_log

#: Maximum bytes of a body: a thousand ids of dead letters.
MAX_ORDER_BYTES = 64 * 1024

_LETTER = re.compile(LETTER_PATTERN, re.ASCII)

Order = TypeVar("Order", PurgeOrder, DeadLetterOrder)

log = get_log()


class QueueRoutes:
    """The routes of queues."""

    def __init__(self, desk: QueueAdmin) -> None:
        self._desk = desk

    async def list(self, _request: Request) -> Answer:
        """Return all queues."""
        return json_answer(QueueList([await self._desk.read(queue) for queue in sorted(ROUTES)]))

    async def read(self, request: Request) -> Answer:
        """Return one queue."""
        return json_answer(await self._desk.read(route_of(request.parameters["queue"]).queue))

    async def _tell(self, request: Request, state: QueueState) -> Answer:
        queue = route_of(request.parameters["queue"]).queue
        before = await self._desk.call(lambda broker: broker.set_state(queue, state))
        _note("queue.state_set", request, queue=queue, state=state.value, before=before.value)
        return json_answer(await self._desk.read(queue))

    async def pause(self, request: Request) -> Answer:
        """Pause a queue."""
        return await self._tell(request, QueueState.PAUSED)

    async def resume(self, request: Request) -> Answer:
        """Resume a queue."""
        return await self._tell(request, QueueState.RUNNING)

    async def drain(self, request: Request) -> Answer:
        """Drain a queue."""
        return await self._tell(request, QueueState.DRAINING)

    async def purge(self, request: Request) -> Answer:
        """Delete a part of a queue."""
        order = await _read_order(request, PurgeOrder)
        return await self._carry_out(request, f"purge {order.part}", token=order.token)

    async def list_dead(self, request: Request) -> Answer:
        """Return a page of dead letters."""
        queue, query = route_of(request.parameters["queue"]).queue, request.query
        limit = query["limit"]
        letters = await self._desk.call(
            lambda broker: broker.dead_letters(
                queue,
                after=query["after"],
                limit=limit + 1,
                reason=query["reason"],
                actor=query["actor"],
            )
        )
        if not letters and query["after"]:
            last = await self._desk.call(lambda broker: broker.last_dead_id(queue))
            if _order(last) < _order(query["after"]):
                raise LostCursorError(
                    "0-0"
                )  # the server has no letter with this id: its data were replaced by older data
        more = letters[limit - 1].id if len(letters) > limit else None
        return json_answer(
            DeadLetterPage([describe_letter(each) for each in letters[:limit]], more)
        )

    async def read_dead(self, request: Request) -> Answer:
        """Return one dead letter."""
        queue, letter_id = _letter_of(request)
        letter = await self._desk.call(lambda broker: broker.dead_letter(queue, letter_id))
        if letter is None:
            raise NotFound("Dead letter", letter_id)
        return json_answer(describe_letter(letter))

    async def delete_one_dead(self, request: Request) -> Answer:
        """Delete one dead letter."""
        queue, letter_id = _letter_of(request)
        if not await self._desk.call(lambda broker: broker.delete_dead(queue, [letter_id])):
            raise NotFound("Dead letter", letter_id)
        _note("queue.dead_deleted", request, queue=queue, count=1)
        return json_answer(Done(1, repeated=False))

    async def requeue_dead(self, request: Request) -> Answer:
        """Requeue dead letters."""
        queue, order = (
            route_of(request.parameters["queue"]).queue,
            await _read_order(request, DeadLetterOrder),
        )
        ids = _named(order)
        if not ids:
            return await self._carry_out(
                request, "requeue dead", order.reason or "", order.actor or "", order.token
            )
        count = await self._desk.call(lambda broker: broker.requeue_dead(queue, ids))
        _note("queue.dead_requeued", request, queue=queue, count=count)
        return json_answer(Done(count, repeated=False))

    async def delete_dead(self, request: Request) -> Answer:
        """Delete dead letters."""
        queue, order = (
            route_of(request.parameters["queue"]).queue,
            await _read_order(request, DeadLetterOrder),
        )
        ids = _named(order)
        if not ids:
            return await self._carry_out(
                request, "purge dead", order.reason or "", order.actor or "", order.token
            )
        count = await self._desk.call(lambda broker: broker.delete_dead(queue, ids))
        _note("queue.dead_deleted", request, queue=queue, count=count)
        return json_answer(Done(count, repeated=False))

    async def _carry_out(
        self, request: Request, action: str, reason: str = "", actor: str = "", token: str = ""
    ) -> Answer:
        queue = route_of(request.parameters["queue"]).queue
        try:
            done = await self._desk.call(
                lambda broker: broker.carry_out(
                    queue, action, reason=reason, actor=actor, token=token
                )
            )
        except RequestConflict:
            raise Problem(TOKEN_CONFLICT, "Give every order a token of its own.") from None
        _note(
            "queue.order_carried_out",
            request,
            queue=queue,
            action=action,
            count=done.count,
            repeated=done.repeated,
        )
        return json_answer(Done(done.count, done.repeated))

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        page = Content({"application/json": DeadLetterPage})
        return (
            _route("GET", "/v1/queues", self.list, "listQueues", "List the queues", Content({"application/json": QueueList})),
            _route("GET", "/v1/queues/{queue}", self.read, "readQueue", "Read the state of a queue", _QUEUE),
            _route(
                "POST",
                "/v1/queues/{queue}:pause",
                self.pause,
                "pauseQueue",
                "Pause delivery within 2 s; messages in flight finish, new messages are accepted",
                _QUEUE,
            ),
            _route("POST", "/v1/queues/{queue}:resume", self.resume, "resumeQueue", "Resume a paused or draining queue", _QUEUE),
            _route(
                "POST",
                "/v1/queues/{queue}:drain",
                self.drain,
                "drainQueue",
                "Drain a queue: within 2 s new messages are refused (503 draining); the remaining ones are processed",
                _QUEUE,
            ),
            _route(
                "POST",
                "/v1/queues/{queue}:purge",
                self.purge,
                "purgeQueue",
                "Delete ready, delayed or dead messages; the sweep enqueues attempts without a result again",
                _DONE,
                body=PurgeOrder,
            ),
            _route(
                "GET",
                "/v1/queues/{queue}/dead",
                self.list_dead,
                "listDeadLetters",
                "List dead letters in order of death",
                page,
                query=(LIMIT, AFTER_LETTER, REASON, ACTOR),
            ),
            _route(
                "POST", "/v1/queues/{queue}/dead:requeue", self.requeue_dead, "requeueDeadLetters", "Requeue dead letters", _DONE,
                body=DeadLetterOrder,
            ),
            _route(
                "POST", "/v1/queues/{queue}/dead:delete", self.delete_dead, "deleteDeadLetters", "Delete dead letters", _DONE,
                body=DeadLetterOrder,
            ),
            _route(
                "GET", "/v1/queues/{queue}/dead/{letter}", self.read_dead, "readDeadLetter", "Read a dead letter",
                Content({"application/json": DeadLetterBody}),
            ),
            _route("DELETE", "/v1/queues/{queue}/dead/{letter}", self.delete_one_dead, "deleteDeadLetter", "Delete a dead letter", _DONE),
        )  # fmt: skip


_QUEUE = Content({"application/json": QueueBody})
_DONE = Content({"application/json": Done})


def _route(
    method: str,
    path: str,
    handler: Handler,
    name: str,
    summary: str,
    answer: Content,
    *,
    query: tuple[Query, ...] = (),
    body: type | None = None,
) -> Route:
    orders = (INVALID_REQUEST, TOKEN_CONFLICT, FULL, TOO_LARGE, TOO_SLOW, UNSUPPORTED_CONTENT)
    problems = (
        orders
        if body
        else (MANAGED,)
        if method == "POST"
        else (HISTORY_CHANGED,)
        if AFTER_LETTER in query
        else ()
    )
    return Route(
        method=method,
        path=path,
        handler=handler,
        name=name,
        summary=summary,
        tag="queues",
        scope=Scope.OPERATE_READ if method == "GET" else Scope.OPERATE,
        query=query,
        body=Content({"application/json": body}) if body else None,
        answers={200: answer},
        problems=problems,
    )


async def _read_order(request: Request, kind: type[Order]) -> Order:
    request.check_content(JSON)
    body = await request.body(MAX_ORDER_BYTES)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(INVALID_REQUEST, f"{error}.") from None


def _named(order: DeadLetterOrder) -> "list[str]":
    """Return the ids of a selection; none for a selection without ids.

    Raises a Problem if it has neither or both.
    """
    at_large = [order.all, order.reason, order.actor, order.token or msgspec.UNSET]
    if order.ids is not msgspec.UNSET:
        if any(member is not msgspec.UNSET for member in at_large):
            raise Problem(
                INVALID_REQUEST,
                "Give either `ids`, or `all`, `reason`, `actor` and `token`, not both.",
            )
        return order.ids
    if all(member is msgspec.UNSET for member in at_large[:3]):
        raise Problem(INVALID_REQUEST, "Select letters by `ids`, `reason`, `actor` or `all`: true.")
    return []


def _letter_of(request: Request) -> tuple[str, str]:
    queue, letter_id = route_of(request.parameters["queue"]).queue, request.parameters["letter"]
    if not _LETTER.fullmatch(letter_id):
        raise NotFound("Dead letter", letter_id)
    return queue, letter_id


def _note(event: str, request: Request, **fields: str | int) -> None:
    count = fields.get("count")
    request.changed_count = count if isinstance(count, int) else None
    log.info(event, by=request.caller.name if request.caller else None, **fields)


def _order(letter_id: str) -> tuple[int, int]:
    milliseconds, _, number = letter_id.partition("-")
    return int(milliseconds), int(number)

"""A server of bulk submissions without I/O: it stores an attempt once by its key, and fails as it is told."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from stanine.client.flow import Flow, Send
from stanine.client.messages import NoReply, Reply

T = TypeVar("T")

FULL = {"type": "urn:stanine:problem:full", "title": "Server at capacity", "status": 503}


class BulkServer:
    """Answers requests by plans, then well. A plan: "lost before", "lost after", "503", "cut N", "refuse N" (every Nth line)."""

    def __init__(self, plans: Iterator[str]) -> None:
        self._plans = plans
        #: How often each key was sent and taken.
        self.taken: Counter[str] = Counter()
        self.requests = 0

    def answer(self, send: Send) -> Reply | NoReply:
        self.requests += 1
        plan, _, number = next(self._plans, "well").partition(" ")
        if plan == "503":
            return Reply(503, {"retry-after": "1"}, json.dumps(FULL).encode())
        if plan == "lost" and number == "before":
            return NoReply(sent=True, why="the connection was lost")
        body = b"".join(self._lines(send.call.body, int(number) if plan == "refuse" else 0))
        assert send.sink is not None
        if plan == "lost":
            return NoReply(sent=True, why="the connection was lost")
        end = int(number) % (len(body) + 1) if plan == "cut" else len(body)
        for start in range(0, end, 7):  # parts that end anywhere
            send.sink(body[start : min(start + 7, end)])
        return (
            Reply(200, {}, b"")
            if plan != "cut"
            else NoReply(sent=True, why="the connection was lost")
        )

    def _lines(self, body: bytes, refuse_each: int) -> Iterator[bytes]:
        for number, text in enumerate(body.split(b"\n"), start=1):
            if not text.strip():
                continue
            key = json.loads(text).get("key")
            answer: dict[str, Any] = {"line": number, "key": key}
            if refuse_each and number % refuse_each == 0:
                answer |= {"status": 503, "problem": FULL}
            else:
                self.taken[key] += 1
                mark = {"repeated": True} if self.taken[key] > 1 else {}
                answer |= {
                    "status": 202,
                    "attempt": f"id of {key}",
                    "token": f"token of {key}",
                    **mark,
                }
            yield json.dumps(answer).encode() + b"\n"


def run(
    flow: Flow[T], answer: Callable[[Send], Reply | NoReply], pauses: list[float] | None = None
) -> T:
    """Run a flow against a function; pauses take no time."""
    try:
        step = next(flow)
        while True:
            if isinstance(step, Send):
                step = flow.send(answer(step))
            else:
                if pauses is not None:
                    pauses.append(step.seconds)
                step = flow.send(None)
    except StopIteration as end:
        value: T = end.value
        return value

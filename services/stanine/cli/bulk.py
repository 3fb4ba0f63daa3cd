"""Sends many attempts in requests of a few hundred lines, several under way at once, each line answered exactly once. Called by `submit`.

A request whose answer is lost or cut short is sent again as it was: every line has a key, so what had arrived is answered as before.
Lines that the server had no room for are sent again alone.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec

from stanine.cli.client import TEMPORARY, Api, segment
from stanine.cli.exits import CliError
from stanine.cli.io.submissions import Submission

#: Lines and bytes of a request. An HTTP/1 client reads no answer before its request is sent, so the answers (about 150 bytes a line)
#: must fit into the sockets' buffers, or both sides would wait for each other.
LINES_PER_REQUEST, BYTES_PER_REQUEST = 400, 256 << 10
#: Requests under way at once: the server works while this side prepares the next.
REQUESTS_AT_ONCE = 4


class Answer(NamedTuple):
    """What the server said of a line: an HTTP status, and the attempt with its token or a problem document.

    `repeated`: the server had the attempt already. So it had, too, if the answer to an earlier try of this command was lost.
    """

    status: int
    attempt: str | None
    token: str | None
    problem: dict[str, Any] | None
    repeated: bool = False


def send_all(
    api: Api, instrument: str, submissions: Iterable[Submission]
) -> Iterator[tuple[Submission, Answer | None]]:
    """Yield every submission in order with its answer, None for one that was faulty before it could be sent.

    Raises what `Api.request` raises, UnavailableError too if lines keep being refused for the moment.
    """
    path = f"/v1/instruments/{segment(instrument)}/attempts:bulk"
    with ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="submit") as pool:
        under_way: deque[tuple[list[Submission], Future[list[Answer]]]] = deque()
        try:
            for batch in _batches(submissions):
                bodies = [submission.body for submission in batch if submission.fault is None]
                under_way.append((batch, pool.submit(_send, api, path, bodies)))
                if len(under_way) > REQUESTS_AT_ONCE:
                    yield from _pair(*under_way.popleft())
            while under_way:
                yield from _pair(*under_way.popleft())
        except BaseException:  # Ctrl-C too: leaving `pool` waits for its threads
            api.give_up()
            raise
        finally:
            for _, future in under_way:
                future.cancel()


def _batches(submissions: Iterable[Submission]) -> Iterator[list[Submission]]:
    batch: list[Submission] = []
    size = 0
    for submission in submissions:
        batch.append(submission)
        size += len(submission.body)
        if len(batch) >= LINES_PER_REQUEST or size >= BYTES_PER_REQUEST:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _pair(
    batch: list[Submission], future: "Future[list[Answer]]"
) -> Iterator[tuple[Submission, Answer | None]]:
    answers = iter(future.result())
    for submission in batch:
        yield submission, None if submission.fault is not None else next(answers)


def _send(api: Api, path: str, bodies: list[bytes]) -> list[Answer]:
    answers: list[Answer | None] = [None] * len(bodies)
    due = list(range(len(bodies)))
    tries = api.tries(f"POST {path}")
    while due:
        answered = _send_once(api, path, [bodies[place] for place in due])
        for place, answer in zip(
            due, answered, strict=False
        ):  # fewer answers than lines: the connection was lost
            if answer.status not in TEMPORARY:
                answers[place] = answer
        rest = [place for place in due if answers[place] is None]
        if len(rest) == len(due):
            tries.failed("no line was taken")
        elif rest:
            time.sleep(0.05)
        due = rest
    return [answer for answer in answers if answer is not None]


def _send_once(api: Api, path: str, bodies: list[bytes]) -> list[Answer]:
    reply = api.request(
        "POST",
        path,
        content=b"\n".join(bodies) + b"\n",
        headers={"content-type": "application/x-ndjson"},
    )
    answers = []
    for number, line in enumerate(reply.content.splitlines(), start=1):
        try:
            said = msgspec.json.decode(line)
            if said["line"] != number:
                raise KeyError  # noqa: TRY301 - reported below like any other answer that is not one
            answers.append(
                Answer(
                    said["status"],
                    said.get("attempt"),
                    said.get("token"),
                    said.get("problem"),
                    said.get("repeated") is True,
                )
            )
        except (msgspec.DecodeError, KeyError, TypeError):
            raise CliError(
                f"the server's answer to line {number} of a bulk request cannot be read"
            ) from None
    return answers

"""FastAPI + stock Dramatiq with the work of Stanine's API for attempts.

API key, validation, idempotency in bulk, record, message and token. Documented: fastapi.tiangolo.com, "Concurrency"
(`async def` with asyncio clients; plain `def` routes, run in a thread pool, for longer blocking work); served by
`uvicorn --loop uvloop --http httptools --no-access-log`, one process. Pydantic models parse the bytes. `actor.send`
blocks (Dramatiq has no asynchronous one): 1,260 single submissions/s in an `async def` route, 670/s in a `def` route.
"""

import hashlib
import hmac
import json
import os
import secrets
from typing import Annotated, Any, Literal

import dramatiq
import redis
import redis.asyncio
from dramatiq.brokers.redis import RedisBroker
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from benchmarks.peers.work import ATTEMPTS, URL

KEYS = "bench:keys"
#: Lines of a bulk request per batch.
GROUP = 500

dramatiq.set_broker(RedisBroker(url=URL))
records: Any = redis.Redis.from_url(URL)
async_records: Any = redis.asyncio.Redis.from_url(URL)
_secret = secrets.token_bytes(32)
_allowed = hashlib.sha256(os.environ["BENCH_KEY"].encode()).digest()


@dramatiq.actor
def score_attempt(attempt: str) -> None:
    """Do nothing: the actor is only declared for sending."""


class Strict(BaseModel):
    """A model that rejects unknown members."""

    model_config = ConfigDict(extra="forbid")


Answers = create_model(
    "Answers",
    __base__=Strict,
    **{f"i{item + 1}": (Literal[1, 2, 3, 4, 5] | None, None) for item in range(50)},
)  # type: ignore[call-overload]


class Attempt(Strict):
    """A submitted attempt."""

    answers: Answers  # type: ignore[valid-type]
    key: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    revision: Annotated[int, Field(ge=1)] | None = None
    participant: Annotated[str, Field(max_length=128)] | None = None


async def authorize(authorization: Annotated[str, Header()] = "") -> None:
    """Reject callers without the key."""
    if not hmac.compare_digest(
        hashlib.sha256(authorization.removeprefix("Bearer ").encode()).digest(), _allowed
    ):
        raise HTTPException(401)


def token(attempt: str) -> str:
    """Return the attempt's token."""
    return hmac.digest(_secret, attempt.encode(), hashlib.sha256)[:16].hex()


app = FastAPI(dependencies=[Depends(authorize)])


@app.post("/v1/instruments/ipip-50/attempts", status_code=202)
async def submit(attempt: Attempt, response: Response) -> dict[str, str]:
    """Accept one attempt."""
    name = secrets.token_hex(16)
    await async_records.hset(ATTEMPTS, name, attempt.model_dump_json(exclude_none=True))
    score_attempt.send(name)
    response.headers["location"] = f"/v1/attempts/{name}"
    return {"attempt": name, "token": token(name), "state": "Submitted"}


async def body(request: Request) -> bytes:
    """Return the request's body."""
    return await request.body()


@app.post("/v1/instruments/ipip-50/bulk")
def submit_many(text: Annotated[bytes, Depends(body)]) -> Response:
    """Accept one attempt per line."""
    lines = text.splitlines()
    answers: list[dict[str, Any]] = []
    for start in range(0, len(lines), GROUP):
        good = []
        for number, line in enumerate(lines[start : start + GROUP], start=start + 1):
            try:
                one = Attempt.model_validate_json(line)
            except ValidationError:
                answers.append({"line": number, "status": 422})
                continue
            good.append(
                (
                    number,
                    one.key,
                    secrets.token_hex(16),
                    hashlib.blake2b(line, digest_size=16).hexdigest(),
                    line,
                )
            )
        known = records.hmget(KEYS, [key for _, key, *_ in good])
        fresh = [each for each, before in zip(good, known, strict=True) if before is None]
        if fresh:
            pipeline = records.pipeline()
            pipeline.hset(ATTEMPTS, mapping={name: line for _, _, name, _, line in fresh})
            pipeline.hset(KEYS, mapping={key: name + meaning for _, key, name, meaning, _ in fresh})
            pipeline.execute()
            dramatiq.group(score_attempt.message(name) for _, _, name, _, _ in fresh).run()
        for (number, key, name, meaning, _), before in zip(good, known, strict=True):
            status = 202 if before is None or before[32:].decode() == meaning else 409
            found = name if before is None else before[:32].decode()
            answers.append(
                {
                    "line": number,
                    "key": key,
                    "attempt": found,
                    "status": status,
                    "token": token(found),
                }
            )
    return Response(
        "".join(json.dumps(each) + "\n" for each in answers), media_type="application/x-ndjson"
    )

"""Deduplication of plain messages by a key. Called where messages become entries. Pure.

    @dramatiq.actor(broker=broker, dedupe="throttle", dedupe_ms=60_000)
    def refresh(shop): ...

simple    while a message with the key is ready, delayed, in flight or waiting for a retry, another is not taken
          (`dedupe_ms`, if given, is the longest that one keeps others away)
throttle  for `dedupe_ms` after a message was taken, another is not
debounce  a message waits `dedupe_ms`; another with the key takes its place and begins the wait anew, so the last one runs

A key is freed when its message is done or gone, also if it is gone because its stream was deleted.

The key is the message's option `dedupe_key`, or else its arguments; it holds for one actor on one queue.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import dramatiq

from stanine.broker.errors import DedupeRefused

SIMPLE, THROTTLE, DEBOUNCE = MODES = ("simple", "throttle", "debounce")
#: Options of a message; of an actor all but the key.
MODE, PERIOD, KEY = DEDUPE_OPTIONS = ("dedupe", "dedupe_ms", "dedupe_key")
#: The option of the message that `send` and `enqueue` return in place of one that is a duplicate. It does not travel.
DUPLICATE = "duplicate"
#: Bytes of a key's digest.
DIGEST_SIZE = 16
#: The longest period: a year.
LONGEST_MS = 365 * 86_400_000


@dataclass(frozen=True)
class Dedupe:
    """How a message stands to others with its key. `period_ms` is 0 for none."""

    mode: str
    digest: bytes
    period_ms: int


def dedupe_of(
    message: "dramatiq.Message[Any]", actor: "dramatiq.Actor[Any, Any] | None", delay: int | None
) -> Dedupe | None:
    """Return how a message is deduplicated, None if it is not. Raises DedupeRefused."""
    declared = actor.options if actor else {}
    mode, key = message.options.get(MODE, declared.get(MODE)), message.options.get(KEY)
    period = message.options.get(PERIOD, declared.get(PERIOD))
    if mode is None and key is None:
        if PERIOD in message.options:
            raise DedupeRefused(
                f"a message to {message.actor_name!r} has dedupe_ms but neither dedupe nor dedupe_key"
            )
        return None
    mode = SIMPLE if mode is None else mode
    check_mode(message.actor_name, mode, period)
    if key is not None and not isinstance(key, str):
        raise DedupeRefused(
            f"the dedupe_key of a message to {message.actor_name!r} is a text, not {type(key).__name__}"
        )
    if mode == DEBOUNCE and delay is not None:
        raise DedupeRefused(
            f"a debounced message to {message.actor_name!r} waits dedupe_ms: it has no delay beside that"
        )
    return Dedupe(mode, _digest(message, key), period or 0)


def check_mode(actor_name: str, mode: object, period: object) -> None:
    """Raise DedupeRefused unless mode and period go together."""
    if mode not in MODES:
        raise DedupeRefused(f"{actor_name!r}: dedupe is {', '.join(MODES)}, not {mode!r}")
    if period is None:
        if mode != SIMPLE:
            raise DedupeRefused(f"{actor_name!r}: dedupe={mode!r} needs dedupe_ms")
    elif isinstance(period, bool) or not isinstance(period, int) or not 1 <= period <= LONGEST_MS:
        raise DedupeRefused(
            f"{actor_name!r}: dedupe_ms is a whole number from 1 to {LONGEST_MS}, not {period!r}"
        )


def _digest(message: "dramatiq.Message[Any]", key: str | None) -> bytes:
    """Return what stands for the key in Redis: what it says about people is not repeated there."""
    if key is not None:
        content = key.encode(errors="surrogatepass")
    else:
        arguments = {"args": message.args, "kwargs": dict(sorted(message.kwargs.items()))}
        content = dramatiq.get_encoder().encode(arguments)
    scope = json.dumps([message.actor_name, key is not None]).encode()
    return hashlib.blake2b(scope + b"\0" + content, digest_size=DIGEST_SIZE).digest()

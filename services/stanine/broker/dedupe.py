"""Deduplication of plain messages by key. Called when messages are converted to entries. Pure.

    @dramatiq.actor(broker=broker, dedupe="throttle", dedupe_ms=60_000)
    def refresh(shop): ...

  simple    at most one message per key is ready, delayed, in flight or waiting for a retry
            (`dedupe_ms`, if given, limits how long a message blocks others)
  throttle  at most one message per key is accepted in `dedupe_ms`
  debounce  a message waits `dedupe_ms`; a later message with the key replaces it and restarts the wait

A key is released when its message is done or lost, for example with a deleted stream.

The key is the message's option `dedupe_key`, by default its arguments. It is scoped to one actor on one queue.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import dramatiq

from stanine.broker.errors import DedupeRefused

SIMPLE, THROTTLE, DEBOUNCE = MODES = ("simple", "throttle", "debounce")
#: Options of a message; all but the key are also options of an actor.
MODE, PERIOD, KEY = DEDUPE_OPTIONS = ("dedupe", "dedupe_ms", "dedupe_key")
#: Option set on the returned message if it is a duplicate. It is not sent.
DUPLICATE = "duplicate"
#: Bytes of a key's digest.
DIGEST_SIZE = 16
#: The longest period: a year.
LONGEST_MS = 365 * 86_400_000


@dataclass(frozen=True)
class Dedupe:
    """Deduplication of one message. `period_ms` is 0 for none."""

    mode: str
    digest: bytes
    period_ms: int


def dedupe_of(
    message: "dramatiq.Message[Any]", actor: "dramatiq.Actor[Any, Any] | None", delay: int | None
) -> Dedupe | None:
    """Return the deduplication of a message, or None. Raises DedupeRefused."""
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
            f"the dedupe_key of a message to {message.actor_name!r} must be a string, not {type(key).__name__}"
        )
    if mode == DEBOUNCE and delay is not None:
        raise DedupeRefused(
            f"a debounced message to {message.actor_name!r} waits dedupe_ms and cannot have another delay"
        )
    return Dedupe(mode, _digest(message, key), period or 0)


def check_mode(actor_name: str, mode: object, period: object) -> None:
    """Raise DedupeRefused unless mode and period are a valid combination."""
    if mode not in MODES:
        raise DedupeRefused(
            f"{actor_name!r}: dedupe must be one of {', '.join(MODES)}, not {mode!r}"
        )
    if period is None:
        if mode != SIMPLE:
            raise DedupeRefused(f"{actor_name!r}: dedupe={mode!r} needs dedupe_ms")
    elif isinstance(period, bool) or not isinstance(period, int) or not 1 <= period <= LONGEST_MS:
        raise DedupeRefused(
            f"{actor_name!r}: dedupe_ms must be an integer from 1 to {LONGEST_MS}, not {period!r}"
        )


def _digest(message: "dramatiq.Message[Any]", key: str | None) -> bytes:
    """Return the digest stored in Redis: keys may contain personal data."""
    if key is not None:
        content = key.encode(errors="surrogatepass")
    else:
        arguments = {"args": message.args, "kwargs": dict(sorted(message.kwargs.items()))}
        content = dramatiq.get_encoder().encode(arguments)
    scope = json.dumps([message.actor_name, key is not None]).encode()
    return hashlib.blake2b(scope + b"\0" + content, digest_size=DIGEST_SIZE).digest()

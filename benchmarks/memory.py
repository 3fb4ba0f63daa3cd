"""Measure bytes in Redis of attempts, results and configurations in Stanine's and other layouts.

    python -m benchmarks.memory [--json] [--attempts N]

Measured as the growth of `used_memory` on the machine's redis-server (built with jemalloc, whose size classes matter),
and on the embedded Valkey, which uses the C library's allocator. Attempts have 50 answers and results 5 scales, the same
in every layout; the JSON texts contain the members of the API's attempt and result:

- `stanine`: submitted and committed by the store, without callers' keys; blocks of 32 by arrival. Includes the commit
  log but not the messages (they are deleted).
- `stanine_with_keys`: the same with a UUID as the key of each attempt: in the record, and in the index of keys.
- `string_keys`: one key per attempt and one per result, each a JSON text.
- `string_keys_listed`: the same with the answers as a list of `{"item": …, "value": …}`, as in many document stores.
- `one_hash`: all attempts in one hash, all results in another, each a field with a JSON text.
- `hash_each`: one key per attempt and one per result, each a hash with one field per answer or score.

The configuration: a hash with one field per setting, and one JSON string, of 10, 100 and 1,000 settings: bytes, and the
time from Python for reading one setting, reading all, and changing one (the string with WATCH, GET, MULTI, SET, EXEC);
then, with Stanine's code, the services' poll of every second (`follow`), and a change with its revision, history and
read-back (`revision`).
"""

import argparse
import asyncio
import hashlib
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import redis

from benchmarks import machine
from benchmarks.peers import work
from benchmarks.peers.stanine import attempts_of, submission
from benchmarks.published import entry_of, plain_instrument, scales_of
from benchmarks.servers import redis_server, running, valkey
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.messages import Outbox
from stanine.store import load_library
from stanine.store.attempts import MAX_SUBMISSIONS
from stanine.store.keys import Keys
from stanine.store.result_layout import result_start
from stanine.store.results import Results
from stanine.store.settings import load_library as load_configuration
from stanine.store.settings.changes import Configuration
from stanine.store.settings.model import SettingsRead
from stanine.store.settings.reader import load_settings
from stanine.store.settings.snapshot import SettingsLayout

#: Attempts written before the measurement.
WARM_UP = 100
#: Commands per pipeline.
CHUNK = 1000
#: Repetitions of an operation on a configuration.
TIMES = 1000
#: Number of revisions of a configuration: more than its history keeps.
REVISIONS = 60
#: Numbers of settings of a configuration.
SETTINGS = (10, 100, 1000)


def empty(client: Any) -> None:
    """Empty the server synchronously: Valkey frees memory asynchronously by default."""
    client.execute_command("FLUSHALL", "SYNC")


def grown(client: Any, write: Callable[[int], None], count: int) -> int:
    """Return the growth of the server's data in bytes for `count` attempts, after emptying it.

    A few attempts are written first: a command's first call allocates its latency histogram (30 KB each in Redis 7).
    """
    empty(client)
    write(WARM_UP)
    empty(client)
    before = client.info("memory")["used_memory"]
    write(count)
    return int(client.info("memory")["used_memory"] - before)


def texts(number: int, name: str, *, listed: bool = False) -> tuple[bytes, bytes]:
    """Return an attempt and its result as JSON of the API."""
    known = {
        "attempt": name,
        "instrument": "ipip-50",
        "revision": 1,
        "state": "Scored",
        "submittedAt": "2026-11-23T07:00:00.000Z",
    }
    answers: Any = {f"i{item + 1}": work.answer(number, item) for item in range(work.ITEMS)}
    if listed:
        answers = [{"item": item, "value": value} for item, value in answers.items()]
    scales = json.loads(work.score(work.attempt_text(number)))["scales"]
    encode = msgspec.json.encode
    return encode({**known, "answers": answers}), encode(
        {**known, "scoringRevision": 1, "engine": ENGINE_VERSION, "scales": scales}
    )


def in_stanine(client: Any, url: str, count: int, *, with_keys: bool = False) -> None:
    """Submit and commit as the services do."""
    keys = Keys("bench")
    kernel = Kernel(entry_of(plain_instrument()).plan)
    results = Results(client, load_library(), keys, Outbox(f"{keys.partition}:unused", b""))

    async def run() -> None:
        attempts = attempts_of(url, keys)
        for start in range(0, count, MAX_SUBMISSIONS):
            batch = [
                submission(number, with_key=with_keys)
                for number in range(start, min(count, start + MAX_SUBMISSIONS))
            ]
            submitted = await attempts.submit(batch)
            codes = np.frombuffer(b"".join([one.codes for one in batch]), dtype=np.uint8).reshape(
                len(batch), -1
            )
            head = result_start(ENGINE_VERSION, 1, results.new_commit())
            results.commit(
                1, [each.id for each in submitted], list(kernel.score(codes).packed()), {}, "", head
            )

    asyncio.run(run())  # its end closes the connections and frees their buffers
    for key in client.scan_iter(match="*", count=1000):
        if (
            b":q:" in key or b":once:" in key
        ):  # the messages, and the records that deduplicate a call without keys for a minute
            client.delete(key)
    assert client.hget(keys.commits, 1) == b"%d" % count


def _pipelined(client: Any, count: int, add: Callable[[Any, int, str], None]) -> None:
    for start in range(0, count, CHUNK):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, min(count, start + CHUNK)):
            add(pipeline, number, hashlib.blake2b(b"%d" % number, digest_size=16).hexdigest())
        pipeline.execute()


def as_string_keys(client: Any, count: int, *, listed: bool = False) -> None:
    """Write one JSON text per key."""

    def add(pipeline: Any, number: int, name: str) -> None:
        attempt, result = texts(number, name, listed=listed)
        pipeline.set(f"bench:attempt:{name}", attempt)
        pipeline.set(f"bench:result:{name}", result)

    _pipelined(client, count, add)


def as_one_hash(client: Any, count: int) -> None:
    """Write one JSON text per field of one hash."""

    def add(pipeline: Any, number: int, name: str) -> None:
        attempt, result = texts(number, name)
        pipeline.hset("bench:attempts", name, attempt)
        pipeline.hset("bench:results", name, result)

    _pipelined(client, count, add)


def as_hash_each(client: Any, count: int) -> None:
    """Write one hash per key."""

    def add(pipeline: Any, number: int, name: str) -> None:
        attempt, result = map(json.loads, texts(number, name))
        answers, scales = attempt.pop("answers"), result.pop("scales")
        pipeline.hset(
            f"bench:attempt:{name}",
            mapping={
                **attempt,
                **{item: "" if value is None else value for item, value in answers.items()},
            },
        )
        scores = {
            f"{scale}.{field}": "" if value is None else value
            for scale, one in scales.items()
            for field, value in one.items()
        }
        pipeline.hset(f"bench:result:{name}", mapping={**result, **scores})

    _pipelined(client, count, add)


#: Purpose of keys, by prefix of their names.
_KINDS = {b"a": "attempts", b"r": "results", b"c": "commit_log", b"k": "index_of_keys"}


def shares(client: Any, count: int) -> dict[str, float]:
    """Return bytes per attempt by purpose, in Stanine's layout, from the server's current data."""
    prefix = Keys("bench").partition.encode() + b":"
    found: dict[str, int] = defaultdict(int)
    for key in client.scan_iter(count=1000):
        kind = _KINDS.get(key.removeprefix(prefix).split(b":")[0], "other")
        found[kind] += client.memory_usage(key, samples=0)
    return {kind: machine.digits(size / count) for kind, size in found.items()}


def layouts(
    client: Any, url: str, count: int
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Return bytes per attempt with result by layout, and the shares of Stanine's layouts."""
    load_library().load(client)
    parts: dict[str, dict[str, float]] = {}

    def write_ours(name: str, many: int) -> None:
        in_stanine(client, url, many, with_keys=name == "stanine_with_keys")
        parts[name] = shares(client, many)

    ways: dict[str, Callable[[int], None]] = {
        "stanine": lambda many: write_ours("stanine", many),
        "stanine_with_keys": lambda many: write_ours("stanine_with_keys", many),
        "string_keys": lambda many: as_string_keys(client, many),
        "string_keys_listed": lambda many: as_string_keys(client, many, listed=True),
        "one_hash": lambda many: as_one_hash(client, many),
        "hash_each": lambda many: as_hash_each(client, many),
    }
    return {
        name: machine.digits(grown(client, write, count) / count) for name, write in ways.items()
    }, parts


def timed(operation: Callable[[], object], times: int = TIMES) -> dict[str, float]:
    """Return the microseconds of an operation."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        operation()
        found.append((time.perf_counter() - began) * 1e6)
    return {"p50": machine.percentile(found, 0.5), "p99": machine.percentile(found, 0.99)}


def configuration(client: Any, settings: int) -> dict[str, Any]:
    """Return bytes and times of a configuration as one JSON string, and after migration to a hash."""
    keys, values = (
        Keys("bench"),
        {f"setting{number:04}": f"value-{number}" for number in range(settings)},
    )
    ours = Configuration(client, load_configuration(), keys)

    def encode(values: dict[str, str]) -> str:
        return json.dumps(values, separators=(",", ":"))  # as JSON.stringify

    def change_string() -> None:
        def change(pipeline: Any) -> None:
            now = json.loads(pipeline.get(keys.config_string))
            now["setting0001"] = "changed"
            pipeline.multi()
            pipeline.set(keys.config_string, encode(now))

        client.transaction(change, keys.config_string)

    last = SettingsRead()

    def follow() -> None:
        nonlocal last
        last = load_settings(client, keys, last)

    def make_revision() -> dict[str, float]:
        seconds = itertools.count(1)
        return timed(lambda: ours.apply({"sweepSeconds": next(seconds)}), REVISIONS)

    empty(client)
    client.set(keys.config_string, encode(values))
    string = {
        "bytes": ours.memory().string,
        "read_one_us": timed(lambda: json.loads(client.get(keys.config_string))["setting0001"]),
        "read_all_us": timed(lambda: json.loads(client.get(keys.config_string))),
        "change_one_us": timed(change_string),
    }
    string["follow_us"] = timed(follow)
    ours.migrate(SettingsLayout.HASH)
    hashed = {
        "bytes": ours.memory().hash,
        "read_one_us": timed(lambda: client.hget(keys.config, "setting0001")),
        "read_all_us": timed(lambda: client.hgetall(keys.config)),
        "change_one_us": timed(lambda: client.hset(keys.config, "setting0001", "changed")),
    }
    hashed["follow_us"] = timed(follow)
    hashed["revision_us"] = make_revision()
    history = ours.memory().history
    ours.migrate(SettingsLayout.STRING)
    string["revision_us"] = make_revision()
    return {
        "settings": settings,
        "string": string,
        "hash": hashed,
        "history_bytes": history,
        "revisions": len(ours.history()),
    }


def measure(count: int) -> dict[str, Any]:
    """Return all figures by server."""
    work.SCALES[:] = [
        (scale["id"], scale["items"], scale["minValid"]) for scale in scales_of(plain_instrument())
    ]
    servers: dict[str, Any] = {}
    for binary in filter(None, (redis_server(), valkey())):
        with running(binary=binary) as server, redis.Redis.from_url(server.url) as client:
            by_layout, parts = layouts(client, server.url, count)
            servers[machine.server_version(client)] = {
                "bytes": by_layout,
                "stanine_bytes": parts,
                "ratios": {
                    f"{name}/stanine": machine.digits(value / by_layout["stanine"])
                    for name, value in by_layout.items()
                },
                "configuration": [configuration(client, settings) for settings in SETTINGS],
            }
    bars = [
        {
            "bar": f"attempt + result ≤ 1/10 of {what}, {name}",
            "figure": found["ratios"][ratio],
            "met": found["ratios"][ratio] >= 10,
        }
        for name, found in servers.items()
        if "jemalloc" in name
        for what, ratio in (
            ("one JSON string key each, answers by item id", "string_keys/stanine"),
            (
                "one JSON string key each, answers listed (the 2,100 to 2,700 bytes that the bar was set against)",
                "string_keys_listed/stanine",
            ),
        )
    ]
    bars += [
        {
            "bar": f"attempt + result ≤ {most} bytes {what}, {name}",
            "figure": found["bytes"][layout],
            "met": found["bytes"][layout] <= most,
        }
        for name, found in servers.items()
        if "jemalloc" in name
        for what, layout, most in (
            ("without a key", "stanine", 150),
            ("with a UUID as key", "stanine_with_keys", 220),
        )
    ]
    return {
        "machine": machine.machine(),
        "attempts": count,
        "items": 50,
        "scales": 5,
        "servers": servers,
        "bars": bars,
    }


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--attempts", type=int, default=100_000)
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    options = parser.parse_args()
    found = measure(options.attempts)
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    if options.json:
        print(json.dumps(found))
        return
    for name, each in found["servers"].items():
        print(name)
        for layout, size in each["bytes"].items():
            print(
                f"  {layout:20}{size:>10,} bytes an attempt with its result: {each['ratios'][f'{layout}/stanine']} times Stanine's"
            )
        print(f"  of Stanine's: {each['stanine_bytes']}")
        for one in each["configuration"]:
            for layout in ("string", "hash"):
                print(f"  {one['settings']:>5} settings as {layout:7}", one[layout])
    for bar in found["bars"]:
        print(f"{'met    ' if bar['met'] else 'NOT met'} {bar['bar']}: {bar['figure']:,}")
    if not found["bars"]:
        print("no server with jemalloc is here (Debian: redis-server)")


if __name__ == "__main__":
    main()

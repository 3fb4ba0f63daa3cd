"""Check exactly-once delivery: one correct result per submitted attempt, and no others."""

import json
from dataclasses import dataclass
from typing import Any

import redis

from benchmarks.peers import work
from benchmarks.published import NAMESPACE
from stanine.domain.scoring.index import IndexEntry
from stanine.domain.scoring.result import decode_result
from stanine.store.blocks import block_records
from stanine.store.keys import BLOCK_SIZE, CHUNK_SIZE, Keys
from stanine.store.records import ARRIVAL_BYTES
from stanine.store.result_layout import read_result

#: Period of `work.answer`: attempts n and n + 350 have the same answers.
PERIOD = 350


@dataclass(frozen=True)
class Delivery:
    """Numbers of sent, stored, repeated and wrong results."""

    sent: int
    stored: int
    wrong: int
    twice: int

    @property
    def exact(self) -> bool:
        """Return whether every attempt was delivered once and correctly."""
        return self.stored == self.sent and not self.wrong and not self.twice


def expected() -> list[dict[str, Any]]:
    """Return the scores of the first PERIOD attempts by the peers' plain Python scorer."""
    return [json.loads(work.score(work.attempt_text(number)))["scales"] for number in range(PERIOD)]


def count_json(client: "redis.Redis") -> int:
    """Return the number of results that a peer has stored."""
    stored: Any = client.hlen(work.RESULTS)
    return int(stored)


def check_json(client: Any, sent: int, scores: list[dict[str, Any]]) -> Delivery:
    """Check a peer's results."""
    stored = client.hgetall(work.RESULTS)
    known: dict[bytes, Any] = {}
    wrong = 0
    for number in range(sent):
        text = stored.get(b"%d" % number)
        if text is not None and text not in known:
            known[text] = json.loads(text)["scales"]
        wrong += text is None or known[text] != scores[number % PERIOD]
    return Delivery(sent, len(stored), wrong, int(client.get(work.TWICE) or 0))


def count_stanine(client: Any) -> int:
    """Return the number of results that Stanine has committed."""
    return sum(map(int, client.hvals(Keys(NAMESPACE).commits)))


def check_stanine(
    client: Any, sent: int, scores: list[dict[str, Any]] | None, entry: IndexEntry | None
) -> Delivery:
    """Check Stanine's results and commit list; without `scores` only their number."""
    keys = Keys(NAMESPACE)
    pipeline = client.pipeline(transaction=False)
    for block in range(-(-sent // BLOCK_SIZE)):
        pipeline.hgetall(keys.results(block))
    found: dict[int, bytes] = {}
    for block, records in enumerate(pipeline.execute()):
        found.update(
            {block * BLOCK_SIZE + slot: record for slot, record in block_records(records).items()}
        )
    wrong = 0
    if scores is not None and entry is not None:
        known: dict[bytes, Any] = {}
        for number in range(sent):
            body = read_result(found[number]).body if number in found else b""
            if body and body not in known:
                known[body] = json_like(body, entry)
            wrong += not body or known[body] != scores[number % PERIOD]
    commits = count_stanine(client)
    log = b"".join(
        client.getrange(keys.commit_log(1, chunk), 0, -1) for chunk in range(sent // CHUNK_SIZE + 1)
    )
    distinct = len(
        {log[start : start + ARRIVAL_BYTES] for start in range(0, len(log), ARRIVAL_BYTES)}
    )
    return Delivery(sent, len(found), wrong, commits - distinct)


def json_like(body: bytes, entry: IndexEntry) -> dict[str, Any]:
    """Return the body of a stored result in the peers' format."""
    scales = decode_result(body, entry).scales
    return {
        name: {"raw": one.raw, "valid": one.valid, "items": one.items, "status": one.status}
        for name, one in scales.items()
    }

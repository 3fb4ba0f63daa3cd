"""The invariants of DESIGN 9, checked on the records after each failure test."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import connect
from stanine.domain.attempts.response import unpack_answers
from stanine.domain.scoring.kernel import Kernel
from stanine.messages import BUILD_INDEX, SCORE_ATTEMPTS
from stanine.store import load_library
from stanine.store.blocks import IDS_FIELD, block_records
from stanine.store.index import Index
from stanine.store.keys import BLOCK_SIZE, Keys
from stanine.store.records import (
    ARRIVAL_BYTES,
    RANDOM_BYTES,
    StoredAttempt,
    arrival_of,
    random_at,
    read_attempt,
)
from stanine.store.result_layout import SCORED, StoredResult, read_result
from stanine.store.sweep import Sweep


class Records:
    """All attempts and results of a namespace."""

    def __init__(self, redis_url: str, namespace: str) -> None:
        self.client: Any = connect(redis_url)
        self.keys = Keys(namespace)
        self.index = Index(self.client, load_library(), self.keys)
        self.sweep = Sweep(self.client, load_library(), self.keys)
        self.broker = StreamsBroker(url=redis_url, namespace=self.keys.partition)
        self._url = redis_url

    def attempts(self) -> dict[bytes, StoredAttempt]:
        found = {}
        for block in range(-(-self.sweep.arrivals() // BLOCK_SIZE)):
            fields = self.client.hgetall(self.keys.attempts(block))
            randoms, records = fields.get(IDS_FIELD.encode(), b""), block_records(fields)
            assert len(randoms) == len(records) * RANDOM_BYTES
            for slot, record in records.items():
                arrival = block * BLOCK_SIZE + slot
                attempt = read_attempt(
                    record, random_at(randoms, arrival) + arrival.to_bytes(ARRIVAL_BYTES, "big")
                )
                found[attempt.id] = attempt
        return found

    def results(self) -> dict[int, StoredResult]:
        """Results by arrival number."""
        found = {}
        for block in range(-(-self.sweep.arrivals() // BLOCK_SIZE)):
            for slot, record in block_records(
                self.client.hgetall(self.keys.results(block))
            ).items():
                found[block * BLOCK_SIZE + slot] = read_result(record)
        return found

    def unscored(self) -> int:
        return sum(1 for _ in self.sweep.all_unscored())

    def queues_at_rest(self) -> bool:
        stats = [self.broker.stats(route.queue) for route in (BUILD_INDEX, SCORE_ATTEMPTS)]
        return all((each.ready, each.in_flight, each.delayed) == (0, 0, 0) for each in stats)


def assert_invariants(
    records: Records, sent: Mapping[str, Mapping[str, Any]], acknowledged: Mapping[str, str]
) -> None:
    """Assert I1 to I4, I6 and I7 at rest.

    `sent`: answers by caller's key; `acknowledged`: attempt id (text) by caller's key.
    """
    attempts = records.attempts()
    results = records.results()
    records.index.refresh()

    # I1: acknowledged attempts are readable as sent. I4: every stored attempt was sent, and none is stored twice.
    by_key = {attempt.key: attempt for attempt in attempts.values()}
    assert len(by_key) == len(attempts), "a caller's key has two attempts"
    for key, attempt_id in acknowledged.items():
        assert bytes.fromhex(attempt_id) in attempts, (
            f"the acknowledged attempt {attempt_id} is lost"
        )
        assert by_key[key].id.hex() == attempt_id
    assert len(attempts) == records.sweep.arrivals()

    # I2: one result per attempt. I6: every attempt has one. The lists contain each once.
    assert len(results) == len(attempts)
    logged = b"".join(
        records.client.get(key) or b""
        for key in sorted(
            records.client.keys(f"{records.keys.partition}:c:*"),
            key=lambda key: int(key.split(b":")[-1]),
        )
    )
    arrivals = [
        int.from_bytes(logged[start : start + ARRIVAL_BYTES], "big")
        for start in range(0, len(logged), ARRIVAL_BYTES)
    ]
    assert len(arrivals) == len(set(arrivals)) == len(results) == records.sweep.committed()

    # I3: a stored result equals a fresh scoring of the stored attempt alone.
    kernels: dict[int, Kernel] = {}
    for attempt in attempts.values():
        assert attempt.key is not None
        assert attempt.key in sent, f"an attempt is stored that nobody sent: {attempt.key}"
        entry = records.index.entries.numbered(attempt.number, attempt.revision)
        assert entry is not None
        answers = {
            item: value
            for item, value in unpack_answers(entry, attempt.codes).items()
            if value is not None
        }
        assert answers == {
            item: value for item, value in sent[attempt.key].items() if value is not None
        }
        result = results[arrival_of(attempt.id)]
        assert result.kind == SCORED, result.failure
        kernel = kernels.setdefault(id(entry), Kernel(entry.plan))
        assert kernel.score(np.frombuffer(attempt.codes, np.uint8).reshape(1, -1)).packed() == [
            result.body
        ]

    # I7: at rest no message is pending or orphaned.
    assert records.queues_at_rest()
    assert records.unscored() == 0

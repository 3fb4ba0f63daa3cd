"""A store on the real server, for asyncio and without."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import redis.asyncio

from stanine.broker.connection.clients import connect, connect_async
from stanine.messages import Outbox
from stanine.store import load_library
from stanine.store.attempt_lists import AttemptLists
from stanine.store.attempts import Attempts, Submission
from stanine.store.blocks import IDS_FIELD, fields_of, read_fields
from stanine.store.cursors import Cursor
from stanine.store.durability import Writer
from stanine.store.index import AsyncIndex, Index
from stanine.store.instruments import InstrumentHistory, Instruments
from stanine.store.keys import Keys
from stanine.store.lists import ResultLists, StoredResultPage
from stanine.store.reading import AttemptRecords
from stanine.store.records import StoredAttempt, arrival_of, is_at, place
from stanine.store.result_layout import StoredResult, read_result
from stanine.store.results import Results
from stanine.store.secret import TokenSecrets
from stanine.store.sweep import Sweep

T = TypeVar("T")


@dataclass
class Store:
    """Everything of one namespace on one server."""

    url: str
    client: Any
    keys: Keys
    outbox: Outbox
    index_outbox: Outbox
    results: Results
    index: Index
    history: InstrumentHistory
    sweep: Sweep

    def run(self, work: "Callable[[AsyncStore], Awaitable[T]]") -> T:
        """Run asyncio work on a client of its own."""

        async def main() -> T:
            client = connect_async(self.url)
            try:
                library, keys = load_library(), self.keys
                writer = Writer(client, library)
                made = AsyncStore(
                    client, Attempts(client, writer, keys, self.outbox), Instruments(client, writer, keys, self.index_outbox),
                    AsyncIndex(client, keys), writer, AttemptRecords(client, keys), ResultLists(client, library, keys),
                    TokenSecrets(client, library, keys.secret), AttemptLists(client, library, keys),
                )  # fmt: skip
                return await work(made)
            finally:
                await client.aclose()

        return asyncio.run(main())

    def submit(self, *submissions: Submission, ids_per_message: int = 64) -> list[Any]:
        return self.run(
            lambda store: store.attempts.submit(submissions, ids_per_message=ids_per_message)
        )

    def read(self, attempt_id: bytes) -> tuple[StoredAttempt, StoredResult | None] | None:
        return self.run(lambda store: store.records.read(attempt_id))

    def result(self, attempt_id: bytes) -> StoredResult | None:
        """Return the result of an attempt, also of one whose record cannot be read."""
        block, slot = place(arrival_of(attempt_id))
        assert is_at(self.client.hget(self.keys.attempts(block), IDS_FIELD), attempt_id)
        _, (record,) = read_fields(
            self.client.hmget(self.keys.results(block), fields_of([slot])), [slot]
        )
        return None if record is None else read_result(record)

    def results_of(
        self, number: int = 1, cursor: Cursor | None = None, limit: int = 1000
    ) -> StoredResultPage:
        return self.run(lambda store: store.lists.of_instrument(number, cursor or Cursor(), limit))

    def results_of_participant(
        self, participant: str, cursor: Cursor | None = None, limit: int = 1000
    ) -> StoredResultPage:
        return self.run(
            lambda store: store.lists.of_participant(participant, cursor or Cursor(), limit)
        )


@dataclass
class AsyncStore:
    client: "redis.asyncio.Redis"
    attempts: Attempts
    instruments: Instruments
    index: AsyncIndex
    writer: Writer
    records: AttemptRecords
    lists: ResultLists
    secrets: TokenSecrets
    attempt_lists: AttemptLists


def make_store(url: str) -> Store:
    """Return the store of the namespace `test` on a server."""
    client = connect(url)
    keys = Keys("test")
    library = load_library()
    outbox = Outbox("test:{p0}:q:results:ready", b"results-head")
    index_outbox = Outbox("test:{p0}:q:index:ready", b"index-head")
    return Store(
        url, client, keys, outbox, index_outbox, Results(client, library, keys, outbox),
        Index(client, library, keys), InstrumentHistory(client, keys), Sweep(client, library, keys),
    )  # fmt: skip

"""A store on the real server, for asyncio and without."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import redis.asyncio

from stanine.connection.clients import connect, connect_async
from stanine.messages import Outbox
from stanine.store import load_library
from stanine.store.attempts import Attempts, Submission
from stanine.store.durability import Writer
from stanine.store.index import AsyncIndex, Index
from stanine.store.instruments import InstrumentHistory, Instruments
from stanine.store.keys import Keys
from stanine.store.results import Results
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
                writer = Writer(client, load_library())
                attempts = Attempts(client, writer, self.keys, self.outbox)
                instruments = Instruments(client, writer, self.keys, self.index_outbox)
                return await work(AsyncStore(client, attempts, instruments, AsyncIndex(client, self.keys), writer))
            finally:
                await client.aclose()

        return asyncio.run(main())

    def submit(self, *submissions: Submission, ids_per_message: int = 64) -> list[Any]:
        return self.run(lambda store: store.attempts.submit(submissions, ids_per_message=ids_per_message))


@dataclass
class AsyncStore:
    client: "redis.asyncio.Redis"
    attempts: Attempts
    instruments: Instruments
    index: AsyncIndex
    writer: Writer


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

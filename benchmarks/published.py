"""The instrument of the benchmarks: published and indexed once, then restored after each flush."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import redis

from benchmarks.processes import ROOT, started
from stanine.broker import StreamsBroker
from stanine.broker.connection.clients import connect_async
from stanine.domain.instruments.document import canonical, digest, read_yaml
from stanine.domain.instruments.instrument import Instrument, form_digest, parse_instrument
from stanine.domain.scoring.index import IndexEntry, build_entry
from stanine.messages import BUILD_INDEX, Outbox
from stanine.store import load_library
from stanine.store.durability import Writer
from stanine.store.index import AsyncIndex
from stanine.store.instruments import Instruments
from stanine.store.keys import Keys

#: The key namespace of all benchmarks.
NAMESPACE = "bench"
INSTRUMENT = ROOT / "examples" / "instruments" / "ipip-50.yaml"
#: Seconds for the indexWatcher to build the entry.
PATIENCE = 30.0


def plain_instrument(items: int = 50) -> Any:
    """Return the document: the 50 IPIP markers on five scales, or a similar one of another length."""
    plain: Any = read_yaml(INSTRUMENT.read_bytes())
    if items == 50:
        return plain
    spec = plain["spec"]
    spec["items"] = [
        {"id": f"i{number + 1}", "text": f"Item {number + 1}."} for number in range(items)
    ]
    names = [f"-i{number + 1}" if number % 2 else f"i{number + 1}" for number in range(items)]
    shares = [names[scale::5] for scale in range(5)]
    spec["scales"] = [
        {**scale, "items": share, "minValid": max(1, len(share) * 4 // 5)}
        for scale, share in zip(spec["scales"], shares, strict=True)
        if share
    ]
    return plain


def scales_of(plain: Any) -> list[dict[str, Any]]:
    """Return the peers' scales: id, (item, whether reverse-keyed) and minimum of answers."""
    return [
        {
            "id": scale["id"],
            "items": [(item.removeprefix("-"), item.startswith("-")) for item in scale["items"]],
            "minValid": scale["minValid"],
        }
        for scale in plain["spec"]["scales"]
    ]


def entry_of(plain: Any) -> IndexEntry:
    """Return the index entry for Stanine's scoring."""
    instrument: Instrument = parse_instrument(plain)
    return build_entry(instrument, number=1, revision=1, form=1, digest="")


class Published:
    """The Redis data of the published instrument, to be restored."""

    def __init__(self, client: "redis.Redis", plain: Any, log: Path) -> None:
        self._client: Any = client
        address = client.connection_pool.connection_kwargs
        url = f"redis://{address['host']}:{address['port']}/0"
        self._empty()
        environment = {"STANINE_REDIS_URL": url, "STANINE_NAMESPACE": NAMESPACE}
        with started(
            [sys.executable, "-m", "stanine.index_watcher"], environment, log, gently=True
        ):
            asyncio.run(_publish(url, plain))
        self._dumps = {key: client.dump(key) for key in client.scan_iter() if b":q:" not in key}

    def _empty(self) -> None:
        self._client.execute_command(
            "FLUSHALL", "SYNC"
        )  # Valkey frees memory asynchronously by default

    def put_back(self) -> None:
        """Empty the server and restore the instrument."""
        self._empty()
        for key, data in self._dumps.items():
            self._client.restore(key, 0, data)


async def _publish(url: str, plain: Any) -> None:
    keys = Keys(NAMESPACE)
    client = connect_async(url)
    broker = StreamsBroker(url=url, namespace=keys.partition)
    outbox = Outbox(
        broker.ready_key(BUILD_INDEX.queue), broker.head(BUILD_INDEX.queue, BUILD_INDEX.actor)
    )
    instruments = Instruments(client, Writer(client, load_library()), keys, outbox)
    index = AsyncIndex(client, keys)
    document = canonical(plain)
    name = plain["metadata"]["name"]
    await instruments.publish(
        name, document, digest(document), form_digest(parse_instrument(plain))
    )
    async with asyncio.timeout(PATIENCE):
        while index.entries.newest(name) is None:
            await asyncio.sleep(0.02)
            await index.refresh()
    await client.aclose()
    broker.close()

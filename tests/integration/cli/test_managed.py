"""Changes of managed resources are rejected with the name of the owner."""

from pathlib import Path

import redis

from stanine.broker.bootstrap import Ownership, QueueDeclaration, bootstrap
from stanine.broker.connection.clients import connect
from stanine.broker.connection.ownership import Owner
from stanine.broker.keys import queue_keys
from stanine.cli.exits import CONFLICT
from stanine.messages import BUILD_INDEX, Outbox
from stanine.store import load_library
from stanine.store.keys import Keys
from stanine.store.managed import ManagedInstruments

from .conftest import Run, Up

GAD_7 = Path(__file__).parents[3] / "examples" / "instruments" / "gad-7.yaml"
KEYS = Keys("stanine")


def test_managed_queues_and_instruments_are_not_changed(
    stanine: Run, up: Up, tmp_path: Path
) -> None:
    client = connect(up.variables["STANINE_REDIS_URL"])
    manager = Owner("Queue default/index", "u1", "2026-11-23T00:00:00Z")
    bootstrap(
        client,
        namespace=KEYS.partition,
        queues=[QueueDeclaration("index", ownership=Ownership(manager))],
    )
    try:
        refused = stanine("queues", "pause", "index", **up.variables)
        assert (refused.status, refused.out) == (CONFLICT, "")
        assert "Queue default/index" in refused.err
        assert stanine("queues", "purge", "index", "dead", **up.variables).status == 0
        assert stanine("publish", GAD_7, **up.variables).status == 0
        _hold(client)
        assert stanine("publish", GAD_7, **up.variables).status == 0, (
            "the same document changes nothing"
        )
        changed = tmp_path / "gad-7.yaml"
        changed.write_text(GAD_7.read_text().replace("(GAD-7)", "(GAD 7)"))
        refused = stanine("publish", changed, **up.variables)
        assert refused.status == CONFLICT
        assert "Instrument default/gad-7" in refused.err
    finally:
        client.hdel(queue_keys(KEYS.partition, "index").settings, "managedBy", "managedUntil")
        client.hdel(KEYS.instrument("gad-7"), "managedBy", "managedUntil")
        client.close()


def _hold(client: "redis.Redis") -> None:
    outbox = Outbox(queue_keys(KEYS.partition, BUILD_INDEX.queue).ready, b"head")
    manager = Owner("Instrument default/gad-7", "u2", "2026-11-23T00:00:00Z")
    ManagedInstruments(client, load_library(), KEYS, outbox).hold("gad-7", manager, takes=True)

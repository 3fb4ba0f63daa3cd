"""Changes are atomic.

With lost replies and requests, a truncated append-only file, corrupt arguments and writes.
"""

import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.conftest import Server, stop_server
from tests.integration.broker_failures.fault_proxy import FaultProxy

from stanine.broker.connection.clients import connect
from stanine.broker.connection.functions import Library
from stanine.store.settings import load_library
from stanine.store.settings.changes import Configuration
from stanine.store.settings.errors import NotVerifiedError
from stanine.store.settings.snapshot import SettingsLayout

from .conftest import MANAGER, Place

OLDER = b'{"sweepSeconds":7,"theirs":1.0,"name":"x"}'


@pytest.fixture
def proxy(valkey: Server) -> Iterator[FaultProxy]:
    with FaultProxy(valkey.port) as made:
        yield made


@pytest.mark.parametrize("executed", [True, False], ids=["reply", "request"])
@pytest.mark.parametrize("function", [b"see_", b"commit_", b"keep_hold_"])
def test_a_change_is_applied_once_and_reported_after_a_lost(
    proxy: FaultProxy, redis_url: str, function: bytes, *, executed: bool
) -> None:
    place = Place(redis_url)
    place.client.set(place.keys.config_string, OLDER)
    client = connect(proxy.url)
    configuration = place.over(client)
    lost = (proxy.lose_reply if executed else proxy.lose_request)(function, 1)
    applied = configuration.migrate(SettingsLayout.HASH, dual_write=True, owner=MANAGER)
    assert (applied.revision, applied.migrated, applied.adopted) == (1, True, True)
    assert configuration.apply({"sweepSeconds": 8}, MANAGER).changed
    assert not configuration.apply({"sweepSeconds": 8}, MANAGER).changed
    assert [each.number for each in configuration.history()] == [2, 1]
    assert lost.happened
    client.close()
    place.client.close()


CHANGES: dict[str, Callable[[Configuration], object]] = {
    "apply": lambda configuration: configuration.apply(
        {"sweepSeconds": 8, "maxRequeues": 3}, MANAGER
    ),
    "to-hash": lambda configuration: configuration.migrate(SettingsLayout.HASH, owner=MANAGER),
    "to-both": lambda configuration: configuration.migrate(
        SettingsLayout.HASH, dual_write=True, owner=MANAGER
    ),
    "rollback": lambda configuration: configuration.rollback(1, MANAGER),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_crash_at_any_byte_leaves_all_or_nothing_of_a_change(
    own_server: Callable[..., Server], tmp_path: Path, change: str
) -> None:
    directory = tmp_path / "data"
    options = (
        "--appendfsync",
        "always",
        "--aof-load-truncated",
        "yes",
        "--auto-aof-rewrite-percentage",
        "0",
    )
    server = own_server(*options, directory=directory)
    place = Place(server.url)
    place.client.set(place.keys.config_string, OLDER)
    if change == "rollback":
        place.configuration.apply({"sweepSeconds": 9})
    place.client.hset(
        place.keys.config_meta, "revision", place.configuration.read().revision
    )  # loads the library and creates the meta hash
    log = next(directory.glob("appendonlydir/*.incr.aof"))
    states, sizes = [place.everything()], [log.stat().st_size]
    CHANGES[change](place.configuration)
    states.append(place.everything())
    sizes.append(log.stat().st_size)
    assert states[0] != states[1]
    stop_server(server, signal.SIGKILL)
    whole = log.read_bytes()
    written = sizes[1] - sizes[0]
    for cut in sorted({1, written - 1, *range(written // 12, written, written // 12)}):
        log.write_bytes(whole[: sizes[0] + cut])
        server = own_server(*options, directory=directory)
        again = Place(server.url)
        assert again.everything() == states[0], f"cut after {cut} of {written} bytes"
        assert CHANGES[change](again.configuration)
        assert again.everything() == states[1], "it is done when it is asked for again"
        again.client.close()
        stop_server(server, signal.SIGKILL)
    place.client.close()


def test_corrupt_arguments_are_rejected_before_the_first_write(
    place: Place,
) -> None:
    place.configuration.apply({"sweepSeconds": 1})
    before = place.everything()
    send = place.configuration._library.call

    class Garbling(Library):
        def call(self, client: Any, function: str, keys: Any, args: Any = ()) -> Any:
            if function == "commit":
                packed = args[1].replace(struct.pack(">I", 1) + b"2", struct.pack(">I", 1) + b"3")
                assert packed != args[1]
                args = [args[0], packed, *args[2:]]
            return send(client, function, keys, args)

    place.configuration._library = Garbling("stanine_config", "")
    with pytest.raises(redis.ResponseError, match="nothing was written"):
        place.configuration.apply({"sweepSeconds": 2})
    assert place.everything() == before


@pytest.mark.parametrize(
    "fault", ["call_in_chunks('HSET', config, changed)", "redis.call('SET', string_key, text)"]
)
def test_a_failed_verification_restores_the_earlier_state(place: Place, fault: str) -> None:
    """Simulate a lost write with a function that omits one write, once."""
    place.configuration.apply({"sweepSeconds": 1}, dual_write=True)
    before = place.everything()
    version = load_library().version
    source = load_library().source.replace(version, "@VERSION@")
    assert fault in source
    source = source.replace("stanine_config_", "stanine_faulty_").replace(
        "-- Make the hash", "local lost = false\n-- Make the hash"
    )
    library = Library(
        "stanine_faulty", source.replace(fault, f"if lost then {fault} end lost = true")
    )
    configuration = Configuration(place.client, library, place.keys)
    with pytest.raises(NotVerifiedError):
        configuration.apply({"sweepSeconds": 2})
    assert place.everything() == before


def test_the_clients_clock_is_irrelevant(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 0.0)
    place.configuration.apply({"sweepSeconds": 1}, MANAGER)
    assert place.configuration.read().managed_by == MANAGER
    assert place.configuration.history()[0].at_ms > 1_700_000_000_000


def test_flushed_functions_are_loaded_again(place: Place) -> None:
    place.configuration.apply({"sweepSeconds": 1})
    place.client.function_flush()
    assert place.configuration.apply({"sweepSeconds": 2}).revision == 2

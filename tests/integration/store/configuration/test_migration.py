"""Migration from the string of an older service to the hash and back, and dual write."""

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from stanine.store.settings.errors import StringUnreadableError
from stanine.store.settings.model import SettingsRead
from stanine.store.settings.reader import load_settings
from stanine.store.settings.snapshot import LegacySyncState, SettingsLayout

from .conftest import MANAGER, Place

#: As JSON.stringify writes them: all notations of numbers, nested values, all escapes, unpaired surrogates, our
#: settings among others.
TOKENS = [
    "0", "-0.5", "1e+21", "1e-7", "0.1", "123456789012345680000", "true", "false", "null", "[1,[2,\"x\"]]", '{"b":1,"a":{}}', '""', '"85"',
    '"é😀"', '"line\\nbreak \\"quoted\\" back\\\\slash \\u0001\\b\\f\\r\\t"', '"\\ud83d"', "[]", "{}", '" "', '"0x10"',
]  # fmt: skip


def thousand_settings() -> bytes:
    """Return 1,000 settings in random order."""
    chance = random.Random(5)
    members = [
        f'"feature.{number:03}.größe":{TOKENS[number % len(TOKENS)]}' for number in range(996)
    ]
    members += ['"sweepSeconds":7', '"durability":"Fsync"', '"admissionPercent":"eighty"', '"":1.0']
    chance.shuffle(members)
    return ("{" + ",".join(members) + "}").encode()


def test_migration_to_the_hash_and_back_preserves_every_byte(place: Place) -> None:
    text = thousand_settings()
    place.client.set(place.keys.config_string, text)
    there = place.configuration.migrate(SettingsLayout.HASH)
    assert (there.migrated, there.adopted, there.revision) == (True, True, 1)
    assert place.client.get(place.keys.config_string) is None
    assert place.client.get(place.keys.config_backup_string) == text
    assert len(place.hash()) == 1000
    assert (place.hash()["sweepSeconds"], place.hash()["durability"]) == ("7", "Fsync")
    before = place.everything()
    assert place.configuration.migrate(SettingsLayout.HASH).migrated is False
    assert place.everything() == before
    fields = place.hash()
    back = place.configuration.migrate(SettingsLayout.STRING)
    assert (back.migrated, back.revision) == (True, 1)
    assert place.client.get(place.keys.config_string) == text
    assert not place.client.exists(place.keys.config)
    assert {
        name.decode(): value.decode()
        for name, value in place.client.hgetall(place.keys.config_backup_hash).items()
    } == fields


def test_only_settings_changed_in_the_hash_change_in_the_string(place: Place) -> None:
    text = thousand_settings()
    place.client.set(place.keys.config_string, text)
    place.configuration.migrate(SettingsLayout.HASH)
    place.configuration.apply({"sweepSeconds": 8, "durability": "Fsync", "maxRequeues": 3})
    place.configuration.migrate(SettingsLayout.STRING)
    expected = text.replace(b'"sweepSeconds":7', b'"sweepSeconds":8').replace(
        b'"admissionPercent":"eighty",', b""
    )
    assert place.client.get(place.keys.config_string) == expected[:-1] + b',"maxRequeues":3}'
    assert place.configuration.rollback(1).changed
    assert place.client.get(place.keys.config_string) == text


def test_dual_write_keeps_the_string_valid_at_every_moment(
    place: Place,
) -> None:
    place.client.set(place.keys.config_string, b'{"sweepSeconds":1,"theirs":[1.0]}')
    place.configuration.migrate(SettingsLayout.HASH, dual_write=True)
    stop, faults = threading.Event(), []

    def older_service() -> None:
        reader = Place(place.url)
        while not stop.is_set():
            seen = reader.string()
            if (
                not isinstance(seen, dict)
                or seen.get("theirs") != [1.0]
                or not 1 <= seen.get("sweepSeconds", 0) <= 40
            ):
                faults.append(seen)
        reader.client.close()

    thread = threading.Thread(target=older_service)
    thread.start()
    for seconds in range(1, 41):
        place.configuration.apply({"sweepSeconds": seconds})
        assert place.hash()["sweepSeconds"] == str(seconds)
    stop.set()
    thread.join()
    assert not faults
    assert place.client.get(place.keys.config_string) == b'{"sweepSeconds":40,"theirs":[1.0]}'
    place.configuration.apply({"sweepSeconds": 40}, dual_write=False)
    assert place.string() is None
    assert place.configuration.read().layout is SettingsLayout.HASH


def test_changes_of_an_older_service_during_dual_write_are_adopted(
    place: Place,
) -> None:
    place.client.set(place.keys.config_string, b'{"theirs":1,"sweepSeconds":5}')
    place.configuration.migrate(SettingsLayout.HASH, dual_write=True, owner=MANAGER)
    place.client.set(place.keys.config_string, b'{"theirs":2,"sweepSeconds":6,"new":"x"}')
    stored = place.configuration.read()
    assert (stored.string, stored.edited, stored.values["theirs"]) == (
        LegacySyncState.CHANGED,
        True,
        "2",
    )
    applied = place.configuration.apply({"sweepSeconds": 5}, MANAGER)
    assert (applied.adopted, applied.changed, applied.revision) == (True, True, 3)
    assert place.hash() == {"theirs": "2", "sweepSeconds": "5", "new": "x"}, (
        "what the resource names stands as it says"
    )
    assert place.client.get(place.keys.config_string) == b'{"theirs":2,"sweepSeconds":5,"new":"x"}'
    assert place.configuration.history()[1].values["sweepSeconds"] == "6"
    assert place.configuration.read().string is LegacySyncState.IN_STEP
    place.configuration.release(MANAGER)


def test_an_unreadable_string_is_backed_up_if_the_hash_is_active(place: Place) -> None:
    place.configuration.apply({"sweepSeconds": 5}, dual_write=True)
    place.client.set(place.keys.config_string, b"{half")
    assert place.configuration.read().string is LegacySyncState.UNREADABLE
    assert place.configuration.apply({"sweepSeconds": 5}).changed is False
    assert place.string() == {"sweepSeconds": 5}
    assert place.client.get(place.keys.config_backup_string) == b"{half"


def test_an_unreadable_string_is_kept_if_it_is_the_only_layout(place: Place) -> None:
    place.client.set(place.keys.config_string, b"{half")
    before = place.everything()
    changes: tuple[Callable[[], object], ...] = (
        lambda: place.configuration.migrate(SettingsLayout.HASH),
        lambda: place.configuration.apply({"sweepSeconds": 5}),
    )
    for change in changes:
        with pytest.raises(StringUnreadableError, match="line 1, column 2"):
            change()
    assert place.everything() == before
    assert place.configuration.read().unreadable


def test_a_stray_string_is_kept_and_reported(
    place: Place,
) -> None:
    place.configuration.apply({"sweepSeconds": 5})
    place.client.set(place.keys.config_string, b'{"sweepSeconds":9}')
    assert place.configuration.read().string is LegacySyncState.STRAY
    place.configuration.apply({})
    assert place.string() == {"sweepSeconds": 9}
    assert load_settings(place.client, place.keys, SettingsRead()).settings.sweep_seconds == 15, (
        "an empty hash is no reason to go by it"
    )
    place.configuration.apply({}, dual_write=True)
    assert (place.string(), place.client.get(place.keys.config_backup_string)) == (
        {},
        b'{"sweepSeconds":9}',
    )


@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize("layout", list(SettingsLayout))
def test_services_read_the_settings_in_every_layout(
    place: Place, layout: SettingsLayout, dual: bool
) -> None:
    def read(previous: SettingsRead | None = None) -> Any:
        return load_settings(place.client, place.keys, previous or SettingsRead())

    assert read() == SettingsRead()
    place.configuration.migrate(layout, dual_write=dual)
    place.configuration.apply({"sweepSeconds": 5, "logLevel": "Debug"})
    good = read()
    assert (good.settings.sweep_seconds, good.stated, good.faults) == (
        5,
        {"sweepSeconds", "logLevel"},
        (),
    )
    if layout is SettingsLayout.STRING and not dual:
        place.client.set(place.keys.config_string, b"{half")
        faulty = read(good)
        assert (faulty.settings, faulty.stated, len(faulty.faults)) == (
            good.settings,
            good.stated,
            1,
        )
        place.client.set(place.keys.config_string, b'{"sweepSeconds":"x","maxRequeues":3}')
    else:
        place.client.hset(place.keys.config, mapping={"sweepSeconds": b"\xff", "maxRequeues": "3"})
    faulty = read(good)
    assert (faulty.settings.sweep_seconds, faulty.settings.max_requeues) == (5, 3)
    assert [name for name, _ in faulty.faults] == ["sweepSeconds"]


def test_services_read_constant_settings_during_migrations(place: Place) -> None:
    place.configuration.apply({"sweepSeconds": 5})
    stop, seen = threading.Event(), set()

    def service() -> None:
        reader = Place(place.url)
        while not stop.is_set():
            read = load_settings(reader.client, reader.keys, SettingsRead())
            seen.add((read.settings.sweep_seconds, read.faults))
        reader.client.close()

    thread = threading.Thread(target=service)
    thread.start()
    for number in range(60):
        place.configuration.migrate(list(SettingsLayout)[number % 2], dual_write=number % 3 == 0)
    stop.set()
    thread.join()
    assert seen == {(5, ())}

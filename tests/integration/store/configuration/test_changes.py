"""Settings, revisions, history and rollback, on real servers."""

import threading
import time
from collections.abc import Callable

import pytest
import redis

from stanine.store.settings.changes import Memory
from stanine.store.settings.errors import (
    ConfigurationError,
    ConfigurationManagedError,
    ContendedError,
    RevisionConflictError,
    RevisionUnknownError,
    SettingsInvalidError,
)
from stanine.store.settings.snapshot import Origin, SettingsLayout

from .conftest import MANAGER, YOUNGER, Place


def test_settings_become_a_revision_only_if_they_differ(place: Place) -> None:
    first = place.configuration.apply({"durability": "Fsync", "sweepSeconds": 5})
    again = place.configuration.apply({"sweepSeconds": 5, "durability": "Fsync"})
    assert (first.revision, first.changed, again.revision, again.changed) == (1, True, 1, False)
    assert place.hash() == {"durability": "Fsync", "sweepSeconds": "5"}
    stored = place.configuration.read()
    assert (stored.revision, stored.layout, stored.read.settings.sweep_seconds, stored.edited) == (
        1,
        SettingsLayout.HASH,
        5,
        False,
    )


def test_removed_settings_have_defaults_and_foreign_values_are_kept(
    place: Place,
) -> None:
    place.client.hset(place.keys.config, mapping={"theirs": "1", "sweepSeconds": "5"})
    applied = place.configuration.apply({"maxRequeues": 9})
    assert (applied.revision, applied.changed, applied.adopted) == (2, True, True)
    assert place.hash() == {"theirs": "1", "maxRequeues": "9"}


def test_changing_one_setting_keeps_the_others(place: Place) -> None:
    place.configuration.apply({"maxRequeues": 9, "sweepSeconds": 5})
    place.client.hset(place.keys.config, "theirs", "1")
    changed = place.configuration.change({"sweepSeconds": 7, "durability": "Fsync"})
    assert (changed.revision, changed.changed, changed.adopted) == (3, True, True)
    assert place.hash() == {
        "theirs": "1",
        "maxRequeues": "9",
        "sweepSeconds": "7",
        "durability": "Fsync",
    }
    assert place.configuration.change({"sweepSeconds": None}).revision == 4
    assert place.hash() == {"theirs": "1", "maxRequeues": "9", "durability": "Fsync"}
    assert place.configuration.change({"sweepSeconds": None, "maxRequeues": 9}).changed is False


def test_an_outdated_change_is_rejected_but_a_retry_succeeds(
    place: Place,
) -> None:
    place.configuration.apply({"sweepSeconds": 1})
    assert place.configuration.change({"sweepSeconds": 2}, expected_revision=1).revision == 2
    assert place.configuration.change({"sweepSeconds": 2}, expected_revision=1).revision == 2
    with pytest.raises(RevisionConflictError, match="revision 2, not at 1"):
        place.configuration.change({"sweepSeconds": 3}, expected_revision=1)
    assert place.hash() == {"sweepSeconds": "2"}


def test_an_invalid_change_lists_every_error_and_writes_nothing(place: Place) -> None:
    with pytest.raises(SettingsInvalidError) as caught:
        place.configuration.change({"sweepSeconds": 0, "maxRequeues": 3, "none": None, "other": 1})
    assert {name for name, _ in caught.value.faults} == {"sweepSeconds", "none", "other"}
    assert not place.client.keys("*")


def test_a_person_cannot_change_owned_settings(place: Place) -> None:
    place.configuration.apply({"sweepSeconds": 1}, MANAGER)
    with pytest.raises(ConfigurationManagedError):
        place.configuration.change({"sweepSeconds": 2})
    assert place.hash() == {"sweepSeconds": "1"}


def test_invalid_values_write_nothing(place: Place) -> None:
    with pytest.raises(SettingsInvalidError):
        place.configuration.apply({"sweepSeconds": 5, "maxRequeues": 0})
    assert not place.client.keys("*")


def test_a_rollback_restores_a_revision_as_a_new_one(place: Place) -> None:
    place.configuration.apply({"sweepSeconds": 1})
    place.client.hset(place.keys.config, "theirs", b"\xff\x00")  # changed by redis-cli
    place.configuration.apply({"sweepSeconds": 2})
    back = place.configuration.rollback(2)
    assert (back.revision, back.changed) == (4, True)
    assert place.client.hgetall(place.keys.config) == {
        b"sweepSeconds": b"1",
        b"theirs": b"\xff\x00",
    }
    assert place.configuration.rollback(2).changed is False
    history = [(each.number, each.origin, each.of) for each in place.configuration.history()]
    assert history == [
        (4, Origin.ROLLED_BACK, 2),
        (3, Origin.APPLIED, 0),
        (2, Origin.FOUND, 0),
        (1, Origin.APPLIED, 0),
    ]
    assert all(abs(each.at_ms / 1000 - time.time()) < 60 for each in place.configuration.history())


def test_the_history_is_bounded_and_its_errors_name_the_range(place: Place) -> None:
    for seconds in range(1, 11):
        place.configuration.apply({"sweepSeconds": seconds, "historyRevisions": 4})
    assert [each.number for each in place.configuration.history()] == [10, 9, 8, 7]
    with pytest.raises(RevisionUnknownError, match="holds 7 to 10"):
        place.configuration.rollback(6)
    assert place.configuration.rollback(7).revision == 11


def test_a_revision_conflict_changes_nothing(place: Place) -> None:
    place.configuration.apply({"sweepSeconds": 1})
    with pytest.raises(RevisionConflictError, match="revision 1, not at 0"):
        place.configuration.apply({"sweepSeconds": 2}, expected_revision=0)
    assert place.configuration.apply({"sweepSeconds": 2}, expected_revision=1).revision == 2


def test_changes_by_others_are_rejected_and_name_the_owner(place: Place) -> None:
    place.configuration.apply({"sweepSeconds": 1}, MANAGER)
    before = place.everything()
    changes: tuple[Callable[[], object], ...] = (
        lambda: place.configuration.rollback(1),
        lambda: place.configuration.apply({}),
        lambda: place.configuration.apply({}, YOUNGER),
        lambda: place.configuration.apply({"sweepSeconds": 1}, YOUNGER),
        lambda: place.configuration.migrate(SettingsLayout.STRING, owner=YOUNGER),
    )
    for change in changes:
        with pytest.raises(ConfigurationManagedError, match="RedisConfig default/main"):
            change()
    assert place.everything() == before
    assert place.configuration.read().managed_by == MANAGER
    place.configuration.release(YOUNGER)
    assert place.configuration.read().managed_by == MANAGER
    assert place.configuration.apply({}, YOUNGER, gone=MANAGER.uid).changed
    assert place.configuration.apply({"sweepSeconds": 3}, MANAGER).changed, (
        "the older one has it back"
    )
    place.configuration.release(MANAGER)
    assert place.configuration.rollback(1).changed


def test_ownership_expires_and_each_reconciliation_renews_it(place: Place) -> None:
    def until() -> int:
        return int(place.client.hget(place.keys.config_meta, "managedUntil"))

    place.configuration.apply({"sweepSeconds": 1}, MANAGER)
    first = until()
    time.sleep(0.01)
    place.configuration.apply({"sweepSeconds": 1}, MANAGER)
    assert until() > first
    place.client.hset(place.keys.config_meta, "managedUntil", 1)
    assert place.configuration.read().managed_by is None
    assert place.configuration.rollback(1).revision == 1


def test_concurrent_changes_create_a_gapless_history(place: Place) -> None:
    threads, each = 6, 5
    failed: list[Exception] = []

    def change(worker: int) -> None:
        configuration = place.over(place.client)
        for number in range(each):
            while True:
                try:
                    configuration.apply({"bulkGroupLines": 1 + worker * each + number})
                    break
                except ContendedError:
                    pass  # other threads won every attempt
                except (ConfigurationError, redis.RedisError) as error:
                    failed.append(error)
                    return

    workers = [threading.Thread(target=change, args=(worker,)) for worker in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failed
    history = place.configuration.history()
    assert [revision.number for revision in history] == list(range(threads * each, 0, -1))
    assert sorted(int(revision.values["bulkGroupLines"]) for revision in history) == list(
        range(1, threads * each + 1)
    )
    assert place.hash() == history[0].values


def test_memory_reports_each_part(place: Place) -> None:
    assert place.configuration.memory() == Memory(0, 0, 0, 0, 0)
    place.client.set(place.keys.config_string, b'{"a":"' + b"x" * 10_000 + b'"}')
    place.configuration.migrate(SettingsLayout.HASH)
    memory = place.configuration.memory()
    for size in (memory.hash, memory.backup_string):
        assert 10_000 < size < 13_000
    assert 0 < memory.history < 1_000, "a long entry is compressed"
    assert (memory.string, memory.backup_hash) == (0, 0)
    assert memory.of(SettingsLayout.STRING) == memory.backup_string


@pytest.mark.parametrize(
    "key",
    [
        "config",
        "config_string",
        "config_meta",
        "config_history",
        "config_backup_hash",
        "config_backup_string",
    ],
)
def test_a_key_of_another_type_is_reported_and_nothing_is_written(place: Place, key: str) -> None:
    place.client.rpush(getattr(place.keys, key), "x")
    before = place.client.keys("*")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        place.configuration.apply({"sweepSeconds": 1})
    assert place.client.keys("*") == before


def test_a_full_server_can_still_be_configured(place: Place) -> None:
    place.configuration.apply({"sweepSeconds": 1}, MANAGER)
    place.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            place.client.set("test:more", "x")
        assert place.configuration.apply({"sweepSeconds": 1}, MANAGER).changed is False
        assert place.configuration.apply({"admissionPercent": 70}, MANAGER).changed
        assert place.configuration.migrate(SettingsLayout.STRING, owner=MANAGER).migrated
        place.configuration.release(MANAGER)
    finally:
        place.client.config_set("maxmemory", 0)
    assert place.string() == {"admissionPercent": 70}

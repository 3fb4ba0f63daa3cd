"""Read and change the runtime settings. Used by the operator and the API; synchronous.

A change takes a snapshot, computes a plan (plan.py) and commits it with one call of a Redis Function, which rejects the
plan if the state has changed since the snapshot; the change is then planned again. Every change is idempotent and atomic:
after a lost reply or a crash either the earlier or the requested state is stored.

    configuration = Configuration(client, load_library(), Keys("stanine"))
    configuration.apply({"durability": "Fsync", "sweepSeconds": 5}, owner)
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import redis

from stanine.broker.connection.functions import Argument, Library
from stanine.broker.connection.ownership import HOLD_MS, Owner, read_owner
from stanine.store.keys import Keys
from stanine.store.settings.errors import (
    ConfigurationManagedError,
    ContendedError,
    NotVerifiedError,
    RevisionConflictError,
    RevisionUnknownError,
)
from stanine.store.settings.model import NAMES, write_changes, write_settings
from stanine.store.settings.plan import Applied, Change, SettingsPlan, plan
from stanine.store.settings.snapshot import (
    Origin,
    Revision,
    SettingsLayout,
    Snapshot,
    digest_of,
    raw_bytes,
    read_record,
    read_snapshot,
    write_meta,
)

#: Attempts before a change fails with ContendedError.
TRIES = 10
#: Reply of the functions if another resource owns the configuration.
_OWNED = -1


class Memory(msgspec.Struct, frozen=True):
    """Bytes in the server as MEMORY USAGE reports them; 0 for a missing key."""

    hash: int
    string: int
    history: int
    #: Content replaced by the last migrations.
    backup_hash: int
    backup_string: int

    def of(self, layout: SettingsLayout) -> int:
        """Return the bytes of a layout, or of its backup if it is not in use."""
        if layout is SettingsLayout.HASH:
            return self.hash or self.backup_hash
        return self.string or self.backup_string


class Configuration:
    """The configuration of one key namespace. Raises ConfigurationError and redis-py's errors."""

    def __init__(self, client: "redis.Redis", library: Library, keys: Keys) -> None:
        self._client: Any = client
        self._library = library
        self._config_keys = (
            keys.config,
            keys.config_string,
            keys.config_meta,
            keys.config_history,
            keys.config_backup_hash,
            keys.config_backup_string,
        )

    def read(self) -> Snapshot:
        """Return the stored configuration."""
        return read_snapshot(self._library.call(self._client, "see", self._config_keys))

    def apply(
        self,
        values: Mapping[str, object],
        owner: Owner | None = None,
        dual_write: bool | None = None,
        *,
        expected_revision: int | None = None,
        gone: str = "",
    ) -> Applied:
        """Replace all settings; values of other programs are kept. Creates a revision if values differ.

        `values`: JSON values by camelCase name. `owner`: the custom resource that requests the change and owns the
        configuration for HOLD_MS (None: a person). `gone`: uid of a deleted owner, whose ownership is ignored.
        `dual_write`: whether both layouts are written; None: unchanged.
        Raises SettingsInvalidError (before any read), ConfigurationManagedError if another resource owns the
        configuration, RevisionConflictError, StringUnreadableError, NotTextError, ContendedError.
        """
        texts = write_settings(values)

        def decide(snapshot: Snapshot) -> Change:
            _check_revision(expected_revision, snapshot)
            others = {name: text for name, text in snapshot.values.items() if name not in NAMES}
            return Change(values={**others, **texts}, dual=dual_write)

        return self._change(decide, owner, gone)

    def change(
        self, changes: Mapping[str, object], *, expected_revision: int | None = None
    ) -> Applied:
        """Change the given settings on behalf of a person; None resets a setting to its default.

        Raises as `apply`.
        """
        texts = write_changes(changes)

        def decide(snapshot: Snapshot) -> Change:
            merged = {**snapshot.values, **texts}
            values = {name: text for name, text in merged.items() if text is not None}
            if values == snapshot.values:
                return Change()  # perhaps applied by an earlier request whose reply was lost
            _check_revision(expected_revision, snapshot)
            return Change(values=values)

        return self._change(decide, None, "")

    def migrate(
        self,
        to: SettingsLayout,
        dual_write: bool = False,
        owner: Owner | None = None,
        *,
        gone: str = "",
    ) -> Applied:
        """Move the configuration to a layout; `dual_write` writes both. Replaced content is backed up.

        A migration from the string to the hash and back preserves every byte. Raises as `apply`.
        """
        return self._change(lambda _snapshot: Change(layout=to, dual=dual_write), owner, gone)

    def rollback(self, revision: int, owner: Owner | None = None, *, gone: str = "") -> Applied:
        """Restore all values of an earlier revision, as a new revision if they differ.

        Raises RevisionUnknownError, and as `apply`.
        """

        def decide(snapshot: Snapshot) -> Change:
            history = {each.number: each for each in self.history()}
            earlier = history.get(revision)
            if earlier is None:
                raise RevisionUnknownError(revision, sorted(history))
            if earlier.values == snapshot.values:
                return Change()
            return Change(
                values=earlier.values, raw=earlier.raw, origin=Origin.ROLLED_BACK, of=revision
            )

        return self._change(decide, owner, gone)

    def release(self, owner: Owner) -> None:
        """End a resource's ownership, if it is the owner. Values are kept."""
        self._library.call(self._client, "release", self._config_keys[2:3], [owner.encode()])

    def history(self) -> list[Revision]:
        """Return the stored revisions, newest first."""
        records = self._client.hgetall(self._config_keys[3])
        found = [read_record(int(number), record) for number, record in records.items()]
        return sorted(found, key=lambda each: -each.number)

    def memory(self) -> Memory:
        """Return the memory usage of the configuration."""
        pipeline = self._client.pipeline(transaction=False)
        for key in (self._config_keys[0], self._config_keys[1], *self._config_keys[3:]):
            pipeline.memory_usage(key, samples=0)
        return Memory(*(int(size or 0) for size in pipeline.execute()))

    def _change(
        self, decide: Callable[[Snapshot], Change], owner: Owner | None, gone: str
    ) -> Applied:
        by, owner_json = (owner.name, owner.encode()) if owner else ("", "")
        sent: SettingsPlan | None = None
        for _ in range(TRIES):
            snapshot = self.read()
            if snapshot.managed_by is not None and owner is None:
                raise ConfigurationManagedError(snapshot.managed_by)
            planned = plan(snapshot, msgspec.structs.replace(decide(snapshot), by=by))
            if planned is None and sent is not None and sent.meta == snapshot.meta:
                # The client resent the call after a lost reply, and the first one had been executed.
                planned = sent
            elif planned is None:
                if owner is not None:
                    self._call("keep_hold", self._config_keys[2:3], [owner_json, gone, HOLD_MS])
                return Applied(snapshot.revision, snapshot.layout)
            elif not self._commit(planned, owner_json, gone):
                sent = planned
                continue
            return planned.applied
        raise ContendedError(
            f"others changed the configuration at each of {TRIES} tries; try again"
        )

    def _commit(self, planned: SettingsPlan, owner_json: str, gone: str) -> bool:
        """Write a plan; return False if the state has changed since the snapshot."""
        fields = [raw_bytes(part) for pair in planned.fields.items() for part in pair]
        records = [part for number, record in planned.records for part in (b"%d" % number, record)]
        arguments: list[Argument] = [
            planned.token,
            _pack(fields),
            digest_of(planned.fields),
            "none" if planned.text is None else "text",
            planned.text or b"",
            planned.meta.string,
            _pack(write_meta(planned.meta)),
            _pack(records),
            planned.keep,
            int(planned.keep_text),
            owner_json,
            gone,
            HOLD_MS,
        ]
        try:
            return self._call("commit", self._config_keys, arguments)
        except redis.ResponseError as error:
            if str(error).startswith("NOTVERIFIED"):
                raise NotVerifiedError(str(error)) from error
            raise

    def _call(self, function: str, keys: Sequence[str], arguments: Sequence[Argument]) -> bool:
        """Call a function that checks ownership; return whether it succeeded."""
        reply = self._library.call(self._client, function, keys, arguments)
        if reply[0] == _OWNED:
            raise ConfigurationManagedError(read_owner(reply[1]))
        return bool(reply[0])


def _check_revision(expected: int | None, snapshot: Snapshot) -> None:
    if expected is not None and snapshot.revision != expected:
        raise RevisionConflictError(expected, snapshot.revision)


def _pack(parts: Iterable[bytes]) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)

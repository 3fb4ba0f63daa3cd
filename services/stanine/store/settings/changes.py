"""The configuration as the operator and the API read and change it. Synchronous: rare, and in a thread where there is an event loop.

Every change is a look, a plan (planning.py) and one call of one Redis Function that takes the plan only if nothing has changed since the
look; else it is planned again. So any of these may be sent twice, and a process may die anywhere: what was there or what was wished is
there, whole.

    configuration = Configuration(client, load_library(), Keys("stanine"))
    configuration.apply({"durability": "Fsync", "sweepSeconds": 5}, manager)
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import redis

from stanine.broker.connection.functions import Argument, Library
from stanine.broker.connection.ownership import HOLD_MS, Manager, read_manager
from stanine.store.keys import Keys
from stanine.store.settings.errors import (
    ConfigurationManagedError,
    ContendedError,
    NotVerifiedError,
    RevisionConflictError,
    RevisionUnknownError,
)
from stanine.store.settings.model import (
    NAMES,
    SettingsRead,
    read_settings,
    write_changes,
    write_settings,
)
from stanine.store.settings.plan import Change, Plan, plan
from stanine.store.settings.snapshot import (
    Layout,
    LegacySyncState,
    Origin,
    Revision,
    Seen,
    Standing,
    digest_of,
    judge,
    raw_bytes,
    read_record,
    read_seen,
    readable,
    string_digest,
    write_meta,
)

#: Plans made before a change gives up because others keep changing the configuration meanwhile.
TRIES = 10
#: What the functions answer where another holds the configuration.
_HELD = -1


class Stored(msgspec.Struct, frozen=True):
    """The configuration as it is.

    `revision` is 0 as long as nothing was changed through here; `edited` says that somebody else has changed it since that revision.
    """

    layout: Layout
    revision: int
    #: Texts by name, those of other programs included. Bytes that are no UTF-8 are shown as escapes.
    values: dict[str, str]
    #: What the services go by, what is wrong with it, and which settings are stated at all.
    read: SettingsRead
    #: The custom resource that alone changes the configuration at this moment.
    managed_by: Manager | None
    dual_write: bool
    edited: bool
    #: How the string is beside the hash, and why it cannot be read.
    string: LegacySyncState
    unreadable: str
    #: SHA-1 of what lies there, by layout; absent where nothing does.
    digests: dict[Layout, str]


class Applied(msgspec.Struct, frozen=True):
    """What a change came to: the revision and layout that stand, and what was done for it. Nothing, where all was as wished.

    `changed`: values were, by this. `taken_in`: somebody else's had been, and became a revision of their own. `migrated`: the settings now
    lie in another layout, or in both, or no longer in both.
    """

    revision: int
    layout: Layout
    changed: bool = False
    taken_in: bool = False
    migrated: bool = False


class Memory(msgspec.Struct, frozen=True):
    """Bytes in the server, as MEMORY USAGE says; 0 for what is not there."""

    hash: int
    string: int
    history: int
    #: What the last migrations replaced.
    backup_hash: int
    backup_string: int

    def of(self, layout: Layout) -> int:
        """Return the bytes of a layout; where it is not in use, those of what it last was."""
        return (
            (self.hash or self.backup_hash)
            if layout is Layout.HASH
            else (self.string or self.backup_string)
        )


class Configuration:
    """The configuration of one key namespace. Errors are ConfigurationError's, and redis-py's own."""

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

    def read(self) -> Stored:
        """Return the configuration as it is."""
        seen = self._see()
        standing = judge(seen)
        values = {readable(name): readable(text) for name, text in standing.values.items()}
        digests = {Layout.HASH: digest_of(seen.fields), Layout.STRING: string_digest(seen.text)}
        return Stored(
            standing.layout,
            seen.meta.revision,
            values,
            read_settings(values),
            seen.holder,
            seen.meta.dual,
            standing.edited,
            standing.beside,
            standing.unreadable,
            {layout: digest for layout, digest in digests.items() if digest},
        )

    def apply(
        self,
        values: Mapping[str, object],
        manager: Manager | None = None,
        dual_write: bool | None = None,
        *,
        expected_revision: int | None = None,
        gone: str = "",
    ) -> Applied:
        """Let exactly these settings be stated, as a new revision if they are not yet; other programs' values stay.

        `values`: by camelCase name, as JSON has them. `manager`: the custom resource that says so, and that holds the configuration from
        then on, HOLD_MS at a time (None: a person); `gone`: the uid of a holder that is known to be no more. `dual_write`: write both
        layouts from now on, or only the one; None: as before.
        Raises SettingsInvalidError (before anything is read), ConfigurationManagedError while another holds the configuration,
        RevisionConflictError, StringUnreadableError, NotTextError, ContendedError.
        """
        texts = write_settings(values)

        def wish(seen: Seen, standing: Standing) -> Change:
            _expect(expected_revision, seen)
            others = {name: text for name, text in standing.values.items() if name not in NAMES}
            return Change(values={**others, **texts}, dual=dual_write)

        return self._change(wish, manager, gone)

    def change(
        self, changes: Mapping[str, object], *, expected_revision: int | None = None
    ) -> Applied:
        """Let some settings have other values, and all others stay; None: no longer stated, so that the default stands. For a person.

        Raises as `apply`.
        """
        texts = write_changes(changes)

        def wish(seen: Seen, standing: Standing) -> Change:
            changed = {
                name: text
                for name, text in {**standing.values, **texts}.items()
                if text is not None
            }
            if changed == standing.values:
                return (
                    Change()
                )  # it may have been done by the first of two requests, whose reply was lost
            _expect(expected_revision, seen)
            return Change(values=changed)

        return self._change(wish, None, "")

    def migrate(
        self,
        to: Layout,
        dual_write: bool = False,
        manager: Manager | None = None,
        *,
        gone: str = "",
    ) -> Applied:
        """Let the configuration lie in a layout, and with `dual_write` in both. What is replaced is kept under its backup key.

        From the string to the hash and back again it is the same to the byte. Raises as `apply`.
        """
        return self._change(
            lambda _seen, _standing: Change(layout=to, dual=dual_write), manager, gone
        )

    def rollback(self, revision: int, manager: Manager | None = None, *, gone: str = "") -> Applied:
        """Let the values of an earlier revision stand again, other programs' values included, as a new revision if they do not.

        Raises RevisionUnknownError, and as `apply`.
        """

        def wish(_seen: Seen, standing: Standing) -> Change:
            history = {each.number: each for each in self.history()}
            earlier = history.get(revision)
            if earlier is None:
                raise RevisionUnknownError(revision, sorted(history))
            if earlier.values == standing.values:
                return Change()
            return Change(
                values=earlier.values,
                spelling=earlier.spelling,
                origin=Origin.ROLLED_BACK,
                of=revision,
            )

        return self._change(wish, manager, gone)

    def release(self, manager: Manager) -> None:
        """Let a resource no longer hold the configuration, if it does. Its values stay."""
        self._library.call(self._client, "release", self._config_keys[2:3], [manager.encode()])

    def history(self) -> list[Revision]:
        """Return the revisions that are kept, the newest first."""
        records = self._client.hgetall(self._config_keys[3])
        return sorted(
            (read_record(int(number), record) for number, record in records.items()),
            key=lambda each: -each.number,
        )

    def memory(self) -> Memory:
        """Return what the configuration takes in the server's memory."""
        pipeline = self._client.pipeline(transaction=False)
        for key in (self._config_keys[0], self._config_keys[1], *self._config_keys[3:]):
            pipeline.memory_usage(key, samples=0)
        return Memory(*(int(size or 0) for size in pipeline.execute()))

    def _change(
        self, wish: Callable[[Seen, Standing], Change], manager: Manager | None, gone: str
    ) -> Applied:
        by, me = (manager.name, manager.encode()) if manager else ("", "")
        sent: Plan | None = None
        for _ in range(TRIES):
            seen = self._see()
            if seen.holder is not None and manager is None:
                raise ConfigurationManagedError(seen.holder)
            standing = judge(seen)
            planned = plan(seen, standing, msgspec.structs.replace(wish(seen, standing), by=by))
            if planned is None and sent is not None and sent.meta == seen.meta:
                # It was refused as late because it was done: its reply was lost, and the client sent it again.
                planned = sent
            elif planned is None:
                if manager is not None:
                    self._call("keep_hold", self._config_keys[2:3], [me, gone, HOLD_MS])
                return Applied(seen.meta.revision, standing.layout)
            elif not self._commit(planned, me, gone):
                sent = planned
                continue
            layout = planned.meta.layout or standing.layout
            return Applied(
                planned.meta.revision, layout, planned.changed, planned.taken_in, planned.migrated
            )
        raise ContendedError(
            f"others changed the configuration at each of {TRIES} tries; try again"
        )

    def _see(self) -> Seen:
        return read_seen(self._library.call(self._client, "see", self._config_keys))

    def _commit(self, planned: Plan, me: str, gone: str) -> bool:
        """Write a plan; return whether it was taken."""
        fields = [raw_bytes(part) for pair in planned.fields.items() for part in pair]
        records = [part for number, record in planned.records for part in (b"%d" % number, record)]
        arguments: list[Argument] = [
            planned.token,
            _pack(fields),
            planned.digest,
            "none" if planned.text is None else "text",
            planned.text or b"",
            planned.meta.string,
            _pack(write_meta(planned.meta)),
            _pack(records),
            planned.keep,
            int(planned.keep_text),
            me,
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
        """Call a function that refuses who may not; return whether it did what it was asked for."""
        answer = self._library.call(self._client, function, keys, arguments)
        if answer[0] == _HELD:
            raise ConfigurationManagedError(read_manager(answer[1]))
        return bool(answer[0])


def _expect(revision: int | None, seen: Seen) -> None:
    if revision is not None and seen.meta.revision != revision:
        raise RevisionConflictError(revision, seen.meta.revision)


def _pack(parts: Iterable[bytes]) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)

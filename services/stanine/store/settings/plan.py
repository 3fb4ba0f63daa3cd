"""Plan of a change: the complete new state, computed from a snapshot. Pure.

Changes made by other programs since the current revision become a revision first, so that a rollback can restore them.
"""

import msgspec

from stanine.store.settings.errors import NotTextError, StringUnreadableError
from stanine.store.settings.model import read_settings
from stanine.store.settings.snapshot import (
    LegacySyncState,
    Meta,
    Origin,
    SettingsLayout,
    Snapshot,
    digest_of,
    string_digest,
    write_record,
)
from stanine.store.settings.string_layout import RawValue, read_string, render


class Change(msgspec.Struct, frozen=True):
    """Requested state; None keeps the current value. `raw`: the formatting of the string layout."""

    values: dict[str, str] | None = None
    layout: SettingsLayout | None = None
    dual: bool | None = None
    #: Written to the history.
    by: str = ""
    origin: Origin = Origin.APPLIED
    of: int = 0
    raw: RawValue | None = None


class Applied(msgspec.Struct, frozen=True):
    """Result of a change: the current revision and layout, and what the change did.

    `changed`: it modified values. `adopted`: it recorded changes of other programs as a revision. `migrated`: it changed
    the layout or dual write.
    """

    revision: int
    layout: SettingsLayout
    changed: bool = False
    adopted: bool = False
    migrated: bool = False


class SettingsPlan(msgspec.Struct, frozen=True):
    """State after a change, with the history entries that it adds."""

    token: bytes
    fields: dict[str, str]
    text: bytes | None
    meta: Meta
    records: tuple[tuple[int, bytes], ...]
    #: Number of revisions that the history keeps.
    keep: int
    #: Whether the replaced string is copied to its backup key, because another program wrote it.
    keep_text: bool
    #: What the change does once it is committed.
    applied: Applied


def plan(snapshot: Snapshot, change: Change) -> SettingsPlan | None:
    """Return the state to write, or None if the stored state is as requested.

    Raises StringUnreadableError if the string is the only layout and unreadable, NotTextError if the string layout
    cannot represent the values.
    """
    if snapshot.unreadable and snapshot.string is LegacySyncState.NONE:
        raise StringUnreadableError(snapshot.unreadable)
    revision, records = snapshot.meta.revision, []
    if snapshot.edited:
        revision += 1
        found = render(snapshot.values, snapshot.raw)
        records.append((revision, write_record("", Origin.FOUND, 0, found)))
    values = snapshot.values if change.values is None else change.values
    raw = snapshot.raw if change.raw is None else change.raw
    changed = values != snapshot.values
    if changed:
        revision += 1
        applied = render(values, raw)
        records.append((revision, write_record(change.by, change.origin, change.of, applied)))
    layout = snapshot.layout if change.layout is None else change.layout
    dual = snapshot.meta.dual if change.dual is None else change.dual
    fields = values if dual or layout is SettingsLayout.HASH else {}
    if dual or layout is SettingsLayout.STRING:
        text: bytes | None = _write_string(values, raw)
    else:
        text = snapshot.text if snapshot.string is LegacySyncState.STRAY else None
    meta = Meta(revision, digest_of(values), layout, dual, string_digest(text))
    if not records and (fields, text, meta) == (snapshot.fields, snapshot.text, snapshot.meta):
        return None
    migrated = (layout, dual) != (snapshot.layout, snapshot.meta.dual)
    is_foreign = snapshot.string in {LegacySyncState.UNREADABLE, LegacySyncState.STRAY}
    return SettingsPlan(
        snapshot.token,
        fields,
        text,
        meta,
        tuple(records),
        keep=read_settings(values).settings.history_revisions,
        keep_text=is_foreign and text not in {None, snapshot.text},
        applied=Applied(revision, layout, changed, adopted=snapshot.edited, migrated=migrated),
    )


def _write_string(values: dict[str, str], raw: RawValue) -> bytes:
    """Render the string layout and verify that it reads back the same, before anything is written."""
    text = render(values, raw)
    try:
        read = read_string(text).values()
    except StringUnreadableError as error:
        raise NotTextError(f"a string cannot hold this configuration: {error.detail}") from None
    if read != values:
        raise NotTextError(
            "a string cannot hold this configuration: a value would not read back the same"
        )
    return text

"""What a change of the configuration comes to: from a look, the whole new state that one call of the Redis Function writes. Pure.

Whatever somebody else has changed since the present revision is taken in first, as a revision of its own: nothing is lost unseen, and a
rollback can bring it back.
"""

import msgspec

from stanine.store.settings.errors import NotTextError, StringUnreadableError
from stanine.store.settings.model import read_settings
from stanine.store.settings.snapshot import (
    Layout,
    LegacySyncState,
    Meta,
    Origin,
    Seen,
    Standing,
    digest_of,
    string_digest,
    write_record,
)
from stanine.store.settings.string_layout import RawValue, read_string, render


class Change(msgspec.Struct, frozen=True):
    """What is to be; what is None stays as it is. `spelling`: how a string is to be written, else as it is."""

    values: dict[str, str] | None = None
    layout: Layout | None = None
    dual: bool | None = None
    #: What the history says of it.
    by: str = ""
    origin: Origin = Origin.APPLIED
    of: int = 0
    spelling: RawValue | None = None


class Plan(msgspec.Struct, frozen=True):
    """The state after a change, and the entries of the history that it adds."""

    token: bytes
    fields: dict[str, str]
    digest: str
    text: bytes | None
    meta: Meta
    records: tuple[tuple[int, bytes], ...]
    #: Revisions that the history keeps.
    keep: int
    #: Whether a copy is kept of the string that is overwritten: it is none of ours.
    keep_text: bool
    #: Whether the wish changed values, whether somebody else had, and whether the settings now lie in other layouts.
    changed: bool
    taken_in: bool
    migrated: bool


def plan(seen: Seen, standing: Standing, wish: Change) -> Plan | None:
    """Return what to write, or None if all is as wished.

    Raises StringUnreadableError where the string is the only layout and cannot be read, NotTextError where a string cannot hold the values.
    """
    if standing.unreadable and standing.beside is LegacySyncState.NONE:
        raise StringUnreadableError(standing.unreadable)
    revision, records = seen.meta.revision, []
    if standing.edited:
        revision += 1
        records.append(
            (
                revision,
                write_record("", Origin.FOUND, 0, render(standing.values, standing.spelling)),
            )
        )
    values = standing.values if wish.values is None else wish.values
    spelling = standing.spelling if wish.spelling is None else wish.spelling
    changed = values != standing.values
    if changed:
        revision += 1
        records.append(
            (revision, write_record(wish.by, wish.origin, wish.of, render(values, spelling)))
        )
    layout = standing.layout if wish.layout is None else wish.layout
    dual = seen.meta.dual if wish.dual is None else wish.dual
    fields = values if dual or layout is Layout.HASH else {}
    if dual or layout is Layout.STRING:
        text: bytes | None = _write_string(values, spelling)
    else:
        text = seen.text if standing.beside is LegacySyncState.STRAY else None
    digest = digest_of(fields)
    meta = Meta(
        revision=revision,
        digest=digest_of(values),
        layout=layout,
        dual=dual,
        string=string_digest(text),
    )
    if not records and fields == seen.fields and text == seen.text and meta == seen.meta:
        return None
    keep_text = standing.beside in {
        LegacySyncState.UNREADABLE,
        LegacySyncState.STRAY,
    } and text not in {None, seen.text}
    keep = read_settings(values).settings.history_revisions
    migrated = (layout, dual) != (standing.layout, seen.meta.dual)
    return Plan(
        seen.token,
        fields,
        digest,
        text,
        meta,
        tuple(records),
        keep,
        keep_text,
        changed,
        standing.edited,
        migrated,
    )


def _write_string(values: dict[str, str], spelling: RawValue) -> bytes:
    """Write the string layout, and see that it reads back the same: before anything is written to Redis."""
    text = render(values, spelling)
    try:
        read = read_string(text).values()
    except StringUnreadableError as error:
        raise NotTextError(f"a string cannot hold this configuration: {error.why}") from None
    if read != values:
        raise NotTextError(
            "a string cannot hold this configuration: a value would not read back the same"
        )
    return text

"""What can be changed while the services run: one record, from which the API's answers and the custom resource's schema are made too.

Pure. A value lies in Redis as text under the setting's camelCase name; one that is not there has its default.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stanine.store.durability import Durability
from stanine.store.settings.errors import SettingsInvalidError


class LogLevel(StrEnum):
    """From which level on a process logs."""

    DEBUG = "Debug"
    INFO = "Info"
    WARNING = "Warning"
    ERROR = "Error"


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """The runtime settings. Each takes effect in every service within about two seconds, without a restart."""

    durability: Annotated[
        Durability,
        Meta(
            description="When a publish or submit is acknowledged: Everysec once written, Fsync once it is on the server's disk, "
            "Replica once it is on a replica's disk, too."
        ),
    ] = Durability.EVERYSEC
    admission_percent: Annotated[
        int,
        Meta(
            ge=10,
            le=95,
            description="Percent of maxmemory from which new work is refused, so that accepted work can still be finished.",
        ),
    ] = 85
    sweep_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=3600,
            description="Seconds between two sweeps of the records for what no message asks for any more.",
        ),
    ] = 15
    max_requeues: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="How often the sweep re-queues an attempt before it ends as Failed.",
        ),
    ] = 5
    batch_max_attempts: Annotated[
        int,
        Meta(
            ge=1,
            le=4096,
            description="Attempts that a resultWatcher takes, scores and commits as one batch, at the most.",
        ),
    ] = 1024
    bulk_group_lines: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="Lines of a bulk submission that are stored by one call of Redis, at the most.",
        ),
    ] = 500
    bulk_group_bytes: Annotated[
        int,
        Meta(
            ge=16_384,
            le=8_388_608,
            description="Bytes of lines that are stored by one call of Redis, give or take one line.",
        ),
    ] = 1_048_576
    max_attempt_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            le=262_144,
            description="Bytes of an attempt as sent, alone or as a line of a bulk submission.",
        ),
    ] = 262_144
    max_document_bytes: Annotated[
        int,
        Meta(
            ge=4096,
            le=4_194_304,
            description="Bytes of the text of an instrument document as sent to the API.",
        ),
    ] = 4_194_304
    session_days: Annotated[
        int,
        Meta(
            ge=1,
            le=366,
            description="Days that a session is kept after it was opened, or after its deadline if it has one.",
        ),
    ] = 60
    session_grace_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=3600,
            description="Seconds after a session's deadline in which answers that were on their way are still taken.",
        ),
    ] = 10
    tombstone_days: Annotated[
        int,
        Meta(
            ge=1,
            le=3650,
            description="Days in which the key of an erased attempt is refused, so that no retry brings the attempt back.",
        ),
    ] = 30
    public_url: Annotated[
        str,
        Meta(
            max_length=200,
            pattern="^(https?://[^ ?#]+)?$",
            description="Where the participants' pages are, for links; empty: links have no address.",
        ),
    ] = ""
    return_urls: Annotated[
        str,
        Meta(
            max_length=2000,
            pattern="^(https?://[^ ?#]+( https?://[^ ?#]+)*)?$",
            description="Addresses, with spaces between them, that the `returnUrl` of an invitation may begin with.",
        ),
    ] = ""
    history_revisions: Annotated[
        int,
        Meta(
            ge=1,
            le=200,
            description="Revisions of this configuration that are kept, the present one included.",
        ),
    ] = 50
    log_level: Annotated[
        LogLevel,
        Meta(description="From which level on the services log; absent, as they were started."),
    ] = LogLevel.INFO


#: Characters of a sentence about a fault: it may quote a value.
MAX_FAULT = 200
#: The settings' names as they lie in Redis, in the order of the record.
NAMES: tuple[str, ...] = Settings.__struct_encode_fields__


class SettingsRead(msgspec.Struct, frozen=True):
    """The settings as read, and what is wrong with the fields that were left as they were: (field, why)."""

    settings: Settings = Settings()
    faults: tuple[tuple[str, str], ...] = ()
    #: The names of the settings that are stated: of the others, the default stands.
    stated: frozenset[str] = frozenset()
    #: The older string that this was read from; the same text need not be read again.
    text: bytes | None = None


def read_settings(texts: Mapping[str, str], previous: Settings | None = None) -> SettingsRead:
    """Read the settings from the texts of the configuration; a faulty one stays as in `previous`. Unknown names are others' business."""
    values = dict(msgspec.to_builtins(Settings()))
    faults, stated = [], set()
    for name, fallback in msgspec.to_builtins(previous or Settings()).items():
        text = texts.get(name)
        if text is None:
            continue
        stated.add(name)
        try:
            values[name] = _convert_one(name, text, strict=False)
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            values[name] = fallback
            faults.append((name, _say(error)))
    return SettingsRead(msgspec.convert(values, Settings), tuple(faults), frozenset(stated))


def write_settings(values: Mapping[str, object]) -> dict[str, str]:
    """Return the texts of settings given as JSON has them (numbers and strings); raises SettingsInvalidError naming every fault."""
    texts, faults = {}, []
    for name, value in values.items():
        if name not in NAMES:
            faults.append((name, "there is no such setting"))
            continue
        try:
            texts[name] = str(_convert_one(name, value, strict=True))
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            faults.append((name, _say(error)))
    if faults:
        raise SettingsInvalidError(faults)
    return texts


def write_changes(changes: Mapping[str, object]) -> dict[str, str | None]:
    """Return the texts of settings that change, None for one that is to have its default; raises SettingsInvalidError."""
    dropped: dict[str, str | None] = {
        name: None for name, value in changes.items() if value is None
    }
    faults = [(name, "there is no such setting") for name in dropped if name not in NAMES]
    try:
        texts = write_settings(
            {name: value for name, value in changes.items() if value is not None}
        )
    except SettingsInvalidError as error:
        raise SettingsInvalidError([*faults, *error.faults]) from None
    if faults:
        raise SettingsInvalidError(faults)
    return {**dropped, **texts}


def _convert_one(name: str, value: object, *, strict: bool) -> Any:
    settings = msgspec.convert({name: value}, Settings, strict=strict)
    return msgspec.to_builtins(settings)[name]


def _say(error: msgspec.ValidationError | UnicodeEncodeError) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "Expected text in UTF-8"
    return str(error).partition(" - at `")[0][:MAX_FAULT]

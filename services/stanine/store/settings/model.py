"""The runtime settings: one record, from which the API's bodies and the custom resource's schema are derived. Pure.

Redis stores each value as text under the setting's camelCase name; a missing value means the default.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stanine.store.durability import Durability
from stanine.store.settings.errors import SettingsInvalidError


class LogLevel(StrEnum):
    """Minimum level of log events."""

    DEBUG = "Debug"
    INFO = "Info"
    WARNING = "Warning"
    ERROR = "Error"


def _whole(lowest: int, highest: int, description: str) -> Meta:
    return Meta(ge=lowest, le=highest, description=description)


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """The runtime settings. A change takes effect in every service within about two seconds."""

    durability: Annotated[
        Durability,
        Meta(
            description="When a publish or submit is acknowledged: Everysec after the write, Fsync after it is on the server's disk, "
            "Replica after it is on a replica's disk as well."
        ),
    ] = Durability.EVERYSEC
    admission_percent: Annotated[
        int,
        _whole(
            10,
            95,
            "Percent of maxmemory above which new work is rejected, so that accepted work can finish.",
        ),
    ] = 85
    sweep_seconds: Annotated[
        int,
        _whole(1, 3600, "Seconds between two sweeps for records without a pending message."),
    ] = 15
    max_requeues: Annotated[
        int,
        _whole(
            1,
            100,
            "Number of times that the sweep requeues an attempt before the attempt becomes Failed.",
        ),
    ] = 5
    batch_max_attempts: Annotated[
        int,
        _whole(
            1,
            4096,
            "Maximum number of attempts that a resultWatcher reads, scores and commits as one batch.",
        ),
    ] = 1024
    bulk_group_lines: Annotated[
        int,
        _whole(1, 1000, "Maximum number of lines of a bulk submission stored by one Redis call."),
    ] = 500
    bulk_group_bytes: Annotated[
        int,
        _whole(
            16_384,
            8_388_608,
            "Bytes of lines stored by one Redis call; the last line may exceed it.",
        ),
    ] = 1_048_576
    max_attempt_bytes: Annotated[
        int,
        _whole(
            1024,
            262_144,
            "Maximum bytes of a submitted attempt, single or as a line of a bulk submission.",
        ),
    ] = 262_144
    max_document_bytes: Annotated[
        int,
        _whole(4096, 4_194_304, "Maximum bytes of an instrument document sent to the API."),
    ] = 4_194_304
    session_days: Annotated[
        int,
        _whole(
            1,
            366,
            "Days that a session is kept after it was opened, or after its deadline if it has one.",
        ),
    ] = 60
    session_grace_seconds: Annotated[
        int,
        _whole(
            0,
            3600,
            "Seconds after a session's deadline in which answers that were on their way are still taken.",
        ),
    ] = 10
    tombstone_days: Annotated[
        int,
        _whole(
            1,
            3650,
            "Days in which the key of an erased attempt is refused, so that no retry brings the attempt back.",
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
        _whole(
            1, 200, "Number of revisions of this configuration to keep, including the current one."
        ),
    ] = 50
    log_level: Annotated[
        LogLevel,
        Meta(description="Minimum level of log events; if absent, the level set at start."),
    ] = LogLevel.INFO


#: Characters of a message about an invalid value: it may quote the value.
MAX_FAULT = 200
#: Names of the settings in Redis, in the order of the record.
NAMES: tuple[str, ...] = Settings.__struct_encode_fields__


class SettingsRead(msgspec.Struct, frozen=True):
    """The settings in effect. `faults` are the invalid values that were ignored: (name, message)."""

    settings: Settings = Settings()
    faults: tuple[tuple[str, str], ...] = ()
    #: Names that have a stored value; the others have their defaults.
    stated: frozenset[str] = frozenset()
    #: The string that was parsed, so that an unchanged string is not parsed again.
    text: bytes | None = None


def read_settings(texts: Mapping[str, str], previous: Settings | None = None) -> SettingsRead:
    """Parse stored values; an invalid value keeps the one in `previous`. Unknown names are ignored."""
    stated = {name: texts[name] for name in NAMES if name in texts}
    values, faults = _convert(stated, strict=False)
    fallback = msgspec.to_builtins(previous or Settings())
    ignored = {name: fallback[name] for name, _ in faults}
    settings = msgspec.convert(msgspec.to_builtins(Settings()) | values | ignored, Settings)
    return SettingsRead(settings, tuple(faults), frozenset(stated))


def write_settings(values: Mapping[str, object]) -> dict[str, str]:
    """Return the stored texts of JSON values; raise SettingsInvalidError listing every invalid one."""
    converted, faults = _convert(values, strict=True)
    if faults:
        raise SettingsInvalidError(faults)
    return {name: str(value) for name, value in converted.items()}


def write_changes(changes: Mapping[str, object]) -> dict[str, str | None]:
    """Return the stored texts of changed settings, None to remove one; raise as `write_settings`."""
    defaults = msgspec.to_builtins(Settings())
    texts = write_settings(
        {name: defaults.get(name) if value is None else value for name, value in changes.items()}
    )
    return {name: None if changes[name] is None else text for name, text in texts.items()}


def _convert(
    values: Mapping[str, object], *, strict: bool
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the valid values, and (name, message) of the others."""
    converted, faults = {}, []
    for name, value in values.items():
        if name not in NAMES:
            faults.append((name, "unknown setting"))
            continue
        try:
            one = msgspec.convert({name: value}, Settings, strict=strict)
            converted[name] = msgspec.to_builtins(one)[name]
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            faults.append((name, _message(error)))
    return converted, faults


def _message(error: msgspec.ValidationError | UnicodeEncodeError) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "Expected text in UTF-8"
    return str(error).partition(" - at `")[0][:MAX_FAULT]

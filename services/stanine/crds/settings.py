"""The application's runtime settings in a RedisConfig: every field of Settings, optional.

Generated from stanine.store's Settings, so that a setting has one name, one range and one description.
"""

import enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from stanine.domain.instruments.records import Record
from stanine.store.settings.model import Settings

_ABOUT = "The application's runtime settings; omitted settings have their defaults."


def _optional(annotation: Any, default: object) -> Any:
    """Return a setting's type in a custom resource: optional, with the default described."""
    bare, *more = get_args(annotation) if hasattr(annotation, "__metadata__") else (annotation,)
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        bare = Literal[tuple(one.value for one in bare)]
    told = next((one.description for one in more if isinstance(one, Meta) and one.description), "")
    about = Meta(
        description=f"{told} Default: {'empty' if default == '' else msgspec.to_builtins(default)}.".strip()
    )
    return Annotated[(bare, *more, about)] | None


if TYPE_CHECKING:

    class SettingsSpec(Record, frozen=True):
        """The application's runtime settings; omitted settings have their defaults."""

else:
    SettingsSpec = msgspec.defstruct(
        "SettingsSpec",
        [
            (name, _optional(annotation, getattr(Settings(), name)), None)
            for name, annotation in get_type_hints(Settings, include_extras=True).items()
        ],
        bases=(Record,),
        frozen=True,
        rename="camel",
        forbid_unknown_fields=True,
        omit_defaults=True,
        module=__name__,
        namespace={"__doc__": _ABOUT},
    )


def given_settings(settings: SettingsSpec) -> dict[str, Any]:
    """Return the given settings by their names in the configuration, as plain values."""
    return dict(msgspec.to_builtins(settings))

"""What the API is started with: environment variables, read once by `main`. Everything else is runtime configuration in Redis."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from stanine.domain.errors import StanineError

#: The namespace of all keys in Redis, unless STANINE_NAMESPACE says another.
DEFAULT_NAMESPACE = "stanine"


class SettingsError(StanineError):
    """Raised when the environment lacks something or holds what cannot be used; the message names the variable and the remedy."""


class ApiSettings(msgspec.Struct, frozen=True):
    """The API's start settings."""

    redis_url: str
    keys_file: Path
    namespace: str = DEFAULT_NAMESPACE


def read_settings(environ: Mapping[str, str]) -> ApiSettings:
    """Read the settings; raises SettingsError."""
    for name, example in (("STANINE_REDIS_URL", "redis://127.0.0.1:6379/0"), ("STANINE_KEYS_FILE", "/etc/stanine/keys.yaml")):
        if not environ.get(name):
            raise SettingsError(f"{name} is not set; set it, for example to {example}")
    namespace = environ.get("STANINE_NAMESPACE") or DEFAULT_NAMESPACE
    if "{" in namespace or "}" in namespace or not namespace.isprintable():
        raise SettingsError("STANINE_NAMESPACE may not hold { or }, which would change how a Redis Cluster places the keys")
    return ApiSettings(environ["STANINE_REDIS_URL"], Path(environ["STANINE_KEYS_FILE"]), namespace)

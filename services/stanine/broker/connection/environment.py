"""Environment variables that every process reads: Redis URL and namespace.

Read in a composition root.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

#: Default prefix of every key.
DEFAULT_NAMESPACE = "stanine"


class InvalidEnvironmentError(Exception):
    """An environment variable is invalid; the message names it and the remedy."""


@dataclass(frozen=True)
class Environment:
    """STANINE_REDIS_URL, STANINE_NAMESPACE and STANINE_KEYS_FILE.

    `redis_url` includes STANINE_REDIS_USERNAME, …_PASSWORD, …_USERNAME_FILE, …_PASSWORD_FILE and STANINE_SENTINEL_….
    """

    redis_url: str
    namespace: str = DEFAULT_NAMESPACE
    keys_file: str | None = None


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read the environment; raises InvalidEnvironmentError."""
    url = variables.get("STANINE_REDIS_URL")
    if not url:
        raise InvalidEnvironmentError(
            "STANINE_REDIS_URL is not set; set it to the URL of Redis, for example redis://127.0.0.1:6379/0"
        )
    if not url.startswith(
        ("redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://")
    ):
        raise InvalidEnvironmentError(
            "STANINE_REDIS_URL is not a Redis URL: use redis://HOST:PORT/DB, rediss://…, unix://… or redis+sentinel://HOST:PORT,…/MASTER"
        )
    namespace = variables.get("STANINE_NAMESPACE") or DEFAULT_NAMESPACE
    if not namespace.isprintable() or any(character in namespace for character in "{}: \n"):
        raise InvalidEnvironmentError(
            "STANINE_NAMESPACE is the prefix of every key: use letters, digits, '-', '_' or '.', without ':' or braces"
        )
    return Environment(
        _with_credentials(url, variables), namespace, variables.get("STANINE_KEYS_FILE")
    )


def _with_credentials(url: str, variables: Mapping[str, str]) -> str:
    """Return the URL with the credentials, or the credentials files, of the separate variables.

    Values are escaped, since a Secret may contain any character.
    """
    server = _credentials("STANINE_REDIS", variables)
    parts = urlsplit(url)
    if server:
        if "@" in parts.netloc or any(name in server for name, _ in parse_qsl(parts.query)):
            raise InvalidEnvironmentError(
                "Both STANINE_REDIS_URL and STANINE_REDIS_USERNAME or STANINE_REDIS_PASSWORD contain credentials: set them in one place"
            )
        user, password = (quote(server.pop(part, ""), safe="") for part in ("username", "password"))
        if user or password:
            parts = parts._replace(netloc=f"{user}:{password}@{parts.netloc}")
    options = server | {
        f"sentinel_{part}": value
        for part, value in _credentials("STANINE_SENTINEL", variables).items()
    }
    if options:
        added = "&".join(f"{option}={quote(value, safe='')}" for option, value in options.items())
        parts = parts._replace(query=f"{parts.query}&{added}" if parts.query else added)
    return urlunsplit(parts)


def _credentials(prefix: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Return those of `username`, `username_file`, `password` and `password_file` that are set."""
    given: dict[str, str] = {}
    for part in ("username", "password"):
        name = f"{prefix}_{part.upper()}"
        if variables.get(name) and variables.get(f"{name}_FILE"):
            raise InvalidEnvironmentError(f"{name} and {name}_FILE are both set: set one of them")
        ways = ((part, variables.get(name)), (f"{part}_file", variables.get(f"{name}_FILE")))
        given |= {option: value for option, value in ways if value}
    if "username_file" in given and "password_file" not in given:
        raise InvalidEnvironmentError(
            f"{prefix}_USERNAME_FILE needs {prefix}_PASSWORD_FILE: set both"
        )
    return given

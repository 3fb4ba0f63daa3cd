"""The environment that every process of Stanine reads: where Redis is and which keys are ours. Read once, in a composition root."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

#: The prefix of every key when nothing says otherwise.
DEFAULT_NAMESPACE = "stanine"


class EnvironmentFaultError(Exception):
    """A variable of the environment cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class Environment:
    """STANINE_REDIS_URL (with STANINE_REDIS_USERNAME, …_PASSWORD, STANINE_SENTINEL_… in it), STANINE_NAMESPACE and STANINE_KEYS_FILE."""

    redis_url: str
    namespace: str = DEFAULT_NAMESPACE
    keys_file: str | None = None


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read the environment; raises EnvironmentFaultError."""
    url = variables.get("STANINE_REDIS_URL")
    if not url:
        raise EnvironmentFaultError("STANINE_REDIS_URL is not set; set it to the address of Redis, for example to redis://127.0.0.1:6379/0")
    if not url.startswith(("redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://")):
        raise EnvironmentFaultError(
            "STANINE_REDIS_URL is no address of a Redis: write redis://HOST:PORT/DB, rediss://…, unix://… or redis+sentinel://HOST:PORT,…/MASTER"
        )
    namespace = variables.get("STANINE_NAMESPACE") or DEFAULT_NAMESPACE
    if not namespace.isprintable() or any(character in namespace for character in "{}: \n"):
        raise EnvironmentFaultError(
            "STANINE_NAMESPACE is the prefix of every key: write letters, digits, '-', '_' or '.', without ':' or braces"
        )
    return Environment(_with_credentials(url, variables), namespace, variables.get("STANINE_KEYS_FILE"))


def _with_credentials(url: str, variables: Mapping[str, str]) -> str:
    """Return the address with the credentials that variables of their own give: a Secret's text need not be fit for an address."""
    user, password = variables.get("STANINE_REDIS_USERNAME", ""), variables.get("STANINE_REDIS_PASSWORD", "")
    parts = urlsplit(url)
    if user or password:
        if "@" in parts.netloc:
            raise EnvironmentFaultError(
                "STANINE_REDIS_URL has credentials, and so have STANINE_REDIS_USERNAME and STANINE_REDIS_PASSWORD: give them in one place"
            )
        parts = parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}")
    sentinels = {
        option: value
        for option, name in (("sentinel_username", "STANINE_SENTINEL_USERNAME"), ("sentinel_password", "STANINE_SENTINEL_PASSWORD"))
        if (value := variables.get(name))
    }
    if sentinels:
        added = "&".join(f"{option}={quote(value, safe='')}" for option, value in sentinels.items())
        parts = parts._replace(query=f"{parts.query}&{added}" if parts.query else added)
    return urlunsplit(parts)

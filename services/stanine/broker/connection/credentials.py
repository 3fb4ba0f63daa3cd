"""Credential provider that reads its files for every new connection.

Created by clients.py from a URL.

A Secret mounted as files may change while a process runs. Password rotation therefore needs no restart: open
connections stay, and new connections use the new password.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import redis

#: URL options that name files, for a connection to the server and to a sentinel.
USERNAME_FILE, PASSWORD_FILE = "username_file", "password_file"
SENTINEL_USERNAME_FILE, SENTINEL_PASSWORD_FILE = "sentinel_username_file", "sentinel_password_file"

_FILES = frozenset({USERNAME_FILE, PASSWORD_FILE, SENTINEL_USERNAME_FILE, SENTINEL_PASSWORD_FILE})


class CredentialsUnreadableError(redis.AuthenticationError):
    """A credentials file cannot be read; the message names it.

    A retry succeeds once the file is readable.
    """


@dataclass(frozen=True, repr=False)
class FileCredentials(redis.CredentialProvider):
    """redis-py credential provider for files.

    `username` is used if no file holds the name; without both, the default user is used.
    """

    password_file: str
    username_file: str | None = None
    username: str | None = None

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Read the files; called by redis-py for each new connection."""
        username = _read(self.username_file) if self.username_file else self.username
        password = _read(self.password_file)
        return (username, password) if username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Read the files. Blocking is acceptable: they are small and in memory."""
        return self.get_credentials()


def take_credentials(url: str) -> tuple[str, FileCredentials | None, FileCredentials | None]:
    """Return the URL without file options, and credentials for the server and its sentinels."""
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    files = {name: value for name, value in options if name in _FILES}
    if not files:
        return url, None, None
    server = sentinel = None
    left = {name: value for name, value in options if name not in files}
    if PASSWORD_FILE in files:
        named, _, hosts = parts.netloc.rpartition("@")
        server = FileCredentials(
            files[PASSWORD_FILE], files.get(USERNAME_FILE), unquote(named.partition(":")[0]) or None
        )
        parts = parts._replace(netloc=hosts)
    if SENTINEL_PASSWORD_FILE in files:
        name = left.pop("sentinel_username", None)
        sentinel = FileCredentials(
            files[SENTINEL_PASSWORD_FILE], files.get(SENTINEL_USERNAME_FILE), name
        )
    return urlunsplit(parts._replace(query=urlencode(left))), server, sentinel


def _read(path: str) -> str:
    """Return a file's text without a trailing line break, which editors add."""
    try:
        return Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        # suppress the cause: a decoding error quotes the content
        raise CredentialsUnreadableError(
            f"the credentials cannot be read from {path}: {reason}"
        ) from None

"""As whom to log in, read from files anew for each connection. Made by clients.py of what an address says.

A Secret mounted as files changes while a process runs; so a rotated password needs no restart: connections that are open stay, and the next
one logs in with what the file says by then.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import redis

#: Options of an address that name files. Of a connection to the server, and of one to a sentinel.
USERNAME_FILE, PASSWORD_FILE = "username_file", "password_file"
SENTINEL_USERNAME_FILE, SENTINEL_PASSWORD_FILE = "sentinel_username_file", "sentinel_password_file"

_FILES = frozenset({USERNAME_FILE, PASSWORD_FILE, SENTINEL_USERNAME_FILE, SENTINEL_PASSWORD_FILE})


class LoginUnreadableError(redis.AuthenticationError):
    """A file with a user name or a password cannot be read; the message names it. Trying again helps once it is there."""


@dataclass(frozen=True, repr=False)
class FileLogin(redis.CredentialProvider):
    """User name and password for redis-py. `username` counts where no file holds the name; without any it is the default user's."""

    password_file: str
    username_file: str | None = None
    username: str | None = None

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Read the files; called by redis-py whenever it opens a connection."""
        username = _read(self.username_file) if self.username_file else self.username
        password = _read(self.password_file)
        return (username, password) if username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Do the same: two small files of memory are read at once."""
        return self.get_credentials()


def take_login(url: str) -> tuple[str, FileLogin | None, FileLogin | None]:
    """Return an address without its options that name files, the login at the server, and the one at its sentinels."""
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    files = {name: value for name, value in options if name in _FILES}
    if not files:
        return url, None, None
    server = sentinel = None
    left = {name: value for name, value in options if name not in files}
    if PASSWORD_FILE in files:
        named, _, hosts = parts.netloc.rpartition("@")
        server = FileLogin(
            files[PASSWORD_FILE], files.get(USERNAME_FILE), unquote(named.partition(":")[0]) or None
        )
        parts = parts._replace(netloc=hosts)
    if SENTINEL_PASSWORD_FILE in files:
        name = left.pop("sentinel_username", None)
        sentinel = FileLogin(files[SENTINEL_PASSWORD_FILE], files.get(SENTINEL_USERNAME_FILE), name)
    return urlunsplit(parts._replace(query=urlencode(left))), server, sentinel


def _read(path: str) -> str:
    """Return a file's text without the line break that an editor puts at its end."""
    try:
        return Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        # a faulty text would quote itself
        raise LoginUnreadableError(f"the login cannot be read from {path}: {why}") from None

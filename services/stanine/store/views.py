"""Index views, `number token`: detect whether a process's index matches the server's data.

Each change of the index has a sequential number and a random token. A server that restarts with older data assigns the
number again, with another token. Used by all code that depends on the index; `functions/views.lua` is the server's
part.
"""

import secrets
from typing import Any

from stanine.store.errors import StaleViewError
from stanine.store.keys import Keys

#: Random bytes of a change's token.
TOKEN_BYTES = 8


def new_token() -> str:
    """Return a random token for a change of the index."""
    return secrets.token_hex(TOKEN_BYTES)


def change_number(view: str) -> int:
    """Return the number of the last change in a view."""
    return int(view.partition(" ")[0] or 0)


def ask_for_view(pipeline: Any, keys: Keys, view: str) -> None:
    """Queue the command whose reply `belongs` and `check_view` expect."""
    pipeline.hget(keys.index_history, change_number(view))


def belongs(view: str, token: bytes | None) -> bool:
    """Return whether a view matches the data of a transaction. The empty view always does."""
    return not view or token == view.partition(" ")[2].encode()


def check_view(view: str, token: bytes | None) -> None:
    """Raise StaleViewError unless a view matches the data of a transaction."""
    if not belongs(view, token):
        raise StaleViewError("the index view does not match the server's data")

"""Views of the index, `number token`: whether what a process knows of the index belongs to the data that the server has now.

Each change of the index has a number, in order, and a random token. A server that comes back with older data gives the number again, but
with another token. Used by everything that reads or writes with knowledge of the index; `functions/views.lua` is its part in functions.
"""

import secrets
from typing import Any

from stanine.store.errors import StaleViewError
from stanine.store.keys import Keys

#: Random bytes of the token of a change.
TOKEN_BYTES = 8


def new_token() -> str:
    """Return the random token of a change of the index."""
    return secrets.token_hex(TOKEN_BYTES)


def change_number(view: str) -> int:
    """Return the number of the last change in a view."""
    return int(view.partition(" ")[0] or 0)


def ask_for_view(pipeline: Any, keys: Keys, view: str) -> None:
    """Add to a transaction the command whose reply `belongs` and `check_view` take."""
    pipeline.hget(keys.index_history, change_number(view))


def belongs(view: str, token: bytes | None) -> bool:
    """Tell whether a view belongs to the data of a transaction. An empty one belongs to all."""
    return not view or token == view.partition(" ")[2].encode()


def check_view(view: str, token: bytes | None) -> None:
    """Raise StaleViewError unless a view belongs to the data of a transaction."""
    if not belongs(view, token):
        raise StaleViewError("the index that was read does not belong to the server's data")

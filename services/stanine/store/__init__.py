"""The only code that knows records in Redis: what is stored, under which key, and how it changes.

Every write is one call of one function in `functions.lua`, which writes the record and appends the message about it in the same
step. Callers: the API (instruments, attempts), the watchers (index, results, sweep), the CLI (check).
"""

from importlib.resources import files

from stanine.connection.library import Library


def load_library() -> Library:
    """Read the store's Redis Function library. Called once by each composition root."""
    return Library("stanine_store", files(__package__).joinpath("functions.lua").read_text())

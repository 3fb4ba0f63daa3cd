"""The only code that knows records in Redis: what is stored, under which key, and how it changes.

Every write is one call of one function in `functions.lua` or `instruments.lua`, which writes the record and appends the message about it
in the same step. Callers: the API (instruments, attempts), the watchers (index, results, sweep), the operator (managed), the CLI (check).
"""

from importlib.resources import files

from stanine.connection.library import Library
from stanine.connection.managing import managing_source


def load_library() -> Library:
    """Read the store's Redis Function library. Called once by each composition root."""
    here = files(__package__)
    parts = here.joinpath("functions.lua").read_text(), managing_source(), here.joinpath("instruments.lua").read_text()
    return Library("stanine_store", "\n".join(parts))

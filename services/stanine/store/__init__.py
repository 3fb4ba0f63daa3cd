"""The only code that knows records in Redis: what is stored, under which key, and how it changes.

Every write is one call of one function in `functions/`, which writes the record and appends the message about it in the same step. Callers:
the API (instruments, attempts), the watchers (index, results, sweep), the operator (managed), the CLI (check).
"""

from importlib.resources import files

from stanine.broker.connection.functions import Library
from stanine.broker.connection.ownership import managing_source
from stanine.store import blocks, keys, records
from stanine.store.keys import INVITATION_BYTES

#: The function library's source files, in this order; `managing` is the connection's.
_PARTS = (
    "prelude", "views", "buckets", "participants", "attempts", "results", "lists", "sweep", "secrets", "invitations", "sessions",
    "erasure",    "managing", "instruments",
)  # fmt: skip
#: What the source names between @: one truth for Python and Lua.
_CONSTANTS = {
    **{
        name: getattr(keys, name)
        for name in ("BLOCK_SIZE", "CHUNK_SIZE", "PAGE_SIZE", "SPLIT_FROM", "FIRST_BITS")
    },
    **{
        name: getattr(records, name)
        for name in ("ARRIVAL_BYTES", "RANDOM_BYTES", "TIME_BYTES", "START_BYTES")
    },
    **{
        name: getattr(records, name)
        for name in ("FINGERPRINT_BYTES", "CONTENT_BYTES", "KEY_SPACE_BYTES")
    },
    **{name: getattr(records, name) for name in ("KEY_KIND_STEP", "KEY_TEXT", "KEY_UUID")},
    "INVITATION_BYTES": INVITATION_BYTES,
    **{name: getattr(records, name) for name in ("ERASED", "RESULT_COMMIT", "COMMIT_BYTES")},
    **{name: getattr(blocks, name) for name in ("IDS_FIELD", "RUN_FIELD", "RUN_LIMIT")},
}


def load_library() -> Library:
    """Read the store's Redis Function library. Called once by each composition root."""
    here = files(__package__).joinpath("functions")
    parts = [
        managing_source() if part == "managing" else here.joinpath(f"{part}.lua").read_text()
        for part in _PARTS
    ]
    source = "\n".join(parts)
    for name, value in _CONSTANTS.items():
        source = source.replace(f"@{name}@", str(value))
    return Library("stanine_store", source)

"""Records in Redis: their layout, keys and changes. No other package reads or writes them.

Each write is one call of a Redis Function in `functions/`, which writes the record and appends its message atomically.
Callers: the API (instruments, attempts), the watchers (index, results, sweep), the operator (managed), the CLI (check).
"""

from importlib.resources import files

from stanine.broker.connection.functions import Library
from stanine.broker.connection.ownership import ownership_source
from stanine.messages import RUN_ID_BYTES
from stanine.store import blocks, digests, keys, records, result_layout
from stanine.store.keys import INVITATION_BYTES

#: Source files of the function library in load order; `managing` belongs to stanine.broker.connection.
_PARTS = (
    "prelude",
    "views",
    "buckets",
    "participants",
    "tombstones",
    "attempts",
    "results",
    "lists",
    "attempt_lists",
    "sweep",
    "secrets",
    "invitations",
    "sessions",
    "erasure",
    "rescoring",
    "logins",
    "changes",
    "processes",
    "ownership",
    "instruments",
)
#: Values of the @NAME@ placeholders in the Lua source: each constant is defined once, in Python.
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
        name: getattr(digests, name)
        for name in ("FINGERPRINT_BYTES", "CONTENT_BYTES", "KEY_SPACE_BYTES")
    },
    **{name: getattr(records, name) for name in ("KEY_KIND_STEP", "KEY_TEXT", "KEY_UUID")},
    "INVITATION_BYTES": INVITATION_BYTES,
    "RUN_ID_BYTES": RUN_ID_BYTES,
    **{name: getattr(result_layout, name) for name in ("ERASED", "RESULT_COMMIT", "COMMIT_BYTES")},
    **{name: getattr(blocks, name) for name in ("IDS_FIELD", "RUN_FIELD", "RUN_LIMIT")},
}


def load_library() -> Library:
    """Read the store's Redis Function library. Called once by each composition root."""
    here = files(__package__).joinpath("functions")
    parts = [
        ownership_source() if part == "ownership" else here.joinpath(f"{part}.lua").read_text()
        for part in _PARTS
    ]
    source = "\n".join(parts)
    for name, value in _CONSTANTS.items():
        source = source.replace(f"@{name}@", str(value))
    return Library("stanine_store", source)

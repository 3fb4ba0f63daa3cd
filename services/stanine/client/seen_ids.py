"""Ids of the items that a list has returned, to skip them after the server's data were replaced. Used by `ListReader`."""

import tempfile
import weakref

#: Bytes of the longest id, that of an attempt.
_ID_BYTES = 16
#: Bytes kept in memory, 65,536 ids; more are in a temporary file. A list may have millions of items.
_IN_MEMORY = 1 << 20


class SeenIds:
    """A set of ids, up to 32 hexadecimal digits each, that is written often and read rarely.

    Adding costs bounded memory. The first query after additions reads all ids into memory, about 100 bytes each.
    """

    def __init__(self) -> None:
        self._written = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with this object
        weakref.finalize(self, self._written.close)
        self._known: set[bytes] | None = None

    def add(self, item: str) -> None:
        """Add an id. Raises OSError if the temporary file cannot be written."""
        packed = _packed(item)
        self._written.write(packed)
        if self._known is not None:
            self._known.add(packed)

    def __contains__(self, item: str) -> bool:
        if self._known is None:
            self._written.seek(0)
            self._known = set(iter(lambda: self._written.read(_ID_BYTES), b""))
        return _packed(item) in self._known


def _packed(item: str) -> bytes:
    return bytes.fromhex(item).rjust(_ID_BYTES, b"\0")

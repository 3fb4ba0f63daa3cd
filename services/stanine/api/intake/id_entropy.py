"""Random parts of attempt ids from the operating system's generator.

They are fetched in batches, because one system call per attempt is measurable.
"""

import os

from stanine.store.records import RANDOM_BYTES

#: Ids per fetch.
FETCHED = 512
#: Clears the low half of a byte: the partition, which is always 0.
_PARTITION_0 = bytes(code & 0xF0 for code in range(256))


class IdEntropy:
    """Returns random bytes, each only once. Do not use it after a fork."""

    def __init__(self) -> None:
        self._pool = b""
        self._used = 0

    def take(self) -> bytes:
        """Return RANDOM_BYTES unused random bytes, including the partition."""
        if self._used == len(self._pool):
            pool = bytearray(os.urandom(FETCHED * RANDOM_BYTES))
            pool[::RANDOM_BYTES] = pool[::RANDOM_BYTES].translate(_PARTITION_0)
            self._pool, self._used = bytes(pool), 0
        start, self._used = self._used, self._used + RANDOM_BYTES
        return self._pool[start : self._used]

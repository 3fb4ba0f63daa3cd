"""The random parts of attempts' ids, from the system's own generator, fetched many at a time: a system call an attempt is felt."""

import os

from stanine.store.records import RANDOM_BYTES

#: Ids fetched at a time.
FETCHED = 512
#: Clears the low half of a byte: the partition, which is always 0 now.
_PARTITION_0 = bytes(code & 0xF0 for code in range(256))


class IdEntropy:
    """Hands out random bytes, each once. Not for use across a fork."""

    def __init__(self) -> None:
        self._pool = b""
        self._used = 0

    def take(self) -> bytes:
        """Return RANDOM_BYTES that nobody has had, the partition among them."""
        if self._used == len(self._pool):
            pool = bytearray(os.urandom(FETCHED * RANDOM_BYTES))
            pool[::RANDOM_BYTES] = pool[::RANDOM_BYTES].translate(_PARTITION_0)
            self._pool, self._used = bytes(pool), 0
        start, self._used = self._used, self._used + RANDOM_BYTES
        return self._pool[start : self._used]

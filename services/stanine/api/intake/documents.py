"""Reading instrument documents, a few at a time and in threads of their own: nothing else waits for them. Used by the route."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from stanine.api.web.http import JSON
from stanine.api.web.problems import FULL, INVALID_DOCUMENT, Problem, from_faults
from stanine.domain.errors import InvalidDocument
from stanine.domain.instruments.document import canonical, read_json, read_yaml
from stanine.domain.instruments.instrument import form_digest, parse_instrument

#: Documents in work: received, read or stored. A document may have megabytes, and its parsed form several times as many.
MAX_DOCUMENTS = 8
#: Threads that read them. Reading is Python code, so more would not read faster, but one document need not wait for one long other.
THREADS = 2
#: Seconds that a request waits for a place, with its body unread.
PLACE_SECONDS = 20.0


class DocumentReader:
    """Reads documents, MAX_DOCUMENTS at a time."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(MAX_DOCUMENTS)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="documents")

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place for a document, from before its body is received; raises a Problem (full) if none becomes free."""
        try:
            await asyncio.wait_for(self._places.acquire(), PLACE_SECONDS)
        except TimeoutError:
            raise Problem(
                FULL, f"{MAX_DOCUMENTS} other documents are being published. Send it again later."
            ) from None
        try:
            yield
        finally:
            self._places.release()

    async def read(self, text: bytes, name: str, media_type: bytes) -> tuple[bytes, str]:
        """Return the canonical document and the digest of its form; raises a Problem (invalid-document)."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, _read, text, name, media_type
        )

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _read(text: bytes, name: str, media_type: bytes) -> tuple[bytes, str]:
    try:
        plain = read_json(text) if media_type == JSON else read_yaml(text)
        instrument = parse_instrument(plain, name=name)
    except InvalidDocument as error:
        raise from_faults(INVALID_DOCUMENT, error) from None
    return canonical(plain), form_digest(instrument)

"""Reads instrument documents in a few separate threads, without delaying other requests.

Used by the route of instruments.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from stanine.api.web.http import JSON
from stanine.api.web.problems import FULL, INVALID_DOCUMENT, Problem, from_faults
from stanine.domain.errors import Fault, InvalidDocument
from stanine.domain.instruments.document import canonical, read_json, read_yaml
from stanine.domain.instruments.instrument import Instrument, form_digest, parse_instrument
from stanine.domain.instruments.warnings import warnings_of
from stanine.domain.scoring.public_scales import public_scales

#: Maximum documents in progress: received, read or stored. A document may have megabytes, and its parsed form
#: several times as many.
MAX_DOCUMENTS = 8
#: Threads that read documents. Reading is pure Python, so more threads would not be faster; two keep one long
#: document from blocking another.
THREADS = 2
#: Seconds that a request waits for a slot; its body is not read before.
PLACE_SECONDS = 20.0


class ReadDocument(msgspec.Struct, frozen=True):
    """A valid document: its canonical text, the digest of its form, and warnings for its author."""

    canonical: bytes
    form: str
    warnings: list[Fault]


class ReadScales(msgspec.Struct, frozen=True):
    """A document's scales as in `public_scales`, their language, and the available languages."""

    public: dict[str, Any]
    title: str
    chosen: str | None
    own: str | None
    translations: tuple[str, ...]


class DocumentReader:
    """Reads documents, at most MAX_DOCUMENTS at a time."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(MAX_DOCUMENTS)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="documents")

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a slot for a document while its body is received and read.

        Raises a Problem (full) if no slot becomes free.
        """
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

    async def read(self, text: bytes, name: str, media_type: bytes) -> ReadDocument:
        """Read and validate a document. Raises a Problem (invalid-document)."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, _read, text, name, media_type
        )

    async def scales(
        self, document: bytes, name: str, choose: Callable[[Instrument], str | None]
    ) -> ReadScales:
        """Return the public scales of a stored document.

        `choose` returns the language; None: the document's own.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, _scales, document, name, choose
        )

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _read(text: bytes, name: str, media_type: bytes) -> ReadDocument:
    try:
        plain = read_json(text) if media_type == JSON else read_yaml(text)
        instrument = parse_instrument(plain, name=name)
    except InvalidDocument as error:
        raise from_faults(INVALID_DOCUMENT, error) from None
    return ReadDocument(canonical(plain), form_digest(instrument), warnings_of(instrument))


def _scales(document: bytes, name: str, choose: Callable[[Instrument], str | None]) -> ReadScales:
    instrument = parse_instrument(read_json(document), name=name)
    spec, language = instrument.spec, choose(instrument)
    words = spec.translations.get(language or "")
    return ReadScales(
        public_scales(instrument, language),
        (words.title if words is not None else None) or spec.title,
        language,
        spec.language,
        tuple(spec.translations),
    )

"""Where results are: the API through its client. Used by the routes of the result; tests replace it."""

from typing import Protocol

from stanine.client import AsyncStanine
from stanine.client.records import AttemptResult, ScalesInfo

#: Seconds to wait for a result that is not scored yet: scoring usually takes milliseconds.
WAIT_SECONDS = 2.0


class ResultSource(Protocol):
    """What the result's pages need. Each method raises the client's errors."""

    async def result(self, attempt: str, token: str) -> AttemptResult | None:
        """Return the result of an attempt; None: it is not scored yet."""
        ...

    async def scales(self, attempt: str, token: str, language: str | None) -> ScalesInfo | None:
        """Return titles, ranges and bands of the scales of a result; None: it is not scored yet."""
        ...


class ApiResults:
    """Results of the API."""

    def __init__(self, client: AsyncStanine) -> None:
        """`client` needs no key: every call has an attempt's token."""
        self._client = client

    async def result(self, attempt: str, token: str) -> AttemptResult | None:
        """Return the result of an attempt."""
        return await self._client.results.get(attempt, token=token, wait=WAIT_SECONDS)

    async def scales(self, attempt: str, token: str, language: str | None) -> ScalesInfo | None:
        """Return titles, ranges and bands of the scales of a result."""
        return await self._client.results.scales(attempt, token=token, language=language)

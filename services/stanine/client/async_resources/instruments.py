"""`client.instruments` for asyncio: publish and read instruments."""

from collections.abc import Mapping
from typing import Any

from stanine.client import waiting
from stanine.client.async_resources.base import AsyncListing, AsyncResource
from stanine.client.calls import instruments
from stanine.client.listing import ListReader
from stanine.client.messages import JSON
from stanine.client.records import (
    FormInfo,
    InstrumentInfo,
    InstrumentText,
    Publication,
    RescoringInfo,
    ScalesInfo,
)


class AsyncInstrumentsResource(AsyncResource):
    """`client.instruments`: published instruments."""

    def list(
        self, *, after: str = "", page_size: int = instruments.PAGE
    ) -> AsyncListing[InstrumentInfo]:
        """List the instruments that the key reaches, by name."""
        return AsyncListing(
            self._client,
            ListReader(self._client.context, lambda at: instruments.page(at, page_size), after),
        )

    async def get(
        self, name: str, *, revision: int | None = None, known: InstrumentText | None = None
    ) -> InstrumentText:
        """Return an instrument's document, by default the newest.

        Return `known` if it is unchanged.
        """
        return await self._client.call(instruments.read(name, revision, known))

    async def form(
        self, name: str, *, revision: int | None = None, language: str | None = None
    ) -> FormInfo:
        """Return what a participant may see: items and options, no scales; in `language` as far as it has such texts."""
        return await self._client.call(instruments.form(name, revision, language))

    async def scales(
        self, name: str, *, revision: int | None = None, language: str | None = None
    ) -> ScalesInfo:
        """Return what scores can be and mean: titles, ranges, bands; in `language` as far as it has such texts."""
        return await self._client.call(instruments.scales(name, revision, language))

    async def rescore(
        self, name: str, *, dry_run: bool = False, token: str | None = None
    ) -> RescoringInfo:
        """Start to score all attempts again; `dry_run`: only report what would change.

        `token`: a repeated call with it starts nothing. Follow it with `rescoring`.
        """
        return await self._client.call(instruments.rescore(name, dry_run=dry_run, token=token))

    async def rescoring(self, name: str) -> RescoringInfo:
        """Return the state and the report of the last re-scoring."""
        return await self._client.call(instruments.rescoring(name))

    async def publish(
        self,
        name: str,
        document: Mapping[str, Any] | bytes | str,
        *,
        media_type: str = JSON,
        if_match: str | None = None,
        only_new: bool = False,
        wait: float = 0.0,
    ) -> Publication:
        """Publish a document: a mapping, or JSON or YAML text (`media_type="application/yaml"`).

        An unchanged document creates no revision. `if_match`: ETag or digest of the revision to replace; `only_new`:
        fail if the name exists. `wait`: seconds to wait until attempts are scored by it; raises NotIndexedInTimeError
        after that.
        """
        call = instruments.publish(
            name,
            document,
            media_type,
            if_match,
            only_new=only_new,
            wait=min(wait, waiting.LONGEST_HOLD),
        )
        if not wait:
            return await self._client.call(call)
        return await self._client.run(waiting.publish_and_wait(self._client.context, call, wait))

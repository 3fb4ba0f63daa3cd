"""What the console asks the API: with an organisation's key once, then with the token of its login.

Used by the routes; tests replace it.
"""

from typing import Protocol

from stanine.client import AsyncStanine
from stanine.client.errors import MissingScopeError
from stanine.client.records import AttributeInfo, InstrumentInfo, ScalesInfo, StatisticsInfo

#: Maximum instruments that are listed.
MAX_LISTED = 500


class OrganisationSource(Protocol):
    """What the console needs. Each method raises the client's errors."""

    async def begin(self, key: str) -> str:
        """Return the token of a new login. Raises ValueError for a text that cannot be a key."""
        ...

    async def end(self, login: str) -> None:
        """End a login."""
        ...

    async def instruments(self, login: str) -> list[InstrumentInfo] | None:
        """Return the first instruments that the key reaches; None: the key may not list them."""
        ...

    async def scales(self, login: str, name: str, language: str) -> ScalesInfo:
        """Return titles and bands of an instrument's scales."""
        ...

    async def attributes(self, login: str, name: str, language: str) -> list[AttributeInfo]:
        """Return the attributes with values, which make groups; none if the key may not read the form."""
        ...

    async def statistics(
        self, login: str, name: str, attribute: str | None, *, by_month: bool
    ) -> StatisticsInfo:
        """Return the figures of groups."""
        ...


class ApiOrganisations:
    """The API through its client."""

    def __init__(self, client: AsyncStanine) -> None:
        """Its connections are used, with the key or token of each call."""
        self._client = client

    def _connect(self, key: str) -> AsyncStanine:
        return self._client.with_options(key=key)

    async def begin(self, key: str) -> str:
        """Return the token of a new login."""
        return (await self._connect(key).logins.begin()).token or ""

    async def end(self, login: str) -> None:
        """End a login."""
        await self._connect(login).logins.end()

    async def instruments(self, login: str) -> list[InstrumentInfo] | None:
        """Return the first instruments that the key reaches."""
        found: list[InstrumentInfo] = []
        try:
            async for one in self._connect(login).instruments.list(page_size=MAX_LISTED):
                found.append(one)
                if len(found) == MAX_LISTED:
                    break
        except MissingScopeError:
            return None
        return found

    async def scales(self, login: str, name: str, language: str) -> ScalesInfo:
        """Return titles and bands of an instrument's scales."""
        return await self._connect(login).instruments.scales(name, language=language)

    async def attributes(self, login: str, name: str, language: str) -> list[AttributeInfo]:
        """Return the attributes with values."""
        try:
            form = await self._connect(login).instruments.form(name, language=language)
        except MissingScopeError:
            return []
        return [one for one in form.attributes if one.values]

    async def statistics(
        self, login: str, name: str, attribute: str | None, *, by_month: bool
    ) -> StatisticsInfo:
        """Return the figures of groups."""
        client = self._connect(login)
        return await client.results.statistics(name, attribute=attribute, by_month=by_month)

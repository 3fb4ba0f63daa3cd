"""`client.participants` for asyncio: erase the data of participants."""

from stanine.client.async_resources.base import AsyncResource
from stanine.client.calls import sessions
from stanine.client.records import ErasedCounts


class AsyncParticipantsResource(AsyncResource):
    """`client.participants`: all data of a participant, of all instruments."""

    async def erase(self, participant: str) -> ErasedCounts:
        """Erase all attempts, results, sessions and invitations of a participant; permanent."""
        return await self._client.call(sessions.erase_participant(participant))

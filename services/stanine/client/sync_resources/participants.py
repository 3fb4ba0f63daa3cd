"""`client.participants`: erase the data of participants."""

from stanine.client.calls import sessions
from stanine.client.records import ErasedCounts
from stanine.client.sync_resources.base import SyncResource


class ParticipantsResource(SyncResource):
    """`client.participants`: all data of a participant, of all instruments."""

    def erase(self, participant: str) -> ErasedCounts:
        """Erase all attempts, results, sessions and invitations of a participant; permanent.

        Repeating it erases what was added since. An erasure that a TemporaryError ended is continued by the next one.
        """
        return self._client.call(sessions.erase_participant(participant))

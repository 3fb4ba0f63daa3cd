"""Resources of `Stanine`: thin methods over calls and flows.

`async_resources` is the asyncio counterpart; a test compares them.
"""

from stanine.client.sync_resources.access import (
    AuditResource,
    KeysResource,
    LoginsResource,
    StatusResource,
)
from stanine.client.sync_resources.attempts import AttemptsResource
from stanine.client.sync_resources.base import Listing
from stanine.client.sync_resources.instruments import InstrumentsResource
from stanine.client.sync_resources.invitations import InvitationsResource
from stanine.client.sync_resources.operating import ConfigResource, TokensResource
from stanine.client.sync_resources.participants import ParticipantsResource
from stanine.client.sync_resources.queues import QueuesResource
from stanine.client.sync_resources.results import ResultsResource
from stanine.client.sync_resources.sessions import SessionsResource

__all__ = [
    "AttemptsResource",
    "AuditResource",
    "ConfigResource",
    "InstrumentsResource",
    "InvitationsResource",
    "KeysResource",
    "Listing",
    "LoginsResource",
    "ParticipantsResource",
    "QueuesResource",
    "ResultsResource",
    "SessionsResource",
    "StatusResource",
    "TokensResource",
]

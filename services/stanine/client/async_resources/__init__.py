"""Resources of `AsyncStanine`: those of `sync_resources`, which documents each method, for asyncio.

A test compares the two packages.
"""

from stanine.client.async_resources.access import (
    AsyncAuditResource,
    AsyncKeysResource,
    AsyncLoginsResource,
    AsyncStatusResource,
)
from stanine.client.async_resources.attempts import AsyncAttemptsResource
from stanine.client.async_resources.base import AsyncListing
from stanine.client.async_resources.instruments import AsyncInstrumentsResource
from stanine.client.async_resources.invitations import AsyncInvitationsResource
from stanine.client.async_resources.operating import AsyncConfigResource, AsyncTokensResource
from stanine.client.async_resources.participants import AsyncParticipantsResource
from stanine.client.async_resources.queues import AsyncQueuesResource
from stanine.client.async_resources.results import AsyncResultsResource
from stanine.client.async_resources.sessions import AsyncSessionsResource

__all__ = [
    "AsyncAttemptsResource",
    "AsyncAuditResource",
    "AsyncConfigResource",
    "AsyncInstrumentsResource",
    "AsyncInvitationsResource",
    "AsyncKeysResource",
    "AsyncListing",
    "AsyncLoginsResource",
    "AsyncParticipantsResource",
    "AsyncQueuesResource",
    "AsyncResultsResource",
    "AsyncSessionsResource",
    "AsyncStatusResource",
    "AsyncTokensResource",
]

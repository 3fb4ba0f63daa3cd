"""Client of Stanine's HTTP API, sync (`Stanine`) and async (`AsyncStanine`).

Needs the extra `client`.
Documentation: docs/howto/use-the-client.md.
"""

from stanine.client import errors
from stanine.client.async_client import AsyncStanine
from stanine.client.async_resources import AsyncListing
from stanine.client.errors import (
    ApiError,
    PermanentError,
    ProblemInfo,
    StanineClientError,
    TemporaryError,
)
from stanine.client.records import (
    AttemptOutcome,
    AttemptReceipt,
    AttemptRequest,
    AttemptResult,
    ExportedResultInfo,
    InvitationInfo,
    InvitationOutcome,
    InvitationRequest,
    ListedAttemptInfo,
    ResultExplanation,
    SessionInfo,
    SessionRequest,
)
from stanine.client.retries import NO_RETRIES, Retry, RetryPolicy
from stanine.client.sync_client import Stanine
from stanine.client.sync_resources import Listing

__all__ = [
    "NO_RETRIES",
    "ApiError",
    "AsyncListing",
    "AsyncStanine",
    "AttemptOutcome",
    "AttemptReceipt",
    "AttemptRequest",
    "AttemptResult",
    "ExportedResultInfo",
    "InvitationInfo",
    "InvitationOutcome",
    "InvitationRequest",
    "ListedAttemptInfo",
    "Listing",
    "PermanentError",
    "ProblemInfo",
    "ResultExplanation",
    "Retry",
    "RetryPolicy",
    "SessionInfo",
    "SessionRequest",
    "Stanine",
    "StanineClientError",
    "TemporaryError",
    "errors",
]

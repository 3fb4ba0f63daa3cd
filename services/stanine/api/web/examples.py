"""Examples of common bodies for the OpenAPI description; a test validates them by their schemas."""

from collections.abc import Mapping
from typing import Any

from stanine.api.admin.queue_bodies import DeadLetterOrder, PurgeOrder
from stanine.api.admin.settings_bodies import ChangeOrder, RollbackOrder
from stanine.api.bodies import AttemptBody, FormBody, LineAnswer, Receipt, ResultBody, TokenRotation
from stanine.api.people.session_bodies import (
    InvitationExtension,
    InvitationOrder,
    ReleaseOrder,
    SessionExtension,
    SessionOrder,
    SessionSave,
)
from stanine.api.rescoring_bodies import RescoringOrder
from stanine.domain.instruments.instrument import Instrument

_ATTEMPT = "019ac3b8e0f77c41a5d2b7f3c1e90a64"
_TOKEN = "7d1f0c93a4b84e6fb2c5d8e9f0a1b2c3"  # noqa: S105 - an example
_OPTIONS = [
    {"value": 1, "label": "Never"},
    {"value": 2, "label": "Sometimes"},
    {"value": 3, "label": "Often"},
]
_INSTRUMENT = {
    "apiVersion": "stanine.dev/v1alpha1",
    "kind": "Instrument",
    "metadata": {"name": "mood"},
    "spec": {
        "title": "Mood",
        "responseSets": [{"name": "often", "options": _OPTIONS}],
        "items": [
            {"id": "calm", "text": "I felt calm.", "responses": "often"},
            {"id": "tense", "text": "I felt tense.", "responses": "often"},
        ],
        "scales": [{"id": "calmness", "items": ["calm", "-tense"], "score": "Mean"}],
    },
}

#: By record type.
EXAMPLES: Mapping[type, Any] = {
    Instrument: _INSTRUMENT,
    AttemptBody: {"key": "visit-17", "participant": "p-1", "answers": {"calm": 3, "tense": 1}},
    Receipt: {"attempt": _ATTEMPT, "token": _TOKEN, "state": "Submitted"},
    LineAnswer: {"line": 1, "status": 202, "key": "visit-17", "attempt": _ATTEMPT, "token": _TOKEN},
    ResultBody: {
        "attempt": _ATTEMPT,
        "instrument": "mood",
        "revision": 1,
        "state": "Scored",
        "submittedAt": "2026-11-29T09:30:00.000Z",
        "key": "visit-17",
        "participant": "p-1",
        "scoringRevision": 1,
        "engine": 1,
    },
    RescoringOrder: {"dryRun": True, "token": "corrected-key-2026-11-29"},
    FormBody: {
        "name": "mood",
        "revision": 1,
        "form": 1,
        "title": "Mood",
        "attributes": [],
        "items": [
            {"id": "calm", "text": "I felt calm.", "type": "SingleChoice", "options": _OPTIONS}
        ],
    },
    SessionOrder: {"key": "visit-18", "participant": "p-1", "show": "Participant"},
    SessionSave: {"seq": 3, "page": 1, "answers": {"calm": 3, "tense": None}, "language": "de"},
    SessionExtension: {"timeLimitSeconds": 2700},
    InvitationOrder: {
        "key": "wave-1-p-1",
        "participant": "p-1",
        "expiresAt": "2027-01-31T23:00:00Z",
        "show": "AfterRelease",
    },
    InvitationExtension: {"expiresAt": "2027-02-28T23:00:00Z"},
    ReleaseOrder: {"released": True},
    PurgeOrder: {"part": "dead", "token": "purge-2026-11-29"},
    DeadLetterOrder: {"all": True, "token": "requeue-2026-11-29"},
    ChangeOrder: {"settings": {"sweepSeconds": 30}, "revision": 4},
    RollbackOrder: {"revision": 3},
    TokenRotation: {"keepSeconds": 86400},
}

"""Outcomes of creating invitations. Used by the routes that create one and many."""

from collections.abc import Sequence

from stanine.api.web.http import Request
from stanine.api.web.problems import KEY_CONFLICT, NotFound, Problem
from stanine.store.invitations import Invited
from stanine.telemetry.api_metrics import ApiMetrics

#: Maximum bytes of an invitation's order, single or as a line.
MAX_ORDER = 64 << 10


def refusal(done: Invited, name: str) -> Problem | None:
    """Return why an invitation was not created, or None. `name`: the instrument."""
    if done.outcome == "conflict":
        return Problem(
            KEY_CONFLICT,
            "An invitation with this key and another content was created before. Give a new invitation a new key.",
        )
    return NotFound("Instrument", name) if done.outcome == "gone" else None


def count_outcomes(
    request: Request, metrics: ApiMetrics, done: Sequence[Invited | Problem]
) -> None:
    """Record how many invitations were created, repeated and refused."""
    created = sum(isinstance(each, Invited) and each.outcome == "new" for each in done)
    request.changed_count = (request.changed_count or 0) + created
    for each in done:
        outcome = (
            "refused"
            if isinstance(each, Problem)
            else {"new": "created", "repeated": "repeated"}.get(each.outcome, "refused")
        )
        metrics.invitations[outcome].inc()

"""What scoring says of one attempt. Results are kept by the store behind a header of its own, and read by the API and the CLI from here."""

from typing import Protocol

from stanine.domain.plan import ENGINE_VERSION, Plan
from stanine.domain.result_records import SCALE_BYTES, ProfileResult, Result, ScaleResult, Status, read_body
from stanine.domain.result_values import profile_result, scale_result

__all__ = ["ENGINE_VERSION", "SCALE_BYTES", "ProfileResult", "Result", "ScaleResult", "Status", "decode_result"]


class HasPlan(Protocol):
    """What has a plan: an index entry."""

    @property
    def plan(self) -> Plan:
        """The plan."""


def decode_result(body: bytes, scored_by: HasPlan | Plan) -> Result:
    """Return what a stored body means under the plan that made it. Raises ValueError if it cannot be of that plan."""
    plan = scored_by if isinstance(scored_by, Plan) else scored_by.plan
    stored = read_body(body, plan)
    scales = {scale.id: scale_result(scale, one, plan) for scale, one in zip(plan.scales, stored, strict=True) if not scale.internal}
    return Result(scales, {profile.id: profile_result(profile, stored, plan) for profile in plan.profiles})

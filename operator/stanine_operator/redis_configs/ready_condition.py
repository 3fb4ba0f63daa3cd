"""The condition Ready of a RedisConfig: the first failed condition, or success.

Pure; called by reconcile.py.
"""

from collections.abc import Sequence

from stanine_operator.controller.reconcile_result import ResourceCondition

#: The conditions that Ready requires, in the order in which a user should fix them.
NEEDED = ("Reachable", "ServerConfigured", "SettingsApplied", "Migrated")
#: A condition that is False for this reason is as requested.
AS_REQUESTED = "RolledBack"


def make_ready_condition(
    parts: Sequence[ResourceCondition], *, server_needed: bool
) -> ResourceCondition:
    """Return Ready.

    `server_needed`: False under managementPolicy Observe, which requires no parameters.
    """
    needed = [
        part
        for name in NEEDED
        for part in parts
        if part.type == name and (server_needed or name != "ServerConfigured")
    ]
    failed = [part for part in needed if part.status is not True and part.reason != AS_REQUESTED]
    if failed:
        more = f" (also {', '.join(part.type for part in failed[1:])})" if len(failed) > 1 else ""
        return ResourceCondition("Ready", False, failed[0].reason, f"{failed[0].message}{more}")
    rolled_back = next((part for part in needed if part.reason == AS_REQUESTED), None)
    if rolled_back is not None:
        return ResourceCondition("Ready", True, AS_REQUESTED, rolled_back.message)
    warning = next((part for part in parts if part.type == "MemoryHigh" and part.status), None)
    warning_text = f"; but {warning.message}" if warning is not None else ""
    return ResourceCondition(
        "Ready", True, "AsDeclared", f"the server and its settings are as declared{warning_text}"
    )

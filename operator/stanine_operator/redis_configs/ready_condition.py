"""The condition Ready of a RedisConfig: the first of its parts that is not as asked for, or that all is. Pure; called by turn.py."""

from collections.abc import Sequence

from stanine_operator.controller.reconcile_result import Condition

#: The parts that Ready needs, in the order in which a user mends them.
NEEDED = ("Reachable", "ServerConfigured", "SettingsApplied", "Migrated")
#: A part that is false for this reason is as its owner asked.
AS_ASKED = "RolledBack"


def make_ready_condition(parts: Sequence[Condition], *, server_needed: bool) -> Condition:
    """Return Ready. `server_needed`: false under managementPolicy Observe, which asks for nothing of the server."""
    needed = [
        part
        for name in NEEDED
        for part in parts
        if part.type == name and (server_needed or name != "ServerConfigured")
    ]
    lacking = [part for part in needed if part.status is not True and part.reason != AS_ASKED]
    if lacking:
        more = f" (also {', '.join(part.type for part in lacking[1:])})" if len(lacking) > 1 else ""
        return Condition("Ready", False, lacking[0].reason, f"{lacking[0].message}{more}")
    rolled_back = next((part for part in needed if part.reason == AS_ASKED), None)
    if rolled_back is not None:
        return Condition("Ready", True, AS_ASKED, rolled_back.message)
    warning = next((part for part in parts if part.type == "MemoryHigh" and part.status), None)
    said = f"; but {warning.message}" if warning is not None else ""
    return Condition(
        "Ready", True, "AsDeclared", f"the server and its settings are as declared{said}"
    )

from hypothesis import given
from hypothesis import strategies as st

from stanine_operator.controller.reconcile_result import ResourceCondition
from stanine_operator.redis_configs.ready_condition import NEEDED, make_ready_condition

statuses = st.sampled_from([True, False, None])


@given(st.tuples(*[statuses] * len(NEEDED)), statuses, st.booleans())
def test_ready_is_true_if_and_only_if_all_required_conditions_are(
    parts: tuple[bool | None, ...], high: bool | None, server_needed: bool
) -> None:
    conditions = [
        ResourceCondition(name, status, f"Of{name}", name)
        for name, status in zip(NEEDED, parts, strict=True)
    ]
    needed = {
        name: status
        for name, status in zip(NEEDED, parts, strict=True)
        if server_needed or name != "ServerConfigured"
    }
    ready = make_ready_condition(
        [*conditions, ResourceCondition("MemoryHigh", high, "PastThreshold", "it is high")],
        server_needed=server_needed,
    )
    assert (ready.status is True) == all(needed.values())
    lacking = [name for name, status in needed.items() if not status]
    assert ready.reason == (f"Of{lacking[0]}" if lacking else "AsDeclared")
    assert all(name in ready.message for name in lacking)


def test_a_pin_does_not_fail_ready() -> None:
    parts = [
        ResourceCondition(name, True, "AsDeclared", "")
        for name in NEEDED
        if name != "SettingsApplied"
    ]
    ready = make_ready_condition(
        [*parts, ResourceCondition("SettingsApplied", False, "RolledBack", "revision 3 stands")],
        server_needed=True,
    )
    assert (ready.status, ready.reason, ready.message) == (True, "RolledBack", "revision 3 stands")

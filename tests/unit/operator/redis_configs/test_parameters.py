from hypothesis import given
from hypothesis import strategies as st

from stanine.broker.connection.errors import LOADING, PERMISSION_MISSING, SERVER_REFUSED
from stanine_operator.redis_configs.parameters import (
    Rules,
    change_condition,
    choose_changes,
    find_drift,
    is_half_applied,
    parameters_condition,
    publish_drift,
)
from stanine_operator.redis_configs.records import (
    Drift,
    ObservedParameters,
    Parameter,
    ParameterChange,
    Refused,
)

RULES = [
    Rules(observe=observe, report=report, applied=applied)
    for observe in (True, False)
    for report in (True, False)
    for applied in (True, False)
]
CORRECT = Rules(observe=False, report=False, applied=True)
OBSERVE = Rules(observe=True, report=False, applied=False)
REPORT = Rules(observe=False, report=True, applied=True)
NAMES = ["maxmemory", "timeout", "hz", "maxclients", "slowlog-max-len"]


def seen(**values: str) -> ObservedParameters:
    return ObservedParameters(
        tuple(Parameter(name.replace("_", "-"), value) for name, value in values.items())
    )


def wanted(**values: str) -> tuple[Parameter, ...]:
    return seen(**values).found


values = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 500).map(str))


def parameters(pairs: dict[str, str]) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, value) for name, value in pairs.items())


def test_values_are_compared_in_normal_form() -> None:
    assert (
        find_drift(
            wanted(maxmemory="100mb", appendonly="YES"),
            seen(maxmemory="104857600", appendonly="yes"),
        )
        == ()
    )


def test_buffer_limits_of_other_client_classes_are_ignored() -> None:
    found = seen(
        client_output_buffer_limit="normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
    )
    assert find_drift(wanted(client_output_buffer_limit="pubsub 32mb 8mb 60"), found) == ()
    assert find_drift(wanted(client_output_buffer_limit="pubsub 32mb 8mb 61"), found) != ()


@given(values, values, st.sampled_from(RULES))
def test_exactly_the_differing_parameters_are_set_or_none(
    want: dict[str, str], have: dict[str, str], rules: Rules
) -> None:
    drift = find_drift(parameters(want), ObservedParameters(parameters(have)))
    changes = choose_changes(drift, rules)
    assert {each.name for each in drift} == {
        name for name, value in want.items() if have.get(name) != value
    }
    may = not rules.observe and not (rules.report and rules.applied) and set(want) <= set(have)
    assert changes == (tuple(Parameter(each.name, each.wanted) for each in drift) if may else ())


@given(values, values)
def test_a_correction_leaves_no_drift(want: dict[str, str], have: dict[str, str]) -> None:
    have = dict.fromkeys(want, "7") | have
    changes = choose_changes(
        find_drift(parameters(want), ObservedParameters(parameters(have))), CORRECT
    )
    after = ObservedParameters(parameters(have | {each.name: each.value for each in changes}))
    assert find_drift(parameters(want), after) == ()
    assert change_condition(parameters(want), ParameterChange(after), CORRECT).status is True


@given(values, values, st.sampled_from(RULES))
def test_the_condition_is_true_only_without_drift(
    want: dict[str, str], have: dict[str, str], rules: Rules
) -> None:
    condition = parameters_condition(parameters(want), ObservedParameters(parameters(have)), rules)
    assert (condition.status is True) == all(
        have.get(name) == value for name, value in want.items()
    )
    assert condition.reason
    assert condition.message


def test_report_keeps_a_known_difference_and_sets_a_new_value() -> None:
    rules = Rules(observe=False, report=True, reported=frozenset({("hz", "20")}))
    have = seen(hz="10", timeout="0")
    changes = choose_changes(find_drift(wanted(hz="20", timeout="3"), have), rules)
    assert changes == wanted(timeout="3")
    reported = change_condition(
        wanted(hz="20", timeout="3"), ParameterChange(seen(hz="10", timeout="3")), rules
    )
    assert (reported.status, reported.reason) == (False, "DriftDetected")
    assert choose_changes(find_drift(wanted(hz="30"), have), rules) == wanted(hz="30")


def test_report_sets_values_once_and_reports_later_differences() -> None:
    drift = find_drift(wanted(hz="20"), seen(hz="10"))
    assert choose_changes(drift, Rules(observe=False, report=True, applied=False)) == wanted(
        hz="20"
    )
    assert choose_changes(drift, REPORT) == ()
    reported = parameters_condition(wanted(hz="20"), seen(hz="10"), REPORT)
    assert (reported.status, reported.reason) == (False, "DriftDetected")
    assert "hz" in reported.message
    assert publish_drift(drift) == [{"name": "hz", "wanted": "20", "found": "10"}]


def test_an_unknown_parameter_is_named() -> None:
    reported = parameters_condition(wanted(hz="20", timeout="3"), seen(hz="20"), CORRECT)
    assert (reported.status, reported.reason) == (False, "InvalidParameter")
    assert "timeout" in reported.message
    assert "hz" not in reported.message


def test_a_rejected_value_is_reported_with_parameter_and_server_error() -> None:
    text = "CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to handle it"
    reported = change_condition(
        wanted(maxclients="9"), ParameterChange(seen(), Refused(text, SERVER_REFUSED)), CORRECT
    )
    assert (reported.status, reported.reason) == (False, "InvalidParameter")
    assert "maxclients: the server says" in reported.message
    assert "operating system" in reported.message


def test_a_server_without_config_is_unsupported_or_unknown_if_observed() -> None:
    refused = ObservedParameters(refusal=PERMISSION_MISSING)
    assert parameters_condition(wanted(hz="20"), refused, CORRECT).status is False
    assert parameters_condition(wanted(hz="20"), refused, OBSERVE).status is None
    assert {parameters_condition(wanted(hz="20"), refused, rules).reason for rules in RULES} == {
        "UnsupportedByServer"
    }


def test_a_loading_server_is_not_reported_as_an_invalid_value() -> None:
    assert (
        change_condition(
            wanted(hz="20"), ParameterChange(seen(hz="10"), Refused("LOADING", LOADING)), CORRECT
        ).reason
        == "Loading"
    )


def test_a_half_applied_change_is_detected() -> None:
    both, before = wanted(hz="20", timeout="3"), seen(hz="10", timeout="0")
    assert is_half_applied(both, before, seen(hz="20", timeout="0"), refused=True)
    assert not is_half_applied(both, before, before, refused=True)
    assert is_half_applied(both, before, seen(hz="20", timeout="0"), refused=False)
    assert not is_half_applied(both, before, seen(hz="20", timeout="3"), refused=False)


def test_a_value_kept_in_another_form_is_reported_with_both_values() -> None:
    reported = change_condition(
        wanted(hz="20"), ParameterChange(seen(hz="10"), kept=(Drift("hz", "20", "10"),)), CORRECT
    )
    assert (reported.status, reported.reason) == (False, "InvalidParameter")
    assert "'10'" in reported.message
    assert "'20'" in reported.message


def test_drift_of_an_unknown_parameter_is_published_without_found_value() -> None:
    assert publish_drift([Drift("hz", "20", None)]) == [{"name": "hz", "wanted": "20", "found": ""}]

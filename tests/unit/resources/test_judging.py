"""The result of a resource: rejected by apply, accepted and not ready, or valid."""

from typing import Any

from stanine.crds.judging import is_ours, judge

QUEUE: dict[str, Any] = {
    "apiVersion": "stanine.dev/v1alpha1",
    "kind": "Queue",
    "metadata": {"name": "results"},
    "spec": {"queueName": "results"},
}


def places(plain: dict[str, Any]) -> list[str]:
    return [fault.place for fault in judge(plain).refused]


def test_a_good_resource_is_valid() -> None:
    judgement = judge(QUEUE)
    assert judgement.is_valid
    assert (judgement.kind, judgement.name, judgement.reason) == ("Queue", "results", "")


def test_metadata_is_checked_like_kubernetes() -> None:
    assert places(QUEUE | {"metadata": {}}) == ["metadata.name"]
    assert places(QUEUE | {"metadata": {"name": "Results"}}) == ["metadata.name"]
    assert places(QUEUE | {"metadata": {"name": "a", "labels": {"x": True}, "lables": {}}}) == [
        "metadata.labels.x",
        "metadata.lables",
    ]
    assert (
        places(QUEUE | {"metadata": {"name": "a.b"}}) == []
    )  # a Queue's name is not used elsewhere
    assert "metadata.name" in places(
        QUEUE | {"kind": "Instrument", "metadata": {"name": "a.b"}}
    )  # an Instrument's name is used in Redis


def test_unknown_kinds_and_versions_are_rejected() -> None:
    assert judge(QUEUE | {"kind": "Que"}).refused_count == 1
    assert judge(QUEUE | {"apiVersion": "stanine.dev/v1"}).refused_count == 1
    assert is_ours(QUEUE | {"apiVersion": "stanine.dev/v1"})
    assert not is_ours(QUEUE | {"apiVersion": "apps/v1"})
    assert not is_ours(["apiVersion"])


def test_null_is_absent_but_not_in_a_list() -> None:
    assert judge(QUEUE | {"spec": {"queueName": "q", "maxRetries": None}}).is_valid
    assert places(QUEUE | {"spec": {"queueName": None}}) == ["spec.queueName"]
    config = QUEUE | {
        "kind": "RedisConfig",
        "spec": {"connection": {"host": "a"}, "server": [None]},
    }
    assert places(config) == ["spec.server[0]"]


def test_broken_rules_of_well_formed_fields_are_reported_with_schema_errors() -> None:
    spec = {
        "queueName": "q",
        "maxRetries": -1,
        "purge": {"part": "Ready", "token": "t", "reason": "r"},
    }
    assert places(QUEUE | {"spec": spec}) == ["spec.maxRetries", "spec.purge"]


def test_errors_beyond_the_schema_are_reported_by_the_condition() -> None:
    items = [{"id": "q", "text": "How?", "options": [{"value": 1}, {"value": True}]}]
    spec = {
        "title": "T",
        "items": items,
        "scales": [
            {"id": "s", "items": ["p"], "score": "Sum", "norms": {"all": {"mean": 1, "sd": 1}}}
        ],
    }
    judgement = judge(QUEUE | {"kind": "Instrument", "spec": spec})
    assert judgement.refused == ()
    assert judgement.reason == "InvalidDocument"
    named = [line.partition(": ")[0] for line in judgement.message.splitlines()]
    assert named == [
        "spec.items[0].options[1].value",
        "spec.scales[0].items[0]",
        "spec.scales[0].norms.all",
    ]


def test_parameter_ranges_are_reported_by_the_condition() -> None:
    spec = {"connection": {"host": "a"}, "server": [{"name": "hz", "value": "9000"}]}
    judgement = judge(QUEUE | {"kind": "RedisConfig", "spec": spec})
    assert (judgement.refused, judgement.reason) == ((), "InvalidParameter")
    assert judgement.message == "spec.server[0].value: hz: outside 1 to 500"

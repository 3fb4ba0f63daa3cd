"""Specs are read into records, and all errors are reported with their location."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stanine.crds.errors import FAULTS_NAMED, MAX_MESSAGE, InvalidResource, format_faults
from stanine.crds.kinds import KINDS
from stanine.crds.queue import QueueSpec, broker_settings
from stanine.crds.reading import read_instrument, read_queue, read_redis_config
from stanine.crds.redis_config import RedisConfigSpec, ServerParameter
from stanine.crds.settings import given_settings
from stanine.domain.errors import Fault
from stanine.domain.instruments.document import canonical

EXAMPLES = Path(__file__).parents[3] / "examples/resources"


def example(kind: str, name: str) -> Any:
    every = yaml.safe_load_all((EXAMPLES / "everything.yaml").read_text())
    return next(
        one["spec"] for one in every if (one["kind"], one["metadata"]["name"]) == (kind, name)
    )


def test_a_redis_config_is_read() -> None:
    read = read_redis_config(example("RedisConfig", "sentinels"))
    assert read.connection.sentinel is not None
    assert [(node.host, node.port) for node in read.connection.sentinel.nodes] == [
        ("sentinel-0.sentinels", 26_379),
        ("sentinel-1.sentinels", 26_379),
    ]
    assert read.server[0] == ServerParameter("maxmemory", "512mb")
    assert given_settings(read.settings)["durability"] == "Fsync"
    assert (read.layout, read.compatibility, read.rollback_to) == ("Hash", "DualWrite", 3)


def test_omitted_fields_have_their_defaults() -> None:
    read = read_redis_config({"connection": {"host": "redis"}})
    assert (read.key_namespace, read.management_policy, read.drift_policy) == (
        "stanine",
        "Apply",
        "Correct",
    )
    assert (read.connection.port, read.connection.db, read.memory_warning_percent) == (6379, 0, 80)
    queue = read_queue({"queueName": "results"})
    assert (queue.redis_config_ref.name, queue.desired_state, queue.deletion_policy) == (
        "default",
        "Running",
        "Retain",
    )
    assert queue == QueueSpec(queue_name="results")


def test_the_examples_use_every_field() -> None:
    """So that a new field is also in an example, and in the tests that apply the examples."""
    for record, kind, name in (
        (RedisConfigSpec, "RedisConfig", "sentinels"),
        (QueueSpec, "Queue", "index"),
    ):
        assert set(example(kind, name)) == set(record.__struct_encode_fields__)


def test_a_queue_becomes_settings_of_the_broker() -> None:
    settings = broker_settings(read_queue(example("Queue", "index")))
    assert settings == {
        "lease_ms": 15_000, "max_deliveries": 5, "max_retries": 10, "backoff_min_ms": 500, "backoff_max_ms": 300_000,
        "batch_max_messages": 64, "rate_messages": 100, "rate_period_ms": 1000, "rate_burst": 10, "dead_max_length": 10_000,
        "dead_max_age_ms": 2_592_000_000,
    }  # fmt: skip


def test_an_instrument_resource_is_read_into_document_and_resource_settings() -> None:
    spec = example("Instrument", "mood")
    read = read_instrument("mood", spec)
    assert (read.redis_config_ref.name, read.deletion_policy) == ("default", "Delete")
    bare = {
        name: value
        for name, value in spec.items()
        if name not in ("redisConfigRef", "deletionPolicy")
    }
    assert read.document == canonical(
        {
            "apiVersion": "stanine.dev/v1alpha1",
            "kind": "Instrument",
            "metadata": {"name": "mood"},
            "spec": bare,
        }
    )
    assert read_instrument("mood", bare).document == read.document
    assert read_instrument("mood", bare).deletion_policy == "Retain"


def test_all_errors_are_reported_together() -> None:
    with pytest.raises(InvalidResource) as raised:
        read_redis_config({
            "keyNamespace": "a:b",
            "connection": {"port": 0, "tls": {"certificateSecretRef": {"name": "x"}}},
            "server": [
                {"name": "requirepass", "value": "secret"},
                {"name": "hz", "value": "10"},
                {"name": "hz", "value": "12"},
                {"name": "maxmemory-samples", "value": "9000"},
            ],
            "settings": {"admissionPercent": 99},
            "layuot": "Hash",
        })  # fmt: skip
    assert [fault.place for fault in raised.value.faults] == [
        "spec.keyNamespace", "spec.connection.port", "spec.connection.tls.certificateSecretRef.key", "spec.server[0].name",
        "spec.settings.admissionPercent", "spec.layuot", "spec.server[2].name", "spec.server[3].value",
    ]  # fmt: skip
    assert "secret" not in format_faults(raised.value)


def test_a_broken_rule_names_its_field() -> None:
    with pytest.raises(InvalidResource) as raised:
        read_queue({"queueName": "q", "minBackoffMilliseconds": 2, "maxBackoffMilliseconds": 1})
    assert raised.value.faults == (
        Fault(
            "spec.minBackoffMilliseconds",
            "Contradiction",
            "minBackoffMilliseconds is above maxBackoffMilliseconds",
        ),
    )


_NAMES = st.sampled_from(
    [
        "connection",
        "server",
        "queueName",
        "items",
        "scales",
        "settings",
        "purge",
        "host",
        "name",
        "value",
        "id",
    ]
)
_SPECS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.kind)
@given(spec=_SPECS)
def test_any_spec_is_read_or_rejected_with_reasons(kind: Any, spec: Any) -> None:
    refusal = None
    try:
        kind.read("name", spec)
    except InvalidResource as error:
        refusal = error
    assert refusal is None or (refusal.count and format_faults(refusal))


def test_the_reason_invalid_parameter_requires_only_parameter_errors() -> None:
    of_server, of_spec = (
        Fault("spec.server[0].value", "WrongText", "d"),
        Fault("spec.layout", "WrongText", "d"),
    )
    assert InvalidResource([of_server]).reason == "InvalidParameter"
    assert InvalidResource([of_server, of_spec]).reason == "InvalidSpec"


@given(st.lists(st.text(max_size=4000), min_size=1, max_size=30), st.integers(0, 1000))
def test_a_message_lists_the_first_errors_and_counts_the_others(
    details: list[str], more: int
) -> None:
    faults = [Fault("spec", "WrongText", detail * 3) for detail in details]
    message = format_faults(InvalidResource(faults, len(faults) + more))
    assert len(message.encode()) <= MAX_MESSAGE
    named = [fault for fault in faults[:FAULTS_NAMED] if str(fault) in message]
    if len(faults) > FAULTS_NAMED or more:
        assert message.splitlines()[-1].startswith("and ")
    if sum(len(str(fault).encode()) + 1 for fault in faults[:FAULTS_NAMED]) < MAX_MESSAGE - 40:
        assert len(named) == min(len(faults), FAULTS_NAMED)


def test_records_and_plain_data_are_the_same() -> None:
    spec = example("RedisConfig", "sentinels")
    assert read_redis_config(
        msgspec.json.decode(msgspec.json.encode(read_redis_config(spec)))
    ) == read_redis_config(spec)

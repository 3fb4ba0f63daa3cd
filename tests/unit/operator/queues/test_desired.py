"""Desired settings of a Queue, execution of requests, and reported figures."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.broker import QueueState
from stanine.broker.administration import QueueStats
from stanine.broker.connection.ownership import Owner
from stanine.broker.settings import QueueSettings
from stanine.crds.reading import read_queue
from stanine_operator.queues.desired import describe, describe_problem, desired_queue
from stanine_operator.queues.requests import (
    RequestStatus,
    find_requests,
    must_execute,
    read_reported,
)

OWNER = Owner("Queue ns/q", "u1", "2026-11-01T00:00:00Z", "here", "config-uid")
TOKENS = st.sampled_from(["a", "b", "c"])


def stats(state: QueueState = QueueState.RUNNING, **figures: Any) -> QueueStats:
    return QueueStats(**{**dict.fromkeys(("ready", "delayed", "in_flight", "dead", "consumers"), 0), "oldest_ms": None, "now_ms": 90_000,
                         "state": state, "deaths": {}, **figures})  # fmt: skip


def settings(**fields: Any) -> object:
    return desired_queue(read_queue({"queueName": "q", **fields}), OWNER).settings


def test_spec_fields_map_to_settings_with_defaults() -> None:
    assert settings() == QueueSettings()
    given_fields = {
        "maxRetries": 0,
        "leaseSeconds": 2,
        "deadLetter": {"maxLength": 0, "ttlSeconds": 0},
        "rateLimit": {"messages": 3},
    }
    expected = QueueSettings(
        max_retries=0, lease_ms=2000, dead_max_length=0, dead_max_age_ms=0, rate_messages=3
    )
    assert settings(**given_fields) == expected


def test_ready_reports_the_state_and_drained() -> None:
    reasons = {each: describe(stats(each, ready=1), {}).conditions[0].reason for each in QueueState}
    assert reasons == {
        QueueState.RUNNING: "Running",
        QueueState.PAUSED: "Paused",
        QueueState.DRAINING: "Draining",
    }
    outcome = describe(stats(QueueState.DRAINING, dead=3), {"purge": {"token": "t"}})
    assert (outcome.conditions[0].reason, outcome.fields["purge"], outcome.fields["state"]) == (
        "Drained",
        {"token": "t"},
        "Draining",
    )


def test_the_oldest_message_is_measured_by_the_servers_clock() -> None:
    outcome = describe(stats(ready=1, oldest_ms=29_400), {})
    assert (outcome.fields["oldestSeconds"], outcome.gauges["oldestSeconds"]) == (61, 60.6)
    assert describe(stats(ready=1, oldest_ms=95_000), {}).gauges["oldestSeconds"] == 0


@given(st.none() | TOKENS, st.sampled_from(["", "a", "b"]), TOKENS)
def test_a_request_is_executed_if_neither_redis_nor_status_records_its_token(
    reported: str | None, handled: str, token: str
) -> None:
    (request,) = find_requests(
        read_queue({"queueName": "q", "purge": {"part": "Ready", "token": token}})
    )
    known = None if reported is None else RequestStatus(reported, "Executed", 1)
    assert must_execute(request, handled, known) == (token not in {handled, reported})


def test_requests_have_the_brokers_names() -> None:
    purge = {"part": "Dead", "token": "t", "reason": "ValueError", "actor": "score"}
    found = find_requests(
        read_queue({"queueName": "q", "purge": purge, "requeueDead": {"token": "r"}})
    )
    assert [(each.action, each.token, each.reason, each.actor) for each in found] == [
        ("purge dead", "t", "ValueError", "score"), ("requeue dead", "r", "", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "reported", [RequestStatus("t", "Executed", 0), RequestStatus("t", "NotExecuted")]
)
def test_a_reported_status_is_read_back(reported: RequestStatus) -> None:
    assert read_reported({"purge": reported.as_field()}, "purge") == reported
    assert read_reported({"purge": reported.as_field()}, "requeueDead") is None


def test_a_problem_keeps_the_figures_unless_another_resource_owns_the_queue() -> None:
    status = {"observedGeneration": 3, "conditions": [], "ready": 5, "purge": {"token": "t"}}
    assert describe_problem("WrongType", "…", status).fields == {
        "ready": 5,
        "purge": {"token": "t"},
    }
    assert describe_problem("ResourceConflict", "…", status, owned=False).fields == {
        "purge": {"token": "t"}
    }

"""The statuses in tests/chart/statuses, used to test Argo CD's health check, are current.

With STANINE_RECORD=1 the test writes these files.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from tests.conftest import free_port
from tests.integration.api.serving import document
from tests.integration.operator.harness import (
    Api,
    Object,
    OperatorProcess,
    queue,
    redis_config,
    resource,
)

FOLDER = Path(__file__).parents[2] / "chart/statuses"


def shape(each: Object) -> Any:
    """Return the parts that the health check reads, without times and figures."""
    status = each.get("status", {})
    conditions = [
        (one["type"], one["status"], one["reason"], one["observedGeneration"])
        for one in status.get("conditions", [])
    ]
    return (
        each["kind"],
        each["metadata"]["generation"],
        conditions,
        [name for name in ("runId", "state", "revision") if name in status],
    )


def keep(name: str, each: Object) -> None:
    """Compare an object with the recorded one, or record it."""
    del each["spec"]  # the check reads the status
    each["metadata"] = {
        key: value
        for key, value in each["metadata"].items()
        if key in ("name", "generation", "annotations")
    }
    path = FOLDER / f"{name}.yaml"
    if os.environ.get("STANINE_RECORD"):
        path.write_text(yaml.safe_dump(each, sort_keys=False, allow_unicode=True))
    assert shape(yaml.safe_load(path.read_text())) == shape(each), (
        f"{name} is out of date: STANINE_RECORD=1"
    )


def test_recorded_statuses_match_the_operators(
    api: Api, namespace: str, port: int, start_operator: Callable[..., OperatorProcess]
) -> None:
    api.apply(redis_config(namespace, port), queue(namespace, "results"))
    keep("redis-config-new", api.get("RedisConfig", namespace, "default"))
    start_operator()
    keep("redis-config-ready", api.wait("RedisConfig", namespace, "default"))
    keep("queue-ready", api.wait("Queue", namespace, "results"))

    api.apply(resource("Instrument", namespace, "a-mood", document("a-mood")["spec"]))
    keep(
        "instrument-indexing",
        api.wait("Instrument", namespace, "a-mood", status="False", reason="Indexing"),
    )
    broken = document("a-broken")["spec"]
    broken["scales"][0]["items"] = ["nowhere"]
    api.apply(resource("Instrument", namespace, "a-broken", broken))
    keep(
        "instrument-invalid",
        api.wait("Instrument", namespace, "a-broken", status="False", reason="InvalidDocument"),
    )

    api.apply(queue(namespace, "results", desiredState="Paused"))
    api.wait("Queue", namespace, "results", condition="Paused")
    keep("queue-paused", api.wait("Queue", namespace, "results"))

    api.apply(queue(namespace, "waiting", redisConfigRef={"name": "elsewhere"}))
    keep(
        "queue-no-redis-config",
        api.wait("Queue", namespace, "waiting", status="False", reason="RedisConfigNotFound"),
    )
    nowhere = free_port()
    api.apply(redis_config(namespace, nowhere, "away"))
    keep(
        "redis-config-away",
        api.wait("RedisConfig", namespace, "away", status="False", reason="ConnectionRefused"),
    )
    api.apply(redis_config(namespace, nowhere))
    keep(
        "redis-config-lost",
        api.wait("RedisConfig", namespace, "default", status="False", reason="ConnectionRefused"),
    )

    api.patch(
        "RedisConfig",
        namespace,
        "default",
        {"metadata": {"annotations": {"stanine.dev/paused": "true"}}},
    )
    keep("redis-config-held", api.wait("RedisConfig", namespace, "default", condition="Paused"))

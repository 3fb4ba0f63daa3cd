"""Many resources: time to converge, and no writes afterwards."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.integration.operator.harness import Api, OperatorProcess, queue, redis_config

#: Seconds from a cold start until all are ready. It takes 15 to 35 on two cores; a busy machine must not fail the
#: test.
CONVERGED = 240


@pytest.mark.slow
def test_a_thousand_queues_converge_from_a_cold_start_and_then_cause_no_writes(
    api: Api,
    namespace: str,
    start_operator: Callable[..., OperatorProcess],
    port: int,
    record_property: Callable[[str, object], None],
) -> None:
    api.apply(redis_config(namespace, port))
    api.create_many([queue(namespace, f"q-{number}") for number in range(1000)])
    began = time.monotonic()
    operator = start_operator(wait=False, hurried=True)
    # its own figure is cheap to read; the resources, a thousand a list, are read once at the end
    while operator.metric("stanine_operator_resources", kind="Queue", ready="True") < 1000:
        assert time.monotonic() - began < CONVERGED, operator.lines()[-20:]
        time.sleep(0.5)
    seconds = time.monotonic() - began
    record_property("seconds", round(seconds, 1))
    print(f"1,000 queues converged in {seconds:.1f} s from the operator's start")  # noqa: T201 - the figure is asked for
    found = api.list_all("Queue", namespace)
    assert sum(map(_is_ready, found)) == 1000
    versions = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in found}
    reconciler = operator.metric("stanine_operator_reconciles_total", kind="Queue")
    deadline = time.monotonic() + 180
    while operator.metric("stanine_operator_reconciles_total", kind="Queue") < reconciler + 1000:
        assert time.monotonic() < deadline, (
            "everything is reconciled again at every resync interval"
        )
        time.sleep(1)
    assert {
        each["metadata"]["name"]: each["metadata"]["resourceVersion"]
        for each in api.list_all("Queue", namespace)
    } == versions
    assert operator.metric("stanine_operator_resources", kind="Queue", ready="True") == 1000


def _is_ready(resource: dict[str, Any]) -> bool:
    return any(
        condition["type"] == "Ready"
        and condition["status"] == "True"
        and condition["observedGeneration"] == resource["metadata"]["generation"]
        for condition in resource.get("status", {}).get("conditions", ())
    )

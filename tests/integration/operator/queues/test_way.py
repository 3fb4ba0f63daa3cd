"""The way of a reconciliation stays short: which of the operator's functions a Queue at rest passes."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from opentelemetry.trace import NoOpTracer
from prometheus_client import CollectorRegistry
from tests.integration.operator.contexts import KINDS, Environment

from stanine_operator.controller.reconciler import Reconciler
from stanine_operator.metrics import OperatorMetrics

#: Functions that a reader follows from the reconciler to the status of a Queue that is as desired.
MOST_FUNCTIONS = 25


class SilentCluster:
    """An API server that accepts every status."""

    versions = 1000

    async def patch_status(self, *_: object) -> dict[str, Any]:
        self.versions += 1
        return {"resourceVersion": str(self.versions), "generation": 1}


class Recorder:
    """Discards Events."""

    def post(self, *_: object) -> None:
        """Discard the Event."""


def test_a_queue_at_rest_passes_few_functions_of_the_operator(environment: Environment) -> None:
    passed: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        module = str(frame.f_globals.get("__name__"))
        if event == "call" and module.startswith("stanine_operator") and "<" not in code.co_name:
            passed.add((module, code.co_qualname))

    async def reconcile() -> None:
        queue = environment.put("Queue", "jobs", queueName="jobs")
        cluster: Any = SilentCluster()
        recorder: Any = Recorder()
        metrics = OperatorMetrics(CollectorRegistry(), environment.resource_cache, KINDS)
        with ThreadPoolExecutor(1) as executor:
            reconciler = Reconciler(
                KINDS, environment.context(), cluster, recorder, metrics, NoOpTracer(), executor
            )
            for _ in range(2):
                current = environment.resource_cache.get(queue.key)
                assert current is not None
                assert (await reconciler.reconcile(current)).outcome == "ready"
            current = environment.resource_cache.get(queue.key)
            assert current is not None
            executor.submit(sys.setprofile, note).result()
            sys.setprofile(note)
            try:
                await reconciler.reconcile(current)
            finally:
                sys.setprofile(None)
                executor.submit(sys.setprofile, None).result()

    asyncio.run(reconcile())
    names = {name for _, name in passed}
    assert {"reconcile", "desired_queue", "describe", "compose_status", "must_write"} <= names
    assert len(passed) <= MOST_FUNCTIONS, sorted(passed)

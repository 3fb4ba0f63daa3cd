"""Run a service that dies at a step.

`python -m tests.integration.whole.doomed_service STEP MODULE ARGUMENT…`. Steps are Redis Function calls, the blocking
read (`XREADGROUP`), and pipelines (`pipeline`: loading).
"""

import runpy
import sys
from typing import Any

import redis.client
from tests.integration.failpoints import Doom, Step

from stanine.broker.connection.functions import Library
from stanine.broker.reader import Reader


def function_of(_library: Any, _client: Any, function: str, *_args: Any) -> str:
    """Return the step of a function call: its name."""
    return function.removeprefix("stanine_broker_")


def arm(doom: Doom) -> None:
    """Make every call to Redis a step."""
    library: Any = Library
    library.call = doom.wrap(function_of, library.call)
    library.call_async = doom.wrap_async(function_of, library.call_async)
    reader: Any = Reader
    reader.read = doom.wrap(lambda *_args: "XREADGROUP", reader.read)
    pipeline: Any = redis.client.Pipeline
    pipeline.execute = doom.wrap(lambda *_args: "pipeline", pipeline.execute)


if __name__ == "__main__":
    arm(Doom(Step.read(sys.argv[1])))
    sys.argv[:3] = [sys.argv[2]]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

# ruff: noqa: INP001 - run as a file by the image, never imported
"""The image's entry point: runs the process that its first argument names. Called by the container runtime, as process 1.

docker run IMAGE api --host 0.0.0.0 --port 8000
"""

import importlib
import os
import signal
import sys
from types import FrameType

#: What can be run: the name in the image and in Kubernetes, and the module whose `main` it is.
PROCESSES = {
    "api": "stanine.api.main",
    "pages": "stanine.pages.main",
    "index-watcher": "stanine.index_watcher.main",
    "result-watcher": "stanine.result_watcher.main",
    "operator": "stanine_operator.main",
    "cli": "stanine.cli.main",
    "smoke": "smoke",
    "uninstall": "stanine_operator.kubernetes.uninstall",
}
#: What a shell reports of a process that SIGTERM ended.
TERMINATED = 128 + signal.SIGTERM


def run(arguments: list[str]) -> int:
    """Run a process to its end; return its exit status, 2 if there is none of that name."""
    name = arguments[0] if arguments else ""
    if name not in PROCESSES:
        print(  # noqa: T201 - there is no log yet
            f"stanine: name the process to run, one of {', '.join(PROCESSES)}; after it come its own options",
            file=sys.stderr,
        )
        return 2
    # Process 1 ignores signals that it does not handle: a stop during the imports, or of a process without its own
    # handler, would wait for the whole grace period.
    signal.signal(signal.SIGTERM, _end)
    sys.argv = [f"stanine {name}" if name != "cli" else "stanine", *arguments[1:]]
    return importlib.import_module(PROCESSES[name]).main() or 0


def _end(_number: int, _frame: FrameType | None) -> None:
    """End as every other process does by default. An exception could be lost: Python drops it inside a destructor."""
    os._exit(TERMINATED)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))

"""Run the operator with shorter intervals, for tests of what it does after them.

`python -m tests.integration.operator.hurried_operator ARGUMENT…`. Leases and all that is not listed here are unchanged.
"""

import sys
from types import ModuleType

from stanine_operator.controller import controller, reconciler, workqueue
from stanine_operator.main import main

#: The command of OperatorProcess.
MODULE = ("tests.integration.operator.hurried_operator",)
#: The intervals are divided by this.
FACTOR = 5
INTERVALS: dict[ModuleType, tuple[str, ...]] = {
    controller: ("HISTORY_INTERVAL", "UNAVAILABLE_INTERVAL"),
    reconciler: ("FINALIZE_TIMEOUT", "FINALIZE_TIMEOUT_UNREACHABLE", "FINALIZE_RETRY"),
    workqueue: ("RESYNC_INTERVAL",),
}


def hurry() -> None:
    for module, names in INTERVALS.items():
        for name in names:
            setattr(module, name, getattr(module, name) / FACTOR)


if __name__ == "__main__":
    hurry()
    sys.exit(main())

"""The kind Queue: bootstrap, settings and state of one queue, its purges, and its end. `turn.py` is called by the loop."""

from stanine_operator.queues.reconcile import finalize, reconcile

__all__ = ["finalize", "reconcile"]

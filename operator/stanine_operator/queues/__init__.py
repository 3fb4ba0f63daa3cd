"""The kind Queue: bootstrap, settings, state, one-shot requests and removal of a queue."""

from stanine_operator.queues.reconcile import finalize, reconcile

__all__ = ["finalize", "reconcile"]

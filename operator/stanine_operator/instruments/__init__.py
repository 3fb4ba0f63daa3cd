"""The kind Instrument: a document published, its way into the index, and its end. `turn.py` is called by the loop."""

from stanine_operator.instruments.desired import judge
from stanine_operator.instruments.reconcile import reconcile, release

__all__ = ["judge", "reconcile", "release"]

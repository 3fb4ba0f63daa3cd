"""The kind Instrument: a document published, its way into the index, and its end. `turn.py` is called by the loop."""

from stanine_operator.instruments.decide import judge
from stanine_operator.instruments.turn import reconcile, release

__all__ = ["judge", "reconcile", "release"]

"""The kind Instrument: a document published, its way into the index, and its end. `turn.py` is called by the loop."""

from stanine_operator.instruments.desired import check_document
from stanine_operator.instruments.reconcile import finalize, reconcile

__all__ = ["check_document", "finalize", "reconcile"]

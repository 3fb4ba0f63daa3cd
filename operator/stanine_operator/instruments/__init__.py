"""The kind Instrument: publication, indexing and removal of an instrument."""

from stanine_operator.instruments.desired import check_document
from stanine_operator.instruments.reconcile import finalize, reconcile

__all__ = ["check_document", "finalize", "reconcile"]

"""Attempts: reading what is sent, and packing answers against a form. The face that API, CLI and store import from.

`attempt` reads JSON, `packing` turns answers into codes and back.
"""

from stanine.domain.attempts.attempt import Answer, Attempt, AttributeValue, decode_attempt, meaning
from stanine.domain.attempts.packing import Packer, unpack_answers

__all__ = [
    "Answer",
    "Attempt",
    "AttributeValue",
    "Packer",
    "decode_attempt",
    "meaning",
    "unpack_answers",
]

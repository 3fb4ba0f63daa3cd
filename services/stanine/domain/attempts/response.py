"""Attempts: reading submissions and packing answers. API, CLI and store import from here.

`attempt` reads JSON; `packing` converts answers to codes, `unpacking` back.
"""

from stanine.domain.attempts.attempt import Answer, Attempt, AttributeValue, decode_attempt, meaning
from stanine.domain.attempts.packing import Packer
from stanine.domain.attempts.unpacking import unpack_answers

__all__ = [
    "Answer",
    "Attempt",
    "AttributeValue",
    "Packer",
    "decode_attempt",
    "meaning",
    "unpack_answers",
]

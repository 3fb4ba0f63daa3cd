"""Ctrl-C while a command polls."""

import signal
import weakref
from collections.abc import Iterator

import pytest

from stanine.cli.interrupts import noted_interrupt


class Part:
    """An object whose destructor runs while Ctrl-C arrives."""


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_interrupt_is_noted_even_in_a_destructor_and_the_second_raises() -> None:
    with noted_interrupt() as is_interrupted:
        assert not is_interrupted()
        part = Part()
        weakref.finalize(part, signal.raise_signal, signal.SIGINT)
        del part
        assert is_interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

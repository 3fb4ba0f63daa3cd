"""A validation rule of a resource: in CEL for the API server, and the same in Python.

tests/integration/resources compares both on a real API server. `reading` and `schema_check` evaluate the Python
function, `schema` writes the CEL expression into the CRD.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from stanine.domain.instruments.decoding import member


class Rule(msgspec.Struct, frozen=True):
    """A rule for one place of a spec."""

    #: The path below `spec`; `*` means every item of a list.
    at: tuple[str, ...]
    #: The rule in CEL: `self` is the value, `oldSelf` the previous value.
    cel: str
    #: Error message with the remedy.
    message: str
    #: The same rule for plain data: `self`, and with `transition` the previous value.
    holds: Callable[..., bool]
    #: Whether the rule compares with the previous value; it always holds for a new resource.
    transition: bool = False
    #: The member to which the error is attributed.
    field: str = ""

    def broken_at(self, spec: object) -> Iterator[str]:
        """Yield the places (`spec.connection`) at which the rule is broken.

        Nothing for a transition rule.
        """
        if not self.transition:
            yield from (
                self.place(found)
                for found, value in _find(spec, self.at, "spec")
                if not self.holds(value)
            )

    def place(self, found: str) -> str:
        """Return the place of the member to which the error is attributed."""
        return member(found, self.field) if self.field else found


def given(value: dict[str, Any], name: str) -> bool:
    """Return whether a member is present; null and absent are equal, as for the API server."""
    return value.get(name) is not None


def chosen(value: dict[str, Any], name: str, default: Any) -> Any:
    """Return a member, or its default."""
    return value[name] if given(value, name) else default


def _find(value: object, at: tuple[str, ...], place: str) -> Iterator[tuple[str, Any]]:
    if not at:
        yield place, value
    elif at[0] == "*":
        if isinstance(value, list):
            for index, one in enumerate(value):
                yield from _find(one, at[1:], f"{place}[{index}]")
    elif isinstance(value, dict) and given(value, at[0]):
        yield from _find(value[at[0]], at[1:], member(place, at[0]))

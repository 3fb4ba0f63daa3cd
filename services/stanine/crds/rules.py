"""A rule between the fields of a resource: the CEL text that the API server goes by, and the same in Python for everyone else.

That both agree is held by tests/integration/resources on a real API server. `reading` and `schema_check` run the Python,
`schema` writes the CEL into the CRD.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from stanine.domain.instruments.decoding import member


class Rule(msgspec.Struct, frozen=True):
    """What must hold at one place of a spec."""

    #: The place below `spec` that the rule is about, as names; `*` stands for every member of a list.
    at: tuple[str, ...]
    #: The rule in CEL: `self` is what stands at that place, `oldSelf` what stood there before.
    cel: str
    #: What to do about it, for whoever broke the rule.
    message: str
    #: The same rule over plain data: `self`, and with `transition` the value before.
    holds: Callable[..., bool]
    #: Whether the rule compares with the value before: it holds of a new resource.
    transition: bool = False
    #: The member that the rule is really about.
    field: str = ""

    def broken_at(self, spec: object) -> Iterator[str]:
        """Yield the places (`spec.connection`) of a spec, well-formed there, at which the rule does not hold. None for a transition."""
        if not self.transition:
            yield from (
                self.place(found)
                for found, value in _find(spec, self.at, "spec")
                if not self.holds(value)
            )

    def place(self, found: str) -> str:
        """Return the place of the member that the rule is about."""
        return member(found, self.field) if self.field else found


def given(value: dict[str, Any], name: str) -> bool:
    """Tell whether a member is there; null and absent mean the same, as to the API server."""
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

"""The attributes that a plan needs, and norm groups as clauses over them. Used by `compiler`."""

from stanine.domain.instruments.record_types import Value
from stanine.domain.instruments.records import Attribute, Spec
from stanine.domain.instruments.scale_records import NormGroup
from stanine.domain.scoring.plan import Clause, PlannedAttribute


class AttributeTable:
    """The attributes used so far, each with an index.

    Only attributes that scores depend on are read from attempts.
    """

    def __init__(self, spec: Spec) -> None:
        self._all = {one.id: one for one in spec.attributes}
        self._spec = spec
        self._places: dict[str, int] = {}

    def use(self, name: str) -> int:
        """Return the index of an attribute."""
        return self._places.setdefault(name, len(self._places))

    def clauses(self, group: NormGroup) -> tuple[Clause, ...]:
        """Return the clauses of a norm group."""
        found = []
        for name, wanted in group.where.items():
            attribute, place = self._all[name], self.use(name)
            if attribute.type in ("Integer", "Number"):
                assert isinstance(wanted, tuple)
                low, high = wanted
                found.append(Clause(place, _number(low), _number(high)))
            else:
                values = self._values(attribute)
                given = wanted if isinstance(wanted, tuple) else (wanted,)
                found.append(
                    Clause(
                        place,
                        places=tuple(values.index(value) for value in given if value is not None),
                    )
                )
        return tuple(found)

    def planned(self) -> tuple[PlannedAttribute, ...]:
        """Return the attributes used, by index."""
        return tuple(self._planned(self._all[name]) for name in self._places)

    def _planned(self, attribute: Attribute) -> PlannedAttribute:
        if attribute.type in ("Integer", "Number"):
            return PlannedAttribute(attribute.id, "Number")
        return PlannedAttribute(attribute.id, "Values", tuple(self._values(attribute)))

    def _values(self, attribute: Attribute) -> list[Value]:
        """Return the values to distinguish: those declared, or for a text those of norm groups."""
        if attribute.values is not None:
            return [one.value for one in attribute.options]
        named: dict[Value, None] = {}
        for group in self._spec.norm_groups:
            wanted = group.where.get(attribute.id, ())
            named |= dict.fromkeys(
                one
                for one in (wanted if isinstance(wanted, tuple) else (wanted,))
                if one is not None
            )
        return list(named)


def _number(end: Value | None) -> float | None:
    assert not isinstance(end, str)
    return None if end is None else float(end)

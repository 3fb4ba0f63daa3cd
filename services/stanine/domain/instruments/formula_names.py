"""Names that a document's formulas and conditions may use: items, attributes, scales and tables.

Used by the checks and by `scoring`.
"""

import itertools
from collections.abc import Iterable

from stanine.domain.errors import Faults
from stanine.domain.formulas.checking import check_formula
from stanine.domain.formulas.names import Named, Names
from stanine.domain.formulas.tree import Formula
from stanine.domain.instruments.item_forms import ItemForm, resolve
from stanine.domain.instruments.records import Attribute, Spec
from stanine.domain.instruments.scale_records import Scale
from stanine.domain.scoring.derived import derive
from stanine.domain.scoring.scale_terms import first_scales


def names_of(spec: Spec) -> Names:
    """Return the names for formulas."""
    scales = first_scales(spec)
    return Names(
        items={item: item_named(form) for item, form in resolve(spec).items()},
        attributes={one.id: attribute_named(one) for one in spec.attributes},
        scales={name: derive(scale, spec.defaults).parts for name, scale in scales.items()},
        tables=frozenset(name for name, scale in scales.items() if scale.lookup is not None),
        later=frozenset(),
    )


class EarlierNames:
    """Names for the condition of an item, or of a section at its first item.

    These are the items before it, and the attributes.
    """

    def __init__(self, spec: Spec, forms: dict[str, ItemForm]) -> None:
        self._order = list(forms)
        self._places = {item: place for place, item in enumerate(self._order)}
        self._items = {item: item_named(form) for item, form in forms.items()}
        self._attributes = {one.id: attribute_named(one) for one in spec.attributes}

    def before(self, item: str) -> Names:
        """Return the names for one condition."""
        place = self._places[item]
        return Names(
            items=dict(itertools.islice(self._items.items(), place)),
            attributes=self._attributes,
            scales={},
            tables=frozenset(),
            later=frozenset(self._order[place:]),
        )


class Formulas:
    """The formulas of a checked document, each parsed once."""

    def __init__(self, spec: Spec) -> None:
        self._names = (
            names_of(spec) if any(scale.formula is not None for scale in spec.scales) else None
        )
        self._parsed: dict[str, Formula] = {}

    def of(self, scale: Scale) -> Formula:
        """Return the parsed formula of a scale that has one."""
        found = self._parsed.get(scale.id)
        if found is None:
            assert self._names is not None
            parsed = check_formula(scale.formula or "", self._names, "", Faults())
            assert parsed is not None
            found = self._parsed[scale.id] = parsed
        return found


def item_named(form: ItemForm) -> Named:
    """Return the name of an item for formulas."""
    match form.type:
        case "Number":
            return Named("Number")
        case "Multiple" | "Ranking":
            return Named("Whole", options=tuple(str(option.value) for option in form.options))
        case "Text" | "Date":
            return Named("Whole")
    missing = tuple(
        option.value for option in form.options if option.missing and isinstance(option.value, str)
    )
    texts = _texts(option.value for option in form.options if not option.missing)
    numbers = any(
        not option.missing and not isinstance(option.value, str) for option in form.options
    )
    if not texts:
        return Named("Number", missing_texts=missing)
    return Named("Mixed" if numbers else "Text", texts=texts, missing_texts=missing)


def attribute_named(attribute: Attribute) -> Named:
    """Return the name of an attribute for formulas."""
    if attribute.values is None:
        return Named("Text", texts=None) if attribute.type == "Text" else Named("Number")
    texts = _texts(one.value for one in attribute.options)
    if not texts:
        return Named("Number")
    return Named("Text" if len(texts) == len(attribute.options) else "Mixed", texts=texts)


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str))

"""Checks of each item by its type: all fields that the type needs, and none of another type.

Called by `form_checks`.
"""

import re

from stanine.domain.errors import Faults
from stanine.domain.instruments import item_forms
from stanine.domain.instruments.decoding import quote, several
from stanine.domain.instruments.item_forms import exact, grid_of
from stanine.domain.instruments.records import Item, Option, ResponseSet, Spec
from stanine.domain.instruments.value_checks import check_options

NUMBER_FIELDS = ("min", "max", "step", "integer", "unit", "minLabel", "maxLabel")
#: The fields of each type.
_FIELDS = {
    "Number": NUMBER_FIELDS,
    "Multiple": ("minChosen", "maxChosen"),
    "Text": ("maxLength", "multiline"),
    "Choice": ("distinctFrom",),
}
_WITH_OPTIONS = frozenset({"Choice", "Multiple", "Ranking"})
#: Option values that can be parts of column names and of references such as `m1.a`.
_SIMPLE_VALUE = re.compile("[A-Za-z0-9_]+")


def check(spec: Spec, faults: Faults) -> None:
    """Check the items."""
    sets = [one.name for one in spec.response_sets]
    _check_set_name(spec.defaults.responses, sets, "spec.defaults.responses", faults)
    for index, item in enumerate(spec.items):
        place = f"spec.items[{index}]"
        _check_set_name(item.responses, sets, f"{place}.responses", faults)
        if item.options is not None:
            check_options(item.options, f"{place}.options", faults)
        if faults.at(place) or any(
            faults.touches(f"{place}.{field}") for field in ("type", "responses", "options")
        ):
            continue
        _ItemCheck(spec, item, place, faults).run()


def check_numbers(one: Item | ResponseSet, place: str, faults: Faults) -> None:
    """Check the ends and the step of a Number."""
    for name in ("min", "max"):
        if getattr(one, name) is None and not faults.touches(f"{place}.{name}"):
            faults.add(
                place,
                "MissingField",
                f"{name} is missing: a Number has min and max, the lowest and the highest answer",
            )
    if (
        one.min is None
        or one.max is None
        or any(faults.touches(f"{place}.{name}") for name in NUMBER_FIELDS)
    ):
        return
    if one.min >= one.max:
        faults.add(
            f"{place}.max",
            "OutOfRange",
            f"the highest answer, {one.max:g}, is not above the lowest, {one.min:g}",
        )
        return
    if one.step is not None and one.step > one.max - one.min:
        faults.add(f"{place}.step", "OutOfRange", f"a step of {one.step:g} leaves one answer only")
    elif (
        one.integer
        and one.step is not None
        and not (one.step.is_integer() and one.min.is_integer())
    ):
        faults.add(
            place,
            "Contradiction",
            "integer asks for whole numbers, but min and step do not give such; leave integer out",
        )
    elif one.integer and (grid := grid_of(_as_form(one))) is not None and grid.count < 2:
        faults.add(place, "OutOfRange", "there are not two whole numbers from min to max")


def refuse_fields(
    one: Item | ResponseSet, fields: tuple[str, ...], kind: str, place: str, faults: Faults
) -> None:
    """Report fields that belong to another type."""
    for field in fields:
        value = getattr(one, re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), field), None)
        if value not in (None, False) and not faults.touches(f"{place}.{field}"):
            faults.add(
                f"{place}.{field}", "Contradiction", f"only what is of type {kind} has {field}"
            )


def _as_form(one: Item | ResponseSet) -> item_forms.ItemForm:
    return item_forms.ItemForm(
        "", "Number", low=one.min or 0.0, high=one.max or 0.0, step=one.step, integer=one.integer
    )


class _ItemCheck:
    """The checks of one item."""

    def __init__(self, spec: Spec, item: Item, place: str, faults: Faults) -> None:
        self.spec, self.item, self.place, self.faults = spec, item, place, faults
        self.type = item_forms.type_of(item, spec)
        self.used = item_forms.response_set(item, spec)

    def run(self) -> None:
        item, place, faults = self.item, self.place, self.faults
        if item.responses is not None and item.options is not None:
            faults.add(
                place,
                "Contradiction",
                "it names responses and has options of its own; leave one out",
            )
        for kind, fields in _FIELDS.items():
            if kind != self.type:
                refuse_fields(item, fields, kind, place, faults)
        if self.type in _WITH_OPTIONS:
            self._check_options()
        elif item.options is not None:
            faults.add(
                f"{place}.options", "Contradiction", f"what is of type {self.type} has no options"
            )
        elif self.type == "Number":
            self._check_number()
        elif item.responses is not None:
            faults.add(
                f"{place}.responses",
                "Contradiction",
                f"what is of type {self.type} has no response set",
            )

    def _check_options(self) -> None:
        item, place, faults = self.item, self.place, self.faults
        doubtful = faults.touches("spec.defaults.responses") or any(
            not one.name for one in self.spec.response_sets
        )
        if (
            item.responses is None
            and item.options is None
            and self.spec.defaults.responses is None
            and not doubtful
        ):
            faults.add(
                place,
                "MissingField",
                "it has no options: name responses, write options, or set spec.defaults.responses",
            )
        if item.options is None and self.used is not None and item_forms.is_number(self.used):
            faults.add(
                place,
                "Contradiction",
                f'its response set "{self.used.name}" is one of numbers, but it is of type {self.type}',
            )
            return
        options = (
            item.options
            if item.options is not None
            else self.used.options
            if self.used is not None
            else None
        )
        if options is None:
            return
        if self.type == "Choice":
            self._check_choice(options)
        else:
            self._check_simple_values(options)
        if self.type == "Multiple":
            self._check_chosen(options)
        if self.type == "Ranking":
            self._check_ranking(options)

    def _check_choice(self, options: tuple[Option, ...]) -> None:
        other_id = self.item.distinct_from
        if not other_id:
            return
        place = f"{self.place}.distinctFrom"
        other = next((one for one in self.spec.items if one.id == other_id), None)
        if other_id == self.item.id:
            self.faults.add(place, "Contradiction", "an item cannot differ from itself")
        elif other is None:
            if all(one.id for one in self.spec.items):
                known = several([one.id for one in self.spec.items])
                self.faults.add(
                    place,
                    "UnknownReference",
                    f'there is no item "{other_id}"; the form has {known}',
                )
        elif item_forms.type_of(other, self.spec) != "Choice":
            self.faults.add(place, "Contradiction", f'"{other_id}" is no Choice')
        else:
            used = item_forms.response_set(other, self.spec)
            its = (
                other.options
                if other.options is not None
                else used.options
                if used is not None
                else None
            )
            if its is not None and [one.value for one in its] != [one.value for one in options]:
                self.faults.add(
                    place,
                    "Contradiction",
                    f'"{other_id}" has other options: both must offer the same',
                )

    def _check_simple_values(self, options: tuple[Option, ...]) -> None:
        for option in options:
            if option.value != "" and not _SIMPLE_VALUE.fullmatch(str(option.value)):
                self.faults.add(
                    self.place,
                    "WrongText",
                    f"the value {quote(option.value)} of a {self.type} has other characters than A-Z, a-z, 0-9 and _: it names a column",
                )
                return

    def _check_chosen(self, options: tuple[Option, ...]) -> None:
        item, place, faults = self.item, self.place, self.faults
        free = sum(not (option.exclusive or option.missing) for option in options)
        least, most = item.min_chosen or 0, free if item.max_chosen is None else item.max_chosen
        if faults.touches(f"{place}.minChosen") or faults.touches(f"{place}.maxChosen"):
            return
        if item.max_chosen is not None and not 1 <= most <= len(options):
            faults.add(
                f"{place}.maxChosen",
                "OutOfRange",
                f"of {len(options)} options 1 to {len(options)} can be chosen",
            )
        elif least > most:
            name = "maxChosen" if item.max_chosen is not None else "minChosen"
            faults.add(
                f"{place}.{name}",
                "OutOfRange",
                f"at least {least} cannot be chosen where at most {most} may be",
            )

    def _check_ranking(self, options: tuple[Option, ...]) -> None:
        if len(options) < 2:
            self.faults.add(self.place, "TooFew", "a Ranking has at least two options")
        if any(option.missing or option.exclusive for option in options):
            self.faults.add(
                self.place,
                "Contradiction",
                "a Ranking puts all options in order, so none can be missing or exclusive",
            )

    def _check_number(self) -> None:
        item, place, faults = self.item, self.place, self.faults
        numeric = self.used is not None and item_forms.is_number(self.used)
        if item.responses is not None and not numeric and self.used is not None:
            faults.add(
                f"{place}.responses",
                "Contradiction",
                f'its response set "{self.used.name}" has options, but it is of type Number',
            )
        elif item.responses is not None and (item.min is not None or item.max is not None):
            faults.add(
                place,
                "Contradiction",
                "it names responses and has min or max of its own; leave one out",
            )
        elif item.min is None and item.max is None and numeric:
            for field in ("step", "integer"):
                if getattr(item, field) not in (None, False):
                    faults.add(
                        f"{place}.{field}",
                        "Contradiction",
                        f"its response set says the {field}; write min and max here, or leave it out",
                    )
        else:
            check_numbers(item, place, faults)


def _check_set_name(name: str | None, sets: list[str], place: str, faults: Faults) -> None:
    if name and name not in sets and "" not in sets:
        known = f"the form has {several(sets)}" if sets else "the form has none"
        faults.add(place, "UnknownReference", f'there is no response set "{name}"; {known}')


def reversal_fault(form: item_forms.ItemForm) -> str | None:
    """Return why reversing a Number would give numbers that are not answers; None if it would not."""
    grid = grid_of(form)
    if grid is None:
        return None
    low, high = exact(form.low), exact(form.high)
    first, last = grid.start, grid.start + (grid.count - 1) * grid.step
    if low + high - last == first and low + high - first == last:
        return None
    return f"reversing answers from {form.low:g} to {form.high:g} gives numbers that are no answers: change min or max"

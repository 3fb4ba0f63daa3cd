"""Semantic checks of scales, so that none can score wrongly.

Called by `instrument.parse_instrument`. The records may contain neutral values where a fault is known; such places are
skipped. `composite_checks` checks composites and formulas, `norm_checks` norms, tables and bands, `point_checks`
points.
"""

from collections.abc import Iterator

from stanine.domain import limits
from stanine.domain.errors import Faults
from stanine.domain.instruments import composite_checks, norm_checks
from stanine.domain.instruments.decoding import quote, several
from stanine.domain.instruments.item_checks import reversal_fault
from stanine.domain.instruments.item_forms import ItemForm, resolve
from stanine.domain.instruments.point_checks import check_key, check_points
from stanine.domain.instruments.record_types import Method
from stanine.domain.instruments.records import Spec
from stanine.domain.instruments.scale_records import Scale
from stanine.domain.scoring import points, scale_terms
from stanine.domain.scoring.points import Points


def check(spec: Spec, faults: Faults) -> None:
    """Check the scales and their defaults."""
    _check_terms(spec, faults)
    norm_checks.check(spec, faults)
    forms = _forms_known_for_sure(spec, faults)
    for index, scale in enumerate(spec.scales):
        place = f"spec.scales[{index}]"
        if not faults.at(place):
            _ScaleCheck(spec, forms, scale, place, faults).run()
            norm_checks.check_scale(spec, scale, place, faults)
    composite_checks.check(spec, forms, faults)


def _forms_known_for_sure(spec: Spec, faults: Faults) -> dict[str, ItemForm | None]:
    """Return each item's form; None where it has a fault, so that no check depends on it."""

    def is_doubtful(place: str) -> bool:
        return faults.overflowed or any(
            not fault.place.endswith((".label", ".text")) for fault in faults.within(place)
        )

    forms: dict[str, ItemForm | None] = {**resolve(spec)}
    doubtful_sets = {
        one.name
        for index, one in enumerate(spec.response_sets)
        if is_doubtful(f"spec.responseSets[{index}]")
    }
    seen: set[str] = set()
    for index, item in enumerate(spec.items):
        place = f"spec.items[{index}]"
        if item.id in seen:
            continue  # scales refer to the first item with that id
        seen.add(item.id)
        used = item.responses or spec.defaults.responses
        shared = item.options is None and (
            used in doubtful_sets
            or "" in doubtful_sets
            or faults.touches("spec.defaults.responses")
        )
        form = forms[item.id]
        without = (
            form is not None and form.type in ("Choice", "Multiple", "Ranking") and not form.options
        )
        if shared or without or is_doubtful(place):
            forms[item.id] = None
    return forms


def _check_terms(spec: Spec, faults: Faults) -> None:
    terms = sum(len(scale.items) + len(scale.key) + len(scale.points) for scale in spec.scales)
    if terms > limits.MAX_TERMS:
        faults.add(
            "spec.scales",
            "TooMany",
            f"the scales have {terms} items in all, each counted where it stands; at most {limits.MAX_TERMS} are allowed",
        )


class _ScaleCheck:
    """The checks of one scale of items or scales."""

    def __init__(
        self,
        spec: Spec,
        forms: dict[str, ItemForm | None],
        scale: Scale,
        place: str,
        faults: Faults,
    ) -> None:
        self.spec, self.forms, self.scale, self.place, self.faults = (
            spec,
            forms,
            scale,
            place,
            faults,
        )
        self.item_ids = [item.id for item in spec.items]
        self.scale_ids = {one.id for one in spec.scales}
        self.attribute_ids = {one.id for one in spec.attributes}
        #: The points of each term, where known.
        self.points: dict[str, Points] = {}
        #: The valid terms of the scale.
        self.members: set[str] = set()
        self.of_scales = False

    def run(self) -> None:
        scale, place, faults = self.scale, self.place, self.faults
        if scale.multiply == 0 and not faults.touches(f"{place}.multiply"):
            faults.add(
                f"{place}.multiply", "OutOfRange", "multiplied by 0 all scores would be equal"
            )
        if scale.formula is not None or faults.touches(f"{place}.formula"):
            return
        doubtful = any(
            faults.touches(one) for one in (f"{place}.score", "spec.defaults.score")
        ) or faults.at("spec.defaults")
        if scale.score is None and self.spec.defaults.score is None and not doubtful:
            faults.add(
                place,
                "MissingField",
                "score is missing: say Mean, Sum or Percent, here or in spec.defaults",
            )
        self._check_members()
        if self.of_scales:
            composite_checks.check_parts(self.spec, scale, place, faults)
        else:
            self._check_items()
            check_key(scale, self.forms, place, faults, self.points)
            check_points(scale, self.forms, place, faults, self.points)
        self._check_weights()
        self._check_counts()
        self._check_ends()

    def _references(self) -> Iterator[tuple[str, str]]:
        for index, reference in enumerate(self.scale.items):
            yield scale_terms.name_of(reference), f"{self.place}.items[{index}]"
        for item in self.scale.key:
            yield item, f"{self.place}.key.{item}"
        for item in self.scale.points:
            yield item, f"{self.place}.points.{item}"

    def _check_members(self) -> None:
        first: dict[str, str] = {}
        kinds: set[str] = set()
        for name, place in self._references():
            if not name:
                continue
            if name in first:
                self.faults.add(
                    place, "DuplicateId", f'"{name}" stands in this scale already, at {first[name]}'
                )
            elif kind := self._kind_of(name, place):
                self.members.add(name)
                kinds.add(kind)
                if len(kinds) > 1:
                    self.faults.add(
                        place,
                        "Contradiction",
                        "a scale is made of items or of scales, not of both: make a scale of the items first",
                    )
            first.setdefault(name, place)
        self.of_scales = "scale" in kinds
        parts = (f"{self.place}.{part}" for part in ("items", "key", "points", "formula"))
        if not first and not any(self.faults.touches(part) for part in parts):
            self.faults.add(
                self.place,
                "MissingField",
                "the scale has no items: name some in items, key or points",
            )

    def _kind_of(self, name: str, place: str) -> str | None:
        base = scale_terms.base(name)
        if base in self.forms:
            return "item" if self._is_term(name, self.forms[base], place) else None
        if base in self.scale_ids and place.startswith(f"{self.place}.items["):
            return "scale"
        if base in self.scale_ids:
            self.faults.add(
                place, "UnknownReference", f'"{name}" is a scale; a key and points are about items'
            )
        elif base in self.attribute_ids:
            self.faults.add(
                place, "UnknownReference", f'"{name}" is an attribute; a scale is made of items'
            )
        elif "" not in self.forms:
            self.faults.add(
                place,
                "UnknownReference",
                f'there is no item "{name}"; the form has {several(self.item_ids)}',
            )
        return None

    def _is_term(self, name: str, form: ItemForm | None, place: str) -> bool:
        option = name.partition(".")[2]
        if form is None:
            return True
        if form.type in ("Text", "Date"):
            self.faults.add(place, "NoNumbers", f'"{name}" is a {form.type}, which gives no points')
        elif option and form.type not in ("Multiple", "Ranking"):
            self.faults.add(
                place,
                "UnknownReference",
                f'"{form.id}" is a {form.type}; only options of a Multiple or Ranking are named so',
            )
        elif option and scale_terms.option_place(form, option) is None:
            known = several([f"{form.id}.{one.value}" for one in form.options])
            self.faults.add(
                place, "UnknownReference", f'"{form.id}" has no option "{option}"; it has {known}'
            )
        elif option and form.options[scale_terms.option_place(form, option) or 0].missing:
            self.faults.add(
                place,
                "NotAnOption",
                f'the option "{option}" of "{form.id}" is missing, so it gives no points',
            )
        elif (
            not option
            and place.startswith(f"{self.place}.items[")
            and form.type in ("Multiple", "Ranking")
        ):
            shown = f"{form.id}.{form.options[0].value}"
            self.faults.add(
                place,
                "NoNumbers",
                f'"{name}" is a {form.type}, which has no number: name its options, such as {shown}',
            )
        else:
            return True
        return False

    def _check_items(self) -> None:
        threshold = self.scale.threshold
        if (
            threshold is not None
            and not self.scale.items
            and not self.faults.touches(f"{self.place}.items")
        ):
            self.faults.add(
                f"{self.place}.threshold",
                "Contradiction",
                "a threshold is about the scale's items, and it has none there",
            )
        for index, reference in enumerate(self.scale.items):
            name, minus = scale_terms.name_of(reference), reference.startswith("-")
            form = self.forms.get(scale_terms.base(name))
            place = f"{self.place}.items[{index}]"
            if form is None or name not in self.members or self.faults.touches(place):
                continue
            if form.options and all(option.missing for option in form.options):
                continue
            try:
                found = scale_terms.points_of_reference(
                    name, form, minus=minus, threshold=threshold
                )
            except TypeError as error:
                self.faults.add(
                    place,
                    "NoNumbers",
                    f'the option {quote(error.args[0])} of "{name}" has no number: give the item a key or points',
                )
                continue
            if (
                minus
                and form.type == "Choice"
                and not points.is_reversible(points.numbers(form.options))
            ):
                self.faults.add(
                    place,
                    "NotReversible",
                    f'reversing "{name}" gives numbers that no option has: list its points instead',
                )
            elif minus and form.type == "Number" and (fault := reversal_fault(form)) is not None:
                self.faults.add(place, "NotReversible", fault)
            self.points[name] = found

    def _check_weights(self) -> None:
        scale = self.scale
        needs_all = (
            self._method() == "Sum"
            and self._min_valid() >= len(self.members)
            and scale.not_shown != "Exclude"
        )
        for item, weight in scale.weights.items():
            place = f"{self.place}.weights{_member(item)}"
            if self.faults.touches(place):
                continue
            if item not in self.members:
                if not any(
                    self.faults.touches(f"{self.place}.{part}")
                    for part in ("items", "key", "points")
                ):
                    self.faults.add(place, "UnknownReference", f'"{item}" is no item of this scale')
            elif (
                weight <= 0 and not needs_all and not self.faults.touches(f"{self.place}.minValid")
            ):
                detail = "a weight of 0 or less is for a Sum that needs every item; here a missing answer would distort the score"
                self.faults.add(place, "WrongWeight", detail)

    def _check_counts(self) -> None:
        scale, count = self.scale, len(self.members)
        broken = any(
            self.faults.touches(f"{self.place}.{part}")
            for part in ("items", "key", "points", "minValid")
        )
        if scale.min_valid is not None and not broken and not 1 <= scale.min_valid <= count:
            detail = f"the scale has {count} items, so at least 1 and at most {count} of them can be needed, not {scale.min_valid}"
            self.faults.add(f"{self.place}.minValid", "WrongMinValid", detail)

    def _check_ends(self) -> None:
        """Report points for missing answers that Percent cannot use."""
        if self._method() != "Percent":
            return
        for field, given in (
            ("unanswered", self.scale.unanswered),
            ("notShown", self.scale.not_shown),
        ):
            if (
                given is None
                or isinstance(given, str)
                or self.faults.touches(f"{self.place}.{field}")
            ):
                continue
            for item, found in self.points.items():
                if not found.low <= given <= found.high:
                    detail = f'"{item}" gives {found.low:g} to {found.high:g} points, so a percentage cannot count {given:g} for it'
                    self.faults.add(f"{self.place}.{field}", "OutOfRange", detail)
                    break

    def _method(self) -> Method | None:
        return scale_terms.method_of(self.scale, self.spec)

    def _min_valid(self) -> int:
        return scale_terms.min_valid_of(self.scale, len(self.members))


def _member(name: str) -> str:
    return f".{name}" if "." not in name else f'["{name}"]'

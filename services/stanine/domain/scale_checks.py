"""What must hold of scales beyond their types, so that none can score wrongly later. Called by `instrument.parse_instrument`.

Works on records that may hold neutral values where a fault is known already: what touches such a place is passed over.
"""

from collections.abc import Iterator

from stanine.domain import bands, limits, points
from stanine.domain.errors import Faults
from stanine.domain.records import Option, Scale, Spec, options_of
from stanine.domain.structure import quote, several


def check(spec: Spec, faults: Faults) -> None:
    """Note what is wrong with the scales and with what they have by default."""
    _check_terms(spec, faults)
    if spec.defaults.bands is not None:
        bands.check(spec.defaults.bands, "spec.defaults.bands", faults)
    options = _options_known_for_sure(spec, faults)
    for index, scale in enumerate(spec.scales):
        if not faults.at(f"spec.scales[{index}]"):
            _ScaleCheck(spec, options, scale, f"spec.scales[{index}]", faults).run()


def _options_known_for_sure(spec: Spec, faults: Faults) -> dict[str, tuple[Option, ...]]:
    """Return each item's options; none where they hold a fault, so that nothing is judged by them."""

    def is_doubtful(place: str) -> bool:
        return any(not fault.place.endswith(".label") for fault in faults.within(place))

    options = options_of(spec)
    doubtful_sets = {one.name for index, one in enumerate(spec.response_sets) if is_doubtful(f"spec.responseSets[{index}]")}
    seen: set[str] = set()
    for index, item in enumerate(spec.items):
        place = f"spec.items[{index}]"
        if item.id in seen:
            continue  # the first of that id is the one that scales mean
        seen.add(item.id)
        used = item.responses or spec.defaults.responses
        shared = item.options is None and (used in doubtful_sets or "" in doubtful_sets or faults.touches("spec.defaults.responses"))
        if shared or any(is_doubtful(f"{place}.{field}") for field in ("id", "type", "responses", "options")):
            options[item.id] = ()
    return options


def _check_terms(spec: Spec, faults: Faults) -> None:
    terms = sum(len(scale.items) + len(scale.key) + len(scale.points) for scale in spec.scales)
    if terms > limits.MAX_TERMS:
        faults.add(
            "spec.scales",
            "TooMany",
            f"the scales have {terms} items in all, each counted where it stands; at most {limits.MAX_TERMS} are allowed",
        )


class _ScaleCheck:
    """The checks of one scale."""

    def __init__(self, spec: Spec, options: dict[str, tuple[Option, ...]], scale: Scale, place: str, faults: Faults) -> None:
        self.spec, self.options, self.scale, self.place, self.faults = spec, options, scale, place, faults
        self.item_ids = [item.id for item in spec.items]
        self.scale_ids = {one.id for one in spec.scales}
        self.attribute_ids = {one.id for one in spec.attributes}
        #: The points of each item, as far as they can be told.
        self.tables: dict[str, points.Table] = {}
        #: The ids of the scale's items.
        self.members: set[str] = set()

    def run(self) -> None:
        scale, place, faults = self.scale, self.place, self.faults
        doubtful = any(faults.touches(one) for one in (f"{place}.score", f"{place}.formula", "spec.defaults"))
        if scale.score is None and self.spec.defaults.score is None and not doubtful:
            faults.add(place, "MissingField", "score is missing: say Mean, Sum or Percent, here or in spec.defaults")
        self._check_members()
        self._check_items()
        self._check_key()
        self._check_points()
        self._check_weights()
        self._check_counts()
        if scale.multiply == 0 and not faults.touches(f"{place}.multiply"):
            faults.add(f"{place}.multiply", "OutOfRange", "multiplied by 0 all scores would be equal")
        if scale.bands is not None:
            bands.check(scale.bands, f"{place}.bands", faults)

    def _references(self) -> Iterator[tuple[str, str]]:
        for index, reference in enumerate(self.scale.items):
            yield reference.removeprefix("-"), f"{self.place}.items[{index}]"
        for item in self.scale.key:
            yield item, f"{self.place}.key.{item}"
        for item in self.scale.points:
            yield item, f"{self.place}.points.{item}"

    def _check_members(self) -> None:
        first: dict[str, str] = {}
        for item, place in self._references():
            if not item:
                continue
            if item in first:
                self.faults.add(place, "DuplicateId", f'"{item}" stands in this scale already, at {first[item]}')
            elif self._is_item(item, place):
                self.members.add(item)
            first.setdefault(item, place)
        parts = (f"{self.place}.{part}" for part in ("items", "key", "points", "formula"))
        if not first and not any(self.faults.touches(part) for part in parts):
            self.faults.add(self.place, "MissingField", "the scale has no items: name some in items, key or points")

    def _is_item(self, name: str, place: str) -> bool:
        if name in self.options:
            return True
        if "." in name:
            self.faults.add(place, "NotSupported", f'a ranked option ("{name}") is not supported by this version yet')
        elif name in self.scale_ids:
            self.faults.add(place, "NotSupported", f'a scale made of scales ("{name}") is not supported by this version yet')
        elif name in self.attribute_ids:
            self.faults.add(place, "UnknownReference", f'"{name}" is an attribute; a scale is made of items')
        elif "" not in self.options:
            self.faults.add(place, "UnknownReference", f'there is no item "{name}"; the form has {several(self.item_ids)}')
        return False

    def _check_items(self) -> None:
        threshold = self.scale.threshold
        if threshold is not None and not self.scale.items and not self.faults.touches(f"{self.place}.items"):
            self.faults.add(f"{self.place}.threshold", "Contradiction", "a threshold is about the scale's items, and it has none there")
        for index, reference in enumerate(self.scale.items):
            item = reference.removeprefix("-")
            options = self.options.get(item, ())
            if not options or all(option.missing for option in options):
                continue
            place = f"{self.place}.items[{index}]"
            try:
                table = points.numbers(options)
            except TypeError as error:
                self.faults.add(
                    place, "NoNumbers", f'the option {quote(error.args[0])} of "{item}" has no number: give the item a key or points'
                )
                continue
            if reference.startswith("-"):
                if not points.is_reversible(table):
                    self.faults.add(place, "NotReversible", f'reversing "{item}" gives numbers that no option has: list its points instead')
                table = points.reverse(table)
            self.tables[item] = table if threshold is None else points.reach(table, threshold)

    def _check_key(self) -> None:
        for item, right in self.scale.key.items():
            options = self.options.get(item, ())
            if not options or self.faults.touches(f"{self.place}.key.{item}"):
                continue
            several_right = isinstance(right, tuple)
            values = right if isinstance(right, tuple) else (right,)
            for index, value in enumerate(values):
                place = f"{self.place}.key.{item}" + (f"[{index}]" if several_right else "")
                option = next((one for one in options if one.value == value), None)
                if option is None:
                    known = several([quote(one.value) for one in options])
                    self.faults.add(place, "NotAnOption", f'{quote(value)} is no option of "{item}"; it has {known}')
                elif option.missing:
                    self.faults.add(place, "NotAnOption", f'the option {quote(value)} of "{item}" is missing, so it cannot be right')
                elif value in values[:index]:
                    self.faults.add(place, "DuplicateValue", f"{quote(value)} stands here twice")
            if not self.faults.touches(f"{self.place}.key.{item}"):
                self.tables[item] = points.match(options, values)

    def _check_points(self) -> None:
        for item, given in self.scale.points.items():
            place = f"{self.place}.points.{item}"
            options = self.options.get(item, ())
            if not options or self.faults.touches(place):
                continue
            if len(given) != len(options):
                self.faults.add(
                    place,
                    "PointsMismatch",
                    f'{len(given)} points stand here, but "{item}" has {len(options)} options: one each, in their order',
                )
                continue
            for index, (one, option) in enumerate(zip(given, options, strict=True)):
                if option.missing and one is not None:
                    self.faults.add(
                        f"{place}[{index}]", "PointsMismatch", f"the option {quote(option.value)} is missing: write null for it"
                    )
                elif one is None and not option.missing:
                    self.faults.add(
                        f"{place}[{index}]",
                        "PointsMismatch",
                        f"the option {quote(option.value)} needs a number; null is for missing options",
                    )
            if not self.faults.touches(place):
                self.tables[item] = given

    def _check_weights(self) -> None:
        scale = self.scale
        needs_all = self._method() == "Sum" and self._min_valid() >= len(self.members)
        for item, weight in scale.weights.items():
            place = f"{self.place}.weights.{item}"
            if self.faults.touches(place):
                continue
            if item not in self.members:
                if not any(self.faults.touches(f"{self.place}.{part}") for part in ("items", "key", "points")):
                    self.faults.add(place, "UnknownReference", f'"{item}" is no item of this scale')
            elif weight <= 0 and not needs_all and not self.faults.touches(f"{self.place}.minValid"):
                detail = "a weight of 0 or less is for a Sum that needs every item; here a missing answer would distort the score"
                self.faults.add(place, "WrongWeight", detail)

    def _check_counts(self) -> None:
        scale, count = self.scale, len(self.members)
        broken = any(self.faults.touches(f"{self.place}.{part}") for part in ("items", "key", "points", "minValid"))
        if scale.min_valid is not None and not broken and not 1 <= scale.min_valid <= count:
            detail = f"the scale has {count} items, so at least 1 and at most {count} of them can be needed, not {scale.min_valid}"
            self.faults.add(f"{self.place}.minValid", "WrongMinValid", detail)
        if scale.unanswered is None or self._method() != "Percent":
            return
        for item, table in self.tables.items():
            present = [x for x in table if x is not None]
            if present and not min(present) <= scale.unanswered <= max(present):
                detail = (
                    f'"{item}" gives {min(present):g} to {max(present):g} points, so a percentage cannot count {scale.unanswered:g} for it'
                )
                self.faults.add(f"{self.place}.unanswered", "OutOfRange", detail)
                return

    def _method(self) -> str | None:
        return self.scale.score or self.spec.defaults.score

    def _min_valid(self) -> int:
        if self.scale.min_valid is not None:
            return self.scale.min_valid
        return len(self.members) if self.scale.unanswered is None else 1

"""Warnings about an accepted document (DESIGN 4.1, It warns). Used when publishing or validating."""

from collections.abc import Iterator

from stanine.domain.errors import Code, Fault, Faults
from stanine.domain.formulas.checking import check_condition
from stanine.domain.instruments.condition_checks import written
from stanine.domain.instruments.decoding import member, several
from stanine.domain.instruments.formula_names import EarlierNames
from stanine.domain.instruments.item_forms import ItemForm, resolve
from stanine.domain.instruments.records import Instrument, Spec
from stanine.domain.instruments.scale_records import Band, Scale
from stanine.domain.scoring import scale_terms
from stanine.domain.scoring.derived import derive
from stanine.domain.scoring.scale_terms import ScaleTerm


def warnings_of(instrument: Instrument) -> list[Fault]:
    """Return the doubtful parts of a checked instrument, each with its place."""
    return [Fault(place, code, detail) for place, code, detail in _warnings(instrument.spec)]


_Warning = tuple[str, Code, str]


def _warnings(spec: Spec) -> Iterator[_Warning]:
    forms = resolve(spec)
    scales = {scale.id: scale for scale in spec.scales}
    for index, scale in enumerate(spec.scales):
        place = f"spec.scales[{index}]"
        if scale_terms.kind_of(scale, forms, scales) == "Items":
            yield from _of_items(spec, scale, scale_terms.terms_of(scale, forms), forms, place)
        if scale.reliability is not None and derive(scale, spec.defaults).norms != "Figures":
            yield (
                f"{place}.reliability",
                "NoEffect",
                "it has no effect without norms with mean and sd, from which the standard error comes",
            )
    yield from _missing_translations(spec)
    yield from _conditions_with_keys(spec, forms)


def _of_items(
    spec: Spec, scale: Scale, terms: list[ScaleTerm], forms: dict[str, ItemForm], place: str
) -> Iterator[_Warning]:
    method = scale_terms.method_of(scale, spec)
    needs_all = scale_terms.min_valid_of(scale, len(terms)) >= len(terms)
    if scale.unanswered is not None and scale.min_valid is None:
        yield (
            f"{place}.unanswered",
            "UnansweredWithoutMinValid",
            "one answer is enough for a score, since minValid is not said; is that meant?",
        )
    if (
        method == "Sum"
        and not scale.weights
        and len({(one.points.low, one.points.high) for one in terms}) > 1
    ):
        detail = "its items give different ranges of points, so some count more than others in the sum; say how much by weights"
        yield place, "DifferentRanges", detail
    if (
        scale.not_shown == "Exclude"
        and method == "Sum"
        and any(forms[one.item].conditional for one in terms)
    ):
        yield (
            f"{place}.notShown",
            "ExcludeUnderSum",
            "sums over different numbers of items are not comparable; use Mean, Percent or points",
        )
    bands = scale.bands if scale.bands is not None else spec.defaults.bands or ()
    lists: list[tuple[Band, ...]] = (
        list(bands.values()) if isinstance(bands, dict) else [tuple(bands)]
    )
    edges = any(band.from_ is not None or band.above is not None for its in lists for band in its)
    prorated = method == "Sum" and not needs_all and scale.unanswered is None
    if edges and prorated and scale.round is None and derive(scale, spec.defaults).report == "Raw":
        yield (
            f"{place}.bands",
            "StraddledEdge",
            "a prorated sum can lie between two whole scores, on either side of an edge; say how to round",
        )


def _missing_translations(spec: Spec) -> Iterator[_Warning]:
    for language, words in spec.translations.items():
        left = [item.id for item in spec.items if item.id not in words.items]
        left += [
            f"title of {section.id}"
            for section in spec.sections
            if section.title and not _has_title(words.sections.get(section.id))
        ]
        left += [
            f"options of {one.name}"
            for one in spec.response_sets
            if _lacks_labels(one.options, words.options.get(one.name, {}))
        ]
        own = (item for item in spec.items if item.options is not None)
        left += [
            f"options of {item.id}"
            for item in own
            if _lacks_labels(item.options, words.options.get(item.id, {}))
        ]
        if words.title is None:
            left.insert(0, "the title")
        if spec.instructions and words.instructions is None:
            left.insert(0, "the instructions")
        if left:
            yield (
                member("spec.translations", language),
                "MissingTranslation",
                f"not translated, so shown as they are: {several(left)}",
            )


def _has_title(words: object) -> bool:
    return getattr(words, "title", None) is not None


def _lacks_labels(options: object, labels: dict[str, str]) -> bool:
    return isinstance(options, tuple) and any(
        option.label and str(option.value) not in labels for option in options
    )


def _conditions_with_keys(spec: Spec, forms: dict[str, ItemForm]) -> Iterator[_Warning]:
    """Warn of conditions that reveal right answers."""
    keyed = {item for scale in spec.scales for item in scale.key}
    conditions = written(spec) if keyed else []
    names = EarlierNames(spec, forms)
    for before, text, place in conditions:
        condition = check_condition(text, names.before(before), place, Faults())
        named = [name for name in condition.names if name in keyed] if condition is not None else []
        if named:
            yield (
                place,
                "ConditionNamesKey",
                f"{several(named)} has a key, and participants can see this condition: it may give away the answer",
            )

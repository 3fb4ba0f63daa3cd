"""Converts the questions of a FHIR Questionnaire to items. Called by `fhir`."""

from collections.abc import Mapping, Sequence
from typing import Any

from stanine.cli.imports.draft import Draft, option_values
from stanine.cli.imports.fhir_conditions import Question, condition_of
from stanine.cli.imports.fhir_options import (
    FhirOption,
    extensions,
    read_options,
    translations,
)
from stanine.domain.limits import LARGEST_NUMBER, MAX_TEXT

_CORE = "http://hl7.org/fhir/StructureDefinition/"
HIDDEN, _UNIT = _CORE + "questionnaire-hidden", _CORE + "questionnaire-unit"
_STEP = _CORE + "questionnaire-sliderStepValue"
_KNOWN = frozenset(
    ("linkId", "text", "_text", "type", "code", "required", "repeats", "readOnly", "maxLength", "item")
) | {"enableWhen", "enableBehavior", "answerOption", "answerValueSet", "answerConstraint", "extension", "id"}  # fmt: skip
_TYPES = {
    "boolean": "Choice",
    "choice": "Choice",
    "open-choice": "Choice",
    "coding": "Choice",
    "integer": "Number",
    "decimal": "Number",
    "quantity": "Number",
    "date": "Date",
    "string": "Text",
    "text": "Text",
    "url": "Text",
}


class FhirItems:
    """Converts questions one by one, in the order of the form.

    `weighted`: ids of the items whose values are weights. `points`: the weights of the others, by item.
    """

    def __init__(
        self, draft: Draft, contained: Mapping[str, Mapping[str, Any]], keep_codes: bool
    ) -> None:
        self._draft, self._contained, self._keep_codes = draft, contained, keep_codes
        self.questions: dict[str, Question] = {}
        self.weighted: list[str] = []
        self.points: dict[str, list[float | None]] = {}

    def read(self, item: Mapping[str, Any], place: str) -> str | None:
        """Add a question to the draft and return its id; None: it was left out, and listed."""
        kind = _TYPES.get(str(item.get("type")))
        if kind is None:
            self._draft.omit(place, f"the item: type {item.get('type')}{with_children(item)}")
            return None
        options: list[FhirOption] = []
        if kind == "Choice":
            try:
                options = self._options(item, place)
            except ValueError as error:
                self._draft.omit(place, f"the item: {error}{with_children(item)}")
                return None
        if item.get("repeats"):
            if kind == "Choice":
                kind = "Multiple"
            else:
                self._draft.omit(place, "several answers (repeats); it is asked once")
        made = self._make(item, place, kind)
        values = self._add_options(made, options, kind)
        for language, text in translations(item, "text").items():
            self._draft.translate(language, "items", made["id"], text=text)
        self.report_rest(item, place)
        self._draft.items.append(made)
        self.questions[place] = Question(made["id"], kind, values)
        return str(made["id"])

    def _make(self, item: Mapping[str, Any], place: str, kind: str) -> dict[str, Any]:
        """Return an item without its options."""
        made: dict[str, Any] = {"id": self._draft.make_id(place), "type": kind}
        made["text"] = self._draft.text(str(item.get("text") or place), place)
        made |= self._draft.column(place, made["id"])
        if item.get("required"):
            made["required"] = True
        if codes := codes_of(item.get("code", ())):
            made["codes"] = codes
        if (own := self.condition(item, place)) is not None:
            made["when"] = own
        if kind == "Number":
            self._add_bounds(made, item, place)
        if kind == "Text":
            made["maxLength"] = min(item.get("maxLength") or MAX_TEXT, MAX_TEXT)
            if item.get("type") == "text":
                made["multiline"] = True
        return made

    def condition(self, item: Mapping[str, Any], place: str) -> str | None:
        """Return the condition of an item or group; one that cannot be expressed is listed."""
        try:
            return condition_of(item, self.questions)
        except ValueError as error:
            self._draft.omit(place, f"its condition (enableWhen): {error}")
            return None

    def _options(self, item: Mapping[str, Any], place: str) -> list[FhirOption]:
        if item.get("type") == "boolean":
            is_english = str(self._draft.spec.get("language", "en")).startswith("en")
            return [
                FhirOption("true", "Yes" if is_english else None, 1, {}),
                FhirOption("false", "No" if is_english else None, 0, {}),
            ]
        options, left_out = read_options(item, self._contained)
        for text in dict.fromkeys(left_out):
            self._draft.omit(place, text)
        if item.get("type") == "open-choice" or item.get("answerConstraint") == "optionsOrString":
            self._draft.omit(place, "an answer in people's own words")
        return options

    def _add_options(
        self, made: dict[str, Any], options: Sequence[FhirOption], kind: str
    ) -> dict[str, int | float | str]:
        """Add the options to an item and return the value of each code."""
        if not options:
            return {}
        is_boolean = options[0].code == "true"
        weights = [one.weight for one in options]
        given = [one for one in weights if one is not None]
        by_weight = (
            kind == "Choice"
            and len(set(given)) == len(options)
            and (is_boolean or not self._keep_codes)
        )
        if by_weight:
            found: list[int | float | str] = [_plain(weight) for weight in given]
        else:
            found = option_values([one.code for one in options], kind)
        values = {str(one.code): value for one, value in zip(options, found, strict=True)}
        made["options"] = []
        for one, value in zip(options, found, strict=True):
            if not by_weight and str(value) != str(one.code):
                self._draft.omit(made["id"], f"the code {one.code}; its value is {value}")
            option: dict[str, Any] = {"value": value}
            if one.label is not None and one.label != value:
                option["label"] = self._draft.text(one.label, made["id"])
            if one.exclusive and kind == "Multiple":
                option["exclusive"] = True
            made["options"].append(option)
            for language, text in one.labels.items():
                self._draft.translate(language, "options", made["id"], str(value), text=text)
        if by_weight and not is_boolean:
            self.weighted.append(made["id"])
            codes = ", ".join(f"{code} = {value}" for code, value in values.items())
            if any(str(value) != code for code, value in values.items()):
                self._draft.omit(
                    made["id"], f"the codes of the options, for their weights: {codes}"
                )
        elif given and not is_boolean:
            if kind == "Choice":
                self.points[made["id"]] = [None if w is None else _plain(w) for w in weights]
            else:
                self._draft.omit(made["id"], "the weights of options of which several are chosen")
        return values

    def _add_bounds(self, made: dict[str, Any], item: Mapping[str, Any], place: str) -> None:
        bounds = {"min": -LARGEST_NUMBER, "max": LARGEST_NUMBER}
        for one in extensions(item):
            for field, name in (("min", "minValue"), ("max", "maxValue")):
                if one.get("url") == _CORE + name:
                    found = one.get("valueInteger", one.get("valueDecimal"))
                    if found is None:
                        self._draft.omit(place, f"its bound {name}, which is no number")
                    else:
                        bounds[field] = found
            if one.get("url") == _UNIT and (coding := one.get("valueCoding")):
                made["unit"] = coding.get("display") or coding.get("code")
            if one.get("url") == _STEP and "valueInteger" in one:
                made["step"] = one["valueInteger"]
        made.update(bounds)
        if item.get("type") == "integer" and "step" not in made:
            made["integer"] = True

    def report_rest(self, item: Mapping[str, Any], place: str) -> None:
        """List the elements and extensions of an item that are not read."""
        rest = [one for one in item if one not in _KNOWN]
        known = {HIDDEN, _UNIT, _STEP, _CORE + "minValue", _CORE + "maxValue"}
        rest += [str(one.get("url")) for one in extensions(item) if one.get("url") not in known]
        for one in rest:
            self._draft.omit(place, one)


def codes_of(codings: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the codes of an element that name their system."""
    return [
        {"system": one["system"], "code": one["code"]}
        for one in codings
        if one.get("system") and one.get("code")
    ]


def with_children(item: Mapping[str, Any]) -> str:
    """Return a phrase for an item that has others in it."""
    return ", and the items in it" if item.get("item") else ""


def _plain(number: float) -> int | float:
    return int(number) if float(number).is_integer() else number

"""Reads the answer options of a FHIR Questionnaire item, with their weights. Called by `fhir`.

Sources: hl7.org/fhir/questionnaire.html (R4, R5); the extension itemWeight (FHIR Extensions Pack), which was called
ordinalValue and, for Questionnaires of 2018, questionnaire-ordinalValue.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_CORE = "http://hl7.org/fhir/StructureDefinition/"
#: The names of an option's weight.
WEIGHTS = frozenset(
    _CORE + name for name in ("itemWeight", "ordinalValue", "questionnaire-ordinalValue")
)
#: The extension with a text in another language.
TRANSLATION = _CORE + "translation"


class FhirOption(NamedTuple):
    """An answer option: its code or value, label, weight, labels in other languages, and whether it is chosen alone."""

    code: str | int
    label: str | None
    weight: float | None
    labels: Mapping[str, str]
    exclusive: bool = False


def read_options(
    item: Mapping[str, Any], contained: Mapping[str, Mapping[str, Any]]
) -> tuple[list[FhirOption], list[str]]:
    """Return the options of an item and what was left out of them.

    Raises ValueError if they cannot be read, with the reason.
    """
    left_out: list[str] = []
    if options := item.get("answerOption"):
        found = [_option(one, left_out) for one in options]
    elif reference := item.get("answerValueSet"):
        if not str(reference).startswith("#") or str(reference)[1:] not in contained:
            raise ValueError(f"its value set {reference} is not in the file")
        found = _of_value_set(contained[str(reference)[1:]], str(reference))
    else:
        raise ValueError("it has no answer options")
    if len({str(one.code) for one in found}) < len(found):
        raise ValueError("two of its options have the same code")
    return found, left_out


def extensions(element: Any) -> Sequence[Mapping[str, Any]]:
    """Return the extensions of an element; none if it is absent."""
    found = element.get("extension", ()) if isinstance(element, dict) else ()
    return [one for one in found if isinstance(one, dict)]


def translations(element: Mapping[str, Any], field: str) -> dict[str, str]:
    """Return the texts of a field in other languages, by language tag."""
    found = {}
    for one in extensions(element.get(f"_{field}")):
        if one.get("url") == TRANSLATION:
            parts = {part.get("url"): part for part in extensions(one)}
            language = parts.get("lang", {}).get("valueCode")
            text = parts.get("content", {})
            content = text.get("valueString") or text.get("valueMarkdown")
            if language and content:
                found[language] = content
    return found


def _option(option: Mapping[str, Any], left_out: list[str]) -> FhirOption:
    left_out.extend(
        f"{field} of an option"
        for field in option
        if field not in {"extension", "id"} and not field.startswith(("value", "_value"))
    )
    weight, exclusive = _weight(option), False
    for one in extensions(option):
        if one.get("url") == _CORE + "questionnaire-optionExclusive":
            exclusive = one.get("valueBoolean") is True
        elif one.get("url") not in WEIGHTS:
            left_out.append(f"the extension {one.get('url')} of an option")
    if isinstance(coding := option.get("valueCoding"), dict):
        code = coding.get("code") or coding.get("display")
        if not code:
            raise ValueError("an option has neither code nor text")
        weight = _weight(coding) if weight is None else weight
        return FhirOption(
            code, coding.get("display") or code, weight, translations(coding, "display"), exclusive
        )
    for field in ("valueInteger", "valueString", "valueDate", "valueTime"):
        if (value := option.get(field)) is not None:
            of_text = _weight(option.get(f"_{field}") or {})
            return FhirOption(
                value,
                value if isinstance(value, str) else None,
                of_text if weight is None else weight,
                translations(option, field),
                exclusive,
            )
    raise ValueError("an option has no value that can be an answer")


def _of_value_set(value_set: Mapping[str, Any], reference: str) -> list[FhirOption]:
    includes = (value_set.get("compose") or {}).get("include", ())
    concepts = [one for include in includes for one in include.get("concept", ())]
    if not concepts:
        concepts = (value_set.get("expansion") or {}).get("contains", ())
    if not concepts:
        raise ValueError(f"its value set {reference} lists no concepts")
    return [
        FhirOption(
            one["code"],
            one.get("display") or one["code"],
            _weight(one),
            {
                each["language"]: each["value"]
                for each in one.get("designation", ())
                if "language" in each and "value" in each
            }
            | translations(one, "display"),
        )
        for one in concepts
    ]


def _weight(element: Mapping[str, Any]) -> float | None:
    for one in extensions(element):
        if one.get("url") in WEIGHTS:
            value = one.get("valueDecimal", one.get("valueInteger"))
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value
    return None

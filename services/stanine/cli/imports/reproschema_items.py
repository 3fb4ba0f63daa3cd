"""Converts the items of a ReproSchema activity. Called by `reproschema`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stanine.cli.imports.draft import Draft, option_values
from stanine.cli.imports.reproschema_files import open_reference, texts_of
from stanine.domain.limits import LARGEST_NUMBER, MAX_TEXT

_KNOWN = frozenset(
    ("@context", "@type", "@id", "id", "category", "prefLabel", "altLabel", "description", "schemaVersion", "version")
) | {"question", "preamble", "ui", "responseOptions"}  # fmt: skip
_KNOWN_OPTIONS = frozenset(
    ("@context", "@type", "@id", "id", "category", "valueType", "minValue", "maxValue", "multipleChoice", "choices")
) | {"unitCode", "unitLabel", "schemaVersion"}  # fmt: skip
_NUMBERS = frozenset(("number", "integer", "float", "slider"))
_TEXTS = frozenset(("text", "textarea", "email"))
_CHOICES = frozenset(("radio", "select", "multiselect", "slider", "selectLanguage"))


class ReproSchemaItems:
    """Converts items one by one. `kinds`: the types of the converted ones, by id."""

    def __init__(self, draft: Draft, language: str, read: Callable[[Path], Any]) -> None:
        self._draft, self._language, self._read = draft, language, read
        self.kinds: dict[str, str] = {}
        #: Of each Multiple, the value of each of its codes.
        self.values: dict[str, dict[str, int | float | str]] = {}

    def add(
        self, item: Mapping[str, Any], file: Path, name: str, required: bool, when: str | None
    ) -> str:
        """Add an item and return its id. Raises ValueError with the reason if it cannot be expressed."""
        options = self._response_options(item, file)
        input_type = str((item.get("ui") or {}).get("inputType") or "")
        made = self._answers(options, input_type, name)
        item_id = self._draft.make_id(name)
        question = item.get("question") or item.get("prefLabel") or item.get("description")
        text, words = texts_of(question, self._language)
        made = {"id": item_id, "text": self._draft.text(text or name, name), **made}
        made |= self._draft.column(name, item_id)
        if required:
            made["required"] = True
        if when is not None:
            made["when"] = when
        for language, other in words.items():
            self._draft.translate(language, "items", item_id, text=self._draft.text(other, name))
        self._translate_options(options, made)
        if item.get("preamble"):
            self._draft.omit(name, "its own introduction (preamble)")
        self._report(item, options, name)
        self.kinds[item_id] = made["type"]
        self._draft.items.append(made)
        return item_id

    def _response_options(self, item: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
        found = item.get("responseOptions") or {}
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        if isinstance(found, str):
            return open_reference(found, file, self._read)[0]
        if isinstance(found.get("choices"), str):
            shared, _ = open_reference(found["choices"], file, self._read)
            found = found | {"choices": shared.get("choices")}
        return found

    def _answers(self, options: Mapping[str, Any], input_type: str, name: str) -> dict[str, Any]:
        """Return the fields of an item that define its answers."""
        choices = options.get("choices")
        if choices and input_type in _CHOICES:
            kind = "Multiple" if options.get("multipleChoice") else "Choice"
            return {"type": kind, "options": self._options(choices, kind, name)}
        if input_type in _NUMBERS:
            return {"type": "Number", **_bounds(options)}
        if input_type in _TEXTS:
            return {"type": "Text", "maxLength": MAX_TEXT, "multiline": input_type == "textarea"}
        if input_type == "date":
            return {"type": "Date"}
        raise ValueError(f"the input {input_type or '(none)'} has no counterpart")

    def _options(
        self, choices: Sequence[Mapping[str, Any]], kind: str, name: str
    ) -> list[dict[str, Any]]:
        codes: list[Any] = [choice.get("value") for choice in choices]
        if any(isinstance(code, bool) or not isinstance(code, int | float | str) for code in codes):
            raise ValueError("an option has no value")
        made = []
        for choice, value in zip(choices, option_values(codes, kind), strict=True):
            option: dict[str, Any] = {"value": value}
            if str(value) != str(choice["value"]):
                self._draft.omit(name, f"the value {choice['value']}, which is {value} here")
            label, _ = texts_of(choice.get("name"), self._language)
            if label.strip():
                option["label"] = self._draft.text(label, name)
            if choice.get("image"):
                self._draft.omit(name, "images of options")
            made.append(option)
        return made

    def _translate_options(self, options: Mapping[str, Any], made: Mapping[str, Any]) -> None:
        """Add the labels in other languages, and keep the values of a Multiple."""
        pairs = list(zip(options.get("choices") or (), made.get("options", ()), strict=False))
        for choice, option in pairs:
            for language, label in texts_of(choice.get("name"), self._language)[1].items():
                path = ("options", made["id"], str(option["value"]))
                self._draft.translate(language, *path, text=label.strip())
        if made["type"] == "Multiple":
            self.values[made["id"]] = {
                str(choice["value"]): option["value"] for choice, option in pairs
            }

    def _report(self, item: Mapping[str, Any], options: Mapping[str, Any], name: str) -> None:
        for field in sorted(set(item) - _KNOWN):
            self._draft.omit(name, field)
        for field in sorted(set(options) - _KNOWN_OPTIONS):
            self._draft.omit(name, f"{field} of its answers")


def _bounds(options: Mapping[str, Any]) -> dict[str, Any]:
    bounds: dict[str, Any] = {"min": -LARGEST_NUMBER, "max": LARGEST_NUMBER}
    for field, source in (("min", "minValue"), ("max", "maxValue")):
        value = options.get(source)
        if isinstance(value, int | float) and not isinstance(value, bool):
            bounds[field] = value
    if "integer" in str(options.get("valueType")):
        bounds["integer"] = True
    unit = options.get("unitLabel") or options.get("unitCode")
    if isinstance(unit, str):
        bounds["unit"] = unit
    return bounds

"""Checks of translations: each translates texts of the document; missing ones fall back.

Called by `instrument`.
"""

from collections.abc import Callable, Iterable, Mapping

from stanine.domain.errors import Faults
from stanine.domain.instruments.decoding import member, quote, several
from stanine.domain.instruments.records import ScaleWords, Spec, Translation


def check(spec: Spec, faults: Faults) -> None:
    """Report translations of texts that the document does not have."""
    for language, words in spec.translations.items():
        place = member("spec.translations", language)
        if faults.touches(place):
            continue
        if spec.language is not None and language.lower() == spec.language.lower():
            faults.add(
                place,
                "Contradiction",
                f'the document is in "{spec.language}" itself; translations are into other languages',
            )
        _TranslationCheck(spec, words, place, faults).run()
    if spec.translations and spec.language is None and not faults.touches("spec.language"):
        faults.add(
            "spec",
            "MissingField",
            "language is missing: a document with translations says the language of its own texts",
        )


class _TranslationCheck:
    """The checks of one translation."""

    def __init__(self, spec: Spec, words: Translation, place: str, faults: Faults) -> None:
        self.spec, self.words, self.place, self.faults = spec, words, place, faults

    def run(self) -> None:
        spec, words = self.spec, self.words
        self._names("items", words.items, "item", (one.id for one in spec.items))
        self._names("sections", words.sections, "section", (one.id for one in spec.sections))
        self._names(
            "attributes", words.attributes, "attribute", (one.id for one in spec.attributes)
        )
        self._names("scales", words.scales, "scale", (one.id for one in spec.scales))
        self._names("profiles", words.profiles, "profile", (one.id for one in spec.profiles))
        sets = [*(one.name for one in spec.response_sets), *(one.id for one in spec.items)]
        self._names("options", words.options, "response set or item", sets)
        self._names("numbers", words.numbers, "response set or item", sets)
        self._values("options", words.options, self._option_values)
        self._values(
            "attributes",
            {name: one.values for name, one in words.attributes.items()},
            self._attribute_values,
        )
        for name, one in words.scales.items():
            self._bands(name, one)

    def _names(self, field: str, given: Iterable[str], kind: str, known: Iterable[str]) -> None:
        there = list(known)
        if "" in there:
            return
        for name in given:
            if name not in there:
                shown = (
                    f"; the document has {several(there)}" if there else "; the document has none"
                )
                self.faults.add(
                    f"{self.place}.{field}.{name}",
                    "UnknownReference",
                    f'there is no {kind} "{name}"{shown}',
                )

    def _values(
        self,
        field: str,
        given: Mapping[str, Mapping[str, str]],
        values: Callable[[str], list[str] | None],
    ) -> None:
        for name, labels in given.items():
            there = values(name)
            for value in labels:
                if there is not None and value not in there:
                    place = member(f"{self.place}.{field}.{name}", value)
                    self.faults.add(
                        place,
                        "NotAnOption",
                        f'"{name}" has no value {quote(value)}; it has {several([quote(one) for one in there])}',
                    )

    def _option_values(self, name: str) -> list[str] | None:
        used = next((one.options for one in self.spec.response_sets if one.name == name), None)
        item = next((one for one in self.spec.items if one.id == name), None)
        if used is None and item is not None:
            used = item.options
            if used is None:
                named = item.responses or self.spec.defaults.responses
                used = next(
                    (one.options for one in self.spec.response_sets if one.name == named), None
                )
        return None if used is None else [str(option.value) for option in used]

    def _attribute_values(self, name: str) -> list[str] | None:
        attribute = next((one for one in self.spec.attributes if one.id == name), None)
        return (
            None
            if attribute is None or attribute.values is None
            else [str(one.value) for one in attribute.options]
        )

    def _bands(self, name: str, words: ScaleWords) -> None:
        scale = next((one for one in self.spec.scales if one.id == name), None)
        if scale is None:
            return
        bands = scale.bands if scale.bands is not None else self.spec.defaults.bands or ()
        ids = (
            [band.id for its in bands.values() for band in its]
            if isinstance(bands, dict)
            else [band.id for band in bands]
        )
        self._names(f"scales.{name}.bands", words.bands, "band", dict.fromkeys(ids))

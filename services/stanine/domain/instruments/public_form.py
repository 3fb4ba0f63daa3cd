"""The public form of an instrument in a language, as participants see it. Used by the API.

It has no scales, keys or bands, and not how answers are scored.
"""

from collections.abc import Iterable
from typing import Any

from stanine.domain.instruments.records import (
    AttributeWords,
    NumberWords,
    SectionWords,
    Translation,
)
from stanine.domain.scoring.index_entry import (
    FormAttribute,
    FormItem,
    FormOption,
    FormSection,
    IndexEntry,
)


def public_form(entry: IndexEntry, language: str | None = None) -> dict[str, Any]:
    """Return the form as plain data in camelCase, translated where the document has translations."""
    words = entry.translations.get(language or "") or Translation()
    return _without_nothing(
        {
            "name": entry.name,
            "revision": entry.revision,
            "form": entry.form,
            "title": words.title or entry.title,
            "language": language if language in entry.translations else entry.language,
            "languages": [entry.language, *entry.translations]
            if entry.language and entry.translations
            else None,
            "instructions": words.instructions or entry.instructions,
            "durationMinutes": entry.duration_minutes,
            "timeLimitSeconds": entry.time_limit_seconds,
            "layout": {"itemsPerPage": entry.items_per_page} if entry.items_per_page else None,
            "attributes": [
                _attribute(one, words.attributes.get(one.id) or AttributeWords())
                for one in entry.attributes
            ],
            "sections": [
                _section(one, words.sections.get(one.id) or SectionWords())
                for one in entry.sections
            ]
            or None,
            "items": [_item(entry, item, words) for item in entry.items],
        }
    )


def language_of(entry: IndexEntry, wanted: str) -> str | None:
    """Return the translation of an entry for a language tag; None: the document's own texts."""
    return choose_language(entry.language, entry.translations, [wanted])


def choose_language(
    own: str | None, translations: Iterable[str], wanted: Iterable[str]
) -> str | None:
    """Return the translation for the first language tag that has one; None: the document's own.

    A tag matches the same tag, else a tag of which it is a variant ("de-AT" matches "de"), else a variant of it ("en"
    matches "en-US"). `own`: the language of the document's own texts, if stated; they are also used if no tag matches.
    """
    tags: dict[str, str | None] = {tag.lower(): tag for tag in translations}
    if own is not None:
        tags[own.lower()] = None
    for each in wanted:
        parts = each.lower().split("-")
        general = ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
        variants = sorted(tag for tag in tags if tag.startswith(f"{general[0]}-"))
        for tag in (*general, *variants):
            if tag in tags:
                return tags[tag]
    return None


def _attribute(one: FormAttribute, words: AttributeWords) -> dict[str, Any]:
    labels = [
        words.values.get(str(value)) or label
        for value, label in zip(one.values or (), one.labels or [None] * 250, strict=False)
    ]
    return _without_nothing(
        {
            "id": one.id,
            "title": words.title or one.title,
            "type": one.type,
            "values": one.values and list(one.values),
            "labels": labels if any(labels) else None,
            "required": one.required or None,
        }
    )


def _section(one: FormSection, words: SectionWords) -> dict[str, Any]:
    return _without_nothing(
        {
            "id": one.id,
            "title": words.title or one.title,
            "instructions": words.instructions or one.instructions,
            "items": list(one.items),
            "when": one.when,
            "timeLimitSeconds": one.time_limit_seconds,
        }
    )


def _item(entry: IndexEntry, item: FormItem, words: Translation) -> dict[str, Any]:
    key = item.responses or item.id
    labels = words.options.get(item.id) or words.options.get(key) or {}
    shown: dict[str, Any] = {
        "id": item.id,
        "text": words.items.get(item.id) or item.text,
        "type": item.type,
        "required": item.required or None,
        "column": item.column,
        "when": item.when,
    }
    if item.type in ("Choice", "Multiple", "Ranking"):
        shown["options"] = [_option(one, labels) for one in entry.option_sets[item.options]]
    if item.type == "Multiple":
        shown |= {"minChosen": item.min_chosen, "maxChosen": item.max_chosen}
    if item.type == "Text":
        shown |= {"maxLength": item.max_length, "multiline": item.multiline or None}
    if item.distinct_from is not None:
        shown["distinctFrom"] = entry.items[item.distinct_from].id
    if item.number is not None:
        number, its = (
            item.number,
            words.numbers.get(item.id) or words.numbers.get(key) or NumberWords(),
        )
        shown |= {
            "min": number.low,
            "max": number.high,
            "step": number.step,
            "integer": number.integer or None,
            "unit": its.unit or number.unit,
            "minLabel": its.min_label or number.min_label,
            "maxLabel": its.max_label or number.max_label,
        }
    return _without_nothing(shown)


def _option(one: FormOption, labels: dict[str, str]) -> dict[str, Any]:
    return _without_nothing(
        {
            "value": one.value,
            "label": labels.get(str(one.value)) or one.label,
            "missing": one.missing or None,
            "exclusive": one.exclusive or None,
        }
    )


def _without_nothing(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}

"""Converts a FHIR Questionnaire (R4 or R5, JSON) to an instrument document. Called by `stanine import fhir`.

Groups become sections, enableWhen becomes `when`. An option's value is its weight if all options of the item have
different ones; else it is its code, and the weights are the points of a scale.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stanine.cli.imports.draft import Draft, add_default_scale
from stanine.cli.imports.fhir_items import HIDDEN, FhirItems, codes_of, with_children
from stanine.cli.imports.fhir_options import extensions, translations
from stanine.cli.imports.sections import GroupPath, Sections

#: Elements of the Questionnaire that the document has, or that describe only the file.
_KNOWN = frozenset(
    ("resourceType", "id", "name", "title", "_title", "language", "copyright", "url", "version", "publisher")
) | {"code", "item", "contained", "text", "meta"}  # fmt: skip


def import_fhir(resource: Any, keep_codes: bool = False) -> Draft:
    """Return the draft of a Questionnaire. `keep_codes`: values of options are their codes, also if they have weights.

    Raises ValueError if it is another resource.
    """
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if kind != "Questionnaire":
        raise ValueError(
            f"a FHIR Questionnaire in JSON belongs here; this is {kind or 'another document'}"
        )
    draft = Draft()
    _read_header(draft, resource)
    contained = {
        str(one.get("id")): one for one in resource.get("contained", ()) if isinstance(one, dict)
    }
    items, sections = FhirItems(draft, contained, keep_codes), Sections(draft)
    _read_items(resource.get("item", ()), GroupPath(), draft, items, sections)
    sections.finish()
    if items.points:
        draft.scales.append(
            {"id": draft.make_id("weights"), "points": items.points, "score": "Sum"}
        )
        draft.notes.append("no scale is declared: weights sums the weights of options; check it")
    add_default_scale(draft, items.weighted)
    return draft


def _read_header(draft: Draft, resource: Mapping[str, Any]) -> None:
    draft.set_text("title", resource.get("title") or resource.get("name") or "Questionnaire")
    if isinstance(resource.get("language"), str):
        draft.spec["language"] = resource["language"]
    draft.set_text("licence", resource.get("copyright"))
    url, version = resource.get("url"), resource.get("version")
    source = " ".join(str(one) for one in (resource.get("publisher"), url) if one)
    draft.set_text("source", f"{source}|{version}" if version else source)
    if codes := codes_of(resource.get("code", ())):
        draft.spec["codes"] = codes
    for language, text in translations(resource, "title").items():
        draft.translate(language, "title", text=text)
    rest = sorted(set(resource) - _KNOWN)
    if rest:
        draft.notes.append(f"elements about the file are not taken over: {', '.join(rest)}")


def _read_items(
    entries: Sequence[Mapping[str, Any]],
    group: GroupPath,
    draft: Draft,
    items: FhirItems,
    sections: Sections,
) -> None:
    for entry in entries:
        place = str(entry.get("linkId"))
        hidden = any(
            one.get("url") == HIDDEN and one.get("valueBoolean") for one in extensions(entry)
        )
        if hidden or entry.get("readOnly"):
            reason = "hidden" if hidden else "read-only, such as a calculated score"
            draft.omit(place, f"the item is {reason}{with_children(entry)}")
        elif entry.get("type") == "group":
            inner = _read_group(entry, place, group, draft, items)
            _read_items(entry.get("item", ()), inner, draft, items, sections)
        elif entry.get("type") == "display":
            sections.say(str(entry.get("text") or ""), translations(entry, "text"))
            if entry.get("enableWhen"):
                draft.omit(place, "the condition of a text")
        elif (item := items.read(entry, place)) is not None:
            sections.place(item, group)
            _read_items(entry.get("item", ()), group, draft, items, sections)


def _read_group(
    entry: Mapping[str, Any], place: str, group: GroupPath, draft: Draft, items: FhirItems
) -> GroupPath:
    """Return the groups of the items in a group."""
    own = items.condition(entry, place)
    if entry.get("repeats"):
        draft.omit(place, "the group can be repeated (repeats); it is asked once")
    items.report_rest(entry, place)
    title = entry.get("text")
    return GroupPath(
        place,
        (*group.titles, title) if title else group.titles,
        (*group.conditions, own) if own else group.conditions,
        translations(entry, "text"),
    )

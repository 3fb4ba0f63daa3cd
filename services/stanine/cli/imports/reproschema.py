"""Converts a ReproSchema activity and its items to an instrument document. Called by `stanine import reproschema`.

`isVis` becomes `when`, `compute` becomes scales: a sum of items a scale of these, another expression a formula. An activity
within the activity becomes a section.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stanine.cli.imports.draft import Draft, add_default_scale, name_of
from stanine.cli.imports.js_expression import sum_of, translate_expression
from stanine.cli.imports.reproschema_files import (
    find_schema,
    open_reference,
    plain_names,
    texts_of,
)
from stanine.cli.imports.reproschema_items import ReproSchemaItems
from stanine.cli.imports.sections import GroupPath, Sections
from stanine.domain.limits import MAX_PASSAGE

_KNOWN = frozenset(
    ("@context", "@type", "@id", "id", "category", "prefLabel", "altLabel", "description", "schemaVersion", "version")
) | {"citation", "preamble", "compute", "ui"}  # fmt: skip
#: How the app behaves: no part of the instrument.
_KNOWN_UI = frozenset(("addProperties", "order", "shuffle", "allow", "inputType"))
_KNOWN_PROPERTIES = frozenset(
    ("isAbout", "variableName", "valueRequired", "requiredValue", "isVis", "prefLabel", "@type")
)


def import_reproschema(path: Path, read: Callable[[Path], Any]) -> tuple[Draft, str]:
    """Return the draft of an activity and a name for it. `read`: returns the content of a JSON file.

    Raises ValueError if the file is not an activity.
    """
    file = find_schema(path)
    activity = plain_names(read(file))
    kind = _kind_of(activity)
    if kind != "Activity":
        raise ValueError(f"a ReproSchema Activity belongs here, and this is {kind or 'none'}")
    importer = _Activity(_language_of(activity), read)
    importer.read(activity, file, GroupPath())
    importer.finish()
    name = str(activity.get("@id") or activity.get("id") or file.name)
    return importer.draft, name_of(name.rpartition("/")[2].split(".")[0].removesuffix("_schema"))


def _kind_of(element: Any) -> str:
    """Return Activity, Item (formerly Field), Protocol …; empty if it is not said."""
    kind = element.get("@type") or element.get("category") if isinstance(element, dict) else ""
    return str(kind or "").rpartition(":")[2]


def _not_answered(element: Mapping[str, Any], visible: Any) -> str:
    """Return why people do not answer an item; empty if they do."""
    if str(visible).strip().lower() == "false":
        return "it is hidden (isVis is false)"
    ui = element.get("ui") or {}
    if ui.get("readonlyValue") or ui.get("readOnly"):
        return "it is read-only"
    return ""


def _language_of(activity: Mapping[str, Any]) -> str:
    label = activity.get("preamble") or activity.get("prefLabel")
    tags = list(label) if isinstance(label, dict) else []
    return "en" if "en" in tags or not tags else str(tags[0])


class _Activity:
    """Reads activities into one draft."""

    def __init__(self, language: str, read: Callable[[Path], Any]) -> None:
        self.draft = Draft()
        self._language, self._read = language, read
        self._items = ReproSchemaItems(self.draft, language, read)
        self._sections = Sections(self.draft)
        #: Ids of items and scales by variable name.
        self._names: dict[str, str] = {}
        self._titles: dict[str, Any] = {}

    def read(self, activity: Mapping[str, Any], file: Path, group: GroupPath) -> None:
        """Read an activity; one within another (`group` has its title) becomes a section."""
        if not group.name:
            self._read_header(activity)
        elif activity.get("preamble"):
            text, words = texts_of(activity["preamble"], self._language)
            self._sections.say(text, words)
        ui = activity.get("ui") or {}
        properties = {str(one.get("isAbout")): one for one in ui.get("addProperties") or ()}
        order = [str(one) for one in ui.get("order") or ()]
        computed = {str(one.get("variableName")) for one in activity.get("compute") or ()}
        for reference in [*order, *(one for one in properties if one not in order)]:
            self._read_entry(reference, properties.get(reference, {}), file, group, computed)
        for one in activity.get("compute") or ():
            self._read_scale(one)
        self._report(activity, ui, group)

    def finish(self) -> None:
        """Complete the draft."""
        self._sections.finish()
        numeric = [
            one["id"]
            for one in self.draft.items
            if one["type"] == "Choice"
            and all(not isinstance(option["value"], str) for option in one["options"])
        ]
        add_default_scale(self.draft, numeric)

    def _read_header(self, activity: Mapping[str, Any]) -> None:
        self.draft.spec["language"] = self._language
        for field, source, limit in (
            ("title", "prefLabel", 500),
            ("instructions", "preamble", MAX_PASSAGE),
        ):
            text, words = texts_of(activity.get(source), self._language)
            self.draft.set_text(field, text, limit)
            for language, other in words.items():
                self.draft.translate(language, field, text=other)
        citation, _ = texts_of(activity.get("citation"), self._language)
        self.draft.set_text("source", citation)
        if "title" not in self.draft.spec:
            self.draft.set_text("title", str(activity.get("@id") or "Activity"))
        if activity.get("description"):
            self.draft.notes.append("the description of the activity is not taken over")

    def _read_entry(
        self,
        reference: str,
        properties: Mapping[str, Any],
        file: Path,
        group: GroupPath,
        computed: set[str],
    ) -> None:
        name = str(properties.get("variableName") or reference.rpartition("/")[2].split(".")[0])
        try:
            element, place = open_reference(reference, file, self._read)
            if name in computed:
                self._titles[name] = element.get("prefLabel")
                return
            visible = properties.get("isVis", True)
            if reason := _not_answered(element, visible):
                self.draft.omit(name, f"the item: {reason}")
                return
            if _kind_of(element) == "Activity":
                self._read_within(name, element, place, visible, group)
                return
            required = properties.get("valueRequired") or properties.get("requiredValue")
            item = self._items.add(
                element, place, name, required is True, self._condition(visible, name)
            )
        except ValueError as error:
            self.draft.omit(name, f"the item: {error}")
            return
        self._names[name] = item
        self._sections.place(item, group)
        for field in sorted(set(properties) - _KNOWN_PROPERTIES):
            self.draft.omit(name, field)

    def _read_within(
        self, name: str, activity: Mapping[str, Any], file: Path, visible: Any, group: GroupPath
    ) -> None:
        if group.name:
            raise ValueError("an activity within an activity within an activity")
        title, words = texts_of(activity.get("prefLabel"), self._language)
        condition = self._condition(visible, name)
        inner = GroupPath(name, (title,) if title else (), (condition,) if condition else (), words)
        self.read(activity, file, inner)

    def _condition(self, visible: Any, name: str) -> str | None:
        """Return the condition of an item; one that cannot be expressed is listed."""
        if visible is True or visible is None or str(visible).strip().lower() == "true":
            return None
        try:
            return translate_expression(str(visible), self._resolve)
        except ValueError as error:
            self.draft.omit(name, f"its condition (isVis) {visible}: {error}")
            return None

    def _resolve(self, name: str, option: str | None) -> str:
        if name not in self._names:
            raise ValueError(f"{name} is not an item before it")
        found = self._names[name]
        if option is None:
            return found
        values = self._items.values.get(found, {})
        if option not in values:
            raise ValueError(f"{name} has no option {option} of several")
        return f"{found}.{values[option]}"

    def _read_scale(self, compute: Mapping[str, Any]) -> None:
        name = str(compute.get("variableName"))
        try:
            formula = translate_expression(str(compute.get("jsExpression")), self._resolve)
        except ValueError as error:
            self.draft.omit(name, f"the score {compute.get('jsExpression')}: {error}")
            return
        made: dict[str, Any] = {"id": self.draft.make_id(name)}
        title, words = texts_of(self._titles.get(name), self._language)
        if title:
            made["title"] = self.draft.text(title, name, 500)
        for language, text in words.items():
            self.draft.translate(language, "scales", made["id"], "title", text=text)
        terms = sum_of(formula)
        if terms and all(self._items.kinds.get(term) in ("Choice", "Number") for term in terms):
            made |= {"items": terms, "score": "Sum"}
        else:
            made["formula"] = formula
        self.draft.scales.append(made)
        self._names[name] = made["id"]

    def _report(self, activity: Mapping[str, Any], ui: Mapping[str, Any], group: GroupPath) -> None:
        place = group.name or "activity"
        for field in sorted(set(activity) - _KNOWN):
            self.draft.omit(place, field)
        for field in sorted(set(ui) - _KNOWN_UI):
            self.draft.omit(place, f"ui.{field}")
        if ui.get("shuffle"):
            self.draft.omit(place, "the random order of its items (shuffle)")

"""Conversion of ReproSchema activities: what the document says, and what is listed as left out."""

import json
from pathlib import Path
from typing import Any

import pytest

from stanine.cli.imports.draft import Draft
from stanine.cli.imports.js_expression import translate_expression
from stanine.cli.imports.reproschema import import_reproschema
from stanine.cli.imports.settling import settle

OFTEN = {
    "@type": "reproschema:ResponseOption",
    "valueType": "xsd:integer",
    "multipleChoice": False,
    "choices": [
        {"name": {"en": "Never", "es": "Nunca"}, "value": 0},
        {"name": {"en": "Often", "es": "Mucho"}, "value": 1},
    ],
}


def field(question: Any, kind: str = "radio", options: Any = "../often", **more: Any) -> Any:
    return {
        "@context": "https://example.org/context",
        "@type": "reproschema:Field",
        "question": question,
        "ui": {"inputType": kind},
        "responseOptions": options,
        **more,
    }


class Folder:
    """Writes an activity with its items into a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "items").mkdir()
        (path / "often").write_text(json.dumps(OFTEN))
        self.properties: list[dict[str, Any]] = []

    def add(self, name: str, item: Any, **properties: Any) -> None:
        (self.path / "items" / name).write_text(json.dumps(item))
        self.properties.append({"isAbout": f"items/{name}", "variableName": name, **properties})

    def read(self, order: list[str] | None = None, **more: Any) -> tuple[dict[str, Any], Draft]:
        names = [one["isAbout"] for one in self.properties] if order is None else order
        activity = {
            "@type": "reproschema:Activity",
            "@id": "mood_schema",
            "prefLabel": {"en": "Mood", "es": "Ánimo"},
            "preamble": {"en": "Last week …", "es": "La semana pasada …"},
            "ui": {"addProperties": self.properties, "order": names},
            **more,
        }
        (self.path / "mood_schema").write_text(json.dumps(activity))
        draft, name = import_reproschema(self.path, lambda file: json.loads(file.read_text()))
        assert name == "mood"
        return settle(draft, name)["spec"], draft


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_items_share_a_response_set_with_its_languages(folder: Folder) -> None:
    folder.add("m1", field({"en": "Sad?", "es": "¿Triste?"}), valueRequired=True)
    folder.add("m2", field({"en": "Tired?", "es": "¿Cansado?"}))
    spec, draft = folder.read(compute=[{"variableName": "total", "jsExpression": "m1 + m2"}])
    assert spec == {
        "language": "en",
        "title": "Mood",
        "instructions": "Last week …",
        "responseSets": [
            {"name": "answers_1", "options": [{"value": 0, "label": "Never"}, {"value": 1, "label": "Often"}]}
        ],
        "items": [
            {"id": "m1", "text": "Sad?", "type": "Choice", "required": True, "responses": "answers_1"},
            {"id": "m2", "text": "Tired?", "type": "Choice", "responses": "answers_1"},
        ],
        "scales": [{"id": "total", "items": ["m1", "m2"], "score": "Sum"}],
        "translations": {
            "es": {
                "title": "Ánimo",
                "instructions": "La semana pasada …",
                "items": {"m1": "¿Triste?", "m2": "¿Cansado?"},
                "options": {"answers_1": {"0": "Nunca", "1": "Mucho"}},
            }
        },
    }  # fmt: skip
    assert (draft.left_out, draft.notes) == ([], [])


def test_visibility_becomes_a_condition_and_hidden_items_are_left_out(folder: Folder) -> None:
    folder.add("m1", field("Sad?"))
    folder.add("m2", field("Why?"), isVis="m1 > 0 || m1 === 1")
    folder.add("m3", field("Score"), isVis=False)
    folder.add("m4", field("When?", "date", {}), isVis="m9 == 1")
    spec, draft = folder.read()
    assert [one.get("when") for one in spec["items"]] == [None, "m1 > 0 or m1 == 1", None]
    assert draft.left_out == [
        "m3: the item: it is hidden (isVis is false)",
        "m4: its condition (isVis) m9 == 1: m9 is not an item before it",
    ]


def test_a_computed_item_is_a_scale_and_another_expression_a_formula(folder: Folder) -> None:
    folder.add("m1", field("Sad?"))
    folder.add("m2", field("Tired?"))
    folder.add("half", {"@type": "reproschema:Field", "prefLabel": {"en": "Half", "es": "Medio"}})
    spec, draft = folder.read(
        compute=[
            {"variableName": "half", "jsExpression": "(m1 + m2) / 2"},
            {"variableName": "twice", "jsExpression": "half * 2 + m1"},
            {"variableName": "odd", "jsExpression": "m1.toString()"},
            {"variableName": "wrong", "jsExpression": "m1 + m3"},
        ]
    )
    assert spec["scales"] == [
        {"id": "half", "title": "Half", "formula": "(m1 + m2) / 2"},
        {"id": "twice", "formula": "half * 2 + m1"},
    ]
    assert spec["translations"]["es"]["scales"] == {"half": {"title": "Medio"}}
    assert draft.left_out == [
        "odd: the score m1.toString(): a part of m1 has no counterpart",
        "wrong: the score m1 + m3: m3 is not an item before it",
    ]


def test_several_choices_numbers_and_texts(folder: Folder) -> None:
    several = {
        "multipleChoice": True,
        "choices": [{"name": "None", "value": -1}, {"name": "Tea", "value": 1}],
    }
    folder.add("drinks", field("What?", "radio", several))
    folder.add("cups", field("How many?", "number", {"valueType": "xsd:integer", "minValue": 0, "maxValue": 9}),
               isVis="!drinks.includes(-1)")  # fmt: skip
    folder.add("else", field("Else?", "textarea", {}))
    spec, draft = folder.read()
    assert spec["items"] == [
        {"id": "drinks", "text": "What?", "type": "Multiple",
         "options": [{"value": "_1", "label": "None"}, {"value": "1", "label": "Tea"}]},
        {"id": "cups", "text": "How many?", "type": "Number", "min": 0, "max": 9, "integer": True,
         "when": "(not (drinks._1 == 1))"},
        {"id": "else", "text": "Else?", "type": "Text", "maxLength": 10_000, "multiline": True},
    ]  # fmt: skip
    assert draft.left_out == ["drinks: the value -1, which is _1 here"]


def test_an_activity_within_an_activity_is_a_section(folder: Folder) -> None:
    folder.add("m1", field("Sad?"))
    inner = {
        "@type": "reproschema:Activity",
        "prefLabel": "Inner",
        "preamble": "Think.",
        "ui": {"order": ["x"], "addProperties": [{"isAbout": "x", "variableName": "x"}]},
    }
    (folder.path / "inner").mkdir()
    (folder.path / "inner" / "inner").write_text(json.dumps(inner))
    (folder.path / "inner" / "x").write_text(json.dumps(field("Cold?", options=OFTEN)))
    folder.properties.append(
        {"isAbout": "inner/inner", "variableName": "inner", "isVis": "m1 == 1"}
    )
    spec, _ = folder.read()
    assert spec["sections"] == [
        {"id": "section_1", "items": ["m1"]},
        {"id": "section_2", "items": ["x"], "title": "Inner", "instructions": "Think.", "when": "m1 == 1"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (field("?", "audioRecord"), "the item: the input audioRecord has no counterpart"),
        (
            field("?", options="https://example.org/o"),
            "the item: https://example.org/o is an address; only files are read",
        ),
        (field("?", options="nothere"), "the item: the file nothere is missing"),
        (field("?", preamble="Now:"), "its own introduction (preamble)"),
        (field("?", additionalNotesObj=[]), "additionalNotesObj"),
    ],
)
def test_what_the_document_does_not_say_is_listed(folder: Folder, item: Any, says: str) -> None:
    folder.add("m1", field("Sad?"))
    folder.add("m2", item)
    _, draft = folder.read()
    assert draft.left_out == [f"m2: {says}"]


def test_the_random_order_of_items_is_listed(folder: Folder) -> None:
    folder.add("m1", field("Sad?"))
    ui = {"addProperties": folder.properties, "order": ["items/m1"], "shuffle": True}
    _, draft = folder.read(ui=ui)
    assert draft.left_out == ["activity: the random order of its items (shuffle)"]


def test_a_condition_that_the_document_refuses_is_left_out(folder: Folder) -> None:
    folder.add("m1", field("Sad?"))
    folder.add("m2", field("Why?"), isVis="m1 == 'often'")
    spec, draft = folder.read()
    assert "when" not in spec["items"][1]
    assert draft.left_out[0].startswith("m2: its condition m1 == 'often': ")


def test_a_protocol_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p_schema").write_text('{"@type": "reproschema:Protocol"}')
    with pytest.raises(ValueError, match="Activity belongs here, and this is Protocol"):
        import_reproschema(tmp_path, lambda file: json.loads(file.read_text()))


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("a+b*2", "a + b * 2"),
        ("a > 1 && !(b === 0)", "a > 1 and (not (b == 0))"),
        ("a != -1 ? b : 0;", "if(a != -1, b, 0)"),
        ("Math.round((a + b) / 2)", "round((a + b) / 2, HalfUp)"),
        ("Math.max(a, b, 0)", "max(a, b, 0)"),
        ('a == "x"', "a == 'x'"),
        ("a == true", "a == 1"),
    ],
)
def test_expressions_are_translated(text: str, formula: str) -> None:
    assert translate_expression(text, lambda name, _: name) == formula


@pytest.mark.parametrize(
    "text",
    ["", "a +", "a = 1", "a; b", "a.b", "Math.exp(a)", "f(a)", "a[0]", "(" * 40 + "a" + ")" * 40, "a < b < c", "a b", "'it\\'s'", "`a`"],
)  # fmt: skip
def test_other_expressions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        translate_expression(text, lambda name, _: name)

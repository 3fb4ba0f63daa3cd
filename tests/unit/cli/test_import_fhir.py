"""Conversion of FHIR Questionnaires: what the document says, and what is listed as left out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.cli.imports.draft import Draft
from stanine.cli.imports.fhir import import_fhir
from stanine.cli.imports.settling import settle

CORE = "http://hl7.org/fhir/StructureDefinition/"
NAMES = ["itemWeight", "ordinalValue", "questionnaire-ordinalValue"]


def translated(text: str) -> dict[str, Any]:
    parts = [{"url": "lang", "valueCode": "de"}, {"url": "content", "valueString": text}]
    return {"extension": [{"url": CORE + "translation", "extension": parts}]}


def option(code: str, display: str, weight: float | None = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"valueCoding": {"code": code, "display": display}, **more}
    if weight is not None:
        made["extension"] = [{"url": CORE + NAMES[0], "valueDecimal": weight}]
    return made


def choice(link: str, *options: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "linkId": link,
        "text": f"Text of {link}",
        "type": "choice",
        "answerOption": list(options) or [option("n", "No", 0), option("y", "Yes", 1)],
        **more,
    }


def read(*items: dict[str, Any], **more: Any) -> tuple[dict[str, Any], Draft]:
    resource = {"resourceType": "Questionnaire", "title": "T", "item": list(items), **more}
    draft = import_fhir(resource)
    return settle(draft, "t")["spec"], draft


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at", ["option", "coding", "text"])
def test_weights_are_read_under_each_of_their_names(name: str, at: str) -> None:
    def weighted(code: str, weight: int) -> dict[str, Any]:
        extension = [{"url": CORE + name, "valueDecimal": weight}]
        if at == "text":
            return {"valueString": code, "_valueString": {"extension": extension}}
        coding: dict[str, Any] = {"code": code, "display": code.upper()}
        if at == "coding":
            return {"valueCoding": coding | {"extension": extension}}
        return {"valueCoding": coding, "extension": extension}

    spec, draft = read(choice("q1", weighted("a", 0), weighted("b", 3)))
    assert [one["value"] for one in spec["items"][0]["options"]] == [0, 3]
    assert spec["scales"] == [{"id": "total", "items": ["q1"], "score": "Sum"}]
    assert draft.left_out == ["q1: the codes of the options, for their weights: a = 0, b = 3"]


def test_codes_can_be_kept_and_weights_are_points_then() -> None:
    draft = import_fhir(
        {"resourceType": "Questionnaire", "title": "T", "item": [choice("q1")]}, keep_codes=True
    )
    spec = settle(draft, "t")["spec"]
    assert [one["value"] for one in spec["items"][0]["options"]] == ["n", "y"]
    assert spec["scales"] == [{"id": "weights", "points": {"q1": [0, 1]}, "score": "Sum"}]
    assert draft.left_out == []


def test_equal_weights_are_points_of_codes() -> None:
    spec, draft = read(choice("q1", option("a", "A", 1), option("b", "B", 1), option("c", "C", 0)))
    assert spec["scales"] == [{"id": "weights", "points": {"q1": [1, 1, 0]}, "score": "Sum"}]
    assert draft.left_out == []


def test_a_value_set_in_the_file_is_read_and_another_one_leaves_the_item_out() -> None:
    concepts = [
        {"code": "a", "display": "A", "extension": [{"url": CORE + NAMES[1], "valueDecimal": 0}]},
        {"code": "b", "display": "B", "extension": [{"url": CORE + NAMES[1], "valueDecimal": 2}],
         "designation": [{"language": "de", "value": "Be"}]},
    ]  # fmt: skip
    contained = [
        {"resourceType": "ValueSet", "id": "vs", "compose": {"include": [{"concept": concepts}]}}
    ]
    inside = {"linkId": "q1", "type": "choice", "text": "?", "answerValueSet": "#vs"}
    outside = inside | {"linkId": "q2", "answerValueSet": "http://example.org/vs"}
    spec, draft = read(inside, outside, contained=contained)
    assert [one["id"] for one in spec["items"]] == ["q1"]
    assert spec["translations"] == {"de": {"options": {"q1": {"2": "Be"}}}}
    assert "q2: the item: its value set http://example.org/vs is not in the file" in draft.left_out


def test_groups_become_sections_and_conditions_apply_to_what_is_in_them() -> None:
    spec, draft = read(
        choice("q1"),
        {
            "linkId": "g", "type": "group", "text": "Outer", "_text": translated("Außen"),
            "enableWhen": [{"question": "q1", "operator": "=", "answerCoding": {"code": "y"}}],
            "item": [
                {"linkId": "d", "type": "display", "text": "Read this.", "_text": translated("Lies.")},
                choice("q2"),
                {"linkId": "g2", "type": "group", "text": "Inner", "item": [choice("q3")]},
                choice("q4"),
            ],
        },
    )  # fmt: skip
    assert spec["sections"] == [
        {"id": "section_1", "items": ["q1"]},
        {"id": "section_2", "items": ["q2"], "title": "Outer", "instructions": "Read this.", "when": "q1 == 1"},
        {"id": "section_3", "items": ["q3"], "title": "Outer: Inner", "when": "q1 == 1"},
        {"id": "section_4", "items": ["q4"], "title": "Outer", "when": "q1 == 1"},
    ]  # fmt: skip
    assert spec["translations"]["de"]["sections"]["section_2"] == {
        "title": "Außen",
        "instructions": "Lies.",
    }
    assert all("codes of the options" in one for one in draft.left_out)


def test_texts_before_the_first_question_are_the_instructions() -> None:
    spec, _ = read({"linkId": "d", "type": "display", "text": "Hello."}, choice("q1"))
    assert spec["instructions"] == "Hello."
    assert "sections" not in spec


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"question": "c", "operator": "=", "answerCoding": {"code": "y"}}, "c == 1"),
        ({"question": "c", "operator": "!=", "answerCoding": {"code": "y"}}, "c != 1"),
        ({"question": "c", "operator": "exists", "answerBoolean": True}, "answered(c) == 1"),
        ({"question": "c", "operator": "exists", "answerBoolean": False}, "answered(c) == 0"),
        ({"question": "b", "operator": "=", "answerBoolean": False}, "b == 0"),
        ({"question": "n", "operator": ">=", "answerInteger": 18}, "n >= 18"),
        ({"question": "n", "operator": "<", "answerQuantity": {"value": 2.5}}, "n < 2.5"),
        ({"question": "m", "operator": "=", "answerCoding": {"code": "a-1"}}, "m.a_1 == 1"),
        ({"question": "m", "operator": "!=", "answerCoding": {"code": "a-1"}}, "m.a_1 == 0"),
        ({"question": "t", "operator": "=", "answerCoding": {"code": "x y"}}, "t == 'x y'"),
    ],
)
def test_enable_when_becomes_a_condition(when: dict[str, Any], expected: str) -> None:
    spec, _ = read(
        choice("c"),
        {"linkId": "b", "type": "boolean", "text": "?"},
        {"linkId": "n", "type": "integer", "text": "?"},
        choice("m", option("a-1", "A"), option("b", "B"), repeats=True),
        choice("t", option("x y", "X"), option("z", "Z")),
        choice("q", enableWhen=[when]),
    )
    assert spec["items"][-1]["when"] == expected


def test_conditions_are_joined_as_enable_behavior_says() -> None:
    parts = [
        {"question": "c", "operator": "=", "answerCoding": {"code": code}} for code in ("y", "n")
    ]
    spec, _ = read(
        choice("c"),
        choice("all", enableWhen=parts, enableBehavior="all"),
        choice("any_", enableWhen=parts, enableBehavior="any"),
    )
    assert [one.get("when") for one in spec["items"]] == [
        None,
        "(c == 1) and (c == 0)",
        "(c == 1) or (c == 0)",
    ]


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ({"type": "attachment"}, "q: the item: type attachment"),
        ({"type": "dateTime"}, "q: the item: type dateTime"),
        ({"type": "integer", "extension": [{"url": CORE + "questionnaire-hidden", "valueBoolean": True}]}, "q: the item is hidden"),
        ({"type": "integer", "readOnly": True}, "q: the item is read-only, such as a calculated score"),
        ({"type": "date", "repeats": True}, "q: several answers (repeats); it is asked once"),
        ({"type": "group", "repeats": True, "item": [{"linkId": "x", "type": "date", "text": "?"}]},
         "q: the group can be repeated (repeats); it is asked once"),
        ({"type": "open-choice", "answerOption": [option("a", "A")]}, "q: an answer in people's own words"),
        ({"type": "date", "enableWhen": [{"question": "later", "operator": "exists", "answerBoolean": True}]},
         "q: its condition (enableWhen): it depends on later, which is not an earlier item of the document"),
        ({"type": "date", "prefix": "1."}, "q: prefix"),
        ({"type": "date", "extension": [{"url": "http://example.org/x"}]}, "q: http://example.org/x"),
        ({"type": "choice", "answerOption": [option("a", "A", initialSelected=True)]}, "q: initialSelected of an option"),
    ],
)  # fmt: skip
def test_what_the_document_does_not_say_is_listed(item: dict[str, Any], says: str) -> None:
    _, draft = read(choice("first", option("a", "A")), {"linkId": "q", "text": "?", **item})
    assert draft.left_out == [says]


def test_numbers_texts_dates_codes_and_translations_are_kept() -> None:
    spec, draft = read(
        {"linkId": "/44250-9", "type": "decimal", "text": "Weight", "required": True, "_text": translated("Gewicht"),
         "code": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}],
         "extension": [{"url": CORE + "minValue", "valueDecimal": 1.5}, {"url": CORE + "maxValue", "valueDecimal": 300},
                       {"url": CORE + "questionnaire-unit", "valueCoding": {"code": "kg"}}]},
        {"linkId": "b", "type": "text", "text": "Else?", "maxLength": 200},
        {"linkId": "Key", "type": "date", "text": "Since?"},
        language="en", copyright="public domain", url="http://example.org/q", version="2",
        _title=translated("Titel"), code=[{"system": "http://loinc.org", "code": "1-2"}],
    )  # fmt: skip
    assert spec["items"] == [
        {"id": "i44250_9", "type": "Number", "text": "Weight", "column": "/44250-9", "required": True,
         "codes": [{"system": "http://loinc.org", "code": "29463-7"}], "min": 1.5, "max": 300, "unit": "kg"},
        {"id": "b", "type": "Text", "text": "Else?", "maxLength": 200, "multiline": True},
        {"id": "Key", "type": "Date", "text": "Since?"},
    ]  # fmt: skip
    assert spec["source"] == "http://example.org/q|2"
    assert spec["codes"] == [{"system": "http://loinc.org", "code": "1-2"}]
    assert spec["translations"] == {"de": {"title": "Titel", "items": {"i44250_9": "Gewicht"}}}
    assert draft.left_out == []


def test_options_that_items_share_become_a_response_set() -> None:
    options = [option("n", "No", 0), option("y", "Yes", 1)]
    options[1]["valueCoding"]["_display"] = translated("Ja")
    spec, _ = read(choice("a", *options), choice("b", *options), choice("c", option("x", "X")))
    assert spec["responseSets"][0]["options"] == [
        {"value": 0, "label": "No"},
        {"value": 1, "label": "Yes"},
    ]
    assert [one.get("responses") for one in spec["items"]] == ["answers_1", "answers_1", None]
    assert spec["translations"] == {"de": {"options": {"answers_1": {"1": "Ja"}}}}


def test_another_resource_is_refused() -> None:
    with pytest.raises(ValueError, match="this is Patient"):
        import_fhir({"resourceType": "Patient"})


LINKS = st.sampled_from(["q", "q-1", "q_1", "1", "key", "/x", "ü", "sum", "Q"])


@given(
    st.lists(
        st.builds(
            lambda link, kind, repeats, when: {
                "linkId": link, "type": kind, "text": "?", "repeats": repeats,
                "answerOption": [option("a", "A", 1), option("-", "B", 2), option("_", "C")],
                "enableWhen": [{"question": when[0], "operator": when[1], "answerCoding": {"code": when[2]}}],
            },
            LINKS,
            st.sampled_from(["choice", "coding", "boolean", "integer", "date", "string", "time"]),
            st.booleans(),
            st.tuples(LINKS, st.sampled_from(["=", "!=", ">", "exists"]), st.sampled_from(["a", "-", "true"])),
        ),
        min_size=1,
        max_size=6,
    )
)  # fmt: skip
def test_whatever_is_imported_is_a_valid_document(items: list[dict[str, Any]]) -> None:
    draft = import_fhir({"resourceType": "Questionnaire", "title": "T", "item": items})
    if draft.items:
        settle(draft, "t")

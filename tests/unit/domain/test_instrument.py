"""What publishing refuses: every fault at once, each with its place and remedy, and nothing but InvalidDocument."""

# ruff: noqa: E501 - a table reads best with one case a line

import contextlib
import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.domain.documents import documents

from stanine.domain.errors import FAULTS_KEPT, Fault, InvalidDocument
from stanine.domain.instruments.document import canonical, read_yaml
from stanine.domain.instruments.instrument import Instrument, form_digest, parse_instrument

GOOD: dict[str, Any] = {
    "apiVersion": "stanine.dev/v1alpha1",
    "kind": "Instrument",
    "metadata": {"name": "mood"},
    "spec": {
        "title": "Mood",
        "language": "en",
        "attributes": [
            {"id": "sex", "values": ["female", "male"]},
            {"id": "age", "type": "Integer"},
        ],
        "responseSets": [
            {
                "name": "three",
                "options": [
                    {"value": 0, "label": "No"},
                    {"value": 1},
                    {"value": 2},
                    {"value": "na", "missing": True},
                ],
            }
        ],
        "items": [
            {"id": "a", "text": "a", "responses": "three"},
            {"id": "b", "text": "b", "responses": "three"},
            {"id": "c", "text": "c", "options": [{"value": "x"}, {"value": "y"}]},
            {"id": "d", "text": "d", "options": [{"value": 1}, {"value": 2}, {"value": 4}]},
        ],
        "scales": [
            {
                "id": "s",
                "items": ["a", "-b"],
                "score": "Sum",
                "bands": [{"id": "low"}, {"id": "high", "from": 2}],
            },
            {
                "id": "t",
                "key": {"c": "x"},
                "points": {"a": [3, 2, 1, None]},
                "score": "Percent",
                "unanswered": 1,
            },
        ],
    },
}


def changed(**changes: Any) -> dict[str, Any]:
    """Return GOOD with values put at paths: `spec__items__0__id="x"`; a value of None removes."""
    document = copy.deepcopy(GOOD)
    for path, value in changes.items():
        *way, last = (int(part) if part.isdigit() else part for part in path.split("__"))
        at: Any = document
        for part in way:
            at = at[part]
        if value is None:
            del at[last]
        elif isinstance(at, list) and last == len(at):
            at.append(value)
        else:
            at[last] = value
    return document


def faults_of(document: object, name: str | None = None) -> list[Fault]:
    with pytest.raises(InvalidDocument) as caught:
        parse_instrument(document, name=name)
    return list(caught.value.faults)


def test_a_good_document_becomes_records() -> None:
    instrument = parse_instrument(GOOD, name="mood")
    its = instrument.spec.scales[0].bands
    assert isinstance(its, tuple)
    assert [band.from_ for band in its] == [None, 2.0]


@given(documents())
@settings(max_examples=100, deadline=None)
def test_the_records_are_those_that_msgspec_would_make(document: dict[str, Any]) -> None:
    assert parse_instrument(document) == msgspec.convert(read_yaml(canonical(document)), Instrument)


OPTIONS_5 = [{"value": n} for n in range(5)]


@pytest.mark.parametrize(
    ("change", "place", "code", "words"),
    [
        # structure
        ({"spec__title": True}, "spec.title", "WrongType", "write it in quotes"),
        ({"spec__title": 2024}, "spec.title", "WrongType", "the number 2024 stands where text belongs: write it in quotes"),
        ({"spec__title": ""}, "spec.title", "TooShort", "empty"),
        ({"spec__title": "x" * 501}, "spec.title", "TooLong", "501"),
        ({"spec__title": "a\x00b"}, "spec.title", "WrongText", "U+0000"),
        ({"spec__title": "a\ud800b"}, "spec.title", "WrongText", "U+D800"),
        ({"spec__titel": "x"}, "spec.titel", "UnknownField", 'did you mean "title"?'),
        ({"spec__title": None}, "spec.title", "MissingField", "title is missing"),
        ({"spec__items": []}, "spec.items", "TooFew", "at least 1"),
        ({"spec__items": {"a": 1}}, "spec.items", "WrongType", "a mapping stands where a list belongs"),
        ({"spec__items__0": "a"}, "spec.items[0]", "WrongType", "text stands where a mapping belongs"),
        ({"spec__items__0__id": "1a"}, "spec.items[0].id", "WrongText", "a letter first"),
        ({"spec__items__0__id": "a\n"}, "spec.items[0].id", "WrongText", "a letter first"),
        ({"spec__items__0__id": False}, "spec.items[0].id", "WrongType", "false stands where text belongs: write it in quotes"),
        ({"spec__scales__0__score": "Median"}, "spec.scales[0].score", "WrongText", "Mean, Percent, Sum"),
        ({"spec__scales__0__minValid": 1.5}, "spec.scales[0].minValid", "WrongType", "a number"),
        ({"spec__scales__0__minValid": True}, "spec.scales[0].minValid", "WrongType", "a number belongs"),
        ({"spec__scales__0__multiply": float("nan")}, "spec.scales[0].multiply", "NumberOutOfRange", "finite"),
        ({"spec__scales__0__multiply": 1e10}, "spec.scales[0].multiply", "OutOfRange", "1e+09"),
        ({"spec__scales__0__multiply": 1e-10}, "spec.scales[0].multiply", "OutOfRange", "1e-09"),
        ({"spec__scales__0__multiply": 10**400}, "spec.scales[0].multiply", "OutOfRange", "a huge number"),
        ({"spec__scales__1__key": {True: 1}}, "spec.scales[1].key", "KeyNotText", "true is not text: write it in quotes"),
        ({"spec__scales__1__key": {"c": None}, "spec__scales__1__points": None}, "spec.scales[1].key.c", "KeyError", ""),
        ({"metadata__name": "Mood"}, "metadata.name", "WrongText", "DNS-1123"),
        ({"metadata__uid": "x"}, "metadata.uid", "UnknownField", "known are"),
        ({"metadata__labels": {"a/b": 1}}, 'metadata.labels["a/b"]', "WrongType", "quotes"),
        ({"kind": "Questionnaire"}, "kind", "WrongText", "not one of Instrument"),
        # the form
        ({"spec__items__1__id": "a"}, "spec.items[1].id", "DuplicateId", '"a" is the id of spec.items[0] already'),
        ({"spec__scales__0__id": "sex"}, "spec.scales[0].id", "DuplicateId", "spec.attributes[0]"),
        ({"spec__items__1__id": "participant"}, "spec.items[1].id", "ReservedId", "taken"),
        ({"spec__items__1__id": "mean"}, "spec.items[1].id", "ReservedId", "formulas"),
        ({"spec__items__0__responses": "four"}, "spec.items[0].responses", "UnknownReference", 'no response set "four"; the form has three'),
        ({"spec__items__0__responses": None}, "spec.items[0]", "MissingField", "name responses"),
        ({"spec__items__0__options": OPTIONS_5}, "spec.items[0]", "Contradiction", "leave one out"),
        ({"spec__defaults": {"responses": "four"}}, "spec.defaults.responses", "UnknownReference", "four"),
        ({"spec__items__2__options": [{"value": True}]}, "spec.items[2].options[0].value", "WrongType", "write it in quotes"),
        ({"spec__items__2__options": [{"value": "x"}, {"value": "x"}]}, "spec.items[2].options[1].value", "DuplicateValue", "reads the same"),
        ({"spec__items__2__options": [{"value": 1}, {"value": "1"}]}, "spec.items[2].options[1].value", "DuplicateValue", '"1" reads the same as 1'),
        ({"spec__items__2__options": [{"value": "01"}, {"value": 1.0}]}, "spec.items[2].options[1].value", "DuplicateValue", "reads the same"),
        ({"spec__items__2__options": [{"value": ""}]}, "spec.items[2].options[0].value", "TooShort", "empty"),
        ({"spec__items__2__options": [{"value": "NA"}]}, "spec.items[2].options[0].value", "WrongText", "missing answer"),
        ({"spec__items__2__options": [{"value": " x"}]}, "spec.items[2].options[0].value", "WrongText", "space"),
        ({"spec__items__2__options": [{"value": "x", "missing": True}]}, "spec.items[2].options", "Contradiction", "every option"),
        ({"spec__items__2__options": [{"value": n} for n in range(251)]}, "spec.items[2].options", "TooMany", "at most 250"),
        ({"spec__responseSets__1": {"name": "three", "options": OPTIONS_5}}, "spec.responseSets[1].name", "DuplicateId", "responseSets[0]"),
        ({"spec__attributes__0": {"id": "sex"}}, "spec.attributes[0]", "Contradiction", "either a type"),
        ({"spec__attributes__0__type": "Text"}, "spec.attributes[0]", "Contradiction", "either a type"),
        ({"spec__attributes__0__values": ["m", "m"]}, "spec.attributes[0].values[1]", "DuplicateValue", "same"),
        # scales
        ({"spec__scales__0__score": None}, "spec.scales[0]", "MissingField", "say Mean, Sum or Percent"),
        ({"spec__scales__0__items": []}, "spec.scales[0]", "MissingField", "no items"),
        ({"spec__scales__0__items__1": "A9"}, "spec.scales[0].items[1]", "UnknownReference", 'there is no item "A9"; the form has a, b, c, d'),
        ({"spec__scales__0__items__1": "age"}, "spec.scales[0].items[1]", "UnknownReference", "is an attribute"),
        ({"spec__scales__0__items__1": "-a"}, "spec.scales[0].items[1]", "DuplicateId", "at spec.scales[0].items[0]"),
        ({"spec__scales__0__key": {"a": 1}}, "spec.scales[0].key.a", "DuplicateId", "at spec.scales[0].items[0]"),
        ({"spec__scales__0__items__1": "c"}, "spec.scales[0].items[1]", "NoNumbers", "give the item a key or points"),
        ({"spec__scales__0__items__1": "-d"}, "spec.scales[0].items[1]", "NotReversible", "list its points instead"),
        ({"spec__scales__1__threshold": 1}, "spec.scales[1].threshold", "Contradiction", "items"),
        ({"spec__scales__1__key": {"c": "z"}}, "spec.scales[1].key.c", "NotAnOption", '"z" is no option of "c"; it has "x", "y"'),
        ({"spec__scales__1__key": {"c": ["x", "z"]}}, "spec.scales[1].key.c[1]", "NotAnOption", '"z"'),
        ({"spec__scales__1__key": {"c": []}}, "spec.scales[1].key.c", "TooFew", "at least 1"),
        ({"spec__scales__1__key": {"c": ["x", "x"]}}, "spec.scales[1].key.c[1]", "DuplicateValue", "twice"),
        ({"spec__scales__1__key": {"b": "0"}}, "spec.scales[1].key.b", "NotAnOption", '"0" is no option of "b"; it has 0, 1, 2'),
        ({"spec__scales__1__key": {"b": "na"}}, "spec.scales[1].key.b", "NotAnOption", "cannot be right"),
        ({"spec__scales__1__points": {"a": [1, 2, 3]}}, "spec.scales[1].points.a", "PointsMismatch", "3 points stand here"),
        ({"spec__scales__1__points": {"a": [1, 2, 3, 4]}}, "spec.scales[1].points.a[3]", "PointsMismatch", "write null"),
        ({"spec__scales__1__points": {"a": [1, None, 3, None]}}, "spec.scales[1].points.a[1]", "PointsMismatch", "needs a number"),
        ({"spec__scales__1__unanswered": 2}, "spec.scales[1].unanswered", "OutOfRange", "a percentage cannot count 2"),
        ({"spec__scales__0__weights": {"c": 2}}, "spec.scales[0].weights.c", "UnknownReference", "no item of this scale"),
        ({"spec__scales__0__weights": {"a": 0}, "spec__scales__0__minValid": 1}, "spec.scales[0].weights.a", "WrongWeight", "every item"),
        ({"spec__scales__0__weights": {"a": -1}, "spec__scales__0__score": "Mean"}, "spec.scales[0].weights.a", "WrongWeight", "every item"),
        ({"spec__scales__0__minValid": 3}, "spec.scales[0].minValid", "WrongMinValid", "has 2 items"),
        ({"spec__scales__0__minValid": 0}, "spec.scales[0].minValid", "WrongMinValid", "at least 1"),
        ({"spec__scales__0__multiply": 0}, "spec.scales[0].multiply", "OutOfRange", "equal"),
        # bands
        ({"spec__scales__0__bands__1__from": None}, "spec.scales[0].bands[1]", "MissingField", "only the first"),
        ({"spec__scales__0__bands__1__above": 3}, "spec.scales[0].bands[1]", "Contradiction", "not both"),
        ({"spec__scales__0__bands__1__id": "low"}, "spec.scales[0].bands[1].id", "DuplicateId", "earlier band"),
        ({"spec__scales__0__bands__2": {"id": "x", "from": 2}}, "spec.scales[0].bands[2]", "BandsOverlap", "in order"),
        ({"spec__scales__0__bands__2": {"id": "x", "from": 1}}, "spec.scales[0].bands[2]", "BandsOverlap", "in order"),
        ({"spec__scales__0__bands__2": {"id": "x", "from": 2.1234567891}}, "spec.scales[0].bands[2]", "TooManyDecimals", "9 decimals"),
        ({"spec__defaults": {"bands": [{"id": "x"}, {"id": "y"}]}}, "spec.defaults.bands[1]", "MissingField", "only the first"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place_and_its_remedy(
    change: dict[str, Any], place: str, code: str, words: str
) -> None:
    if (
        code == "KeyError"
    ):  # null and absent mean the same in a record, but a key without a value says nothing
        code, words = "WrongType", "null stands where"
    document = changed(**change)
    assert [(fault.place, fault.code) for fault in faults_of(document) if fault.place == place] == [
        (place, code)
    ]
    assert words in next(fault.detail for fault in faults_of(document) if fault.place == place)


def test_one_fault_is_reported_once_and_nothing_that_follows_from_it() -> None:
    changes: list[dict[str, Any]] = [
        {"spec__items__0__id": False},
        {"spec__items__0__id": "1"},
        {"spec__responseSets__0__name": True},
        {"spec__responseSets__0__options": 3},
        {"spec__items__2__options": [{"value": True}]},
        {"spec__items__3": None, "spec__items__2": "c"},
        {"spec__scales__0": "x"},
        {"spec__scales__0__score": "x"},
        {"spec__scales__0__minValid": "x"},
        {"spec__scales__0__bands__1": 5},
        {"spec__scales__1__key": []},
        {"spec__scales__1__key": {"c": "z"}},
        {"spec__attributes__0": 1},
        {"spec__defaults": 1},
    ]
    for change in changes:
        assert len(faults_of(changed(**change))) == 1, (change, faults_of(changed(**change)))


def test_all_faults_are_told_at_once_in_form_and_meaning() -> None:
    document = changed(
        spec__title=True,
        spec__responseSets__0__options__0__label=False,
        spec__items__1__id="a",
        spec__scales__0__items__0="A9",
        spec__scales__1__key={"c": "z"},
        spec__scales__1__points={"a": [1]},
        spec__scales__0__bands__1__from=None,
    )
    assert {fault.place for fault in faults_of(document)} == {
        "spec.title", "spec.responseSets[0].options[0].label", "spec.items[1].id", "spec.scales[0].items[0]", "spec.scales[0].items[1]",
        "spec.scales[1].key.c", "spec.scales[1].points.a", "spec.scales[0].bands[1]",
    }  # fmt: skip


def test_a_document_must_have_the_name_it_was_sent_under() -> None:
    assert [fault.code for fault in faults_of(GOOD, name="other")] == ["NameMismatch"]


def test_from_and_above_the_same_edge_make_a_band_of_one_score_and_the_reverse_overlaps() -> None:
    edges = [{"id": "x", "from": 5}, {"id": "y", "above": 5}]
    parse_instrument(changed(spec__scales__0__bands=edges))
    assert [fault.code for fault in faults_of(changed(spec__scales__0__bands=edges[::-1]))] == [
        "BandsOverlap"
    ]


def test_faults_beyond_the_first_hundred_are_counted() -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_instrument(changed(spec__items=[{"id": n} for n in range(1000)], spec__scales=[]))
    assert len(caught.value.faults) == FAULTS_KEPT
    assert caught.value.count >= 2000


@pytest.mark.parametrize("size", [2001, 300_000])
def test_too_many_items_are_one_fault(size: int) -> None:
    items = [{"id": f"i{n}", "text": "t", "responses": "three"} for n in range(size)]
    document = changed(
        spec__items=items, spec__scales=[{"id": "s", "items": ["i0"], "score": "Sum"}]
    )
    assert [(fault.place, fault.code) for fault in faults_of(document)] == [
        ("spec.items", "TooMany")
    ]


def test_a_document_over_a_mebibyte_is_refused() -> None:
    items = [{"id": f"i{n}", "text": "t" * 5000, "responses": "three"} for n in range(250)]
    document = changed(
        spec__items=items, spec__scales=[{"id": "s", "items": ["i0"], "score": "Sum"}]
    )
    assert [(fault.place, fault.code) for fault in faults_of(document)] == [("", "TooLarge")]


def test_more_items_over_all_scales_than_scoring_should_cost_are_refused() -> None:
    items = [{"id": f"i{n}", "text": "t", "responses": "three"} for n in range(2000)]
    scales = [
        {"id": f"s{n}", "items": [item["id"] for item in items], "score": "Sum"} for n in range(11)
    ]
    assert ("spec.scales", "TooMany") in {
        (fault.place, fault.code)
        for fault in faults_of(changed(spec__items=items, spec__scales=scales))
    }


def test_answers_that_need_more_bytes_than_a_row_has_are_refused() -> None:
    ranked = [{"value": n} for n in range(20)]
    items = [
        {"id": "x", "text": "t", "responses": "three"},
        *({"id": f"r{n}", "text": "t", "type": "Ranking", "options": ranked} for n in range(1_600)),
    ]
    scales = [{"id": "s", "items": ["x"], "score": "Sum"}]
    (fault,) = faults_of(changed(spec__items=items, spec__scales=scales))
    assert (fault.place, fault.code) == ("spec.items", "TooLarge")
    assert "32001 bytes; 32000 are allowed" in fault.detail
    parse_instrument(changed(spec__items=items[1:1_600] + items[:1], spec__scales=scales))


def test_conditions_and_formulas_that_name_too_many_items_are_refused() -> None:
    items = [{"id": f"i{n}", "text": "t", "responses": "three"} for n in range(400)]
    total = " + ".join(f"i{n}" for n in range(200))
    formulas = [{"id": f"s{n}", "formula": total} for n in range(101)]
    (fault,) = faults_of(changed(spec__items=items, spec__scales=formulas))
    assert (fault.place, fault.code) == ("spec.scales", "TooMany")
    for item in items[200:]:
        item["when"] = f"{total} > 1"
    scales = [{"id": "s", "items": ["i0"], "score": "Sum"}]
    (fault,) = faults_of(changed(spec__items=items, spec__scales=scales))
    assert (fault.place, fault.code) == ("spec.items[300].when", "TooMany")


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.characters(categories=["Cs"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=4) | st.integers() | st.booleans() | st.none(), inner, max_size=3
        )
    ),
    max_leaves=10,
)


def paths(plain: object) -> list[list[Any]]:
    members = (
        plain.items()
        if isinstance(plain, dict)
        else enumerate(plain)
        if isinstance(plain, list)
        else ()
    )
    return [[]] + [[name, *path] for name, value in members for path in paths(value)]


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_parsing_raises_nothing_but_invalid_document_whatever_stands_where(
    data: st.DataObject,
) -> None:
    document: Any = copy.deepcopy(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(paths(document)))
        value = data.draw(
            PLAIN | st.sampled_from(["a", "-a", "c", "s", [], {}, 0, 1, 1.5, -1, [1], {"a": 1}])
        )
        if not path:
            document = value
            break
        at = document
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = value
    with contextlib.suppress(InvalidDocument):
        parse_instrument(document)


def test_what_is_nested_without_end_is_a_fault_too() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert faults_of(changed(spec__title=deep))[0].place == "spec.title"
    assert faults_of(deep)[0].code == "WrongType"


def test_structure_alone_makes_a_form() -> None:
    form = form_digest(parse_instrument(GOOD))
    same = changed(
        spec__title="Moods",
        spec__scales__0__score="Mean",
        spec__language="de",
        spec__responseSets__1={"name": "unused", "options": OPTIONS_5},
    )
    assert form_digest(parse_instrument(same)) == form
    same_form: list[dict[str, Any]] = [
        {"spec__instructions": "Now!"},
        {"spec__items__0__text": "A"},
        {"spec__responseSets__0__options__0__label": "Never"},
        {"spec__attributes__1__title": "Years"},
        {"spec__sections": [{"id": "one", "items": ["a", "b", "c", "d"]}]},
        {
            "spec__items__0__required": True,
            "spec__items__0__column": "Q1",
            "spec__timeLimitSeconds": 60,
        },
        {
            "spec__normGroups": [{"id": "all"}],
            "spec__scales__0__norms": {"all": {"mean": 1, "sd": 1}},
        },
    ]
    for change in same_form:
        assert form_digest(parse_instrument(changed(**change))) == form, change
    another_form: list[dict[str, Any]] = [
        {"spec__attributes__1__type": "Number"},
        {"spec__items__1__when": "a > 0"},
        {
            "spec__sections": [
                {"id": "one", "items": ["a"]},
                {"id": "two", "items": ["b", "c", "d"], "when": "a > 0"},
            ]
        },
        {"spec__items__2__options__1__missing": True},
        {"spec__items__4": {"id": "e", "text": "e", "responses": "three"}},
    ]
    for change in another_form:
        assert form_digest(parse_instrument(changed(**change))) != form, change

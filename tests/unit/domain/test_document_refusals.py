"""What publishing refuses of the whole document, each with its place and words; and what it warns of."""

# ruff: noqa: E501 - a table reads best with one case a line

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stanine.domain.attempts.response import Attempt, Packer
from stanine.domain.errors import FAULTS_KEPT, Fault, InvalidDocument
from stanine.domain.instruments.document import read_yaml
from stanine.domain.instruments.instrument import form_digest, parse_instrument
from stanine.domain.instruments.warnings import warnings_of
from stanine.domain.scoring.index import build_entry, decode_entry, encode_entry, public_form
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import decode_result

EVERY_FEATURE: Any = read_yaml((Path(__file__).parent / "every_feature.yaml").read_bytes())

#: A response set of numbers.
NUMBERS: Any = {"name": "nums", "type": "Number", "min": 0, "max": 3}


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """Return the document with values put at paths (ids name the members of lists); None removes, a path's end `+` appends."""
    document: dict[str, Any] = copy.deepcopy(EVERY_FEATURE)
    for path, value in changes.items():
        *way, last = path.split("/")
        at: Any = document["spec"]
        for part in way:
            at = at[_place(at, part)] if isinstance(at, list) else at[part]
        if last == "+":
            at.append(value)
        elif value is None:
            del at[_place(at, last) if isinstance(at, list) else last]
        else:
            at[_place(at, last) if isinstance(at, list) else last] = value
    return document


def _place(members: list[Any], name: str) -> int:
    if name.isdigit():
        return int(name)
    return next(
        place
        for place, one in enumerate(members)
        if isinstance(one, dict) and name in (one.get("id"), one.get("name"))
    )


def faults_of(document: object) -> list[Fault]:
    with pytest.raises(InvalidDocument) as caught:
        parse_instrument(document)
    return list(caught.value.faults)


def place_of(path: str) -> str:
    """Return a path as faults name it: `items/q2/min` is spec.items[7].min."""
    at: Any = EVERY_FEATURE["spec"]
    place = "spec"
    for part in path.split("/"):
        if isinstance(at, list) or part.isdigit():
            at = at if isinstance(at, list) else []
            index = _place(at, part)
            place, at = f"{place}[{index}]", at[index] if index < len(at) else {}
        else:
            place, at = f"{place}.{part}", at.get(part, {}) if isinstance(at, dict) else {}
    return place


def test_the_document_of_the_design_is_valid_and_says_what_is_doubtful() -> None:
    found = warnings_of(parse_instrument(EVERY_FEATURE))
    assert "spec.retentionDays" not in {one.place for one in found}


@pytest.mark.parametrize(
    ("changes", "path", "code", "words"),
    [
        # items
        ({"items/q2/min": None}, "items/q2", "MissingField", "min is missing: a Number has min and max"),
        ({"items/q2/max": 0}, "items/q2/max", "OutOfRange", "not above the lowest"),
        ({"items/pain/step": 20}, "items/pain/step", "OutOfRange", "one answer only"),
        ({"items/pain/integer": True}, "items/pain", "Contradiction", "leave integer out"),
        ({"items/q1/min": 3}, "items/q1/min", "Contradiction", "only what is of type Number has min"),
        ({"items/q2/minChosen": 1}, "items/q2/minChosen", "Contradiction", "Multiple"),
        ({"items/q2/options": [{"value": 1}]}, "items/q2/options", "Contradiction", "of type Number has no options"),
        ({"items/note/responses": "often"}, "items/note/responses", "Contradiction", "of type Text has no response set"),
        ({"items/q2/responses": "often", "items/q2/min": None, "items/q2/max": None}, "items/q2/responses", "Contradiction", "has options, but it is of type Number"),
        ({"items/m1/maxChosen": 4}, "items/m1/maxChosen", "OutOfRange", "1 to 3"),
        ({"items/m1/minChosen": 3}, "items/m1/maxChosen", "OutOfRange", "at least 3"),
        ({"items/m1/options/0/value": "a b"}, "items/m1", "WrongText", "names a column"),
        ({"items/r1/options/0/missing": True}, "items/r1", "Contradiction", "puts all options in order"),
        ({"items/r1/options": [{"value": "f"}]}, "items/r1", "TooFew", "at least two options"),
        ({"items/note/maxLength": 10_001}, "items/note/maxLength", "OutOfRange", "10000"),
        ({"items/d2/distinctFrom": "d9"}, "items/d2/distinctFrom", "UnknownReference", 'no item "d9"'),
        ({"items/d2/distinctFrom": "A1"}, "items/d2/distinctFrom", "Contradiction", "has other options"),
        ({"items/d2/distinctFrom": "d2"}, "items/d2/distinctFrom", "Contradiction", "from itself"),
        ({"items/d2/when": "s1 > 0"}, "items/d2/when", "UnknownReference", "later"),
        ({"items/d2/when": "d2 > 0"}, "items/d2/when", "UnknownReference", ""),
        ({"items/d2/when": "d1 >"}, "items/d2/when", "Syntax", "character"),
        ({"items/d2/when": "mood > 1"}, "items/d2/when", "UnknownReference", ""),
        ({"items/d2/column": "Q1"}, "items/d2/column", "DuplicateId", 'column "Q1" is that of spec.items[0]'),
        ({"items/d2/column": "sex"}, "items/d2/column", "DuplicateId", "spec.attributes[0]"),
        ({"items/d2/column": "m1.a"}, "items/m1/id", "DuplicateId", 'column "m1.a"'),
        ({"items/d2/column": " x"}, "items/d2/column", "WrongText", "space"),
        ({"responseSets/often/type": "Number"}, "responseSets/often", "Contradiction", "leave one out"),
        ({"responseSets/+": {"name": "x", "type": "Number", "min": 0}}, "responseSets/2", "MissingField", "max is missing"),
        ({"responseSets/+": {"name": "x"}}, "responseSets/2", "MissingField", "no options"),
        ({"attributes/sex/required": True, "attributes/sex/title": None}, "attributes/sex", "MissingField", "title is missing"),
        # sections
        ({"sections/self/items": ["A1", "A2", "d1", "d2", "s1"]}, "sections", "MissingField", "missing are s2"),
        ({"sections/self/items/0": "B9"}, "sections/self/items/0", "UnknownReference", 'no item "B9"'),
        ({"sections/self/items/0": "A2", "sections/self/items/1": "A1"}, "sections/self/items/1", "Contradiction", "keep the order"),
        ({"sections/tasks/items/+": "A1"}, "sections/tasks/items/7", "DuplicateId", "stands in a section already"),
        ({"sections/tasks/id": "self"}, "sections/tasks/id", "DuplicateId", "spec.sections[0]"),
        # norms
        ({"normGroups/men/where/sex": ["mail"]}, "normGroups/men/where/sex", "NotAValue", 'is no value of "sex"'),
        ({"normGroups/men/where": {"age": [1, 2]}}, "normGroups/men/where/age", "UnknownReference", 'no attribute "age"'),
        ({"normGroups/women_21_40/where/years": 30}, "normGroups/women_21_40/where/years", "WrongType", "[lowest, highest]"),
        ({"normGroups/women_21_40/where/years": [40, 21]}, "normGroups/women_21_40/where/years", "OutOfRange", "is above"),
        ({"normGroups/men/id": "everyone"}, "normGroups/everyone/id", "DuplicateId", "spec.normGroups[1]"),
        ({"scales/agreeableness/norms/all": {"mean": 1, "sd": 1}}, "scales/agreeableness/norms/all", "UnknownReference", 'no norm group "all"'),
        ({"scales/agreeableness/norms/everyone/sd": 0}, "scales/agreeableness/norms/everyone/sd", "OutOfRange", "above 0"),
        ({"scales/agreeableness/norms/everyone/sd": None}, "scales/agreeableness/norms/everyone", "MissingField", "sd is missing"),
        ({"scales/agreeableness/norms/everyone": {"frequencies": [{"raw": 1, "count": 2}]}}, "scales/agreeableness/norms", "Contradiction", "all of one kind"),
        ({"scales/agreeableness/norms/everyone/frequencies": [{"raw": 1, "count": 2}]}, "scales/agreeableness/norms/everyone", "Contradiction", "or frequencies"),
        ({"scales/mood/norms": {"everyone": {"mean": 1, "sd": 1}}}, "scales/mood/norms", "Contradiction", "leave one out"),
        ({"scales/mood/standard": ["T"]}, "scales/mood/standard/0", "Contradiction", "T needs norms"),
        ({"scales/mood/report": "T"}, "scales/mood/report", "Contradiction", "T needs norms"),
        ({"scales/drinks/report": "Score"}, "scales/drinks/report", "Contradiction", "Score needs a lookup"),
        ({"scales/drinks/interval": {"kind": "Observed"}}, "scales/drinks/interval", "Contradiction", "reliability"),
        ({"scales/agreeableness/standard": ["T", "T"]}, "scales/agreeableness/standard/1", "DuplicateValue", "twice"),
        ({"scales/agreeableness/reliability": 1.1}, "scales/agreeableness/reliability", "OutOfRange", "0 to 1"),
        ({"scales/drinking/bands": {"women": [{"id": "low"}]}}, "scales/drinking/bands/women", "UnknownReference", "norm group"),
        # tables
        ({"scales/mood/lookup/2": None}, "scales/mood/lookup", "RangesGap", "no row: 2"),
        ({"scales/mood/lookup/1": None}, "scales/mood/lookup", "RangesGap", "no row: 1"),
        ({"scales/mood/lookup/+": {"raw": 1, "score": 5}}, "scales/mood/lookup/3", "RangesOverlap", "lies in this row"),
        ({"scales/mood/lookup/+": {"score": 5}}, "scales/mood/lookup/3", "Contradiction", "one raw score (raw) or for a range"),
        ({"scales/mood/lookup/+": {"from": 5, "above": 4, "score": 5}}, "scales/mood/lookup/3", "Contradiction", "not both"),
        ({"scales/mood/lookup/+": {"from": 5, "to": 4, "score": 5}}, "scales/mood/lookup/3", "OutOfRange", "before it begins"),
        ({"scales/global/lookup": [{"from": 0, "to": 40, "score": 1}]}, "scales/global/lookup", "RangesGap", "no row"),
        ({"scales/criteria/lookup": [{"raw": 0, "score": 1}]}, "scales/criteria/lookup", "RangesGap", "no row"),
        # terms
        ({"scales/W/items": ["r1.x"]}, "scales/W/items/0", "UnknownReference", 'no option "x"; it has r1.f, r1.w'),
        ({"scales/W/items": ["r1"]}, "scales/W/items/0", "NoNumbers", "name its options, such as r1.f"),
        ({"scales/W/items": ["d1.x"]}, "scales/W/items/0", "UnknownReference", "only options of a Multiple or Ranking"),
        ({"scales/W/items": ["note"]}, "scales/W/items/0", "NoNumbers", "is a Text"),
        ({"scales/W/items": ["r1.w", "drinks"]}, "scales/W/items/1", "Contradiction", "of items or of scales, not of both"),
        ({"scales/ability/key/q2": 100}, "scales/ability/key/q2", "NotAnOption", "whole numbers from 0 to 99"),
        ({"scales/ability/key/q2": [42, 42]}, "scales/ability/key/q2/1", "DuplicateValue", "twice"),
        ({"scales/ability/key/m1": "a"}, "scales/ability/key/m1", "Contradiction", "points by option"),
        ({"scales/load/points/pain/0/to": 3}, "scales/load/points/pain/1", "RangesGap", "lies in none"),
        ({"scales/load/points/pain/0/to": 5}, "scales/load/points/pain/1", "RangesOverlap", "in one before it"),
        ({"scales/load/points/pain/1": None}, "scales/load/points/pain", "RangesGap", "the highest answers"),
        ({"scales/load/points/pain": [1, 2]}, "scales/load/points/pain", "PointsMismatch", "by ranges"),
        ({"scales/load/points/m1": {"c": 1}}, "scales/load/points/m1/c", "NotAnOption", 'it has "a", "b", "none"'),
        ({"scales/load/points/m1": [1, 2, 3]}, "scales/load/points/m1", "PointsMismatch", "by option"),
        ({"scales/load/points/m1": "sum"}, "scales/load/points/m1", "WrongText", "count"),
        ({"scales/load/points/s1": "count"}, "scales/load/points/s1", "PointsMismatch", "one per option"),
        ({"scales/skill/notShown": 2}, "scales/skill/notShown", "OutOfRange", "a percentage cannot count 2"),
        # composites, formulas, profiles
        ({"scales/global/items": ["drinking.t"]}, "scales/global/items/0", "UnknownReference", 'has no part "t"'),
        ({"scales/global/items": ["-drinking"]}, "scales/global/items/0", "Contradiction", "weight of -1"),
        ({"scales/global/items": ["drinking", "global"]}, "scales/global", "Cyclic", "made of itself"),
        ({"scales/global/unanswered": 0}, "scales/global/unanswered", "Contradiction", "made of scales"),
        ({"scales/global/score": "Percent"}, "scales/global/items/1", "Contradiction", "without a part"),
        ({"scales/criteria/formula": "s1 +"}, "scales/criteria/formula", "Syntax", "character"),
        ({"scales/criteria/formula": "s1 + zz"}, "scales/criteria/formula", "UnknownReference", "zz"),
        ({"scales/criteria/formula": "criteria + 1"}, "scales/criteria", "Cyclic", "made of itself"),
        ({"scales/criteria/items": ["s1"]}, "scales/criteria/items", "Contradiction", "leave items out"),
        ({"scales/criteria/score": "Sum"}, "scales/criteria/score", "Contradiction", "leave score out"),
        ({"scales/criteria/minValid": 3}, "scales/criteria/minValid", "WrongMinValid", "names 2 items"),
        ({"scales/criteria/notShown": "Exclude"}, "scales/criteria/notShown", "Contradiction", "excludes nothing"),
        ({"scales/criteria/round": "Nearest"}, "scales/criteria/round", "WrongText", "HalfUp"),
        ({"scales/drinks/round/decimals": 9}, "scales/drinks/round/decimals", "OutOfRange", "0 to 8"),
        ({"profiles/style/of": ["F", "X"]}, "profiles/style/of/1", "UnknownReference", 'no scale "X"'),
        ({"profiles/style/of": ["F", "F"]}, "profiles/style/of/1", "DuplicateId", "already"),
        ({"profiles/style/top": 3}, "profiles/style/top", "OutOfRange", "of 2 scales"),
        ({"profiles/style/texts": {"F X": {"label": "x"}}}, 'profiles/style/texts/"F X"', "UnknownReference", "no code"),
        ({"profiles/style/id": "mood"}, "profiles/style/id", "DuplicateId", "profiles share their ids"),
        # wording
        ({"translations/de/items/B9": "x"}, "translations/de/items/B9", "UnknownReference", 'no item "B9"'),
        ({"translations/de/options/agree/9": "x"}, 'translations/de/options/agree/"9"', "NotAnOption", 'no value "9"'),
        ({"translations/de/scales/agreeableness/bands/huge": {"label": "x"}}, "translations/de/scales/agreeableness/bands/huge", "UnknownReference", 'no band "huge"'),
        ({"translations/en": {}}, "translations/en", "Contradiction", "into other languages"),
        ({"language": None}, "", "MissingField", "language is missing"),
        ({"items/A1/id": "lookup"}, "items/A1/id", "ReservedId", "taken"),
        ({"items/q2/min": 0.2, "items/q2/max": 0.8}, "items/q2", "OutOfRange", "two whole numbers"),
        ({"items/d2/distinctFrom": "q2"}, "items/d2/distinctFrom", "Contradiction", "is no Choice"),
        ({"responseSets/+": NUMBERS, "items/note": {"id": "note", "text": "t", "type": "Choice", "responses": "nums"}}, "items/note", "Contradiction", "is one of numbers"),
        ({"responseSets/+": NUMBERS, "items/q2/responses": "nums"}, "items/q2", "Contradiction", "min or max of its own"),
        ({"responseSets/+": NUMBERS, "items/q2": {"id": "q2", "text": "t", "type": "Number", "responses": "nums", "step": 2}}, "items/q2/step", "Contradiction", "response set says the step"),
        # rows, points and figures
        ({"scales/mood/lookup/1/raw": 1.0000000001}, "scales/mood/lookup/1/raw", "TooManyDecimals", "9 decimals"),
        ({"scales/mood/lookup/0/low": 30, "scales/mood/lookup/0/high": 20}, "scales/mood/lookup/0/low", "OutOfRange", "30 is above 20"),
        ({"scales/agreeableness/norms/everyone": {"frequencies": [{"raw": 1, "count": 2}, {"raw": 1, "count": 3}]}}, "scales/agreeableness/norms/everyone/frequencies/1/raw", "DuplicateValue", "the raw score 1"),
        ({"scales/agreeableness/norms/everyone": {"frequencies": [{"raw": 1.0000000001, "count": 2}]}}, "scales/agreeableness/norms/everyone/frequencies/0/raw", "TooManyDecimals", "9 decimals"),
        ({"scales/agreeableness/norms/everyone": {"frequencies": [{"raw": 1, "count": 0}]}}, "scales/agreeableness/norms/everyone/frequencies", "OutOfRange", "nobody is counted"),
        ({"scales/drinking/bands": {}}, "scales/drinking/bands", "TooFew", "no norm group has bands"),
        ({"normGroups/men/where": {"sex": [None]}}, "normGroups/men/where/sex", "WrongType", "open end of a number"),
        ({"attributes/+": {"id": "town", "type": "Text"}, "normGroups/men/where": {"town": 3}}, "normGroups/men/where/town", "NotAValue", "in quotes"),
        ({"scales/ability/key/q2": "b"}, "scales/ability/key/q2", "NotAnOption", "answered with a number"),
        ({"scales/load/points/m1": {}}, "scales/load/points/m1", "TooFew", "no option has points"),
        ({"items/m1/options/0/missing": True}, "scales/load/points/m1/a", "PointsMismatch", "is missing"),
        ({"items/m1/options/0/missing": True, "scales/F/items/0": "m1.a"}, "scales/F/items/0", "NotAnOption", "is missing"),
        ({"scales/load/points/r1": [1]}, "scales/load/points/r1", "Contradiction", "is a Ranking"),
        ({"scales/load/points/pain": [{"to": 4, "below": 5, "points": 0}, {"above": 4, "points": 2}]}, "scales/load/points/pain/0", "Contradiction", "not both"),
        ({"scales/load/points/pain": [{"to": 4.0000000001, "points": 0}, {"above": 4.0000000001, "points": 2}]}, "scales/load/points/pain/0/to", "TooManyDecimals", "9 decimals"),
        ({"items/pain/step": None, "scales/load/points/pain": [{"to": 4, "points": 0}, {"above": 4, "to": 10, "points": 2}, {"from": 11, "points": 1}]}, "scales/load/points/pain/2", "RangesGap", "no answer"),
        ({"scales/ability/key/F": "b"}, "scales/ability/key/F", "UnknownReference", "is a scale"),
        ({"items/q2": {"id": "q2", "type": "Number", "text": "t", "min": 0, "max": 10, "step": 3}, "scales/F/items/0": "-q2"}, "scales/F/items/0", "NotReversible", ""),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place_and_its_remedy(
    changes: dict[str, Any], path: str, code: str, words: str
) -> None:
    found = faults_of(changed(changes))
    place = place_of(path) if path else "spec"
    if place.endswith('"'):  # a name in quotes
        place = place.replace('."', '["') + "]"
    assert (place, code) in {(one.place, one.code) for one in found}, found
    assert any(words in one.detail for one in found if (one.place, one.code) == (place, code)), (
        found
    )


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({}, "scales/ability/unanswered", "UnansweredWithoutMinValid"),
        ({}, "scales/load/notShown", "ExcludeUnderSum"),
        ({}, "translations/de", "MissingTranslation"),
        ({"scales/drinks/reliability": 0.8}, "scales/drinks/reliability", "NoEffect"),
        ({"scales/mood/round": None, "scales/mood/lookup": None, "scales/global/items/1": "mood", "scales/mood/bands": [{"id": "x"}, {"id": "y", "from": 1}]}, "scales/mood/bands", "StraddledEdge"),
        ({"items/note/when": "q1 == 'b'"}, "items/note/when", "ConditionNamesKey"),
        ({"scales/load/minValid": 1}, "scales/load", "DifferentRanges"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_said(changes: dict[str, Any], path: str, code: str) -> None:
    assert (place_of(path), code) in {
        (one.place, one.code) for one in warnings_of(parse_instrument(changed(changes)))
    }


def test_a_prorated_score_that_no_row_has_is_found() -> None:
    """Two of three items answered: 3 · 1 / 2 = 1.5, which a table of whole scores misses until the score is rounded."""
    items = [{"id": name, "text": "t", "options": [{"value": 0}, {"value": 1}]} for name in "abc"]
    scale: dict[str, Any] = {"id": "s", "items": ["a", "b", "c"], "score": "Sum", "minValid": 2}
    scale["lookup"] = [{"raw": raw, "score": raw} for raw in range(4)]
    document: dict[str, Any] = {
        **EVERY_FEATURE,
        "spec": {"title": "T", "items": items, "scales": [scale]},
    }
    assert [(one.place, one.code, one.detail) for one in faults_of(document)] == [
        ("spec.scales[0].lookup", "RangesGap", "raw scores that can be reached have no row: 1.5")
    ]
    parse_instrument(
        {**document, "spec": {**document["spec"], "scales": [{**scale, "round": "HalfUp"}]}}
    )


def test_a_percentage_of_scales_without_ends_is_refused() -> None:
    changes = {
        "scales/criteria/formula": "1 / (s1 - s2)",
        "scales/global/items": ["drinking", "criteria"],
        "scales/global/score": "Percent",
    }
    assert ("spec.scales[9].items[1]", "Contradiction") in {
        (one.place, one.code) for one in faults_of(changed(changes))
    }


def test_a_table_with_gaps_is_told_beside_other_faults() -> None:
    found = faults_of(
        changed({"scales/mood/lookup/2": None, "scales/drinks/report": "Score", "title": 5})
    )
    assert {one.place for one in found} == {
        "spec.scales[4].lookup",
        "spec.scales[6].report",
        "spec.title",
    }


def test_the_yaml_of_the_design_is_kept_as_it_stands_there() -> None:
    assert (
        yaml.safe_load((Path(__file__).parent / "every_feature.yaml").read_text(encoding="utf-8"))
        == EVERY_FEATURE
    )


VALUES = st.sampled_from([
    None, True, 0, 1, 2, -1, 1.5, 1e9, "", "a", "A1", "-A1", "s1", "d1", "m1", "m1.a", "r1.w", "mood", "mood.score", "agreeableness.t", "criteria",
    "men", "Sum", "Percent", "Exclude", "Missing", "HalfUp", "Number", "Multiple", "Text", "count", "d1 > 0", "mood + 1", "count(s1..s2 > 0)", "sex == 'f'",
    [], {}, [1], ["A1"], ["F", "W"], [0, 1, 2, 3], [None, 30], {"a": 1}, {"men": {"mean": 1, "sd": 1}}, {"everyone": [{"id": "x"}]},
    [{"raw": 0, "score": 1}], [{"from": 0, "score": 1}], [{"value": 1}, {"value": 2}], [{"to": 4, "points": 1}, {"above": 4, "points": 2}],
    {"mode": "Up", "decimals": 2}, {"kind": "Observed"}, [{"id": "x"}, {"id": "y", "from": 3}],
])  # fmt: skip


FIELDS = st.sampled_from([
    "unanswered", "notShown", "minValid", "round", "threshold", "weights", "norms", "lookup", "bands", "when", "type", "min", "max", "step",
    "integer", "report", "standard", "interval", "formula", "items", "key", "points", "score", "responses", "options", "missing", "exclusive",
])  # fmt: skip


def paths(plain: object) -> list[list[Any]]:
    members = (
        plain.items()
        if isinstance(plain, dict)
        else enumerate(plain)
        if isinstance(plain, list)
        else ()
    )
    return [[]] + [[name, *path] for name, value in members for path in paths(value)]


def contradicted(data: st.DataObject) -> Any:
    """Return the document with a few of its parts replaced, removed, exchanged or added."""
    document: Any = copy.deepcopy(EVERY_FEATURE)
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(paths(document["spec"])[1:]))
        at = document["spec"]
        for part in path[:-1]:
            at = at[part]
        value = copy.deepcopy(data.draw(VALUES))
        match data.draw(st.sampled_from(["put", "put", "remove", "move", "add"])):
            case "remove":
                del at[path[-1]]
            case "move":
                at[path[-1]] = copy.deepcopy(
                    at[
                        data.draw(
                            st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at)))
                        )
                    ]
                )
            case "add" if isinstance(at, dict):
                at[data.draw(FIELDS)] = value
            case _:
                at[path[-1]] = value
    return document


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_whatever_stands_where_a_document_is_refused_or_scores(data: st.DataObject) -> None:
    try:
        instrument = parse_instrument(contradicted(data))
    except InvalidDocument:
        return
    warnings_of(instrument)
    form_digest(instrument)
    entry = build_entry(instrument, number=1, revision=1, form=1, digest="")
    assert decode_entry(encode_entry(entry)) == entry
    public_form(entry, "de")
    packer, kernel = Packer(entry), Kernel(entry.plan)
    rows = [packer.pack(Attempt({})), packer.pack(Attempt({}, attributes={}))]
    for body in kernel.score(np.frombuffer(b"".join(rows), np.uint8).reshape(2, -1)).packed():
        decode_result(body, entry)


def with_faults(document: Any, count: int) -> Any:
    """Return the document with this many faults that concern no item and no scale."""
    unknown = {f"unknown{index}": 1 for index in range(count)}
    return {**document, "spec": {**document["spec"], **unknown}}


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(FAULTS_KEPT - 3, FAULTS_KEPT))
def test_whatever_stands_where_a_document_with_more_faults_than_kept_is_refused(
    data: st.DataObject, count: int
) -> None:
    """Checks skip what has a fault; they must do so too if that fault is only counted."""
    with pytest.raises(InvalidDocument) as caught:
        parse_instrument(with_faults(contradicted(data), count))
    assert caught.value.count >= count
    assert len(caught.value.faults) <= FAULTS_KEPT


@pytest.mark.parametrize(
    "changes",
    [
        {"scales/agreeableness/title": 5, "scales/mood": {"id": "mood", "multiply": -1.4e8, "reliability": 0.52, "score": "Sum", "lookup": [{"raw": 0, "score": 1}]}},
        {"scales/global": {"id": "global", "items": ["nothing"], "score": "Percent"}},
        {"scales/drinking/items": ["nothing"]},
        {"scales/F/items": ["r1.x"]},
        {"defaults/score": None},
        {"scales/criteria/formula": "s1 +"},
        {"scales/load/points/pain": []},
        {"scales/mood/points/s2": [{"to": 1, "points": 1}, {"points": 1}, {"points": 1}, {"points": 1}]},
    ],
)  # fmt: skip
def test_a_scale_with_a_fault_beyond_those_kept_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_instrument(with_faults(changed(changes), FAULTS_KEPT))
    assert caught.value.count > len(caught.value.faults) == FAULTS_KEPT

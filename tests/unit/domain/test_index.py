"""Index entries: the same bytes from the same document, and no damaged byte passes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.domain.documents import documents, documents_with_answers
from tests.unit.domain.test_scoring import code_matrix

from stanine.domain.errors import CorruptEntry
from stanine.domain.instruments.document import canonical, digest, read_json, read_yaml
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring import index_entry
from stanine.domain.scoring.compiler import ENGINE_VERSION
from stanine.domain.scoring.index import (
    build_entry,
    decode_entry,
    encode_entry,
    entry_version,
    language_of,
    public_form,
)
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.public_scales import public_scales
from stanine.domain.scoring.result import decode_result


def entry_of(document: Any, **given: int) -> Any:
    versions: dict[str, Any] = {"number": 3, "revision": 2, "form": 1, **given}
    return build_entry(parse_instrument(document), **versions, digest=digest(canonical(document)))


@settings(max_examples=100, deadline=None)
@given(documents())
def test_an_entry_is_read_back_as_it_was_and_built_again_byte_for_byte(
    document: dict[str, Any],
) -> None:
    entry = entry_of(document)
    data = encode_entry(entry)
    assert decode_entry(data) == entry
    assert (
        encode_entry(entry_of(read_json(canonical(document))))
        == encode_entry(decode_entry(data))
        == data
    )
    assert entry_version(data) == (2, ENGINE_VERSION)
    assert data[:6] == (2).to_bytes(4, "big") + ENGINE_VERSION.to_bytes(2, "big")


@settings(max_examples=60, deadline=None)
@given(documents(), st.data())
def test_any_change_to_an_entrys_bytes_is_found(document: dict[str, Any], data: Any) -> None:
    good = encode_entry(entry_of(document))
    at = data.draw(st.integers(0, len(good) - 1))
    for damaged in (
        good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :],
        good[:at],
        good + b"\x00",
    ):
        with pytest.raises(CorruptEntry):
            decode_entry(damaged)


def test_an_entry_of_another_engine_is_refused_as_such(
    monkeypatch: pytest.MonkeyPatch, simple: dict[str, Any]
) -> None:
    monkeypatch.setattr(index_entry, "ENGINE_VERSION", 99)
    data = encode_entry(entry_of(simple))
    monkeypatch.undo()
    with pytest.raises(CorruptEntry, match="engine 99"):
        decode_entry(data)


def test_bytes_too_short_for_a_header_have_no_version() -> None:
    with pytest.raises(CorruptEntry):
        entry_version(b"\x00" * 37)


@settings(max_examples=40, deadline=None)
@given(documents_with_answers())
def test_a_plan_read_back_scores_as_the_plan_that_was_built(
    drawn: tuple[Any, list[dict[str, Any]]],
) -> None:
    document, people = drawn
    entry = entry_of(document)
    codes = code_matrix(entry, people)
    assert (
        Kernel(decode_entry(encode_entry(entry)).plan).score(codes).packed()
        == Kernel(entry.plan).score(codes).packed()
    )


@pytest.fixture
def simple() -> dict[str, Any]:
    return {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "mood"},
        "spec": {
            "title": "Mood",
            "attributes": [{"id": "sex", "values": ["f", "m"]}],
            "responseSets": [
                {
                    "name": "hidden_name",
                    "options": [
                        {"value": 0, "label": "No"},
                        {"value": 1},
                        {"value": "na", "missing": True},
                    ],
                }
            ],
            "defaults": {
                "responses": "hidden_name",
                "score": "Sum",
                "bands": [{"id": "hidden_band", "label": "Hidden"}],
            },
            "items": [{"id": "a", "text": "Sad?"}],
            "scales": [{"id": "hidden_scale", "title": "Hidden", "key": {"a": 1}}],
        },
    }


def test_a_participant_sees_the_form_and_nothing_of_how_it_is_scored(
    simple: dict[str, Any],
) -> None:
    shown = public_form(entry_of(simple))
    assert shown == {
        "name": "mood", "revision": 2, "form": 1, "title": "Mood", "attributes": [{"id": "sex", "values": ["f", "m"]}],
        "items": [{"id": "a", "text": "Sad?", "type": "Choice", "options": [
            {"value": 0, "label": "No"}, {"value": 1}, {"value": "na", "missing": True}]}],
    }  # fmt: skip
    assert not any(word in json.dumps(shown).lower() for word in ("hidden", "key", "band"))


def test_a_result_body_of_another_plan_is_refused(simple: dict[str, Any]) -> None:
    entry = entry_of(simple)
    body = Kernel(entry.plan).score(np.zeros((1, 1), np.uint8)).packed()[0]
    assert decode_result(body, entry.plan) == decode_result(body, entry)
    for wrong in (b"", body[:-1], body + body):
        with pytest.raises(ValueError, match="bytes"):
            decode_result(wrong, entry)


EVERY_FEATURE = Path(__file__).parent / "every_feature.yaml"


def test_a_form_is_shown_in_a_language_as_far_as_its_texts_are_there() -> None:
    entry = entry_of(read_yaml(EVERY_FEATURE.read_bytes()))
    german = public_form(entry, language_of(entry, "de-AT"))
    assert (german["title"], german["language"], german["languages"]) == (
        "Alles",
        "de",
        ["en", "de"],
    )
    by_id = {item["id"]: item for item in german["items"]}
    assert (by_id["A1"]["text"], by_id["A2"]["text"]) == ("Ich …", "I ask others.")
    assert [option.get("label") for option in by_id["A1"]["options"]] == ["Nein", None, None, None]
    assert german["attributes"][0]["labels"] == ["Frau", None, None]
    assert german["sections"][0]["title"] == "Sie"
    assert language_of(entry, "fr") is None


def test_scales_are_shown_with_ranges_and_bands_and_without_keys() -> None:
    shown = public_scales(parse_instrument(read_yaml(EVERY_FEATURE.read_bytes())), "de")
    by_id = {scale["id"]: scale for scale in shown["scales"]}
    assert by_id["agreeableness"] == {
        "id": "agreeableness", "title": "…", "report": "T", "standard": ["T", "Percentile"], "norms": ["women_21_40", "everyone"],
        "interval": {"kind": "Observed", "level": 0.95},
        "bands": [{"id": "low", "label": "Tief", "text": "…"}, {"id": "mid", "from": 45}, {"id": "high", "above": 55}], "range": [1, 3],
    }  # fmt: skip
    assert set(by_id["drinking"]["bandsByGroup"]) == {"men", "everyone"}
    assert shown["profiles"] == [{"id": "style", "of": ["F", "W"], "top": 1, "ties": "List"}]
    assert not {"key", "points", "formula"} & set(json.dumps(shown).replace('"', " ").split())


def test_the_interval_of_a_scale_is_shown_unless_a_table_states_its_ends() -> None:
    plain: Any = read_yaml(EVERY_FEATURE.read_bytes())
    table = next(scale for scale in plain["spec"]["scales"] if "lookup" in scale)
    table["interval"] = {"kind": "Observed", "level": 0.9}

    def shown() -> Any:
        scales = public_scales(parse_instrument(plain))["scales"]
        return next(each for each in scales if each["id"] == table["id"]).get("interval")

    assert shown() == table["interval"]
    table["lookup"][0]["low"] = 12
    assert shown() is None


def test_internal_scales_are_for_other_scales_only() -> None:
    plain: Any = read_yaml(EVERY_FEATURE.read_bytes())
    next(scale for scale in plain["spec"]["scales"] if scale["id"] == "mood")["internal"] = True
    entry = entry_of(plain)
    body = Kernel(entry.plan).score(np.zeros((1, entry.plan.row_bytes), np.uint8)).packed()[0]
    assert "mood" not in decode_result(body, entry).scales
    assert "global" in decode_result(body, entry).scales
    assert "mood" not in {scale["id"] for scale in public_scales(parse_instrument(plain))["scales"]}

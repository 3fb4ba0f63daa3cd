"""The engine against the slow scorer in exact fractions, on random documents with every feature, one by one and in any batch."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from tests.unit.domain import exact_scorer
from tests.unit.domain.rich_documents import Drawn, drawn

from stanine.domain.attempts.response import Attempt, Packer, unpack_answers
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry, decode_entry, encode_entry
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import Result, decode_result

#: Of values that more than a sum and one division made: a few roundings of float64.
TOLERANCE = 1e-12


def score(one: Drawn) -> tuple[Any, list[bytes], list[bytes], list[Result]]:
    document = one.document
    entry = decode_entry(
        encode_entry(
            build_entry(parse_instrument(document), number=1, revision=1, form=1, digest="")
        )
    )
    packer, kernel = Packer(entry), Kernel(entry.plan)
    packed = [
        packer.pack(Attempt(answers, attributes=attributes)) for answers, attributes in one.people
    ]
    rows = np.frombuffer(
        b"".join(each[: entry.plan.row_bytes] for each in packed), np.uint8
    ).reshape(len(packed), -1)
    assert kernel.unreadable(rows) == []
    bodies = kernel.score(
        rows, kernel.columns([attributes for _, attributes in one.people])
    ).packed()
    return entry, packed, bodies, [decode_result(body, entry) for body in bodies]


def is_near(given_: Any, expected: Any) -> bool:
    if given_ is None or expected is None:
        return given_ is expected
    return math.isclose(given_, float(expected), rel_tol=TOLERANCE, abs_tol=1e-11)


def is_one_division(scale: Any) -> bool:
    """Tell whether whole numbers are added up and divided once."""
    texts = str({name: scale.get(name) for name in ("points", "weights", "threshold")})
    return (
        not ({"multiply", "constant", "formula", "unanswered", "notShown"} & set(scale))
        and "." not in texts
        and scale["id"][0] == "s"
    )


@settings(max_examples=600, deadline=None)
@given(drawn())
def test_the_engine_agrees_with_exact_fractions(one: Drawn) -> None:
    _, _, _, results = score(one)
    scales = {scale["id"]: scale for scale in one.document["spec"]["scales"]}
    for (answers, attributes), result in zip(one.people, results, strict=True):
        expected = exact_scorer.score(one.document, answers, attributes, one.formulas)
        for name, found in result.scales.items():
            wanted = expected[name]
            assert (found.status, found.items) == (wanted["status"], wanted["items"]), (
                name,
                wanted,
            )
            assert found.valid == wanted["valid"] or wanted["valid"] == -1, (name, wanted)
            assert is_near(found.raw, wanted["raw"]), (name, wanted, found)
            for part in ("z", "t", "sten", "stanine", "percentile", "score"):
                value = getattr(found, part)
                if value is not UNSET and not (
                    part == "percentile" and "lookup" in str(scales[name])
                ):
                    assert is_near(value, wanted.get(part)), (name, part, wanted, found)
            for part, own in (("norm", "norm"), ("bandGroup", "band_group"), ("band", "band")):
                assert (getattr(found, own) or None) == wanted[part], (name, part, wanted, found)
            if found.raw is not None and found.range is not UNSET:
                assert (
                    found.range is None
                    or found.range[0] - 1e-9 <= found.raw <= found.range[1] + 1e-9
                ), (name, found)
        for profile in one.document["spec"].get("profiles", ()):
            given_ = result.profiles[profile["id"]]
            assert (given_.status, given_.code, given_.tied) == exact_scorer.profile(
                profile, expected
            )


@settings(max_examples=200, deadline=None)
@given(drawn(), st.data())
def test_an_attempt_has_the_same_bytes_in_whatever_batch_it_falls(
    one: Drawn, data: st.DataObject
) -> None:
    entry, packed, bodies, _ = score(one)
    order = data.draw(st.permutations(range(len(packed)))) * 3
    rows = np.frombuffer(
        b"".join(packed[place][: entry.plan.row_bytes] for place in order), np.uint8
    ).reshape(len(order), -1)
    kernel = Kernel(entry.plan)
    kernel._chunk = data.draw(st.integers(1, 7))
    together = kernel.score(
        rows, kernel.columns([one.people[place][1] for place in order])
    ).packed()
    assert together == [bodies[place] for place in order]
    alone = kernel.score(rows[:1], kernel.columns([one.people[order[0]][1]])).packed()
    assert alone == together[:1]


@settings(max_examples=200, deadline=None)
@given(drawn())
def test_answers_of_every_type_are_unpacked_as_they_were(one: Drawn) -> None:
    entry, packed, _, _ = score(one)
    multiple = {item["id"] for item in one.document["spec"]["items"] if item["type"] == "Multiple"}
    for (answers, _), data in zip(one.people, packed, strict=True):
        found: dict[str, Any] = {
            name: value for name, value in unpack_answers(entry, data).items() if value is not None
        }
        assert {
            name: sorted(value) if name in multiple else value for name, value in found.items()
        } == {
            name: sorted(value) if name in multiple else value
            for name, value in answers.items()
            if value != ""
        }


def test_a_sum_and_one_division_are_correctly_rounded() -> None:
    """Bit for bit: thirds, sevenths, prorated."""
    items = [
        {"id": f"i{n}", "text": "t", "options": [{"value": x} for x in range(8)]} for n in range(7)
    ]
    scales = [
        {
            "id": f"s{method}",
            "items": [item["id"] for item in items],
            "minValid": 1,
            "score": method,
        }
        for method in ("Mean", "Sum", "Percent")
    ]
    document = {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "x"},
    }
    document["spec"] = {"title": "X", "items": items, "scales": scales}
    people: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({f"i{n}": (n * k + 3) % 8 for n in range(k)}, {}) for k in range(1, 8)
    ]
    _, _, _, results = score(Drawn(document, {}, people))
    for (answers, attributes), result in zip(people, results, strict=True):
        for name, wanted in exact_scorer.score(document, answers, attributes, {}).items():
            raw = result.scales[name].raw
            assert raw is not None
            assert raw == float(Fraction(wanted["raw"])), (name, answers)

"""Scores that published manuals and papers give, by hand: the rule of each instrument, not its wording.

The data sets (bfi, msq) are in tests/integration/cli/test_outside_truth.py, since they are downloaded.
"""

# ruff: noqa: E501 - a table reads best with one case a line

import math
from typing import Any

import pytest

from stanine.domain.attempts.response import Attempt, Packer
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import Result, decode_result


def score(
    spec: dict[str, Any], answers: dict[str, Any], attributes: dict[str, Any] | None = None
) -> Result:
    import numpy as np  # noqa: PLC0415 - beside its only use

    document = {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "x"},
        "spec": {"title": "X", **spec},
    }
    entry = build_entry(parse_instrument(document), number=1, revision=1, form=1, digest="")
    packed = Packer(entry).pack(Attempt(answers, attributes=attributes or {}))
    kernel = Kernel(entry.plan)
    row = np.frombuffer(packed[: entry.plan.row_bytes], np.uint8)[None, :]
    return decode_result(kernel.score(row, kernel.columns([attributes or {}])).packed()[0], entry)


def form(names: list[str], lowest: int, highest: int, **more: Any) -> dict[str, Any]:
    options = [{"value": value} for value in range(lowest, highest + 1)]
    return {"responseSets": [{"name": "set", "options": options}], "defaults": {"responses": "set", "score": "Sum"},
            "items": [{"id": name, "text": "t", **more} for name in names]}  # fmt: skip


def numbered(letter: str, count: int) -> list[str]:
    return [f"{letter}{number}" for number in range(1, count + 1)]


def test_sdq_emotional_problems_prorated_and_rounded_are_abnormal() -> None:
    """Goodman: at least three of five items; 2, 1, 1 over three items is 4 · 5 / 3 = 6.67, so 7, which is abnormal (self-report)."""
    spec = form(numbered("e", 5), 0, 2)
    bands = [{"id": "normal"}, {"id": "borderline", "from": 6}, {"id": "abnormal", "from": 7}]
    spec["scales"] = [
        {
            "id": "emotional",
            "items": numbered("e", 5),
            "minValid": 3,
            "round": "HalfUp",
            "bands": bands,
        }
    ]
    found = score(spec, {"e1": 2, "e2": 1, "e3": 1}).scales["emotional"]
    assert (found.raw, found.valid, found.band) == (7, 3, "abnormal")
    assert score(spec, {"e1": 2, "e2": 1}).scales["emotional"].status == "TooFewAnswers"


def audit() -> dict[str, Any]:
    spec = form(numbered("q", 10), 0, 4)
    for item in spec["items"][1:8]:
        item["when"] = "q1 > 0"
    spec["attributes"] = [{"id": "sex", "values": ["female", "male"]}]
    spec["normGroups"] = [{"id": "women", "where": {"sex": "female"}}, {"id": "everyone"}]
    cuts = {
        group: [{"id": "no"}, {"id": "yes", "from": edge}]
        for group, edge in (("women", 3), ("everyone", 4))
    }
    spec["scales"] = [
        {"id": "audit", "items": numbered("q", 10), "notShown": 0},
        {"id": "audit_c", "items": ["q1", "q2", "q3"], "notShown": 0, "bands": cuts},
    ]
    return spec


def test_audit_of_an_abstainer_counts_what_was_asked() -> None:
    found = score(audit(), {"q1": 0, "q9": 0, "q10": 2}).scales["audit"]
    assert (found.raw, found.valid, found.status) == (2, 10, "Scored")


def test_audit_of_a_drinker_who_left_one_out_has_no_score() -> None:
    answers = {name: 1 for name in numbered("q", 10) if name != "q3"}
    found = score(audit(), answers).scales["audit"]
    assert (found.raw, found.valid, found.status) == (None, 9, "TooFewAnswers")


@pytest.mark.parametrize(
    ("sex", "raw", "band"),
    [
        ("female", 3, "yes"),
        ("male", 3, "no"),
        ("male", 4, "yes"),
        ("female", 2, "no"),
        (None, 3, "no"),
    ],
)
def test_audit_c_cut_offs_are_three_for_women_and_four_for_others(
    sex: str | None, raw: int, band: str
) -> None:
    answers = {"q1": 1, "q2": raw - 1, "q3": 0}
    found = score(audit(), answers, {} if sex is None else {"sex": sex}).scales["audit_c"]
    assert (found.raw, found.band, found.band_group) == (
        raw,
        band,
        "women" if sex == "female" else "everyone",
    )


def test_gds_15_with_three_items_missing() -> None:
    """Five of twelve answered: 5 · 15 / 12 = 6.25, so 6."""
    spec = form(numbered("g", 15), 0, 1)
    spec["scales"] = [{"id": "gds", "items": numbered("g", 15), "minValid": 10, "round": "HalfUp"}]
    assert score(spec, {f"g{n}": int(n <= 5) for n in range(1, 13)}).scales["gds"].raw == 6


#: PROMIS Scale v1.2 Global Health, mental: raw score, T score, standard error.
GLOBAL_MENTAL_HEALTH = [
    (4, 21.2, 4.6), (5, 25.1, 4.1), (6, 28.4, 3.9), (7, 31.3, 3.7), (8, 33.8, 3.7), (9, 36.3, 3.7), (10, 38.8, 3.6), (11, 41.1, 3.6),
    (12, 43.5, 3.6), (13, 45.8, 3.6), (14, 48.3, 3.7), (15, 50.8, 3.7), (16, 53.3, 3.7), (17, 56.0, 3.8), (18, 59.0, 3.9), (19, 62.5, 4.2),
    (20, 67.6, 5.3),
]  # fmt: skip


def test_promis_global_mental_health_is_looked_up() -> None:
    names = ["global02", "global04", "global05", "global10"]
    spec = form(names, 1, 5)
    spec["scales"] = [
        {"id": "gmh", "items": ["global02", "global04", "global05", "-global10"], "interval": {"kind": "Observed", "level": 0.95},
         "lookup": [{"raw": raw, "score": t, "se": se} for raw, t, se in GLOBAL_MENTAL_HEALTH]},
    ]  # fmt: skip
    for raw, t, se in GLOBAL_MENTAL_HEALTH:
        values: list[int] = []
        for left in (3, 2, 1, 0):
            values.append(min(5, raw - sum(values) - left))
        found = score(spec, dict(zip(names, [*values[:3], 6 - values[3]], strict=True))).scales[
            "gmh"
        ]
        assert (found.raw, found.score, found.se) == (raw, t, se)
        assert math.isclose(found.high or 0, t + 1.959963984540054 * se)


PHQ_9 = {
    **form(numbered("p", 9), 0, 3),
    "scales": [
        {"id": "total", "items": numbered("p", 9)},
        {"id": "signs", "formula": "count(p1..p8 >= 2) + (p9 >= 1)"},
        {"id": "major", "formula": "signs >= 5 and (p1 >= 2 or p2 >= 2)"},
        {"id": "other", "formula": "signs >= 2 and signs <= 4 and (p1 >= 2 or p2 >= 2)"},
    ],
}


@pytest.mark.parametrize(
    ("answers", "signs", "major", "other"),
    [
        ([2, 0, 2, 2, 2, 0, 0, 0, 1], 5, 1, 0),
        ([1, 1, 2, 2, 2, 2, 2, 0, 0], 5, 0, 0),
        ([0, 2, 2, 2, 0, 0, 0, 0, 0], 3, 0, 1),
        ([3, 3, 3, 3, 3, 3, 3, 3, 0], 8, 1, 0),
        ([1] * 9, 1, 0, 0),
    ],
)
def test_phq_9_diagnostic_algorithm(answers: list[int], signs: int, major: int, other: int) -> None:
    """Kroenke, Spitzer & Williams 2001: item 9 counts if present at all; one of the signs is item 1 or 2."""
    found = score(PHQ_9, dict(zip(numbered("p", 9), answers, strict=True))).scales
    assert (found["signs"].raw, found["major"].raw, found["other"].raw, found["total"].raw) == (
        signs,
        major,
        other,
        sum(answers),
    )


def test_who_5_is_a_sum_of_five_times_four() -> None:
    spec = form(numbered("w", 5), 0, 5)
    spec["scales"] = [
        {
            "id": "wellbeing",
            "items": numbered("w", 5),
            "multiply": 4,
            "bands": [{"id": "poor"}, {"id": "good", "above": 50}],
        }
    ]
    found = score(spec, dict(zip(numbered("w", 5), [3, 2, 3, 2, 2], strict=True))).scales[
        "wellbeing"
    ]
    assert (found.raw, found.range, found.band) == (48, (0, 100), "poor")


def test_ede_q_global_is_the_mean_of_its_four_subscales() -> None:
    """Subscales of unequal length, so that the mean of means is not that of the items; half of the items of a subscale suffice."""
    names = numbered("i", 22)
    parts = {
        "restraint": names[:5],
        "eating": names[5:10],
        "shape": names[10:18],
        "weight": [*names[18:22], names[10]],
    }
    spec = form(names, 0, 6)
    spec["scales"] = [
        {"id": name, "items": its, "score": "Mean", "minValid": (len(its) + 1) // 2}
        for name, its in parts.items()
    ]
    spec["scales"].append({"id": "overall", "items": list(parts), "score": "Mean", "minValid": 3})
    answers = {name: place % 7 for place, name in enumerate(names)}
    means = [sum(answers[one] for one in its) / len(its) for its in parts.values()]
    assert math.isclose(
        score(spec, answers).scales["overall"].raw or 0, sum(means) / 4, rel_tol=1e-15
    )
    without = {name: value for name, value in answers.items() if name not in names[:3]}
    found = score(spec, without).scales
    assert (found["restraint"].status, found["overall"].valid) == ("TooFewAnswers", 3)
    assert math.isclose(found["overall"].raw or 0, sum(means[1:]) / 3, rel_tol=1e-15)


def test_dass_21_is_doubled_to_the_long_form() -> None:
    names = numbered("d", 21)
    depression = [names[place - 1] for place in (3, 5, 10, 13, 16, 17, 21)]
    edges = [
        {"id": "normal"},
        {"id": "mild", "from": 10},
        {"id": "moderate", "from": 14},
        {"id": "severe", "from": 21},
        {"id": "extreme", "from": 28},
    ]
    spec = form(names, 0, 3)
    spec["scales"] = [{"id": "depression", "items": depression, "multiply": 2, "bands": edges}]
    found = score(spec, {**dict.fromkeys(names, 0), **dict.fromkeys(depression, 1)}).scales[
        "depression"
    ]
    assert (found.raw, found.band, found.range) == (14, "moderate", (0, 42))


def test_a_kolb_form_with_a_tie_lists_both_or_takes_the_first() -> None:
    options = [{"value": value} for value in "abcd"]
    spec: dict[str, Any] = {
        "items": [
            {"id": f"r{n}", "type": "Ranking", "text": "t", "options": options} for n in range(2)
        ]
    }
    spec["scales"] = [
        {"id": letter.upper(), "items": [f"r{n}.{letter}" for n in range(2)], "score": "Sum"}
        for letter in "abcd"
    ]
    spec["profiles"] = [
        {"id": ties, "of": list("BACD"), "top": 1, "ties": ties} for ties in ("List", "First")
    ]
    found = score(spec, {"r0": ["a", "b", "c", "d"], "r1": ["b", "a", "c", "d"]})
    assert {name: one.raw for name, one in found.scales.items()} == {"A": 7, "B": 7, "C": 4, "D": 2}
    assert {name: (one.code, one.tied) for name, one in found.profiles.items()} == {
        "List": (("B", "A"), True),
        "First": (("B",), True),
    }
    clear = score(spec, {"r0": ["a", "b", "c", "d"], "r1": ["a", "b", "d", "c"]}).profiles
    assert {name: (one.code, one.tied) for name, one in clear.items()} == {
        "List": (("A",), False),
        "First": (("A",), False),
    }
    assert score(spec, {"r0": ["a", "b", "c", "d"]}).profiles["List"].status == "TooFewAnswers"


@pytest.mark.parametrize(
    ("z", "sten", "stanine"),
    [
        (-2.5, 1, 1), (-2.0, 2, 1), (-1.75, 2, 2), (-1.5, 3, 2), (-0.25, 5, 5), (-0.250000001, 5, 4), (0, 6, 5), (-1e-11, 6, 5),
        (-1e-8, 5, 5), (0.25, 6, 6), (0.249999999, 6, 5), (0.2499999999, 6, 6), (0.5, 7, 6), (1.5, 9, 8), (1.75, 9, 9), (2.0, 10, 9), (4, 10, 9),
    ],
)  # fmt: skip
def test_stens_and_stanines_at_their_edges(z: float, sten: int, stanine: int) -> None:
    options = [{"value": 0}, {"value": 1}]
    spec: dict[str, Any] = {
        "items": [{"id": "a", "text": "t", "options": options}],
        "normGroups": [{"id": "all"}],
    }
    spec["scales"] = [
        {"id": "s", "items": ["a"], "score": "Sum", "constant": z, "norms": {"all": {"mean": 0, "sd": 1}},
         "standard": ["Z", "T", "Sten", "Stanine", "Percentile"]},
    ]  # fmt: skip
    if 0 < abs(z) < 1e-9:
        spec["scales"][0] |= {
            "constant": z * 1e9,
            "multiply": 1,
            "norms": {"all": {"mean": 0, "sd": 1e9}},
        }
    found = score(spec, {"a": 0}).scales["s"]
    assert (found.sten, found.stanine) == (sten, stanine), found


def test_percentiles_against_an_independent_distribution_function() -> None:
    """Abramowitz & Stegun, table 26.1."""
    table = {
        0.0: 50.0,
        0.5: 69.14624612740131,
        1.0: 84.13447460685429,
        1.96: 97.50021048517796,
        -1.0: 15.865525393145708,
        3.0: 99.8650101968370,
    }
    options = [{"value": 0}, {"value": 1}]
    for z, percentile in table.items():
        spec: dict[str, Any] = {
            "items": [{"id": "a", "text": "t", "options": options}],
            "normGroups": [{"id": "all"}],
        }
        norms = {"all": {"mean": 0, "sd": 1}}
        spec["scales"] = [
            {
                "id": "s",
                "items": ["a"],
                "score": "Sum",
                "constant": z,
                "norms": norms,
                "standard": ["Percentile"],
            }
        ]
        found = score(spec, {"a": 0}).scales["s"]
        assert isinstance(found.percentile, float)
        assert math.isclose(found.percentile, percentile, rel_tol=1e-13)


def test_a_mid_rank_percentile_of_a_sample() -> None:
    """Ten people, five below and two equal: 60."""
    options = [{"value": value} for value in range(6)]
    spec: dict[str, Any] = {
        "items": [{"id": "a", "text": "t", "options": options}],
        "normGroups": [{"id": "all"}],
    }
    frequencies = [{"raw": 1, "count": 5}, {"raw": 3, "count": 2}, {"raw": 4, "count": 3}]
    spec["scales"] = [
        {
            "id": "s",
            "items": ["a"],
            "score": "Sum",
            "norms": {"all": {"frequencies": frequencies}},
            "standard": ["Percentile"],
        }
    ]
    assert [score(spec, {"a": raw}).scales["s"].percentile for raw in range(6)] == [
        0,
        25,
        50,
        60,
        85,
        100,
    ]


def test_a_true_score_interval() -> None:
    """Dudek 1979: around mean + r · (x - mean), with sd · √(r · (1 - r))."""
    options = [{"value": value} for value in range(50, 151)]
    spec: dict[str, Any] = {
        "items": [{"id": "a", "text": "t", "options": options}],
        "normGroups": [{"id": "all"}],
    }
    spec["scales"] = [
        {"id": "iq", "items": ["a"], "score": "Sum", "norms": {"all": {"mean": 100, "sd": 15}}, "reliability": 0.91,
         "interval": {"kind": "TrueScore", "level": 0.95}},
    ]  # fmt: skip
    found = score(spec, {"a": 120}).scales["iq"]
    middle, reach = 100 + 0.91 * 20, 1.959963984540054 * 15 * math.sqrt(0.91 * 0.09)
    assert math.isclose(found.se or 0, 4.5)
    assert math.isclose(found.low or 0, middle - reach)
    assert math.isclose(found.high or 0, middle + reach)

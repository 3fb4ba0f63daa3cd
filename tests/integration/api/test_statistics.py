"""Statistics over HTTP: the figures of NumPy and of `reliability`, small groups hidden, other requests served during it."""

import asyncio
import json
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tests.integration.api.serving import Serving, document, only, problem

from stanine.api.statistics import MAX_AT_ONCE
from stanine.domain.statistics.reliability import ItemData, analyse

ADDRESS = "/v1/instruments/a-mood/statistics"
SEXES = ["f", "m", None]


def with_sex(name: str = "a-mood") -> dict[str, Any]:
    made = document(name)
    made["spec"]["attributes"] = [
        {"id": "sex", "values": ["f", "m"]},
        {"id": "age", "type": "Integer"},
    ]
    made["spec"]["scales"][0] |= {
        "items": ["-i1", "i2", "i3"],
        "minValid": 3,
        "bands": [{"id": "low"}, {"id": "high", "from": 3}],
    }
    return made


def fill(api: Serving, sexes: Sequence[str | None]) -> Any:
    """Submit and score attempts; return the answers (NaN: missing), one row each."""
    generator = np.random.default_rng(7)
    table = generator.integers(1, 6, (len(sexes), 3)).astype(float)
    table[::7, 1] = np.nan
    lines = []
    for n, (row, sex) in enumerate(zip(table, sexes, strict=True)):
        answers = {f"i{i + 1}": int(x) for i, x in enumerate(row) if not np.isnan(x)}
        attributes = {"sex": sex} if sex else {}
        lines.append(json.dumps({"key": f"k{n}", "answers": answers, "attributes": attributes}))
    sent = api.http().post(
        "/v1/instruments/a-mood/attempts:bulk",
        content="\n".join(lines),
        headers={"content-type": "application/x-ndjson"},
    )
    api.score(*[json.loads(line) for line in sent.text.splitlines()])
    return table


def read(api: Serving, by: str = "") -> dict[str, Any]:
    answer = api.http().get(ADDRESS, params={"by": by} if by else None)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_figures_are_those_of_numpy_and_of_reliability(api: Serving) -> None:
    api.publish(with_sex())
    table = fill(api, ["f"] * 100)
    points = table.copy()
    points[:, 0] = 6 - points[:, 0]
    scores = points.mean(axis=1)
    known = scores[~np.isnan(scores)]
    (group,) = read(api)["groups"]
    figures = group["scales"]["mood"]
    assert group["attempts"] == 100
    assert (figures["n"], figures["missing"]) == (len(known), 100 - len(known))
    assert figures["mean"] == pytest.approx(known.mean(), abs=1e-9)
    assert figures["sd"] == pytest.approx(known.std(ddof=1), abs=1e-9)
    assert figures["quartiles"] == pytest.approx(np.quantile(known, [0.25, 0.5, 0.75]), abs=1e-9)
    assert figures["bands"]["high"] == (known >= 3 - 1e-9).sum()
    assert sum(bar["count"] for bar in figures["histogram"]) == len(known)
    expected = analyse(ItemData.of(points, scores), ("i1", "i2", "i3"))
    assert figures["nComplete"] == expected.n_listwise
    assert figures["alpha"] == pytest.approx(expected.alpha_listwise)
    assert figures["sem"] == pytest.approx(expected.sem)


def test_small_groups_are_hidden_with_another_one(api: Serving) -> None:
    api.publish(with_sex())
    fill(api, ["f"] * 30 + ["m"] * 20 + [None] * 4)
    body = read(api, "sex")
    assert [(each["value"], each["attempts"]) for each in body["groups"]] == [("f", 30)]
    assert body["hiddenGroups"] == 2, "with the 20 visible, the 4 would be the difference from all"
    monthly = read(api, "time:month")
    assert [each["attempts"] for each in monthly["groups"]] == [54]
    both = read(api, "sex,time:month")
    assert both["groups"] == []


def test_large_groups_are_visible_by_attribute_and_month_together(api: Serving) -> None:
    api.publish(with_sex())
    fill(api, ["f"] * 30 + ["m"] * 20)
    both = read(api, "sex,time:month")
    assert (both["attribute"], both["byMonth"], both["hiddenGroups"]) == ("sex", True, 0)
    (month,) = {each["month"] for each in both["groups"]}
    assert [(each["value"], each["attempts"]) for each in both["groups"]] == [("f", 30), ("m", 20)]
    assert month == read(api, "time:month")["groups"][0]["month"]
    alone = read(api, "sex")["groups"]
    assert [each["scales"] for each in both["groups"]] == [each["scales"] for each in alone]


def test_nothing_is_said_of_fewer_than_ten_people(api: Serving) -> None:
    api.publish(with_sex())
    fill(api, ["f"] * 9)
    assert read(api)["groups"] == []
    assert read(api)["hiddenGroups"] == 1


@pytest.mark.parametrize("by", ["age", "weight", "sex,age"])
def test_only_attributes_with_values_make_groups(api: Serving, by: str) -> None:
    api.publish(with_sex())
    refused = api.http().get(ADDRESS, params={"by": by})
    assert refused.status_code == 422
    problem(refused, "invalid-request")
    problem(api.http(only("attempts:read")).get(ADDRESS), "missing-scope")


def test_other_requests_are_served_and_a_third_computation_is_refused(
    api: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.publish(with_sex())
    fill(api, ["f"] * 600)
    held = threading.Event()
    real = type(api.api._reader).attempts

    async def slow(*args: Any) -> Any:
        await asyncio.to_thread(held.wait, 20)
        return await real(*args)

    monkeypatch.setattr(type(api.api._reader), "attempts", slow)
    codes: list[int] = []
    reader = api.http(only("results:read"))
    running = [
        threading.Thread(target=lambda: codes.append(reader.get(ADDRESS).status_code))
        for _ in range(MAX_AT_ONCE)
    ]
    for each in running:
        each.start()
    time.sleep(0.3)
    refused = api.http().get(ADDRESS)
    assert refused.status_code == 503
    problem(refused, "full")
    assert api.http(None).get("/healthz").status_code == 200
    held.set()
    for each in running:
        each.join(20)
    assert codes == [200] * MAX_AT_ONCE

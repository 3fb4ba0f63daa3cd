"""Parse the dashboard with Grafana's models of dashboards, panels, options and queries.

Nothing is unknown.
"""

import importlib
import importlib.util
import json
from typing import Any

import pytest
from tests.chart.rendering import ROOT
from tests.conftest import need

SDK = "grafana_foundation_sdk"
DASHBOARD = json.loads((ROOT / "charts/stanine/files/dashboards/stanine.json").read_text())


@pytest.fixture(autouse=True)
def _sdk() -> None:
    need("grafana-foundation-sdk", found=importlib.util.find_spec(SDK) is not None)


def read_by_grafana(dashboard: Any) -> Any:
    """Return the dashboard as Grafana's models write it after parsing.

    Unknown fields are dropped.
    """
    module = importlib.import_module
    module(f"{SDK}.cog.plugins").register_default_plugins()
    read = module(f"{SDK}.models.dashboard").Dashboard.from_json(dashboard)
    return json.loads(module(f"{SDK}.cog.encoder").JSONEncoder().encode(read))


def lost(given: Any, read: Any, place: str = "") -> list[str]:
    """Return the places of fields dropped or changed by the round trip.

    Added defaults are ignored.
    """
    if isinstance(given, dict):
        known = read if isinstance(read, dict) else {}
        return [
            fault
            for name, value in given.items()
            for fault in (
                lost(value, known[name], f"{place}/{name}")
                if name in known
                else [f"{place}/{name}"]
            )
        ]
    if isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        return [
            fault
            for number, pair in enumerate(zip(given, read, strict=True))
            for fault in lost(*pair, f"{place}/{number}")
        ]
    return [] if given == read else [place]


def test_grafanas_models_accept_the_whole_dashboard() -> None:
    assert lost(DASHBOARD, read_by_grafana(DASHBOARD)) == []


def test_a_misspelt_option_is_detected() -> None:
    faulty = json.loads(json.dumps(DASHBOARD))
    (panel, *_) = [panel for panel in faulty["panels"] if panel["type"] == "timeseries"]
    panel["options"]["tooltip"]["modes"] = "multi"
    panel["fieldConfig"]["defaults"]["custom"]["fillOpaqueness"] = 10
    panel["targets"][0]["exprs"] = "1"
    place = f"/panels/{faulty['panels'].index(panel)}"
    assert lost(faulty, read_by_grafana(faulty)) == [
        f"{place}/targets/0/exprs", f"{place}/fieldConfig/defaults/custom/fillOpaqueness", f"{place}/options/tooltip/modes",
    ]  # fmt: skip

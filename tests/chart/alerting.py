"""The alerts of a release, and Prometheus' own judgement of them by promtool. Used by the tests of alerts."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.chart.rendering import Object, of_kind, render


def rules(**values: Any) -> list[Object]:
    """Return the rules of a release's alerts, with some values of monitoring.rules."""
    objects = render({"monitoring": {"rules": {"enabled": True, **values}}})
    (rule,) = of_kind(objects, "PrometheusRule").values()
    (group,) = rule["spec"]["groups"]
    found: list[Object] = group["rules"]
    return found


def promtool_found() -> bool:
    return shutil.which("promtool") is not None


class Evaluation(NamedTuple):
    """Series, and whether an alert is to fire in some minutes."""

    alert: str
    #: Values minute by minute, as promtool takes them.
    series: Mapping[str, str]
    #: For a minute, the alerts that fire then, with their labels and annotations.
    expected: Mapping[int, Sequence[Object]]


def evaluate(folder: Path, evaluations: Iterable[Evaluation]) -> str:
    """Have Prometheus evaluate the rules once a minute, each time on series of its own; return how what it finds differs, if it does."""
    rule_file, test_file = folder / "rules.json", folder / "test.json"
    rule_file.write_text(json.dumps({"groups": [{"name": "stanine", "rules": rules()}]}))
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": name, "values": values} for name, values in each.series.items()
            ],
            "alert_rule_test": [
                {"eval_time": f"{minute}m", "alertname": each.alert, "exp_alerts": list(alerts)}
                for minute, alerts in each.expected.items()
            ],
        }
        for each in evaluations
    ]
    test_file.write_text(
        json.dumps({"rule_files": [rule_file.name], "evaluation_interval": "1m", "tests": tests})
    )
    done = subprocess.run(
        ["promtool", "test", "rules", str(test_file)], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr

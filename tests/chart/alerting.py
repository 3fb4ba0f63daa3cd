"""Evaluate the alerts of a release with promtool. Used by the tests of alerts."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.chart.rendering import Object, of_kind, render


def rules(**values: Any) -> list[Object]:
    """Return the alert rules of a release with the given values of monitoring.rules."""
    objects = render(
        {
            "monitoring": {"rules": {"enabled": True, **values}},
            "backup": {"enabled": True},
            "pages": {"enabled": True},
        }
    )
    (rule,) = of_kind(objects, "PrometheusRule").values()
    (group,) = rule["spec"]["groups"]
    found: list[Object] = group["rules"]
    return found


def promtool_found() -> bool:
    return shutil.which("promtool") is not None


class Evaluation(NamedTuple):
    """Series and the alerts expected after some minutes."""

    alert: str
    #: Values per minute in promtool's notation.
    series: Mapping[str, str]
    #: Expected alerts per minute, with labels and annotations.
    expected: Mapping[int, Sequence[Object]]


def evaluate(folder: Path, evaluations: Iterable[Evaluation]) -> str:
    """Evaluate rules once a minute on each set of series; return promtool's differences, if any."""
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

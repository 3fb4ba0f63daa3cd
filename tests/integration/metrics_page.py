"""Read the metrics of docs/reference/telemetry.md, and those that a process exposes, in the same form, to compare them."""

import re
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "telemetry.md"
#: A row of a table of metrics: name, type, labels, process, meaning.
_ROW = re.compile(r"^\| `((?:stanine|process)_\w+)` \| (\w+) \|([^|]*)\|([^|]*)\|", re.MULTILINE)
#: Labels of a kind of sample, not of the metric.
_SAMPLE_LABELS = {"le"}


class Described(NamedTuple):
    """A metric's type and the names of its labels."""

    type: str
    labels: frozenset[str]


def ours(metrics: dict[str, Described]) -> dict[str, Described]:
    """Return the metrics that are not the Prometheus client's own."""
    return {name: metric for name, metric in metrics.items() if name.startswith("stanine_")}


def described(process: str | None = None) -> dict[str, Described]:
    """Return the metrics of the page, all or those of a process."""
    return {
        name: Described(kind, frozenset(re.findall(r"\w+", labels)))
        for name, kind, labels, processes in _ROW.findall(PAGE.read_text())
        if process is None or process in re.split(r",\s*", processes.strip())
    }


def exposed(text: str) -> dict[str, Described]:
    """Return the metrics of an exposition, a counter by the name of its samples (`…_total`)."""
    found = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - _SAMPLE_LABELS
        found[name] = Described(family.type, frozenset(labels))
    return found

"""Alerts and dashboard: valid PromQL over exposed metrics and labels; every alert is documented.

docs/reference/telemetry.md lists the metrics; tests/integration/telemetry and tests/integration/operator compare that list with the
processes.
"""

import json
import re
from typing import Any

import promql_parser as promql
import pytest
from tests.chart.alerting import rules
from tests.chart.rendering import NAMESPACE, ROOT, of_kind, render
from tests.integration.metrics_page import PAGE, Described, described

from stanine.api.web.problems import KINDS

METRICS = described()
#: Labels added by a scrape through ServiceMonitor or PodMonitor, which also renames the operator's `namespace`.
TARGET_LABELS = {"namespace", "pod", "container", "endpoint", "job", "service", "instance"}
#: A counter stored in Redis: it appears with the first death, where Prometheus sees no increase, and survives restarts.
KEPT = "stanine_queue_deaths_total"
#: Suffixes of a histogram's samples.
_PARTS = ("_bucket", "_count", "_sum")
DASHBOARD = json.loads(
    (ROOT / "charts" / "stanine" / "files" / "dashboards" / "stanine.json").read_text()
)
#: Grafana's variables in expressions.
GRAFANA_WORDS = {"$namespace": "stanine", "$__rate_interval": "2m"}


def dashboard_expressions() -> dict[str, str]:
    """Return the expressions by panel title and target."""
    found = {}
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"]
            for word, value in GRAFANA_WORDS.items():
                text = text.replace(word, value)
            found[f"{panel['title']} {target['refId']}"] = text
    return found


def metric_of(sample: str) -> Described | None:
    """Return the metric of a sample; a histogram has only samples with a suffix."""
    metric = METRICS.get(sample)
    if metric is not None:
        return None if metric.type == "histogram" else metric
    for part in _PARTS:
        metric = METRICS.get(sample.removesuffix(part)) if sample.endswith(part) else None
        if metric is not None and metric.type == "histogram":
            return Described("counter", metric.labels | ({"le"} if part == "_bucket" else set()))
    return None


class Named:
    """Names in an expression.

    Selectors, rated metrics, labels of grouping and joins, created labels.
    """

    def __init__(self, parsed: promql.Expr) -> None:
        self.selectors: list[promql.VectorSelector] = []
        self.rated: set[str] = set()
        self.labels: set[str] = set()
        self.made: set[str] = set()
        promql.walk(parsed, self._visit)

    def _visit(self, expr: Any) -> bool:
        if isinstance(expr, promql.VectorSelector):
            self.selectors.append(expr)
        elif isinstance(expr, promql.MatrixSelector):
            self.selectors.append(expr.vector_selector)
            self.rated.add(str(expr.vector_selector.name))
        elif isinstance(expr, promql.AggregateExpr) and expr.modifier is not None:
            self.labels.update(expr.modifier.labels)
        elif (
            isinstance(expr, promql.BinaryExpr)
            and expr.modifier is not None
            and expr.modifier.matching is not None
        ):
            self.labels.update(expr.modifier.matching.labels)
        elif isinstance(expr, promql.Call) and expr.func.name == "label_replace":
            name: Any = expr.args[1]
            self.made.add(name.val)
        return True


def faults(text: str) -> list[str]:
    """Return the errors of an expression.

    Invalid PromQL, unknown metrics or labels, counters without rate.
    """
    try:
        named = Named(promql.parse(text))
    except ValueError as error:
        return [f"no PromQL: {error}"]
    found: list[str] = []
    known = TARGET_LABELS | named.made
    for selector in named.selectors:
        name = str(selector.name)
        metric = metric_of(name)
        if metric is None:
            found.append(f"no process exposes {name}")
            continue
        known |= labels_of(metric)
        matchers = {matcher.name for matcher in selector.matchers.matchers}
        found += [f"{name} has no label {label}" for label in sorted(matchers - labels_of(metric))]
        if "namespace" not in matchers:
            found.append(f"{name} is not limited to a namespace")
        if metric.type == "counter" and name not in named.rated | {KEPT} and "absent(" not in text:
            found.append(f"{name} is a counter: take its rate or increase")
        if metric.type == "gauge" and name in named.rated:
            found.append(f"{name} is a gauge: it has no rate")
    return found + [
        f"no metric of it has the label {label}" for label in sorted(named.labels - known)
    ]


def labels_of(metric: Described) -> set[str]:
    """Return the labels of a metric after the scrape, with `namespace` being that of the pod."""
    return (
        set(metric.labels)
        | {f"exported_{label}" for label in metric.labels & TARGET_LABELS}
        | TARGET_LABELS
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('sum(rate(stanine_http_requests_total{namespace="a"}[5m])', "no PromQL"),
        ('stanine_no_such_thing{namespace="a"} > 1', "no process exposes stanine_no_such_thing"),
        (
            'stanine_scoring_duration_seconds{namespace="a"} > 1',
            "no process exposes stanine_scoring_duration_seconds",
        ),
        (
            'stanine_queue_state{namespace="a", mood="Paused"}',
            "stanine_queue_state has no label mood",
        ),
        (
            'sum by (mood) (stanine_queue_state{namespace="a"})',
            "no metric of it has the label mood",
        ),
        ("stanine_ready == 0", "stanine_ready is not limited to a namespace"),
        ('stanine_sweeps_total{namespace="a"} > 5', "stanine_sweeps_total is a counter"),
        ('rate(stanine_ready{namespace="a"}[5m])', "stanine_ready is a gauge"),
    ],
)
def test_an_invalid_expression_is_detected(text: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in faults(text)), faults(text)


def test_every_alert_uses_exposed_metrics() -> None:
    assert {rule["alert"]: faults(rule["expr"]) for rule in rules() if faults(rule["expr"])} == {}


def test_every_panel_uses_exposed_metrics() -> None:
    expressions = dashboard_expressions()
    assert len(expressions) > 30
    assert {title: faults(text) for title, text in expressions.items() if faults(text)} == {}


def test_problem_types_in_expressions_are_of_the_closed_list() -> None:
    named = {
        each
        for rule in rules()
        for types in re.findall(r'type=~?"([^"]+)"', rule["expr"])
        for each in types.split("|")
    }
    assert named
    assert named <= {kind.code for kind in KINDS}


def test_every_alert_has_severity_texts_and_runbook() -> None:
    sections = set(re.findall(r"^### (Stanine\w+)$", PAGE.read_text(), re.MULTILINE))
    alerts = rules()
    assert {rule["alert"] for rule in alerts} == sections
    for rule in alerts:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert (
            rule["annotations"]["runbook"] == f"docs/reference/telemetry.md#{rule['alert'].lower()}"
        )
        assert f'namespace="{NAMESPACE}"' in rule["expr"]
        # Prometheus rejects a rule with an invalid template; a missing label would render as empty text
        for text in rule["annotations"].values():
            assert text.count("{{") == text.count("}}")
    begins = [
        re.search(rf"^### {rule['alert']}\n\n(Critical|Warning)\. ", PAGE.read_text(), re.MULTILINE)
        for rule in alerts
    ]
    assert [begin and begin[1].lower() for begin in begins] == [
        rule["labels"]["severity"] for rule in alerts
    ]


def test_labels_that_an_alert_quotes_are_those_of_its_result() -> None:
    for rule in rules():
        quoted = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        expr = promql.parse(rule["expr"])
        if isinstance(expr, promql.AggregateExpr) and expr.modifier is not None:
            assert quoted <= set(expr.modifier.labels), rule["alert"]
        by = re.match(r"(?:100 \* )?(?:max|sum|min) by \(([^)]*)\)", rule["expr"])
        if by:
            assert quoted <= set(re.split(r",\s*", by[1])), rule["alert"]


def test_thresholds_are_values_alerts_can_be_left_out_and_labelled() -> None:
    given = rules(
        backlogSeconds=7, pausedFor="3h", memoryPercent=11, errorPercent=13, sweepSeconds=17, pagesSeconds=0.5,
        disabled=["StanineDeadLetters"], alertLabels={"team": "people"}, runbookUrl="https://example.org/telemetry",
    )  # fmt: skip
    by_name = {rule["alert"]: rule for rule in given}
    assert "StanineDeadLetters" not in by_name
    assert "> 7\n" in by_name["StanineQueueBacklog"]["expr"]
    assert by_name["StanineQueuePaused"]["for"] == "3h"
    assert by_name["StanineRedisMemoryHigh"]["expr"].endswith("> 11")
    assert by_name["StanineRequestsFail"]["expr"].endswith("> 13")
    assert by_name["StanineSweepMissing"]["expr"].endswith("> 17")
    assert by_name["StaninePagesSlow"]["expr"].endswith("> 0.5")
    assert all(rule["labels"]["team"] == "people" for rule in given)
    assert (
        by_name["StanineSweepMissing"]["annotations"]["runbook_url"]
        == "https://example.org/telemetry#staninesweepmissing"
    )


def test_without_the_operator_its_alerts_are_omitted() -> None:
    objects = render({"operator": {"enabled": False}, "monitoring": {"rules": {"enabled": True}}})
    (rule,) = of_kind(objects, "PrometheusRule").values()
    with_it = {
        rule["alert"]
        for rule in rules()
        if "absent(stanine_operator" in rule["expr"] or "Operator" in rule["alert"]
    }
    left = {each["alert"]: each["expr"] for each in rule["spec"]["groups"][0]["rules"]}
    assert with_it
    assert not with_it & left.keys()
    # the operator's metrics may appear only with alternatives: they are absent without the operator
    assert [name for name, expr in left.items() if "stanine_operator" in expr] == [
        "StanineQueueBacklog"
    ]


def test_without_the_pages_their_alerts_are_omitted() -> None:
    objects = render({"monitoring": {"rules": {"enabled": True}}})
    (rule,) = of_kind(objects, "PrometheusRule").values()
    assert "stanine_pages" in str(rules())
    assert "stanine_pages" not in str(rule)


def test_the_dashboard_is_a_config_map_that_the_sidecar_finds(helm: str) -> None:
    objects = render(
        {
            "monitoring": {
                "dashboard": {"enabled": True, "annotations": {"grafana_folder": "People"}}
            }
        },
        helm=helm,
    )
    (made,) = [
        each for each in of_kind(objects, "ConfigMap").values() if "stanine.json" in each["data"]
    ]
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["metadata"]["annotations"] == {"grafana_folder": "People"}
    assert json.loads(made["data"]["stanine.json"]) == DASHBOARD


def test_panels_have_unique_ids_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells

"""Each alert evaluated by Prometheus: when it fires, its texts, and when it must not fire."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.chart.alerting import Evaluation, evaluate, promtool_found, rules
from tests.chart.rendering import NAMESPACE, Object
from tests.conftest import need

#: Another namespace, whose problems must not fire alerts here.
ELSEWHERE = "elsewhere"


class Case(NamedTuple):
    """An alert with firing and non-firing series, the minute in which it fires, and its texts."""

    alert: str
    #: Values from minute 0 by metric and labels, without `namespace`.
    bad: dict[str, str]
    healthy: dict[str, str]
    #: First minute in which it fires.
    fires: int
    #: Labels of each firing alert, without `severity` and `namespace`.
    labels: tuple[dict[str, str], ...]
    summary: str
    description: str


API, API_2, INDEX, RESULT, PAGES, OPERATOR = (
    'pod="api-1"',
    'pod="api-2"',
    'pod="index-1"',
    'pod="result-1"',
    'pod="pages-1"',
    'pod="operator-1"',
)
#: Metrics that each process always exposes.
PRESENT = {
    f"stanine_refuses_new_work{{{API}}}": "0x60",
    f"stanine_index_stale_entries{{{INDEX}}}": "0x60",
    f"stanine_scoring_duration_seconds_count{{{RESULT}}}": "0x60",
    f'stanine_operator_resources{{{OPERATOR},kind="Queue",ready="False"}}': "0x60",
    f'stanine_pages_api_calls_total{{{PAGES},outcome="answered"}}': "0x60",
}


def without(start: str) -> dict[str, str]:
    return {name: values for name, values in PRESENT.items() if not name.startswith(start)}


def missing(start: str, process: str) -> Case:
    return Case(
        "StanineProcessMissing", without(start), PRESENT, 5, ({"process": process},), f"Stanine has no running {process}",
        f"Prometheus has scraped no {process} in {NAMESPACE} for five minutes.",
    )  # fmt: skip


CASES = (
    missing("stanine_refuses", "api"),
    missing("stanine_index_stale", "index-watcher"),
    missing("stanine_scoring", "result-watcher"),
    Case(
        "StanineProcessNotReady", {f"stanine_ready{{{API}}}": "0x20"},
        # a restart
        {f"stanine_ready{{{API}}}": "1 0x4 1x20"},
        5, ({"pod": "api-1"},), "A Stanine process is not ready",
        "api-1 has not been ready for five minutes; its /readyz returns the reason.",
    ),
    Case(
        "StanineRedisUnreadable", {f"stanine_queues_readable{{{INDEX}}}": "0x20", f"stanine_queues_readable{{{RESULT}}}": "0x20"},
        {f"stanine_queues_readable{{{INDEX}}}": "0x20", f"stanine_queues_readable{{{RESULT}}}": "1x20"},
        2, ({},), "No watcher can read its queue",
        f"No watcher in {NAMESPACE} has reached Redis for two minutes. Indexing and scoring have stopped; the API returns 503.",
    ),
    Case(
        "StanineQueueBacklog", {
            f'stanine_queue_oldest_age_seconds{{{RESULT},queue="results"}}': "301x20",
            f'stanine_queue_oldest_age_seconds{{{INDEX},queue="index"}}': "1x20",
        },
        {
            f'stanine_queue_oldest_age_seconds{{{RESULT},queue="results"}}': "300x20",
            f'stanine_queue_oldest_age_seconds{{{INDEX},queue="index"}}': "3000x20",
            f'stanine_queue_state{{{INDEX},queue="index",state="Paused"}}': "1x20",
        },
        2, ({"queue": "results"},), "The queue results has a backlog",
        "The oldest message of results has waited for 5m 1s.",
    ),
    # Only without a watcher the operator reports its queue; otherwise the operator's value lags by a minute.
    Case(
        "StanineQueueBacklog",
        {f'stanine_operator_queue_oldest_seconds{{{OPERATOR},exported_namespace="{NAMESPACE}",name="results"}}': "301x20"},
        {
            f'stanine_operator_queue_oldest_seconds{{{OPERATOR},exported_namespace="{NAMESPACE}",name="results"}}': "301x20",
            f'stanine_queue_oldest_age_seconds{{{RESULT},queue="results"}}': "1x20",
        },
        2, ({"queue": "results"},), "The queue results has a backlog",
        "The oldest message of results has waited for 5m 1s.",
    ),
    Case(
        "StanineQueuePaused",
        {
            f'stanine_queue_state{{{RESULT},queue="results",state="Paused"}}': "1x40",
            f'stanine_queue_state{{{INDEX},queue="index",state="Draining"}}': "1x29 0x10",
        },
        {
            f'stanine_queue_state{{{RESULT},queue="results",state="Paused"}}': "1x29 0x30",
            f'stanine_queue_state{{{INDEX},queue="index",state="Running"}}': "1x60",
        },
        30, ({"queue": "results", "state": "Paused"},), "The queue results is Paused",
        "results has been Paused for 30m. Resume it if the pause is no longer intended.",
    ),
    Case(
        # two pods report the same three dead letters
        "StanineDeadLetters", {
            f'stanine_queue_entries{{{RESULT},queue="results",state="dead"}}': "3x20",
            'stanine_queue_entries{pod="result-2",queue="results",state="dead"}': "3x20",
        },
        {
            f'stanine_queue_entries{{{RESULT},queue="results",state="dead"}}': "0x2 3x4 0x20",
            f'stanine_queue_entries{{{INDEX},queue="index",state="delayed"}}': "3x20",
        },
        5, ({"queue": "results"},), "The queue results has dead letters",
        "3 messages of results were dead-lettered and need attention.",
    ),
    Case(
        "StanineAttemptsFailed", {f'stanine_attempts_settled_total{{{RESULT},outcome="failed"}}': "0x3 2x20"},
        # a restart resets the counter
        {
            f'stanine_attempts_settled_total{{{RESULT},outcome="failed"}}': "2x5 0x20",
            f'stanine_attempts_settled_total{{{RESULT},outcome="scored"}}': "0+10x20",
        },
        4, ({},), "Attempts have failed",
        "About 2 attempts could not be scored in the last fifteen minutes. Each result contains its reason.",
    ),
    Case(
        "StanineIndexNotBuilt",
        {f"stanine_index_stale_entries{{{INDEX}}}": "2x20"},
        {f"stanine_index_stale_entries{{{INDEX}}}": "0x2 2x4 0x20"},
        5, ({},), "Index entries cannot be built",
        f"2 index entries in {NAMESPACE} are missing or stale, and the sweep could not build them.",
    ),
    Case(
        # the clock begins at 0: the only refresh was after one second
        "StanineIndexStale",
        {f"stanine_index_refreshed_timestamp_seconds{{{API}}}": "1x20", f"stanine_index_refreshed_timestamp_seconds{{{API_2}}}": "1+60x20"},
        # 0: never refreshed, so not ready
        {f"stanine_index_refreshed_timestamp_seconds{{{API}}}": "0x60", f"stanine_index_refreshed_timestamp_seconds{{{API_2}}}": "1+60x60"},
        4, ({"pod": "api-1"},), "An API process serves an old index",
        "api-1 last refreshed the index 3m 59s ago; the normal interval is half a second.",
    ),
    Case(
        "StanineSweepMissing",
        {f"stanine_last_sweep_timestamp_seconds{{{RESULT}}}": "1x30", f"process_start_time_seconds{{{RESULT}}}": "1x30"},
        {
            f"stanine_last_sweep_timestamp_seconds{{{RESULT}}}": "1x9 601x9 1201x9 1801x9",
            f"process_start_time_seconds{{{RESULT}}}": "1x39",
            # just started
            'stanine_last_sweep_timestamp_seconds{pod="result-2"}': "_x29 0x10",
            'process_start_time_seconds{pod="result-2"}': "_x29 1800x10",
        },
        18, ({"pod": "result-1"},), "A watcher has stopped sweeping",
        "result-1 has not swept the records for 17m 59s. Work whose message was lost is not found.",
    ),
    Case(
        # no sweep since the start
        "StanineSweepMissing", {
            f"stanine_last_sweep_timestamp_seconds{{{INDEX}}}": "0x30",
            f"process_start_time_seconds{{{INDEX}}}": "1x30",
            # the API does not sweep
            f"process_start_time_seconds{{{API}}}": "1x30",
        },
        {f"process_start_time_seconds{{{API}}}": "1x30"},
        18, ({"pod": "index-1"},), "A watcher has stopped sweeping",
        "index-1 has not swept the records for 17m 59s. Work whose message was lost is not found.",
    ),
    Case(
        "StanineBackupOld",
        {
            f"stanine_backup_newest_timestamp_seconds{{{API}}}": "1x1700",
            # a process that has just started has not read it yet
            f"stanine_backup_newest_timestamp_seconds{{{API_2}}}": "_x1600 0x100",
            f"process_start_time_seconds{{{API_2}}}": "_x1600 96000x100",
        },
        {f"stanine_backup_newest_timestamp_seconds{{{API}}}": "1x1000 60001x700"},
        1626, ({},), "There is no recent good backup",
        f"The newest good backup of {NAMESPACE} was taken 1d 3h 5m 59s ago, or there has been none for that long.",
    ),
    Case(
        # none was ever taken
        "StanineBackupOld",
        {f"stanine_backup_newest_timestamp_seconds{{{API}}}": "0x1700", f"process_start_time_seconds{{{API}}}": "1x1700"},
        {f"stanine_backup_newest_timestamp_seconds{{{API}}}": "0x1700", f"process_start_time_seconds{{{API}}}": "90000x1700"},
        1626, ({},), "There is no recent good backup",
        f"The newest good backup of {NAMESPACE} was taken 1d 3h 5m 59s ago, or there has been none for that long.",
    ),
    Case(
        # constant probes do not count as requests
        "StanineRequestsFail", {
            f'stanine_http_problems_total{{{API},type="unavailable"}}': "0+1x20",
            f'stanine_http_problems_total{{{API_2},type="internal"}}': "0+2x20",
            f'stanine_http_requests_total{{{API},method="POST",route="/v1/x",status="202"}}': "0+47x20",
            f'stanine_http_requests_total{{{API_2},method="POST",route="/v1/x",status="500"}}': "0+3x20",
            f'stanine_http_requests_total{{{API},method="GET",route="/readyz",status="200"}}': "0+1000x20",
        },
        {
            # "at capacity" and "not found" are not server errors
            f'stanine_http_problems_total{{{API},type="unavailable"}}': "0+1x20",
            f'stanine_http_problems_total{{{API},type="full"}}': "0+20x20",
            f'stanine_http_problems_total{{{API},type="not-found"}}': "0+20x20",
            f'stanine_http_requests_total{{{API},method="POST",route="/v1/x",status="202"}}': "0+50x20",
        },
        6, ({},), "The API returns server errors",
        f"6 % of the requests in {NAMESPACE} failed with 5xx.",
    ),
    Case(
        # a single error
        "StanineInternalErrors",
        {f'stanine_http_problems_total{{{API},type="internal"}}': "0x3 1x30"},
        {
            f'stanine_http_problems_total{{{API},type="internal"}}': "4x5 0x20",
            f'stanine_http_problems_total{{{API},type="full"}}': "0+1x20",
        },
        4, ({},), "The API has internal errors",
        "About 1 requests failed with 500 in the last fifteen minutes. The log contains each by its id.",
    ),
    Case(
        "StanineRefusesNewWork", {f"stanine_refuses_new_work{{{API}}}": "1x20", f"stanine_refuses_new_work{{{API_2}}}": "0x20"},
        {f"stanine_refuses_new_work{{{API}}}": "0x20"},
        1, ({},), "New work is rejected because Redis is nearly full",
        f"Attempts and publishes in {NAMESPACE} fail with 503 until memory is freed. Accepted work is still scored.",
    ),
    Case(
        "StaninePagesMissing", without("stanine_pages"), PRESENT, 5, ({},), "Stanine has no running pages",
        f"Prometheus has scraped no pages in {NAMESPACE} for five minutes. Participants cannot answer.",
    ),
    Case(
        # probes, which succeed, hide no failures
        "StaninePagesFail",
        {
            f'stanine_pages_requests_total{{{PAGES},route="/s/{{code:code}}",status="200"}}': "0+97x20",
            f'stanine_pages_requests_total{{{PAGES},route="/s/{{code:code}}",status="503"}}': "0+2x20",
            f'stanine_pages_requests_total{{{PAGES},route="",status="500"}}': "0+1x20",
            f'stanine_pages_requests_total{{{PAGES},route="/healthz",status="200"}}': "0+900x20",
        },
        {
            f'stanine_pages_requests_total{{{PAGES},route="/s/{{code:code}}",status="200"}}': "0+98x20",
            f'stanine_pages_requests_total{{{PAGES},route="/s/{{code:code}}",status="503"}}': "0+2x20",
            f'stanine_pages_requests_total{{{PAGES},route="",status="404"}}': "0+90x20",
        },
        6, ({},), "The pages return server errors", f"3 % of the pages requested in {NAMESPACE} failed with 5xx.",
    ),
    Case(
        # static files, which are fast, hide no slow pages
        "StaninePagesSlow",
        {
            f'stanine_pages_request_duration_seconds_bucket{{{PAGES},route="/s/{{code:code}}",le="2.0"}}': "0+90x30",
            f'stanine_pages_request_duration_seconds_bucket{{{PAGES},route="/s/{{code:code}}",le="5.0"}}': "0+100x30",
            f'stanine_pages_request_duration_seconds_bucket{{{PAGES},route="/s/{{code:code}}",le="+Inf"}}': "0+100x30",
            f'stanine_pages_request_duration_seconds_bucket{{{PAGES},route="/assets/{{digest}}/{{name}}",le="2.0"}}': "0+900x30",
            f'stanine_pages_request_duration_seconds_bucket{{{PAGES},route="/assets/{{digest}}/{{name}}",le="+Inf"}}': "0+900x30",
        },
        {
            f'stanine_pages_request_duration_seconds_bucket{{{PAGES},route="/s/{{code:code}}",le="2.0"}}': "0+96x30",
            f'stanine_pages_request_duration_seconds_bucket{{{PAGES},route="/s/{{code:code}}",le="5.0"}}': "0+100x30",
            f'stanine_pages_request_duration_seconds_bucket{{{PAGES},route="/s/{{code:code}}",le="+Inf"}}': "0+100x30",
        },
        11, ({},), "The pages are slow", f"5 % of the pages requested in {NAMESPACE} take longer than 3.5s.",
    ),
    Case(
        # the other pod reaches the API
        "StaninePagesApiUnreached",
        {
            f'stanine_pages_api_calls_total{{{PAGES},outcome="unreached"}}': "0+60x20",
            f'stanine_pages_api_calls_total{{{PAGES},outcome="failed"}}': "0+40x20",
            f'stanine_pages_api_calls_total{{{PAGES},outcome="answered"}}': "0x20",
            'stanine_pages_api_calls_total{pod="pages-2",outcome="unreached"}': "0+1x20",
            'stanine_pages_api_calls_total{pod="pages-2",outcome="answered"}': "0+900x20",
        },
        # the restart of the API
        {
            f'stanine_pages_api_calls_total{{{PAGES},outcome="unreached"}}': "0 30x20",
            f'stanine_pages_api_calls_total{{{PAGES},outcome="failed"}}': "0+40x20",
            f'stanine_pages_api_calls_total{{{PAGES},outcome="answered"}}': "0+30x20",
        },
        3, ({"pod": "pages-1"},), "Pages cannot reach the API",
        "60 % of the calls of the API by pages-1 got no response. Participants cannot answer.",
    ),
    Case(
        "StanineRedisMemoryHigh",
        {
            f"stanine_redis_memory_used_bytes{{{API}}}": "76x20", f"stanine_redis_memory_max_bytes{{{API}}}": "100x20",
            f"stanine_redis_memory_used_bytes{{{API_2}}}": "70x20", f"stanine_redis_memory_max_bytes{{{API_2}}}": "100x20",
        },
        # no limit
        {f"stanine_redis_memory_used_bytes{{{API}}}": "76x20", f"stanine_redis_memory_max_bytes{{{API}}}": "0x20"},
        10, ({},), "Redis memory use is high",
        "Redis uses 76 % of its maxmemory. New work is rejected at spec.settings.admissionPercent of the RedisConfig.",
    ),
    Case(
        "StanineRedisPoolExhausted",
        {
            f'stanine_redis_pool_connections{{{API},pool="records",state="in_use"}}': "31x20",
            f'stanine_redis_pool_connections{{{API},pool="records",state="allowed"}}': "32x20",
        },
        {
            f'stanine_redis_pool_connections{{{API},pool="records",state="in_use"}}': "28x20",
            f'stanine_redis_pool_connections{{{API},pool="records",state="allowed"}}': "32x20",
        },
        5, ({"pod": "api-1", "pool": "records"},), "A Redis connection pool is nearly exhausted",
        "api-1 uses more than 90 % of its pool records.",
    ),
    Case(
        "StanineOperatorMissing", without("stanine_operator"), PRESENT, 5, ({},), "Stanine has no running operator",
        f"Resources in {NAMESPACE} are not reconciled. Running processes are not affected.",
    ),
    Case(
        "StanineOperatorErrors", {f'stanine_operator_errors_total{{{OPERATOR},kind="Queue",reason="ConnectionRefused"}}': "0+1x20"},
        {
            f'stanine_operator_errors_total{{{OPERATOR},kind="Queue",reason="ConnectionRefused"}}': "20x5 0+1x9 9x10",
            f'stanine_operator_errors_total{{{OPERATOR},kind="RedisConfig",reason="Timeout"}}': "0+1x9 9x30",
        },
        11, ({"kind": "Queue", "reason": "ConnectionRefused"},), "Reconciliation of Queue resources fails: ConnectionRefused",
        "11 reconciliations of Queue resources failed with ConnectionRefused in the last fifteen minutes.",
    ),
    Case(
        "StanineResourceNotReady",
        {f'stanine_operator_resources{{{OPERATOR},kind="Queue",ready="False"}}': "2x40",
         f'stanine_operator_resources{{{OPERATOR},kind="Queue",ready="True"}}': "1x40"},
        {f'stanine_operator_resources{{{OPERATOR},kind="Queue",ready="Unknown"}}': "2x14 0x30",
         f'stanine_operator_resources{{{OPERATOR},kind="Queue",ready="True"}}': "3x40"},
        15, ({"kind": "Queue"},), "Queue resources are not Ready",
        "2 Queue resources have not been Ready for fifteen minutes; their conditions contain the reason.",
    ),
    Case(
        "StanineInstrumentNotIndexed",
        {f'stanine_operator_instrument_revision{{{OPERATOR},exported_namespace="x",name="gad-7"}}': "1x20",
         f'stanine_operator_instrument_indexed_revision{{{OPERATOR},exported_namespace="x",name="gad-7"}}': "0x20"},
        {f'stanine_operator_instrument_revision{{{OPERATOR},exported_namespace="x",name="gad-7"}}': "2x30",
         f'stanine_operator_instrument_indexed_revision{{{OPERATOR},exported_namespace="x",name="gad-7"}}': "1x9 2x20"},
        10, ({"pod": "operator-1", "exported_namespace": "x", "name": "gad-7"},), "The instrument gad-7 is published but not indexed",
        "Revision 1 of gad-7 has been published for ten minutes and is not served yet.",
    ),
    Case(
        "StanineQueueWithoutConsumers", {f'stanine_operator_queue_consumers{{{OPERATOR},exported_namespace="x",name="results"}}': "0x20"},
        {f'stanine_operator_queue_consumers{{{OPERATOR},exported_namespace="x",name="results"}}': "2x3 0x4 1x20"},
        5, ({"pod": "operator-1", "exported_namespace": "x", "name": "results"},), "The queue results has no consumers",
        "The queue results has had no consumer for five minutes.",
    ),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _promtool() -> None:
    need("promtool", found=promtool_found())


def placed(series: dict[str, str], namespace: str) -> dict[str, str]:
    return {
        name.replace("{", f'{{namespace="{namespace}",', 1): values
        for name, values in series.items()
    }


def fired(case: Case) -> Sequence[Object]:
    """Return the alerts of a case."""
    (rule,) = [rule for rule in rules() if rule["alert"] == case.alert]
    return [
        {
            "exp_labels": {"namespace": NAMESPACE, "severity": rule["labels"]["severity"], **labels},
            "exp_annotations": {
                "summary": case.summary, "description": case.description, "runbook": f"docs/reference/telemetry.md#{case.alert.lower()}",
            },
        }
        for labels in case.labels
    ]  # fmt: skip


def test_each_alert_fires_after_its_delay_with_its_texts(tmp_path: Path) -> None:
    assert not evaluate(
        tmp_path,
        [
            Evaluation(
                case.alert,
                placed(case.bad, NAMESPACE),
                {case.fires - 1: (), case.fires: fired(case)},
            )
            for case in CASES
        ],
    )


def test_no_alert_fires_for_healthy_series_or_another_namespace(
    tmp_path: Path,
) -> None:
    assert not evaluate(
        tmp_path,
        [
            Evaluation(
                case.alert,
                placed(case.healthy, NAMESPACE) | placed(case.bad, ELSEWHERE),
                dict.fromkeys(range(60), ()),
            )
            for case in CASES
        ],
    )


def test_every_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == {rule["alert"] for rule in rules()}


def test_a_single_failure_fires_for_fifteen_minutes(tmp_path: Path) -> None:
    told = [
        case for case in CASES if case.alert in ("StanineInternalErrors", "StanineAttemptsFailed")
    ]
    assert not evaluate(
        tmp_path,
        [
            Evaluation(case.alert, placed(case.bad, NAMESPACE), {18: fired(case), 19: ()})
            for case in told
        ],
    )


def test_a_wrong_expectation_is_detected(tmp_path: Path) -> None:
    case = CASES[0]
    for expected in (
        {case.fires - 1: fired(case)},
        {case.fires: ()},
        {case.fires: fired(case._replace(description="Else."))},
    ):
        assert "FAILED" in evaluate(
            tmp_path, [Evaluation(case.alert, placed(case.bad, NAMESPACE), expected)]
        )

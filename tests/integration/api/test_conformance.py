"""Conformance to the description: schemathesis sends valid and invalid requests."""

import json
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.integration.api.serving import ADMIN, Serving

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance,
    negative_data_rejection,
]  # fmt: skip
#: Requests per operation and mode: about fifteen seconds in total.
EXAMPLES = 20
#: Status that rejects invalid data, too, if their size is found first; schemathesis does not expect it.
TOO_LARGE = "413"
HEADERS = {"Authorization": f"Bearer {ADMIN}"}


@schemathesis.serializer("application/x-ndjson")
def write_lines(_context: Any, value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


@schemathesis.deserializer("application/x-ndjson")
def read_line(_context: Any, response: Any) -> Any:
    lines = response.content.splitlines()
    return json.loads(lines[0]) if lines else {"line": 1, "status": 202}


@pytest.fixture(scope="module")
def receipt(shared: Serving) -> dict[str, Any]:
    receipt = shared.submit(answers={"i1": 1}, participant="p-1")
    shared.score(receipt)
    return receipt


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_every_answer_conforms_to_the_description(
    shared: Serving, receipt: dict[str, Any], mode: schemathesis.GenerationMode
) -> None:
    description: Any = schemathesis.openapi.from_dict(
        by_line(shared.http(None).get("/openapi.json").json())
    )
    description.config.update(base_url=shared.url)
    rejections = description.config.checks.negative_data_rejection
    rejections.expected_statuses = [*rejections.expected_statuses, TOO_LARGE]
    tried = 0
    operations = [result.ok() for result in description.get_all_operations()]
    # Drained queues refuse messages of other operations, so draining runs last and is ended before the next
    # operation.
    for operation in sorted(operations, key=lambda each: each.path.endswith(":drain")):

        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(operation.as_strategy(generation_mode=mode))
        def conforms(case: Any) -> None:
            nonlocal tried
            aim_at_what_exists(case, receipt)
            case.call_and_validate(headers=HEADERS, checks=CHECKS)
            tried += 1

        try:
            conforms()
        except hypothesis.errors.Unsatisfiable:
            continue  # an operation without parameters cannot be invalid
    assert tried >= 10 * EXAMPLES
    for queue in ("index", "results"):
        shared.http().post(f"/v1/queues/{queue}:resume")
    shared.see_states()


def by_line(description: dict[str, Any]) -> dict[str, Any]:
    """Describe NDJSON by the schema of a line, which the two functions above write and read."""
    for operation in (
        operation for path in description["paths"].values() for operation in path.values()
    ):
        for content in (operation.get("requestBody", {}), *operation["responses"].values()):
            for media in content.get("content", {}).values():
                media["schema"] = media.get("x-item-schema", media["schema"])
    return description


def aim_at_what_exists(case: Any, receipt: dict[str, Any]) -> None:
    """Send every second request to an existing object; random names only reach 404."""
    parameters = case.path_parameters or {}
    if len(repr(case.query)) % 2 and "name" in parameters and case.method != "PUT":
        parameters["name"] = "a-mood"
    if len(repr(case.query)) % 2 and "id" in parameters:
        parameters["id"] = receipt["attempt"] if "attempts" in case.path else "p-1"

import json
import re
from urllib.parse import urljoin

import jsonschema
import msgspec
import pytest
from tests.integration.api.serving import Serving

from stanine.api.bodies import FormBody


def test_the_description_names_every_route_its_scope_and_its_problems(shared: Serving) -> None:
    description = shared.http(None).get("/openapi.json").json()
    assert description["openapi"] == "3.1.0"
    described = {
        (method.upper(), path)
        for path, operations in description["paths"].items()
        for method in operations
    }
    assert described == {(route.method, route.path) for route in shared.api.asgi.router.routes}
    submit = description["paths"]["/v1/instruments/{name}/attempts"]["post"]
    assert "attempts:write" in submit["description"]
    assert submit["security"] == [{"key": []}]
    assert {"200", "202", "401", "403", "404", "409", "413", "415", "422", "500", "503"} <= submit[
        "responses"
    ].keys()
    assert description["components"]["schemas"]["AttemptBody"]["additionalProperties"] is False
    operations = [
        operation["operationId"]
        for path in description["paths"].values()
        for operation in path.values()
    ]
    assert len(set(operations)) == len(operations)


def test_the_examples_are_valid_by_their_schemas(shared: Serving) -> None:
    description = shared.http(None).get("/openapi.json").json()
    components = {"components": description["components"]}
    checked = 0
    for path in description["paths"].values():
        for operation in path.values():
            for content in (operation.get("requestBody", {}), *operation["responses"].values()):
                for media in content.get("content", {}).values():
                    if "example" in media:
                        jsonschema.validate(media["example"], media["schema"] | components)
                        checked += 1
    assert checked >= 12
    for sent in (
        path["post"]
        for path in description["paths"].values()
        if "requestBody" in path.get("post", {})
    ):
        (media,) = list(sent["requestBody"]["content"].items())[:1]
        assert "example" in media[1] or media[0] == "application/x-ndjson"


def test_client_generators_can_read_the_description(shared: Serving) -> None:
    description = shared.http(None).get("/openapi.json").json()
    assert description["servers"][0]["url"] == "."
    letters = description["components"]["schemas"]["DeadLetterOrder"]["properties"]["all"]
    assert letters == {"type": "boolean", "const": True}
    assert '"enum":[true]' not in json.dumps(description, separators=(",", ":"))
    schemas = description["components"]["schemas"].values()
    assert not [
        each
        for schema in schemas
        for each in schema.get("properties", {}).values()
        if "default" in each
    ]
    assert (
        description["components"]["schemas"]["Attribute"]["properties"]["required"]["description"]
        == "By default false."
    )
    bulk = description["paths"]["/v1/instruments/{name}/attempts:bulk"]["post"]
    for content, line in (
        (bulk["requestBody"], "AttemptBody"),
        (bulk["responses"]["200"], "LineAnswer"),
    ):
        media = content["content"]["application/x-ndjson"]
        assert media == {
            "schema": {"type": "string", "format": "binary"},
            "x-item-schema": {"$ref": f"#/components/schemas/{line}"},
        }


def test_the_form_is_valid_by_its_schema(mood: Serving) -> None:
    text = mood.http().get("/v1/instruments/a-mood/form").content
    form = msgspec.json.decode(text, type=FormBody)
    assert msgspec.json.decode(msgspec.json.encode(form)) == msgspec.json.decode(text)


def test_the_page_and_its_files_are_served_under_a_strict_policy(shared: Serving) -> None:
    http = shared.http(None)
    page = http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "docs.js"):
        assert f'"docs/{name}"' in page.text
        assert http.get(f"/docs/{name}").status_code == 200
    assert http.get("/docs/../app.py").status_code == 404
    assert http.get("/docs/%2e%2e%2fapp.py").status_code == 404


@pytest.mark.parametrize("address", ["", "docs"])
@pytest.mark.parametrize("prefix", ["/", "/some/where/"])
def test_the_links_of_a_page_work_under_a_path_prefix(
    shared: Serving, address: str, prefix: str
) -> None:
    page = shared.http(None).get(f"/{address}").text
    links = [
        link for link in re.findall(r'(?:href|src)="([^"]*)"', page) if not link.startswith("data:")
    ]
    assert len(links) >= 4
    for link in links:
        path = urljoin(f"http://x{prefix}{address}", link).removeprefix("http://x")
        assert path.startswith(prefix)
        assert shared.http(None).get("/" + path.removeprefix(prefix)).status_code == 200
    assert 'url: "openapi.json"' in shared.http(None).get("/docs/docs.js").text


def test_the_metrics_count_requests(mood: Serving) -> None:
    mood.submit(answers={"i1": 1})
    mood.http().post("/v1/instruments/a-mood/attempts", json={"answers": {"i1": 9}})
    text = mood.http(None).get("/metrics").text
    labels = 'method="POST",route="/v1/instruments/{name}/attempts",status="202"'
    assert f"stanine_http_requests_total{{{labels}}} 1.0" in text
    assert 'stanine_attempts_total{outcome="accepted"} 1.0' in text
    assert 'stanine_attempts_total{outcome="refused"} 1.0' in text
    assert 'stanine_index_lookups_total{result="hit"}' in text
    assert 'stanine_redis_pool_connections{pool="records",state="allowed"} 32.0' in text
    assert "stanine_ready 1.0" in text


def test_the_probes_answer_without_a_key(shared: Serving) -> None:
    for path in ("/healthz", "/readyz"):
        assert json.loads(shared.http(None).get(path).text) == {"ok": True, "reasons": []}

"""The pages in the chart: off by default, without secrets, at one base path, with settings that their program reads."""

import argparse
import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.chart.rendering import (
    CI_FILES,
    ROOT,
    Object,
    component,
    environment,
    of_kind,
    pod_specs,
    render,
)
from tests.pages.instruments import plain

from stanine.api.settings import read_settings as read_api_settings
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry
from stanine.pages.app import make_pages
from stanine.pages.links import Links
from stanine.pages.main import add_settings, read_settings
from stanine.pages.readiness import with_readiness
from stanine.pages.settings import PagesSettings, in_language
from stanine.pages.survey.local_sessions import CODE, LocalSessions

PAGE = ROOT / "docs/howto/publish-survey-pages.md"
EVERYTHING = next(file for file in CI_FILES if file.name.startswith("everything"))


def pod(objects: list[Object]) -> Object:
    return pod_specs(objects)["Deployment/trial-stanine-pages"]


def settings_of(objects: list[Object], folder: Path) -> PagesSettings:
    """Return the settings that the program reads from the container's arguments and the ConfigMap."""
    maps = of_kind(objects, "ConfigMap")
    if "trial-stanine-pages" in maps:
        (folder / "organisation.yaml").write_text(
            maps["trial-stanine-pages"]["data"]["organisation.yaml"]
        )
    parser = argparse.ArgumentParser()
    add_settings(parser)
    arguments = [
        each.replace("/etc/stanine/organisation", str(folder))
        for each in pod(objects)["containers"][0]["args"]
    ]
    options, rest = parser.parse_known_args(arguments)
    assert rest == ["pages", "--host=0.0.0.0", "--port=8001"]
    return read_settings(options)


async def nothing() -> None:
    pass


async def status(app: Any, path: str) -> int:
    """Return the status with which the pages answer a path."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return (await client.get(path)).status_code


def test_the_pages_are_off_by_default() -> None:
    assert "pages" not in {component(each) for each in render()}


def test_the_program_reads_the_values(tmp_path: Path) -> None:
    objects = render(EVERYTHING)
    settings = settings_of(objects, tmp_path)
    assert settings.base_path == "/survey"
    assert [str(each) for each in settings.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert settings.console
    api = pod_specs(objects)["Deployment/trial-stanine-api"]
    proxies = read_api_settings(environment(api) | {"STANINE_REDIS_URL": "redis://h"})
    assert [str(each) for each in proxies.trusted_proxies] == ["10.0.0.0/8", "192.0.2.7/32"]
    assert settings.organisation.name == "University of Examples"
    assert in_language(settings.organisation.consent, "de") == "Ich nehme freiwillig teil."
    assert settings.organisation.contact is None
    mounts = {
        each["name"]: each["mountPath"] for each in pod(objects)["containers"][0]["volumeMounts"]
    }
    assert mounts["organisation"] == "/etc/stanine/organisation"


def answer_ready(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200)


def test_the_console_is_off_by_default_and_never_routed(tmp_path: Path) -> None:
    objects = render({"pages": {"enabled": True, "ingress": {"enabled": True}}})
    assert not settings_of(objects, tmp_path).console
    routed = str(of_kind(render(EVERYTHING), "Ingress")["trial-stanine-pages"])
    assert "console" not in routed


@pytest.mark.parametrize("base", ["", "/survey", "/a/b/"])
def test_probes_and_routes_are_at_the_base_path(base: str, tmp_path: Path) -> None:
    objects = render({"pages": {"enabled": True, "basePath": base, "ingress": {"enabled": True}}})
    settings = settings_of(objects, tmp_path)
    entry = build_entry(parse_instrument(plain("short")), number=0, revision=1, form=1, digest="")
    (container,) = pod(objects)["containers"]
    ingress = of_kind(objects, "Ingress")["trial-stanine-pages"]
    prefixes = [each["path"] for each in ingress["spec"]["rules"][0]["http"]["paths"]]

    def is_routed(path: str) -> bool:
        # as `pathType: Prefix` compares: whole elements
        return any(f"{path}/".startswith(f"{prefix}/") for prefix in prefixes)

    api = httpx.AsyncClient(transport=httpx.MockTransport(answer_ready), base_url="http://api")
    app = with_readiness(make_pages(settings, LocalSessions(entry), nothing), api)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        path = container[probe]["httpGet"]["path"]
        assert asyncio.run(status(app, path)) == 200, path
        assert not is_routed(path)
    links = Links(settings.base_path)
    assert asyncio.run(status(app, links.welcome(CODE))) == 200
    for link in (
        links.welcome(CODE),
        links.page("0" * 32, 1),
        links.result("0" * 32),
        links.asset("0", "a.js"),
    ):
        assert is_routed(link)


def test_the_values_of_the_how_to_are_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    objects = render(yaml.safe_load(text))
    assert settings_of(objects, tmp_path).organisation.contact == "survey@example.org"
    (config,) = of_kind(objects, "RedisConfig").values()
    rules = of_kind(objects, "Ingress")["trial-stanine-pages"]["spec"]["rules"]
    assert config["spec"]["settings"]["publicUrl"] == f"https://{rules[0]['host']}"


def test_the_pod_has_no_secret_and_no_address_of_redis() -> None:
    found = pod(render({"pages": {"enabled": True}}))
    assert "secret" not in str(found).lower()
    assert set(environment(found)) == {"OTEL_SDK_DISABLED", "STANINE_API_URL", "STANINE_LOG_LEVEL"}
    assert not found["automountServiceAccountToken"]


def test_the_pages_call_the_service_of_the_api() -> None:
    values: dict[str, Any] = {"pages": {"enabled": True}, "api": {"service": {"port": 8080}}}
    objects = render(values)
    address = environment(pod(objects))["STANINE_API_URL"]
    (port,) = of_kind(objects, "Service")["trial-stanine-api"]["spec"]["ports"]
    assert address == f"http://trial-stanine-api:{port['port']}"


def test_a_stopping_pod_still_serves_for_a_while_and_then_finishes_requests() -> None:
    found = pod(render({"pages": {"enabled": True, "drainSeconds": 7}}))
    assert "sleep(7)" in str(found["containers"][0]["lifecycle"]["preStop"])
    # 12 s are GRACE_SECONDS of stanine.pages.serving
    assert found["terminationGracePeriodSeconds"] > 7 + 12


def test_prometheus_reads_the_metrics_and_may_connect() -> None:
    source = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    clients = [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
    policy = {"pagesFrom": clients, "metricsFrom": source}
    objects = render(
        {"monitoring": {"enabled": True}, "pages": {"enabled": True}, "networkPolicy": policy}
    )
    (endpoint,) = of_kind(objects, "ServiceMonitor")["trial-stanine-pages"]["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("http", "/metrics")
    (rule,) = of_kind(objects, "NetworkPolicy")["trial-stanine-pages"]["spec"]["ingress"]
    assert rule["from"] == [*clients, *source]


def test_two_pods_have_a_disruption_budget_and_an_autoscaler_sets_their_number() -> None:
    assert "trial-stanine-pages" in of_kind(
        render({"pages": {"enabled": True}}), "PodDisruptionBudget"
    )
    objects = render({"pages": {"enabled": True, "replicas": 1, "autoscaling": {"enabled": True}}})
    scaler = of_kind(objects, "HorizontalPodAutoscaler")["trial-stanine-pages"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == "trial-stanine-pages"
    assert "replicas" not in of_kind(objects, "Deployment")["trial-stanine-pages"]["spec"]

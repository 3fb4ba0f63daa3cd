import asyncio
from collections.abc import Awaitable
from typing import Any
from urllib.parse import unquote

import pytest

from stanine.api.web.http import Answer, Request
from stanine.api.web.problems import Problem
from stanine.api.web.routing import PathRoute, Route, Router, parameters_of


async def nothing(_request: Request) -> Answer:
    return Answer(200, b"")


def route(method: str, path: str) -> Route:
    return Route(
        method=method,
        path=path,
        handler=nothing,
        name=method + path,
        summary="",
        tag="",
        answers={},
    )


async def note(resource: PathRoute, scope: Any, _receive: Any, _send: Any) -> None:
    """Find the route and record it, like `dispatch`."""
    scope["found"] = resource.route(scope["method"]), parameters_of(scope)


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "raw_path": path.encode(),
        "path": unquote(path),
    }
    asyncio.run(call(ROUTER(scope, None, None)))  # type: ignore[arg-type]
    found: tuple[Route, dict[str, str]] = scope["found"]
    return found


async def call(served: Awaitable[None]) -> None:
    await served


ROUTER = Router(
    [
        route("GET", "/things"),
        route("GET", "/things/{name}"),
        route("PUT", "/things/{name}"),
        route("POST", "/things/{name}/parts"),
        route("POST", "/things/{name}/parts:bulk"),
        route("GET", "/things/special"),
        route("POST", "/things/{name}:stop"),
    ],
    note,
)


@pytest.mark.parametrize(
    ("method", "path", "found", "parameters"),
    [
        ("GET", "/things", "/things", {}),
        ("GET", "/things/a", "/things/{name}", {"name": "a"}),
        ("HEAD", "/things/a", "/things/{name}", {"name": "a"}),
        ("PUT", "/things/a%252Fb", "/things/{name}", {"name": "a%2Fb"}),
        ("GET", "/things/a%0A", "/things/{name}", {"name": "a\n"}),
        ("GET", "/%74hings", "/things", {}),
        ("PUT", "/things/a%2Fb", "/things/{name}", {"name": "a/b"}),
        ("POST", "/things/a/parts", "/things/{name}/parts", {"name": "a"}),
        ("POST", "/things/a/parts:bulk", "/things/{name}/parts:bulk", {"name": "a"}),
        ("POST", "/things/a/parts%3Abulk", "/things/{name}/parts:bulk", {"name": "a"}),
        ("GET", "/things/special", "/things/special", {}),
        ("POST", "/things/a:stop", "/things/{name}:stop", {"name": "a"}),
        ("POST", "/things/a:b%3Astop", "/things/{name}:stop", {"name": "a:b"}),
        ("GET", "/things/a:other", "/things/{name}", {"name": "a:other"}),
    ],
)
def test_a_path_finds_its_route(
    method: str, path: str, found: str, parameters: dict[str, Any]
) -> None:
    match, values = find(method, path)
    assert (match.path, values) == (found, parameters)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/things/",
        "/things//parts",
        "/things/a/parts/",
        "/things/a/b",
        "/other",
        "things",
        "//things",
        "/things%0A",
        "/things%2Fspecial",
    ],
)
def test_another_path_finds_none(path: str) -> None:
    with pytest.raises(Problem) as raised:
        find("GET", path)
    assert raised.value.kind.status == 404


def test_another_method_is_rejected_with_the_supported_ones() -> None:
    with pytest.raises(Problem) as raised:
        find("DELETE", "/things/a")
    assert raised.value.kind.status == 405
    assert raised.value.headers == ((b"allow", b"GET, HEAD, PUT"),)


def test_two_routes_for_one_address_are_a_defect() -> None:
    with pytest.raises(AssertionError):
        Router([route("GET", "/a/{x}"), route("GET", "/a/{x}")], note)

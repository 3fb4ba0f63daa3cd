"""The table of routes: what each takes and gives, declared once for dispatching, for OpenAPI and for the tests. Filled by `routes`.

A path is matched segment by segment in a trie, so a look-up costs the same however many routes there are.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from stanine.api.http import Answer, Request
from stanine.api.keys import Scope
from stanine.api.problems import METHOD_NOT_ALLOWED, Kind, Problem, not_found
from stanine.api.queries import Query

Handler = Callable[[Request], Awaitable[Answer | None]]


class Content(msgspec.Struct, frozen=True):
    """What a body holds, by media type: a record type, or a JSON schema written out."""

    types: Mapping[str, Any]
    description: str = ""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. A handler that returns None has answered by itself."""

    method: str
    path: str
    handler: Handler
    #: The operation's name in OpenAPI, and a sentence.
    name: str
    summary: str
    tag: str
    #: The scope that the caller's key needs; None: no key at all.
    scope: Scope | None = None
    #: Whether an attempt's token does instead of a key.
    takes_token: bool = False
    #: Whether it is answered before the bootstrap is done.
    always: bool = False
    query: tuple[Query, ...] = ()
    #: Request headers that have a meaning here: name and sentence.
    headers: Mapping[str, str] = {}
    body: Content | None = None
    answers: Mapping[int, Content]
    problems: tuple[Kind, ...] = ()


class _Node:
    __slots__ = ("name", "parameter", "routes", "segments", "verbs")

    def __init__(self) -> None:
        self.segments: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        #: Of a parameter followed by `:verb` in the same segment.
        self.verbs: dict[str, _Node] = {}
        self.name = ""
        self.routes: dict[str, Route] = {}


class Router:
    """Finds the route of a path and method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        for route in self.routes:
            self._add(route)

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
        """Return the route and the path's parameters; raises a Problem (not-found, method-not-allowed).

        `raw_path` is percent-encoded: a parameter may contain an encoded slash.
        """
        node: _Node | None = self._root
        parameters: dict[str, str] = {}
        for segment in raw_path.split("/")[1:]:
            text = unquote(segment) if "%" in segment else segment
            assert node is not None
            following = node.segments.get(text)
            if following is None and node.verbs and ":" in text:
                value, _, verb = text.rpartition(":")
                if (following := node.verbs.get(verb)) is not None:
                    parameters[following.name] = value
            if following is None and (following := node.parameter) is not None:
                parameters[following.name] = text
            node = following
            if node is None:
                raise not_found()
        if node is None or not node.routes or not all(parameters.values()):
            raise not_found()
        route = node.routes.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = sorted([*node.routes, *(["HEAD"] if "GET" in node.routes else [])])
            raise Problem(METHOD_NOT_ALLOWED, f"It takes {', '.join(allowed)}.", headers=((b"allow", ", ".join(allowed).encode()),))
        return route, parameters

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.path.split("/")[1:]:
            if segment.startswith("{"):
                name, verb = parameter_of(segment)
                if verb:
                    node = node.verbs.setdefault(verb, _Node())
                else:
                    if node.parameter is None:
                        node.parameter = _Node()
                    node = node.parameter
                node.name = name
            else:
                node = node.segments.setdefault(segment, _Node())
        assert route.method not in node.routes, f"two routes for {route.method} {route.path}"
        node.routes[route.method] = route


def parameter_of(segment: str) -> tuple[str, str]:
    """Return name and verb of a segment `{name}` or `{name}:verb`."""
    name, _, verb = segment.partition("}")
    return name[1:], verb[1:]

"""The table of routes, declared once for Starlette's router, OpenAPI and the tests.

The declarations are in `routes`. Starlette finds the resource of a path; a resource has a route for each method.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
import starlette.routing
from starlette.routing import BaseRoute, Match, compile_path
from starlette.types import Lifespan

from stanine.api.web.auth import Scope
from stanine.api.web.http import Answer, Receive, Request, Send
from stanine.api.web.http import Scope as AsgiScope
from stanine.api.web.problems import METHOD_NOT_ALLOWED, Kind, Problem, not_found
from stanine.api.web.queries import Query

Handler = Callable[[Request], Awaitable[Answer | None]]


class Content(msgspec.Struct, frozen=True):
    """The content of a body by media type: a record type, a tuple of alternative ones, or a JSON schema."""

    types: Mapping[str, Any]
    description: str = ""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. A handler that returns None has sent the answer."""

    method: str
    path: str
    handler: Handler
    #: The operation id in OpenAPI, and its summary.
    name: str
    summary: str
    tag: str
    #: The required scope; None: no key is needed.
    scope: Scope | None = None
    #: Whether a token of the path's attempt or session is accepted instead of a key; without a scope, only the
    #: token.
    takes_token: bool = False
    #: Whether an invitation's code is accepted instead of a key; without a scope, only the code.
    takes_code: bool = False
    #: Whether any API key is accepted, whatever its scopes; the token of a login is not.
    takes_key: bool = False
    #: Whether only the token of a login is accepted.
    takes_login: bool = False
    #: Whether it is answered before the bootstrap is done.
    always: bool = False
    query: tuple[Query, ...] = ()
    #: Request headers of the route: name and description.
    headers: Mapping[str, str] = {}
    body: Content | None = None
    answers: Mapping[int, Content]
    problems: tuple[Kind, ...] = ()
    #: Whether its changes are recorded although those of its scope are not.
    always_recorded: bool = False
    #: Whether it is matched before all others: Starlette tries the paths in order.
    hot: bool = False

    @property
    def needs_credential(self) -> bool:
        """Whether a request needs a key, a token or a code."""
        return (
            self.scope is not None
            or self.takes_token
            or self.takes_code
            or self.takes_key
            or self.takes_login
        )


class PathRoute(BaseRoute):
    """One path and its routes, as a route of Starlette's router.

    Cheaper than `starlette.routing.Route`: parameters are not converted.
    """

    def __init__(self, path: str, routes: Iterable[Route], serve: "Serve") -> None:
        self.path = path
        self.match = compile_path(path)[0].fullmatch
        self._routes = {route.method: route for route in routes}
        self.hot = any(route.hot for route in self._routes.values())
        self._serve = serve

    def matches(self, scope: AsgiScope) -> tuple[Match, AsgiScope]:
        """Return whether a request matches this path, and its parameters."""
        found = self.match(scope["path"])
        return _NO_MATCH if found is None else (Match.FULL, {"path_params": found.groupdict()})

    def handle(self, scope: AsgiScope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Serve one request."""
        return self._serve(self, scope, receive, send)

    def route(self, method: str) -> Route:
        """Return the route of a method. Raises a Problem (not-found, method-not-allowed)."""
        if not self._routes:
            raise not_found()
        route = self._routes.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = ", ".join(
                sorted([*self._routes, *(["HEAD"] if "GET" in self._routes else [])])
            )
            raise Problem(
                METHOD_NOT_ALLOWED, f"It takes {allowed}.", headers=((b"allow", allowed.encode()),)
            )
        return route


#: Serves a request; an unknown path has a resource without routes.
Serve = Callable[[PathRoute, AsgiScope, Receive, Send], Coroutine[Any, Any, None]]

_NO_MATCH: tuple[Match, AsgiScope] = (Match.NONE, {})


class Router:
    """The table of routes, and Starlette's router over it: an ASGI application."""

    def __init__(
        self, routes: Iterable[Route], serve: Serve, lifespan: Lifespan[Any] | None = None
    ) -> None:
        """`serve` is called for every request."""
        self.routes = tuple(routes)
        by_path: dict[str, list[Route]] = {}
        for route in self.routes:
            by_path.setdefault(route.path, []).append(route)
            assert len(by_path[route.path]) == len({each.method for each in by_path[route.path]}), (
                f"{route.path} has a method twice"
            )
        ordered = sorted(
            by_path,
            key=lambda path: (not any(route.hot for route in by_path[path]), _generality(path)),
        )
        resources = [PathRoute(path, by_path[path], serve) for path in ordered]
        self._hot = [resource for resource in resources if resource.hot]
        self._starlette = starlette.routing.Router(
            resources,
            redirect_slashes=False,
            default=PathRoute("/", (), serve).handle,
            lifespan=lifespan,
        )

    def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            scope["path"] = path = routable(scope.get("raw_path") or scope["path"].encode())
            for resource in self._hot:
                if (found := resource.match(path)) is not None:
                    scope["path_params"] = found.groupdict()
                    return resource.handle(scope, receive, send)
        return self._starlette(scope, receive, send)


def routable(raw_path: bytes) -> str:
    """Return a decoded path in which slashes and percent signs within segments stay encoded.

    A parameter may contain a slash.
    """
    path = raw_path.partition(b"?")[0].decode("latin-1")
    if "%" not in path:
        return path
    return "/".join(
        unquote(segment).replace("%", "%25").replace("/", "%2F") for segment in path.split("/")
    )


def parameters_of(scope: AsgiScope) -> dict[str, str]:
    """Return the decoded parameters of a path that Starlette has matched."""
    parameters: dict[str, str] = scope["path_params"]
    return (
        {name: unquote(value) for name, value in parameters.items()}
        if "%" in scope["path"]
        else parameters
    )


def _generality(path: str) -> list[int]:
    """Return the sort key of a path: literals before `{name}:verb` before `{name}`."""
    return [
        0 if not segment.startswith("{") else 2 if segment.endswith("}") else 1
        for segment in path.split("/")
    ]


def parameter_of(segment: str) -> tuple[str, str]:
    """Return name and verb of a segment `{name}` or `{name}:verb`."""
    name, _, verb = segment.partition("}")
    return name[1:], verb[1:]

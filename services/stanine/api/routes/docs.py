"""/, /openapi.json and /docs: a page of links, the OpenAPI document, and Swagger UI.

Swagger UI uses no other server; its files are vendored under `pages/swagger-ui` (manifest.json: version, licence,
checksums).
"""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from stanine.api.web.http import JSON, Answer, Headers, Request
from stanine.api.web.problems import NotFound
from stanine.api.web.routing import Content, Route

#: The page loads only its own files and requests only this API. Swagger UI has its icons as data: images.
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'"
_PAGE_HEADERS: Headers = (
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
)

_FILES = {
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", b"text/css; charset=utf-8"),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", b"text/javascript; charset=utf-8"),
    "docs.js": ("docs.js", b"text/javascript; charset=utf-8"),
}


class DocsRoutes:
    """The routes of the documentation."""

    def __init__(self, describe: Callable[[], dict[str, Any]]) -> None:
        """`describe` returns the OpenAPI document; called once, at the first request."""
        self._describe = cache(lambda: msgspec.json.encode(describe()))

    async def openapi(self, _request: Request) -> Answer:
        """Return the OpenAPI document."""
        return Answer(200, self._describe(), JSON)

    async def index(self, _request: Request) -> Answer:
        """Return a page of links."""
        return Answer(200, _read("index.html"), b"text/html; charset=utf-8", _PAGE_HEADERS)

    async def page(self, _request: Request) -> Answer:
        """Return the page."""
        return Answer(200, _read("docs.html"), b"text/html; charset=utf-8", _PAGE_HEADERS)

    async def file(self, request: Request) -> Answer:
        """Return a file of the page."""
        name = request.parameters["file"]
        if name not in _FILES:
            raise NotFound("File", name, _FILES)
        path, media_type = _FILES[name]
        return Answer(200, _read(path), media_type, _PAGE_HEADERS)

    def routes(self) -> tuple[Route, ...]:
        """Return the declarations."""
        text = {"type": "string"}
        return (
            Route(
                method="GET",
                path="/openapi.json",
                handler=self.openapi,
                name="openapi",
                summary="This description",
                tag="docs",
                always=True,
                answers={200: Content({"application/json": {"type": "object"}})},
            ),
            Route(
                method="GET",
                path="/",
                handler=self.index,
                name="index",
                summary="A page of links",
                tag="docs",
                always=True,
                answers={200: Content({"text/html": text})},
            ),
            Route(
                method="GET",
                path="/docs",
                handler=self.page,
                name="docs",
                summary="Interactive documentation",
                tag="docs",
                always=True,
                answers={200: Content({"text/html": text})},
            ),
            Route(
                method="GET",
                path="/docs/{file}",
                handler=self.file,
                name="docsFile",
                summary="A file of the interactive documentation",
                tag="docs",
                always=True,
                answers={200: Content({"text/css": text, "text/javascript": text})},
            ),
        )


@cache
def _read(path: str) -> bytes:
    return files("stanine.api").joinpath("pages", path).read_bytes()

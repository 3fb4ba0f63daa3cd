"""Responses of the pages: headers, compression, messages. Used by all routes."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from stanine.pages.rendering import Renderer

#: Pages load only their own files and are shown in no frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "vary": "Cookie, Accept-Language, Accept-Encoding",
}
#: Bytes from which a page is compressed, and the level: 1 ms for a page of 25 items.
_COMPRESSED_FROM, _LEVEL = 1_000, 5


def page(request: Request, text: str, status: int = 200, *, form_target: str = "") -> Response:
    """Return a page. `form_target`: another origin that its form may lead to."""
    content = text.encode()
    headers = {**_HEADERS, "content-security-policy": f"{_POLICY} {form_target}".rstrip()}
    if len(content) >= _COMPRESSED_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, _LEVEL, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(content, status, headers, media_type="text/html")


def redirect(address: str) -> Response:
    """Return a redirection after a POST, or to another page."""
    return RedirectResponse(address, 303, headers=_HEADERS)


def download(text: str, name: str) -> Response:
    """Return a CSV file that browsers save. `name`: ASCII without quotes."""
    headers = {**_HEADERS, "content-disposition": f'attachment; filename="{name}"'}
    return Response(text, headers=headers, media_type="text/csv; charset=utf-8")


@dataclass(frozen=True)
class Message:
    """A page that says something and has no form."""

    status: int
    heading: str
    paragraphs: Sequence[str]
    link: str = ""
    link_text: str = ""


def message(request: Request, renderer: Renderer, language: str, what: Message) -> Response:
    """Return a page with a message."""
    text = renderer.render(
        "message.html",
        language,
        heading=what.heading,
        paragraphs=what.paragraphs,
        link=what.link,
        link_text=what.link_text,
    )
    return page(request, text, what.status)

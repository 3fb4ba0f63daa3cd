"""Language negotiation: `?language=`, else Accept-Language (RFC 9110, 12.5.4). Used by routes."""

import re

from stanine.api.web.http import Headers, Request
from stanine.domain.attempts.explain import LANGUAGE

#: For the declarations of routes.
ACCEPT_LANGUAGE = {
    "Accept-Language": "Accepted languages; the document's own language if none is available."
}
#: Maximum language ranges of a header; browsers send fewer than ten.
_MAX_RANGES = 32
_LANGUAGE = re.compile(LANGUAGE, re.ASCII)
_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII | re.IGNORECASE)


def wanted_languages(request: Request) -> list[str]:
    """Return the requested language tags, by preference; none if any language is acceptable.

    `?language=` replaces the header. Invalid ranges and refused ones (`q=0`) of the header are omitted, and so are
    all after `*`, which accepts any language.
    """
    asked: str | None = request.query["language"]
    return [asked] if asked is not None else accepted(request.text(b"accept-language"))


def language_headers(language: str | None) -> Headers:
    """Return the headers of an answer in a language; None: the document does not declare it."""
    varies = ((b"vary", b"Accept-Language"),)
    return varies if language is None else ((b"content-language", language.encode()), *varies)


def accepted(header: str) -> list[str]:
    """Return the language tags of an Accept-Language header, by preference."""
    found: list[tuple[float, str]] = []
    for part in header.split(",")[:_MAX_RANGES]:
        tag, _, parameter = (piece.strip() for piece in part.partition(";"))
        quality = _QUALITY.fullmatch(parameter) if parameter else None
        weight = float(quality[1]) if quality else 1.0
        if (parameter and quality is None) or weight == 0:
            continue
        if tag == "*" or _LANGUAGE.fullmatch(tag):
            found.append((weight, tag))
    tags = [tag for _, tag in sorted(found, key=lambda each: -each[0])]
    return tags[: tags.index("*")] if "*" in tags else tags

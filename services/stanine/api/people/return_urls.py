"""Which addresses a participant may be sent to afterwards: those that begin with an address of the setting `returnUrls`. Pure.

The host is compared as a whole and the path by whole segments, so that `https://a.example` does not let `https://a.example.evil.com` in.
"""

from urllib.parse import urlsplit


def is_allowed(url: str, allowed: str) -> bool:
    """Tell whether an address begins with one of the allowed ones (with spaces between them)."""
    wanted = _parts(url)
    if wanted is None:
        return False
    scheme, host, path = wanted
    for one in allowed.split():
        found = _parts(one)
        if (
            found is not None
            and found[:2] == (scheme, host)
            and (path + "/").startswith(found[2].rstrip("/") + "/")
        ):
            return True
    return False


def _parts(url: str) -> tuple[str, str, str] | None:
    """Return scheme, host (with its port) and path; None for an address that browsers may read in another way."""
    if (
        not url.isascii()
        or not url.isprintable()
        or any(character in url for character in ' \\<>"{}|^`')
    ):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return None
    segments = parts.path.replace("%2e", ".").replace("%2E", ".").split("/")
    if "." in segments or ".." in segments:
        return None
    return (
        parts.scheme,
        f"{parts.hostname}:{port or {'http': 80, 'https': 443}[parts.scheme]}",
        parts.path,
    )

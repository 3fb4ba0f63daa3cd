"""Checks return addresses of participants against the setting `returnUrls`. Pure.

The host is compared as a whole and the path by whole segments, so that `https://a.example` does not allow
`https://a.example.evil.com`.
"""

from urllib.parse import urlsplit


def is_allowed(url: str, allowed: str) -> bool:
    """Return whether an address begins with an allowed one; `allowed` is separated by spaces."""
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
    """Return scheme, host with port, and path.

    None for an address that browsers may parse differently.
    """
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

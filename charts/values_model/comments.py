"""Read the path of each value in values.yaml and the comment above it. Called by `making`."""

import re
from collections.abc import Iterator

#: The names that lead to a value.
Path = tuple[str, ...]

_KEY = re.compile(r"^(?P<indent> *)(?P<name>[A-Za-z][A-Za-z0-9]*):(?P<rest>.*)$")
#: Spaces per level.
_INDENT = 2


def read_comments(text: str) -> dict[Path, str]:
    """Return the comment above each value or group, in order; empty without a comment."""
    return dict(_walk(text))


def _walk(text: str) -> Iterator[tuple[Path, str]]:
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.lstrip("# "))
        elif found := _KEY.match(line):
            path = [*path[: len(found["indent"]) // _INDENT], found["name"]]
            yield tuple(path), " ".join(comment)
            comment = []
        else:
            comment = []

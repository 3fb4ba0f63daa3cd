"""Reads the `#:` comments that describe a record's fields, for the CRDs and the documentation. Needs the sources; no process calls it."""

import functools
import inspect
import re

#: The first line of a field in a class body, and a line of the comment before it.
_FIELD = re.compile(r"    ([a-z_][a-z0-9_]*): ")
_COMMENT = re.compile(r"    #: ?(.*)")


@functools.cache
def field_comments(record: type) -> dict[str, str]:
    """Return what the source says of each field, by its Python name; a field without `#:` is left out."""
    try:
        source = inspect.getsource(record)
    except (OSError, TypeError):  # made at run time: its types carry the descriptions
        return {}
    comments: dict[str, str] = {}
    lines: list[str] = []
    for line in source.splitlines():
        if comment := _COMMENT.fullmatch(line):
            lines.append(comment[1])
            continue
        if lines and (field := _FIELD.match(line)):
            comments[field[1]] = " ".join(lines)
        lines = []
    return comments

"""Read the `#:` comments that describe a record's fields, for the CRDs and the documentation.

Requires the sources; no process of Stanine uses it at run time.
"""

import functools
import inspect
import re

#: The first line of a field in a class body, and a line of the comment above it.
_FIELD = re.compile(r"    ([a-z_][a-z0-9_]*): ")
_COMMENT = re.compile(r"    #: ?(.*)")


@functools.cache
def field_comments(record: type) -> dict[str, str]:
    """Return the comment of each field by Python name; fields without `#:` are omitted."""
    try:
        source = inspect.getsource(record)
    except (OSError, TypeError):  # created at run time: its types have the descriptions
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

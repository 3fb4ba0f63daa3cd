"""Reads files of Kubernetes manifests and locates values by line. Used by `validate`."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from stanine.domain.errors import Fault, InvalidDocument
from stanine.domain.instruments.document import read_yaml

#: The start of a document. In YAML these characters at the start of a line have no other meaning, even in a text.
_BEGIN = re.compile(rb"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
#: Lines without content: blank, comments, markers.
_NOTHING = re.compile(
    rb"(?:[ \t]*(?:#[^\n]*)?\r?\n|(?:---|\.\.\.)[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?:#[^\n]*|---|\.\.\.)?"
)
_PART = re.compile(r'\.?([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\["([^"]*)"\]')


class Manifest(msgspec.Struct, frozen=True):
    """One document of a file: its text, padded to its line number, and its content or error."""

    text: bytes
    #: Its first line, from 1.
    line: int
    plain: object
    fault: Fault | None = None


def read_manifests(content: bytes) -> Iterator[Manifest]:
    """Yield the documents of a file. Empty documents are skipped, as in kubectl."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    begins = [0, *(match.start() for match in _BEGIN.finditer(content) if match.start())]
    for begin, end in zip(begins, [*begins[1:], len(content)], strict=True):
        chunk = content[begin:end]
        if _NOTHING.fullmatch(chunk):
            continue
        before = content.count(b"\n", 0, begin)
        text = b"\n" * before + chunk
        try:
            yield Manifest(text, before + 1, read_yaml(text))
        except InvalidDocument as error:
            yield Manifest(text, before + 1, None, error.faults[0])


class Lines:
    """Finds the line of a value in a document."""

    def __init__(self, manifest: Manifest) -> None:
        import yaml  # noqa: PLC0415 - slow to load, and needed for faults only

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._root = yaml.compose(manifest.text.decode(), Loader=loader)

    def find(self, place: str) -> int:
        """Return the line, from 1, of a place (`spec.items[3].id`) or of its nearest parent."""
        node: Any = self._root
        line = node.start_mark.line
        for match in _PART.finditer(place):
            name, index = match[1] if match[1] is not None else match[3], match[2]
            if index is not None:
                members = [(None, one) for one in node.value] if node.id == "sequence" else []
                found = members[int(index)] if int(index) < len(members) else None
            else:
                pairs = node.value if node.id == "mapping" else []
                found = next(((key, value) for key, value in pairs if key.value == name), None)
            if found is None:
                break
            key, node = found
            line = (key or node).start_mark.line
        return int(line) + 1

"""Strict YAML 1.1 with the words and numbers of kubectl's reader (go-yaml v2, sigs.k8s.io/yaml).

Called by `document.read_yaml`. PyYAML provides the events; this module builds the data, so that each fault has its line
and column, nesting and aliases are bounded before anything is built, and a value means the same to `stanine publish`
and to `kubectl apply`.
"""

import math
import re
from typing import Any

import yaml

from stanine.domain.errors import Code, Fault, InvalidDocument
from stanine.domain.instruments.decoding import quote
from stanine.domain.instruments.strict_json import position
from stanine.domain.limits import MAX_DEPTH, MAX_EXPANDED, MAX_INTEGER, MAX_TEXT_BYTES, NODE_WEIGHT

#: Plain words that are not texts, as listed in resolve.go of go-yaml v2.
_WORDS: dict[str, object] = {
    **dict.fromkeys(
        ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True
    ),
    **dict.fromkeys(
        ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False
    ),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan),
    **dict.fromkeys(
        [sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")], math.inf
    ),
}
#: Whole numbers as parsed by Go's ParseInt with base 0: 0x1F, 0b101, 0o17 and 017 (octal), without underscores.
_WHOLE = re.compile(
    r"([-+]?)(?:0[xX](?P<x>[0-9a-fA-F]+)|0[bB](?P<b>[01]+)|0[oO]?(?P<o>[0-7]+)|(?P<d>0|[1-9][0-9]*))"
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
#: Digits from which a whole number is too long to be valid.
_MAX_DIGITS = 80
#: YAML's printable characters; a text may contain no others.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG = "tag:yaml.org,2002:"
_MERGE = object()
_QUOTES = "write it in quotes"


def read(text: bytes) -> object:
    """Return the plain data of one YAML document.

    Raises InvalidDocument with the first fault, at line:column.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise InvalidDocument(
            [Fault("", "TooLarge", f"the text has {len(text)} bytes; {MAX_TEXT_BYTES} are allowed")]
        )
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidDocument(
            [Fault("", "Encoding", f"the text is not UTF-8: byte {error.start} cannot be read")]
        ) from None
    if unprintable := _UNPRINTABLE.search(decoded):
        detail = f"the character U+{ord(unprintable[0]):04X} may not stand in YAML"
        raise InvalidDocument([Fault(position(decoded, unprintable.start()), "Encoding", detail)])
    builder = _Builder()
    try:
        for event in yaml.parse(decoded, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise InvalidDocument([_syntax_fault(error, decoded)]) from None
    except yaml.YAMLError as error:
        raise InvalidDocument(
            [Fault("", "Syntax", f"not YAML: {' '.join(str(error).split())}")]
        ) from None
    return builder.document


def resolve(word: str) -> object:
    """Return the value of a plain (unquoted) scalar: true, false, null, a number, or its own text."""
    if word in _WORDS:
        return _WORDS[word]
    if word == "<<":
        return _MERGE
    if word[0] not in "+-.0123456789" or word.startswith("._"):
        return word
    plain = word.replace("_", "")
    if word[0] != "." and len(plain) <= _MAX_DIGITS and (whole := _WHOLE.fullmatch(plain)):
        value = _whole(whole)
        if -(1 << 63) <= value < 1 << 64:
            return value
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        return (
            number if math.isfinite(number) else word
        )  # Go rejects what no double represents, so it remains text
    return word


def _whole(match: "re.Match[str]") -> int:
    digits, base = next(
        (match[name], base)
        for name, base in (("x", 16), ("b", 2), ("o", 8), ("d", 10))
        if match[name] is not None
    )
    return -int(digits, base) if match[1] == "-" else int(digits, base)


def _syntax_fault(error: yaml.MarkedYAMLError, text: str) -> Fault:
    mark, problem = error.problem_mark or error.context_mark, error.problem or "it cannot be read"
    if mark is None:
        return Fault("", "Syntax", f"not YAML: {problem}")
    line = "".join(text.split("\n")[mark.line : mark.line + 1])
    if line[mark.column : mark.column + 1] == "\t":
        problem = "a tab stands where only spaces may: indent with spaces"
    return Fault(f"{mark.line + 1}:{mark.column + 1}", "Syntax", f"not YAML: {problem}")


class _Frame:
    """A list or mapping that is being read."""

    def __init__(self, value: Any, anchor: str | None, weight_before: int) -> None:
        self.value = value
        self.anchor = anchor
        self.weight_before = weight_before
        #: The key of the next value, and its position.
        self.key: Any = None
        self.has_key = False
        self.key_mark: Any = None
        #: Line of each key. Keys merged by `<<` are absent, since the mapping's own keys take precedence over them.
        self.lines: dict[str, int] = {}
        self.merged: list[tuple[Any, Any]] = []


class _Builder:
    """Builds plain data from events."""

    def __init__(self) -> None:
        self.document: object = None
        self.documents = 0
        self.stack: list[_Frame] = []
        #: The value of each finished anchor, and its weight when expanded.
        self.anchors: dict[str, tuple[object, int]] = {}
        #: Nodes and characters so far, aliases expanded.
        self.weight = 0

    def take(self, event: Any) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise _fault(
                        event,
                        "SeveralDocuments",
                        "a second document begins here: put each into a file of its own",
                    )
            case yaml.StreamEndEvent() if not self.documents:
                raise InvalidDocument([Fault("1:1", "Syntax", "the text holds no document")])
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.SequenceStartEvent():
                self._open([], event)
            case yaml.MappingStartEvent():
                self._open({}, event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._close(event)

    def _scalar(self, event: Any) -> None:
        weight = NODE_WEIGHT + len(event.value)
        self._weigh(weight, event)
        value = _scalar_value(event)
        if isinstance(value, float) and not math.isfinite(value):
            raise _fault(event, "NumberOutOfRange", f"{quote(event.value)} is not a finite number")
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise _fault(
                event,
                "NumberOutOfRange",
                "whole numbers beyond 2**53 are not exact everywhere; a text goes in quotes",
            )
        if event.anchor:
            self.anchors[event.anchor] = value, weight
        self._put(value, event)

    def _alias(self, event: Any) -> None:
        if any(frame.anchor == event.anchor for frame in self.stack):
            raise _fault(event, "Alias", f"*{event.anchor} stands within what it stands for")
        if event.anchor not in self.anchors:
            raise _fault(event, "Alias", f"there is no anchor &{event.anchor} before this")
        value, weight = self.anchors[event.anchor]
        self._weigh(weight, event)
        self._put(value, event)

    def _open(self, value: Any, event: Any) -> None:
        if event.tag not in (None, "!", _TAG + ("map" if isinstance(value, dict) else "seq")):
            raise _fault(event, "Tag", f"the tag {quote(event.tag)} has no meaning here: remove it")
        if self.stack and isinstance(self.stack[-1].value, dict) and not self.stack[-1].has_key:
            raise _fault(event, "KeyNotText", "a list or mapping cannot be a key: a key is text")
        if len(self.stack) >= MAX_DEPTH:
            raise _fault(
                event, "TooDeep", f"lists and mappings are nested more than {MAX_DEPTH} deep"
            )
        before = self.weight
        self._weigh(NODE_WEIGHT, event)
        self.stack.append(_Frame(value, event.anchor, before))

    def _close(self, event: Any) -> None:
        frame = self.stack.pop()
        for merged, mark_event in frame.merged:
            self._merge(frame.value, merged, mark_event)
        if frame.anchor:
            self.anchors[frame.anchor] = frame.value, self.weight - frame.weight_before
        self._put(frame.value, event)

    def _put(self, value: Any, event: Any) -> None:
        if not self.stack:
            self.document = value
            return
        frame = self.stack[-1]
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif not frame.has_key:
            self._put_key(frame, value, event)
        elif frame.key is _MERGE:
            frame.merged.append((value, event))
            frame.has_key = False
        else:
            frame.value[frame.key] = value
            frame.has_key = False

    def _put_key(self, frame: _Frame, key: Any, event: Any) -> None:
        if key is not _MERGE:
            if not isinstance(key, str):
                written = event.value if isinstance(event, yaml.ScalarEvent) else quote(key)
                raise _fault(event, "KeyNotText", f"the key {written} is not text: {_QUOTES}")
            if key in frame.lines:
                raise _fault(
                    event,
                    "DuplicateKey",
                    f"the key {quote(key)} stands in line {frame.lines[key]} already",
                )
            frame.lines[key] = event.start_mark.line + 1
        frame.key, frame.has_key = key, True

    def _merge(self, into: dict[str, Any], merged: Any, event: Any) -> None:
        for one in merged if isinstance(merged, list) else [merged]:
            if not isinstance(one, dict):
                raise _fault(event, "Alias", "<< merges mappings only")
            for name, value in one.items():
                into.setdefault(name, value)

    def _weigh(self, weight: int, event: Any) -> None:
        self.weight += weight
        if self.weight > MAX_EXPANDED:
            raise _fault(
                event,
                "TooLarge",
                "with its aliases written out the document is far larger than any instrument may be",
            )


def _scalar_value(event: Any) -> Any:
    is_plain, _ = event.implicit
    if event.tag in (None, "!"):
        return resolve(event.value) if is_plain and event.tag is None else event.value
    kind = event.tag.removeprefix(_TAG)
    if kind == "str":
        return event.value
    value = resolve(event.value)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = {"int": int, "float": float, "bool": bool, "null": type(None)}.get(kind)
    if expected is None or type(value) is not expected:
        raise _fault(event, "Tag", f"the tag {quote(event.tag)} has no meaning here: remove it")
    return value


def _fault(event: Any, code: Code, detail: str) -> InvalidDocument:
    mark = event.start_mark
    return InvalidDocument([Fault(f"{mark.line + 1}:{mark.column + 1}", code, detail)])

"""docs/reference/instrument-document.md against the domain's records: every field, its limits, its values, its example."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec.inspect as mi
import pytest

from stanine.domain import limits
from stanine.domain.instruments.document import read_yaml
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.instruments.records import Instrument

PAGE = (Path(__file__).parents[3] / "docs/reference/instrument-document.md").read_text()
Row = tuple[str, str, str]
#: Bounds of a type that the page describes once, in its table of types: numbers, and values that are texts.
DESCRIBED_ONCE = {limits.LARGEST_NUMBER, -limits.LARGEST_NUMBER, limits.SMALLEST_NUMBER}


def _inner(kind: mi.Type) -> Iterator[mi.Type]:
    """Yield a type and those within it, records not entered."""
    if isinstance(kind, mi.Metadata):
        yield from _inner(kind.type)
        return
    yield kind
    if isinstance(kind, mi.UnionType):
        for one in kind.types:
            yield from _inner(one)
    elif isinstance(kind, mi.VarTupleType):
        yield from _inner(kind.item_type)
    elif isinstance(kind, mi.DictType):
        yield from _inner(kind.value_type)


def _records(kind: mi.Type, path: str) -> Iterator[tuple[str, mi.StructType]]:
    """Yield each record of a document with its path: `spec.items[]`, `spec.scales[].norms.*`."""
    if isinstance(kind, mi.Metadata):
        yield from _records(kind.type, path)
    elif isinstance(kind, mi.UnionType):
        for one in kind.types:
            yield from _records(one, path)
    elif isinstance(kind, mi.VarTupleType):
        yield from _records(kind.item_type, f"{path}[]")
    elif isinstance(kind, mi.DictType):
        yield from _records(kind.value_type, f"{path}.*")
    elif isinstance(kind, mi.StructType):
        yield path, kind
        for field in kind.fields:
            yield from _records(field.type, f"{path}.{field.encode_name}".removeprefix("."))


def _sections() -> dict[str, dict[str, Row]]:
    """Return the tables of fields, by the paths in their headings: each field's type, whether it is required, its meaning."""
    sections = {}
    for part in re.split(r"^#{2,3} ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        if "\n| field | type | | meaning |\n" in body:
            rows = re.findall(
                r"^\| `(\w+)` \| ([^|]+) \|([^|]*)\|([^|]*)\|$", body, flags=re.MULTILINE
            )
            table = {name: (kind, needed.strip(), text) for name, kind, needed, text in rows}
            for path in re.findall(r"`([^`]+)`", heading) or [""]:
                sections[path] = table
    return sections


PATHS: dict[type, list[str]] = {}
RECORDS: dict[type, mi.StructType] = {}
for where, struct in _records(mi.type_info(Instrument), ""):
    PATHS.setdefault(struct.cls, []).append(where)
    RECORDS[struct.cls] = struct
SECTIONS = _sections()


@pytest.mark.parametrize("record", RECORDS.values(), ids=lambda one: one.cls.__name__)
def test_every_field_of_a_record_is_in_its_table(record: mi.StructType) -> None:
    tables = [SECTIONS[path] for path in PATHS[record.cls] if path in SECTIONS]
    assert tables, f"no heading names one of {PATHS[record.cls]}"
    for table in tables:
        assert list(table) == [field.encode_name for field in record.fields]
        for field in record.fields:
            kind, needed, meaning = table[field.encode_name]
            assert (needed == "required") == field.required, field.name
            for missing in _unmentioned(field.type, f"{kind} {meaning}"):
                pytest.fail(f"{PATHS[record.cls][0]}.{field.encode_name}: {missing}")


def _unmentioned(kind: mi.Type, text: str) -> Iterator[Any]:
    """Yield the closed values and the bounds of a field that its row does not name."""
    for one in _inner(kind):
        if isinstance(one, mi.LiteralType):
            yield from (value for value in one.values if f"`{value}`" not in text)
        elif isinstance(one, mi.IntType | mi.FloatType):
            for bound in (one.ge, one.le):
                if bound is not None and bound not in DESCRIBED_ONCE and not _names(text, bound):
                    yield bound
        elif isinstance(one, mi.VarTupleType):
            yield from (
                bound
                for bound in (one.min_length, one.max_length)
                if bound and not _names(text, bound)
            )
        elif isinstance(one, mi.StrType) and one.pattern is None:
            longest = one.max_length or limits.MAX_VALUE
            if longest != limits.MAX_VALUE and not _names(text, longest):
                yield longest


def _names(text: str, number: float) -> bool:
    return re.search(rf"(?<![\d.,]){number:,}(?![\d,]*\d)", text) is not None


def test_no_table_describes_a_record_that_does_not_exist() -> None:
    assert SECTIONS.keys() - {path for paths in PATHS.values() for path in paths} == set()


def test_the_limits_in_the_text_are_those_of_the_domain() -> None:
    text = " ".join(PAGE.split())
    assert f"more than {limits.MAX_DEPTH} levels" in text
    assert f"a letter first, at most {limits.MAX_ID} characters" in text
    assert f"a text of 1 to {limits.MAX_VALUE} characters" in text
    assert f"a text of at most {limits.MAX_EXPRESSION:,} characters" in text
    assert f"a text has at most {limits.MAX_ATTRIBUTE_TEXT} characters" in text


def test_its_example_is_valid() -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert parse_instrument(read_yaml(example.encode())).metadata.name == "mood"

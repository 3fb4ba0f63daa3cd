"""Files of several YAML documents, and the lines of their values."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from stanine.cli.io.manifests import Lines, read_manifests

FILE = b"""\
# a comment before all
---
# nothing but a comment
---
kind: One
spec:
  items:
    - id: a
      text: |
        --- within a text
    - {id: b,
       text: "x"}
  "odd/name": 1
... # the end of the second
--- # a comment behind the marker
kind: Two
---
"""


def test_empty_documents_are_skipped() -> None:
    found = list(read_manifests(FILE))
    assert [(one.line, one.plain["kind"]) for one in found if isinstance(one.plain, dict)] == [
        (4, "One"),
        (15, "Two"),
    ]
    assert list(read_manifests(b"")) == []
    assert list(read_manifests(b"\xef\xbb\xbf---\n# x\n---")) == []


def test_a_missing_place_has_the_line_of_its_nearest_parent() -> None:
    lines = Lines(next(read_manifests(FILE)))
    expected = {
        "kind": 5, "spec": 6, "spec.items": 7, "spec.items[0].id": 8, "spec.items[1]": 11, "spec.items[1].text": 12,
        'spec["odd/name"]': 13, "spec.items[1].options": 11, "spec.items[7].id": 7, "metadata.name": 5, "": 5,
    }  # fmt: skip
    assert {place: lines.find(place) for place in expected} == expected


def test_broken_yaml_is_located_and_other_documents_are_read() -> None:
    first, second, third = read_manifests(b"a: 1\n---\nb: [\n---\nc: 3\n")
    assert (first.plain, third.plain) == ({"a": 1}, {"c": 3})
    assert second.fault is not None
    assert second.fault.place.startswith(("3:", "4:"))


@given(
    st.lists(
        st.dictionaries(
            st.text("ab-", min_size=1, max_size=3),
            st.text("a\n-# .", max_size=12),
            min_size=1,
            max_size=3,
        ),
        max_size=4,
    )
)
def test_documents_are_split_as_by_pyyaml(documents: list[dict[str, str]]) -> None:
    content = yaml.safe_dump_all(documents, explicit_start=True)
    assert [one.plain for one in read_manifests(content.encode())] == documents

"""Unique row names: keys, otherwise numbers."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.forms import Form, ItemColumn
from stanine.cli.io.response_file import ResponseFile
from stanine.cli.io.row_names import check_keys

FORM = Form([ItemColumn("A1", [1, 2])], [])


def names_of(content: bytes) -> list[str]:
    file = ResponseFile(io.BytesIO(content), "f")
    names = check_keys(file, FORM)
    return [row.key or names.of(row.number) for row in file.responses(FORM)]


@given(
    st.lists(
        st.sampled_from(["", "NA", *map(str, range(1, 9)), "#1", "#2", "##2", "02", "x"]),
        max_size=9,
    )
)
def test_no_two_rows_have_the_same_name(keys: list[str]) -> None:
    given_keys = [key for key in keys if key not in {"", "NA"}]
    content = b"A1,key\n" + b"".join(f"1,{key}\n".encode() for key in keys)
    if len(set(given_keys)) < len(given_keys):
        with pytest.raises(InvalidInputError, match=r"f:\d+:2: the key is that of line \d+"):
            names_of(content)
        return
    names = names_of(content)
    assert len(set(names)) == len(names) == len(keys)
    for number, (key, name) in enumerate(zip(keys, names, strict=True), start=1):
        assert name == key if key in given_keys else name.lstrip("#") == str(number)
        assert not name.startswith("#") or key or str(number) in given_keys


def test_a_file_without_keys_has_numbers() -> None:
    assert names_of(b"A1\n1\n\n2\n") == ["1", "2", "3"]


def test_duplicate_keys_are_listed_up_to_ten() -> None:
    content = b"key,A1\n" + b"".join(
        b"%s,1\n" % key for key in (b"a", b"'=b", b"a", b"=b", *[b"c"] * 20)
    )
    with pytest.raises(InvalidInputError) as caught:
        names_of(content)
    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        "f:4:1: the key is that of line 2; keys must be unique",
        "f:5:1: the key is that of line 3; keys must be unique",
    ]
    assert lines[-1] == "f: and 11 more rows with a key of an earlier one"
    assert len(lines) == 11

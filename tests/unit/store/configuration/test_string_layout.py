"""The string layout preserves every byte of strings written by JSON.stringify or by hand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.store.settings.errors import StringUnreadableError
from stanine.store.settings.model import NAMES
from stanine.store.settings.string_layout import read_string, render

SPACE = st.text(alphabet=" \n\r\t", max_size=2)
NAME = st.one_of(st.sampled_from(NAMES), st.text(max_size=6))
#: JSON values in the notations of JavaScript, Python and people.
TOKEN = st.one_of(
    st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.text(st.characters(), max_size=8).map(json.dumps),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.recursive(
        st.booleans() | st.none() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    ).map(json.dumps),
    st.sampled_from(
        [
            "1.0",
            "1e3",
            "-0",
            "1E+2",
            "12345678901234567890",
            "[ ]",
            "{ }",
            '"\\ud800"',
            '"\\/"',
            '"\\udc80"',
            '"1"',
            '""',
        ]
    ),
)
MEMBER = st.tuples(
    SPACE, NAME.map(lambda text: json.dumps(text, ensure_ascii=False)), SPACE, SPACE, TOKEN, SPACE
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    members = draw(st.lists(MEMBER, unique_by=lambda member: member[1], max_size=8))
    inner = ",".join(f"{a}{name}{b}:{c}{token}{d}" for a, name, b, c, token, d in members) or draw(
        SPACE
    )
    return f"{draw(SPACE)}{{{inner}}}{draw(SPACE)}".encode(errors="replace")


@given(texts())
def test_rendering_preserves_every_byte(text: bytes) -> None:
    read = read_string(text)
    assert render(read.values(), read) == text


@given(texts(), st.text(max_size=5))
def test_changing_one_value_changes_nothing_else(text: bytes, value: str) -> None:
    read = read_string(text)
    for name, member in read.members.items():
        changed = read.values() | {name: value}
        again = read_string(render(changed, read))
        assert list(again.members) == list(read.members)
        assert all(
            again.members[other].token == read.members[other].token
            for other in read.members
            if other != name
        )
        if member.token[0] != '"':
            break  # one of each is enough


@given(st.dictionaries(NAME, st.text(max_size=8), max_size=8), texts())
def test_any_settings_can_be_rendered_like_any_text(values: dict[str, str], like: bytes) -> None:
    like_read = read_string(like)
    text = render(values, like_read)
    assert json.loads(text).keys() == values.keys()
    kept = [name for name in like_read.members if name in values]
    new = [name for name in NAMES if name in values and name not in kept]
    assert list(read_string(text).members)[: len(kept) + len(new)] == kept + new
    assert {
        name: value for name, value in read_string(text).values().items() if '"\\u' not in value
    } == {name: value for name, value in values.items() if '"\\u' not in value}


def test_values_keep_their_json_type() -> None:
    like = read_string(b'{"sweepSeconds":15,"port":"80","ratio":1.50,"on":true}')
    assert render({"sweepSeconds": "5", "port": "81", "ratio": "high", "on": "false"}, like) == (
        b'{"sweepSeconds":5,"port":"81","ratio":"high","on":false}'
    )


def test_new_settings_come_last_ours_as_numbers() -> None:
    assert (
        render({"b": "1", "sweepSeconds": "5", "a": "2"}, read_string(b'{ "a": 1 }'))
        == b'{ "a": 2,"sweepSeconds":5,"b":"1" }'
    )


def test_removing_a_member_drops_the_whitespace() -> None:
    assert render({"b": "2"}, read_string(b'{\n  "a": 1,\n  "b": 2\n}\n')) == b'{"b":2}'


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"[]", b"null", b"{", b'{"a"}', b'{"a":}', b'{"a":1,}', b'{"a":1}x', b'{"a":1 "b":2}', b"{'a':1}", b'{"a":NaN}',
        b'{"a":-Infinity}', b'{"a":01}', b'{"a":"\x01"}', b'{"a":"\xff"}', b'\xef\xbb\xbf{}', b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}',
        b'{"a":' + b"[" * 200_000 + b"}", b"[" * 200_000, b'{"a":"' + b"x" * (4 << 20) + b'"}',
    ],
    ids=range(22),
)  # fmt: skip
def test_invalid_strings_are_rejected_with_a_sentence(text: bytes) -> None:
    with pytest.raises(StringUnreadableError, match="correct or delete it"):
        read_string(text)

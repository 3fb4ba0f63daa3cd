"""A save of a session is read alike with and without the search for repeated names that most saves do not need."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from stanine.api.people.body_reading import BodyReader
from stanine.api.people.session_bodies import SessionSave
from stanine.api.people.sessions import count_names
from stanine.api.web.problems import INVALID_ATTEMPT, Problem

QUICK = BodyReader(SessionSave, INVALID_ATTEMPT, count_names)
THOROUGH = BodyReader(SessionSave, INVALID_ATTEMPT)

#: Texts within quotes: plain, with colons and quotes, escaped, invalid UTF-8.
TEXTS = st.sampled_from(
    [b"a", b"b", b"c:d", b'\\"', b"\\u0061", b"\\ud800", b"\\\\u", b"\xff", b"\xed\xa0\x80", "ä".encode()]
).map(lambda text: b'"%b"' % text)  # fmt: skip
VALUES = st.sampled_from([b"1", b"2.5", b"null", b"true", b"[1,2]", b'["a:b"]', b'{"a":1}']) | TEXTS


def objects(names: st.SearchStrategy[bytes], values: st.SearchStrategy[bytes]) -> Any:
    pairs = st.tuples(names, values).map(b":".join)
    return st.lists(pairs, max_size=4).map(lambda found: b"{%b}" % b",".join(found))


ANSWERS = objects(TEXTS, VALUES)
BODIES = objects(
    st.sampled_from([b'"seq"', b'"answers"', b'"attributes"', b'"page"', b'"other"', b'"se\\u0071"']),
    VALUES | ANSWERS,
) | ANSWERS.map(b'{"seq":1,"answers":%b}'.__mod__)  # fmt: skip


def outcome(reader: BodyReader[SessionSave], text: bytes) -> object:
    try:
        return reader.read(text)
    except Problem as problem:
        return problem.document


@given(BODIES)
@example(b'{"seq":1,"answers":{"a":1,"a":2}}')
@example(b'{"seq":1,"seq":2}')
@example(b'{"seq":1,"answers":{"a":1},"answers":{}}')
@example(b'{"seq":1,"answers":{"a":"\\ud800"}}')
def test_a_save_is_read_alike_with_the_count_of_names(text: bytes) -> None:
    assert outcome(QUICK, text) == outcome(THOROUGH, text)


def test_a_usual_save_needs_no_search(monkeypatch: Any) -> None:
    searched: list[bytes] = []
    monkeypatch.setattr(QUICK, "check_names", searched.append)
    usual = '{"seq":7,"page":2,"answers":{"A1":3,"A2":null,"note":"schön"},"attributes":{"age":31}}'
    assert QUICK.read(usual.encode()).seq == 7
    assert not searched
    QUICK.read(b'{"seq":7,"answers":{"note":"at 12:30"}}')
    assert len(searched) == 1

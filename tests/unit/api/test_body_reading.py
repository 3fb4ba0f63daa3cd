"""A save of a session is read alike with and without the search for repeated names that most saves do not need."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stanine.api.people.body_reading import BodyReader
from stanine.api.people.session_bodies import InvitationOrder, SessionOrder, SessionSave
from stanine.api.people.sessions import count_names
from stanine.api.web.problems import INVALID_ATTEMPT, INVALID_REQUEST, Problem

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


@pytest.mark.parametrize(
    ("record", "body", "expected"),
    [
        (SessionSave, '{"answers":{}}', "/seq MissingField: this member is missing"),
        (
            SessionSave,
            '{"seq":1,"more":1}',
            "/more UnknownField: the body has seq, answers, attributes, page, section, language",
        ),
        (
            SessionSave,
            '{"seq":"1"}',
            "/seq WrongType: a whole number belongs here, not a text",
        ),
        (
            SessionSave,
            '{"seq":1.5}',
            "/seq WrongType: a whole number belongs here, not a number with decimals",
        ),
        (SessionSave, '{"seq":0}', "/seq OutOfRange: a number of at least 1 belongs here"),
        (
            SessionOrder,
            '{"show":"secret"}',
            "/show NotAValue: one of AfterRelease, None, Participant belongs here",
        ),
        (
            SessionOrder,
            '{"returnUrl":""}',
            "/returnUrl WrongText: a text of at least 1 character belongs here",
        ),
        (
            InvitationOrder,
            '{"expiresAt":"soon"}',
            "/expiresAt WrongText: a time such as 2026-11-30T08:00:00Z belongs here",
        ),
        (
            InvitationOrder,
            '{"expiresAt":[]}',
            "/expiresAt WrongType: a time such as 2026-11-30T08:00:00Z or null belongs here, not a list",
        ),
    ],
)
def test_an_invalid_body_is_explained_in_plain_words_without_its_values(
    record: type, body: str, expected: str
) -> None:
    with pytest.raises(Problem) as caught:
        BodyReader(record, INVALID_REQUEST).read(body.encode())
    errors = caught.value.document.errors
    assert isinstance(errors, list)
    (error,) = errors
    assert f"{error.pointer} {error.code}: {error.detail}" == expected

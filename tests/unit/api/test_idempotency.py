"""The Idempotency-Key header: valid keys and refused ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.api.intake.idempotency import read_idempotency_key, refuse_idempotency_key
from stanine.api.web.problems import Problem

#: ASCII characters that a header field may contain.
PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


def quote(key: str) -> bytes:
    return b'"%b"' % key.replace("\\", r"\\").replace('"', r"\"").encode()


def test_without_the_header_there_is_no_key() -> None:
    assert read_idempotency_key(None) is None
    refuse_idempotency_key(None)


@given(st.text(PRINTABLE, min_size=1, max_size=64))
def test_a_quoted_key_is_the_text_between_the_quotes(key: str) -> None:
    assert read_idempotency_key(quote(key)) == key
    assert read_idempotency_key(b"  " + quote(key) + b"\t") == key


@given(
    st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\'),
        min_size=1,
        max_size=64,
    )
)
def test_a_bare_key_is_unchanged(key: str) -> None:
    assert read_idempotency_key(key.encode()) == key


@pytest.mark.parametrize(
    "header",
    [b"", b" ", b'""', b'"', b'"a', b'a"', b"a b", b'"a" "b"', b'"a";x=1', b'"a\\b"', b"a\\b", b'"\x01"', b"\xff", b'"\xe9"', b"k" * 65,
     b'"%b"' % (b"k" * 65), quote('"' * 65)],
)  # fmt: skip
def test_a_key_must_have_1_to_64_valid_characters(header: bytes) -> None:
    with pytest.raises(Problem) as raised:
        read_idempotency_key(header)
    assert raised.value.kind.status == 400
    assert "Idempotency-Key" in raised.value.document.detail


@given(st.binary(max_size=80))
def test_any_header_is_parsed_or_rejected(header: bytes) -> None:
    try:
        key = read_idempotency_key(header)
    except Problem:
        return
    assert key is not None
    assert 1 <= len(key) <= 64
    assert key.isascii()
    assert key.isprintable()


def test_bulk_requests_reject_the_header() -> None:
    with pytest.raises(Problem) as raised:
        refuse_idempotency_key(b'"k"')
    assert raised.value.kind.status == 400

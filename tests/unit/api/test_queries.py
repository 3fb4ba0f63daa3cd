import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.api.web.problems import Problem
from stanine.api.web.queries import AFTER_CURSOR, AFTER_NAME, LIMIT, REVISION, WAIT, read_query
from stanine.store.cursors import Cursor

ALL = (WAIT, LIMIT, AFTER_CURSOR, REVISION)


def test_missing_parameters_have_their_defaults() -> None:
    assert read_query(b"", ALL) == {"wait": 0.0, "limit": 100, "after": Cursor(), "revision": None}
    assert read_query(b"limit=7&wait=2.5", ALL) == {
        "wait": 2.5,
        "limit": 7,
        "after": Cursor(),
        "revision": None,
    }


@pytest.mark.parametrize("text", ["0", "30", "0.000001", "1e-5", "2.5E1", "29.99999999999999999"])
def test_a_wait_may_be_any_json_number_in_range(text: str) -> None:
    assert read_query(f"wait={text}".encode(), ALL)["wait"] == float(text)


@given(st.binary(max_size=60))
def test_any_query_string_is_parsed_or_rejected(text: bytes) -> None:
    try:
        values = read_query(text, (WAIT, LIMIT, AFTER_NAME))
    except Problem:
        return
    assert 0 <= values["wait"] <= 30
    assert 1 <= values["limit"] <= 1000


@given(st.text(min_size=1, max_size=10))
def test_a_rejection_does_not_quote_the_caller(text: str) -> None:
    with pytest.raises(Problem) as raised:
        read_query(b"wait=x%b" % text.encode("utf-8", "surrogatepass"), (WAIT,))
    assert raised.value.document.detail.startswith(
        ("The query parameter wait", "There is no query parameter")
    )

from hypothesis import example, given
from hypothesis import strategies as st

from stanine.api.intake.ndjson import Line, LineSplitter

LIMIT = 12


def expected(text: bytes) -> list[Line]:
    parts = text.split(b"\n")
    lines = [
        Line(number, part if len(part) <= LIMIT else None) for number, part in enumerate(parts, 1)
    ]
    return [
        line for line, part in zip(lines, parts, strict=True) if len(part) > LIMIT or part.strip()
    ]


@given(
    st.lists(
        st.binary(max_size=40)
        | st.sampled_from([b"\n", b"abc\n", b"\n\n", b" ", b"0123456789ab", b"0123456789abc"])
    )
)
@example([b"0123456789", b"ab", b"c", b"\n", b"x"])
def test_lines_are_independent_of_chunk_boundaries(chunks: list[bytes]) -> None:
    splitter = LineSplitter(LIMIT)
    lines = [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.finish()
    assert lines == expected(b"".join(chunks))


def test_a_line_over_the_limit_is_not_buffered() -> None:
    splitter = LineSplitter(LIMIT)
    for _ in range(100):
        assert splitter.feed(b"0123456789") == []
    assert splitter._begun == []
    assert splitter.feed(b"\nok\n") == [Line(1, None), Line(2, b"ok")]

"""The checks of the export benchmark: an interrupted file is cut at its last line, and a wrong file is noticed."""

from pathlib import Path

import pytest
from benchmarks.export_files import Identities, cut, in_lines, in_table

FIRST, SECOND = f"{1:032x}", f"{2:032x}"
LINES = "".join(f'{{"attempt":"{each}","answers":{{"i1":1}}}}\n' for each in (FIRST, SECOND))
TABLE = f"key,attempt,i1\nk1,{FIRST},1\nk2,{SECOND},2\n"


@pytest.mark.parametrize(
    ("text", "whole", "last"),
    [
        (LINES + '{"attempt":"ff', LINES, SECOND),
        (LINES + '{"next":"c1"}\n', LINES + '{"next":"c1"}\n', SECOND),
        (LINES, LINES, SECOND),
        (TABLE + "k3,00", TABLE, SECOND),
        ("key,attempt,i1\nk1", "key,attempt,i1\n", ""),
        ("", "", ""),
    ],
)
def test_an_interrupted_file_keeps_its_complete_lines_and_continues_after_the_last_attempt(
    tmp_path: Path, text: str, whole: str, last: str
) -> None:
    file = tmp_path / "export"
    file.write_text(text)
    assert cut(file) == last
    assert file.read_text() == whole


def test_an_attempt_that_is_missing_doubled_or_another_makes_a_difference(tmp_path: Path) -> None:
    accepted = Identities().add([FIRST, SECOND])
    file = tmp_path / "export"
    file.write_text(LINES)
    assert in_lines(file) == accepted
    file.write_text(TABLE)
    assert in_table(file) == accepted
    for wrong in ([FIRST], [FIRST, SECOND, SECOND], [FIRST, FIRST], [FIRST, f"{3:032x}"]):
        assert Identities().add(wrong) != accepted

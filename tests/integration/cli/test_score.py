"""`stanine score`, end to end."""

import contextlib
import csv
import io
import json
import math
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stanine.cli.main import main
from stanine.domain.instruments.document import read_yaml
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry
from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import decode_result

from .conftest import INSTRUMENT, Run

HEADER = (
    "key,average.raw,average.valid,average.status,average.band,total.raw,total.valid,total.status,"
    "correct.raw,correct.valid,correct.status\n"
)


def test_responses_are_scored_to_standard_output(stanine: Run, small: Path) -> None:
    ran = stanine("score", small, "-", stdin=b"A1,A2,q1\n1,3,b\nNA,2,\n1,none,a\n")
    assert ran.out == HEADER + (
        "1,3,2,Scored,high,0.4,2,Scored,100,1,Scored\n"
        "2,2,1,Scored,high,,1,TooFewAnswers,,0,TooFewAnswers\n"
        "3,3,1,Scored,high,,1,TooFewAnswers,0,1,Scored\n"
    )
    assert (ran.status, ran.err) == (0, "")


def test_keys_are_kept_as_given(stanine: Run, small: Path) -> None:
    ran = stanine(
        "score",
        small,
        "-",
        stdin='A1,key,A2,q1\n1,"a,""é",1,a\n1,,1,a\n'.encode(),
        LC_ALL="C",
        PYTHONUTF8="0",
    )
    assert [row["key"] for row in csv.DictReader(io.StringIO(ran.out))] == ['a,"é', "2"]


def test_an_invalid_row_is_located_and_written_without_scores(
    stanine: Run, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text('key,A1,A2,q1\nk1,1,1,a\nk2,1,9,a\nk3,1\nk4,"1,1,a\nk5,3,3,b\n')
    ran = stanine("score", small, "r.csv")
    assert ran.status == 3
    assert ran.err.splitlines() == [
        "r.csv:3:3: A2: not one of its options (1, 2, 3, none)",
        "r.csv:4:3: 2 fields, but the header has 4",
        "r.csv:5:2: a quote is opened and never closed",
        "r.csv: 3 faulty rows",
    ]
    rows = list(csv.reader(io.StringIO(ran.out)))
    assert [row[0] for row in rows[1:]] == ["k1", "k2", "k3", "4", "k5"]
    assert rows[2][1:] == rows[3][1:] == rows[4][1:] == [""] * 10
    assert all(row[1] for row in (rows[1], rows[5]))


def test_other_columns_are_named_once_and_ignored(stanine: Run, small: Path) -> None:
    ran = stanine(
        "score",
        small,
        "-",
        stdin=b'"",note,A1,A2,q1,age,participant,revision\n' + b"1,x,1,1,a,31,p,1\n" * 3000,
    )
    assert ran.status == 0
    assert (
        ran.err
        == "<stdin>: these columns are not part of small and are ignored: (column 1, no name), note\n"
    )
    assert len(ran.out.splitlines()) == 3001


def test_a_missing_item_column_is_an_error(stanine: Run, small: Path) -> None:
    ran = stanine("score", small, "-", stdin=b"A1,q1\n1,a\n")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("<stdin>:1: missing column for A2\n")


def test_every_error_of_the_instrument_is_reported_with_its_place(
    stanine: Run, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(
        INSTRUMENT.replace("[A1, A2]", "[A1, A7]").replace("multiply", "multiplied")
    )
    ran = stanine("score", "bad.yaml", "-", stdin=b"A1\n1\n")
    assert ran.status == 2
    assert "bad.yaml: spec.scales[1].items[1]: " in ran.err
    assert "bad.yaml: spec.scales[1].multiplied: " in ran.err
    assert "Traceback" not in ran.err


def test_broken_yaml_is_located_by_line_and_column(stanine: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: [\n")
    ran = stanine("score", "bad.yaml", "-")
    assert ran.status == 2
    assert ran.err.startswith("bad.yaml:2:1: ")


def test_a_missing_file_is_reported(stanine: Run, small: Path) -> None:
    ran = stanine("score", small, "nowhere.csv")
    assert (ran.status, ran.err) == (2, "nowhere.csv: No such file or directory\n")


def test_json_lines_have_the_scales_as_the_api_gives_them(stanine: Run, small: Path) -> None:
    ran = stanine("score", small, "-", "-o", "ndjson", stdin=b"A1,A2,q1\n1,3,b\n1,8,b\n")
    first, second = map(json.loads, ran.out.splitlines())
    assert first["key"] == "1"
    assert first["scales"]["average"] == {
        "raw": 3, "valid": 2, "items": 2, "status": "Scored", "range": [1, 3], "band": "high",
    }  # fmt: skip
    assert second == {"key": "2", "scales": None}


def test_an_output_file_is_written_completely(stanine: Run, small: Path, tmp_path: Path) -> None:
    ran = stanine("score", small, "-", "--output", "out.csv", stdin=b"A1,A2,q1\n1,3,b\n")
    assert (ran.status, ran.out) == (0, "")
    assert (tmp_path / "out.csv").read_text().startswith(HEADER)


def test_no_partial_output_file_is_left(stanine: Run, small: Path, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("as it was")
    ran = stanine(
        "score",
        small,
        "-",
        "--output",
        "out.csv",
        stdin=b"A1,A2,q1\n" + b"1,3,b\n" * 5000 + b"x" * (1 << 21),
    )
    assert ran.status == 2
    assert (tmp_path / "out.csv").read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "small.yaml"]


def test_an_unwritable_output_is_reported(stanine: Run, small: Path) -> None:
    ran = stanine("score", small, "-", "--output", "no/such/out.csv", stdin=b"A1,A2,q1\n")
    assert ran.status == 1
    assert ran.err.endswith("out.csv: No such file or directory\n")
    assert "Traceback" not in ran.err


def test_a_closed_pipe_ends_the_command_quietly(small: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("A1,A2,q1\n" + "1,3,b\n" * 50_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "stanine.cli.main", "score", small, tmp_path / "r.csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(30)


def test_memory_does_not_grow_with_the_file(small: Path, tmp_path: Path) -> None:
    peaks = []
    for rows in (5_000, 200_000):
        (tmp_path / "r.csv").write_text("A1,A2,q1\n" + "1,3,b\n" * rows)
        script = (
            "import resource, sys; from stanine.cli.main import main\n"
            "try: main()\nexcept SystemExit: pass\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        words = [
            sys.executable,
            "-c",
            script,
            "score",
            str(small),
            str(tmp_path / "r.csv"),
            "--output",
            os.devnull,
        ]
        peaks.append(int(subprocess.run(words, stderr=subprocess.PIPE, check=True).stderr))
    assert peaks[1] < peaks[0] + 10_000  # kB


def test_progress_is_shown_on_a_terminal_and_never_among_the_data(
    small: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text("A1,A2,q1\n" + "1,3,b\n" * 20_000)
    words = [sys.executable, "-m", "stanine.cli.main", "score", str(small), str(tmp_path / "r.csv")]
    terminal, side = pty.openpty()
    with (tmp_path / "out.csv").open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=side)
    os.close(side)
    shown = b""
    with contextlib.suppress(OSError):  # Linux ends a terminal's reading so
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    assert process.wait(30) == 0
    assert b"scoring" in shown
    assert (tmp_path / "out.csv").read_text() == HEADER + "".join(
        f"{number},3,2,Scored,high,0.4,2,Scored,100,1,Scored\n" for number in range(1, 20_001)
    )


OPTIONS: list[dict[str, int]] = [
    {"1": 0, "2": 1, "3": 2, "none": 3},
    {"1": 0, "2": 1, "3": 2, "none": 3},
    {"a": 0, "b": 1},
]
CELLS = [st.sampled_from([*options, "", "NA"]) for options in OPTIONS]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(*CELLS), max_size=40), order=st.permutations([0, 1, 2]))
def test_scores_equal_those_of_the_kernel(
    rows: list[tuple[str, ...]],
    order: list[int],
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ["A1", "A2", "q1"]
    lines = [",".join(names[i] for i in order), *(",".join(row[i] for i in order) for row in rows)]
    (tmp_path / "r.csv").write_text("\r\n".join(lines) + "\r\n")
    out = tmp_path / "out.csv"
    monkeypatch.setattr(
        sys, "argv", ["stanine", "score", str(small), str(tmp_path / "r.csv"), "--output", str(out)]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    entry = build_entry(
        parse_instrument(read_yaml(INSTRUMENT.encode())), number=0, revision=1, form=1, digest=""
    )
    codes = np.array(
        [[OPTIONS[i].get(row[i], 255) for i in range(3)] for row in rows], dtype=np.uint8
    ).reshape(-1, 3)
    expected = [
        decode_result(body, entry).scales for body in Kernel(entry.plan).score(codes).packed()
    ]
    found = list(csv.DictReader(io.StringIO(out.read_text())))
    assert len(found) == len(expected)
    for row, scales in zip(found, expected, strict=True):
        for scale, scored in scales.items():
            cell = row[f"{scale}.raw"]
            assert (float(cell) if cell else None) == scored.raw
            assert (row[f"{scale}.valid"], row[f"{scale}.status"]) == (
                str(scored.valid),
                scored.status,
            )
            assert scored.raw is None or math.isfinite(scored.raw)

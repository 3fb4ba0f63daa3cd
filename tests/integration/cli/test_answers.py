"""`stanine answers`, `stanine results --with`, with a running stack: exports read back equal, in every format."""

import csv
import datetime
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pyreadstat
import pytest
import yaml

from stanine.client import Stanine

from .conftest import Run, Up

DOCUMENT: Any = yaml.safe_load(
    (Path(__file__).parents[2] / "unit" / "domain" / "every_feature.yaml").read_text()
)
#: Attempts of every kind of answer: chosen, missing option, not shown, not answered.
ATTEMPTS: list[dict[str, Any]] = [
    {
        "key": "row-1", "participant": "p-1", "language": "de", "seconds": 61.5,
        "attributes": {"sex": "female", "years": 31},
        "answers": {"A1": 2, "d1": 0, "s1": 2, "s2": 2, "q1": "a", "q2": 42, "pain": 2.5, "m1": ["a", "b"],
                    "r1": ["w", "f"], "note": "=1+1\r\n\"x\" ✓", "since": "2026-11-29"},
    },
    {"key": "row-2", "attributes": {"sex": "other"}, "answers": {"A1": "na", "A2": 3, "d1": 2, "d2": 1}},
    {"key": "row-3", "attributes": {"years": 12}, "answers": {"A1": 1, "d1": 0, "s1": 0}},
]  # fmt: skip


@pytest.fixture
def answered(up: Up, request: pytest.FixtureRequest) -> str:
    """The name of an instrument with the three attempts, scored."""
    name = request.node.name.replace("_", "-")[-40:].strip("-").split("[")[0]
    document = {**DOCUMENT, "metadata": {"name": name}}
    with Stanine(up.variables["STANINE_API_URL"], up.variables["STANINE_KEY"]) as client:
        client.instruments.publish(name, document, wait=30)
        answers = list(client.attempts.submit_many(name, ATTEMPTS))
        assert [each.problem for each in answers] == [None] * len(ATTEMPTS)
        list(client.attempts.wait_for(name, answers))
    return str(name)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_csv_can_be_submitted_again(stanine: Run, up: Up, answered: str, tmp_path: Path) -> None:
    ran = stanine("answers", answered, "--output", "answers.csv", **up.variables)
    assert ran.status == 0, ran.err
    rows = rows_of((tmp_path / "answers.csv").read_bytes().decode())
    assert [row["key"] for row in rows] == ["row-1", "row-2", "row-3"]
    assert (rows[0]["Q1"], rows[1]["Q1"], rows[0]["q2"], rows[0]["pain"]) == (
        "2",
        "na",
        "42",
        "2.5",
    )
    assert rows[2]["attempt.notShown"] == "d2 q1 q2 pain m1 r1 note since"
    other = f"{answered[:30]}-b"
    with Stanine(up.variables["STANINE_API_URL"], up.variables["STANINE_KEY"]) as client:
        client.instruments.publish(other, {**DOCUMENT, "metadata": {"name": other}}, wait=30)
    again = stanine("submit", other, "answers.csv", "--wait", **up.variables)
    assert again.status == 0, again.err
    copied = stanine("answers", other, "-o", "ndjson", **up.variables)
    first = stanine("answers", answered, "-o", "ndjson", **up.variables)
    for sent, stored in zip(first.out.splitlines(), copied.out.splitlines(), strict=True):
        before, after = json.loads(sent), json.loads(stored)
        for part in ("answers", "attributes", "key", "participant", "language"):
            assert before.get(part) == after.get(part)


def test_an_export_is_resumed_at_its_cursor(stanine: Run, up: Up, answered: str) -> None:
    ran = stanine("answers", answered, "-o", "ndjson", **up.variables)
    assert len(ran.out.splitlines()) == len(ATTEMPTS)
    cursor = ran.err.rsplit("cursor: ", 1)[1].strip()
    again = stanine("answers", answered, "-o", "ndjson", "--after", cursor, **up.variables)
    assert (again.status, again.out) == (0, "")
    filtered = stanine(
        "answers", answered, "--participant", "p-1", "--state", "Scored", **up.variables
    )
    assert [row["key"] for row in rows_of(filtered.out)] == ["row-1"]


def test_parquet_reads_back_equal(stanine: Run, up: Up, answered: str, tmp_path: Path) -> None:
    ran = stanine(
        "answers", answered, "-o", "parquet", "--with", "results,labels",
        "--output", "answers.parquet", **up.variables,
    )  # fmt: skip
    assert ran.status == 0, ran.err
    table = pyarrow.parquet.read_table(tmp_path / "answers.parquet")
    first, second, third = table.to_pylist()
    expected: dict[str, Any] = {
        "key": "row-1", "sex": "female", "sex.label": "Female", "years": 31, "Q1": "2", "d1": 0, "d2": None,
        "q1": "a", "q2": 42, "pain": 2.5, "m1.a": 1, "m1.none": 0, "r1.w": 1, "r1.f": 2,
        "note": "=1+1\r\n\"x\" ✓", "since": datetime.date(2026, 11, 29), "attempt.seconds": 61.5,
        "attempt.notShown": "d2", "mood.raw": 2.0, "style.code": "W",
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected
    assert first["attempt.submittedAt"].tzinfo is not None
    assert (second["Q1"], second["d2"], second["m1.a"]) == ("na", 1, None)
    assert third["attempt.notShown"].split()[0] == "d2"
    assert table.schema.field("Q1").metadata[b"label"] == b"I ignore others."


def test_spss_reads_back_equal_with_labels_and_missing_codes(
    stanine: Run, up: Up, answered: str, tmp_path: Path
) -> None:
    ran = stanine(
        "answers", answered, "-o", "sav", "--output", "answers.sav", "--codebook", "book.csv", **up.variables
    )  # fmt: skip
    assert ran.status == 0, ran.err
    data, meta = pyreadstat.read_sav(
        tmp_path / "answers.sav", output_format="dict", user_missing=True
    )
    assert data["Q1"] == [2.0, -998.0, 1.0], "a missing option that is a text has a code"
    assert data["d2"] == [-997.0, 1.0, -997.0], "an item that was not shown has another"
    assert data["A2"] == [None, 3.0, None], "no answer is the system's missing value"
    assert data["m1.a"] == [1.0, None, -997.0]
    assert data["pain"] == [2.5, None, -997.0]
    assert data["r1.w"] == [1.0, None, -997.0]
    assert data["since"][0] == datetime.date(2026, 11, 29)
    assert data["note"][0] == ATTEMPTS[0]["answers"]["note"]
    assert data["key"] == ["row-1", "row-2", "row-3"]
    assert data["attempt.submittedAt"][0].year >= 2026
    labels = meta.variable_value_labels
    assert labels["Q1"] == {1.0: "No", 2.0: "2", 3.0: "3", -998.0: "na", -997.0: "not shown"}
    assert meta.column_names_to_labels["Q1"] == "I ignore others."
    assert meta.missing_ranges["Q1"] == [{"lo": -998.0, "hi": -998.0}, {"lo": -997.0, "hi": -997.0}]
    cleaned, _ = pyreadstat.read_sav(tmp_path / "answers.sav", output_format="dict")
    assert cleaned["Q1"] == [2.0, None, 1.0]

    book = rows_of((tmp_path / "book.csv").read_text())
    values = {
        (row["spssVariable"], float(row["spssValue"])): row["value"]
        for row in book
        if row["spssValue"]
    }
    assert values["sex", data["sex"][0]] == "female"
    assert values["sex", data["sex"][1]] == "other"
    assert values["q1_2", data["q1_2"][0]] == "a", "names differ without regard to case"
    missing = {
        (row["variable"], row["value"] or row["valueLabel"])
        for row in book
        if row["missing"] == "true"
    }
    assert {("Q1", "na"), ("Q1", "not shown"), ("d2", "not shown")} <= missing
    texts = {row["variable"]: row["label"] for row in book}
    assert texts["pain"] == "Pain"
    assert texts["m1.a"] == "Which?: a"


def test_a_faulty_part_is_refused_before_anything_is_written(
    stanine: Run, up: Up, tmp_path: Path
) -> None:
    ran = stanine("answers", "any", "--with", "scores", "--output", "x.csv", **up.variables)
    assert ran.status == 1
    assert "results and labels" in ran.err
    assert not (tmp_path / "x.csv").exists()


def test_results_with_answers_are_the_same_columns_in_commit_order(
    stanine: Run, up: Up, answered: str, tmp_path: Path
) -> None:
    parts = "answers,attributes,labels"
    listed = stanine("answers", answered, "--with", "results,labels", **up.variables)
    ran = stanine(
        "results", answered, "--with", parts, "--output", "results.csv", "--codebook", "book.csv", **up.variables
    )  # fmt: skip
    assert ran.status == 0, ran.err
    text = (tmp_path / "results.csv").read_bytes().decode()
    assert text.splitlines()[0] == listed.out.splitlines()[0]
    by_key = {row["key"]: row for row in rows_of(listed.out)}
    rows = rows_of(text)
    assert rows == [by_key[row["key"]] for row in rows]
    committed = rows_of(stanine("results", answered, **up.variables).out)
    assert [row["attempt"] for row in rows] == [row["attempt"] for row in committed]
    assert len(rows) == len(ATTEMPTS)
    book = rows_of((tmp_path / "book.csv").read_text())
    assert list(dict.fromkeys(row["variable"] for row in book)) == list(rows[0])

    made = stanine(
        "results", answered, "-o", "parquet", "--with", parts, "--output", "results.parquet", **up.variables
    )  # fmt: skip
    assert made.status == 0, made.err
    table = pyarrow.parquet.read_table(tmp_path / "results.parquet").to_pylist()
    assert [each["attempt"] for each in table] == [row["attempt"] for row in rows]
    first = next(each for each in table if each["key"] == "row-1")
    assert (first["d1"], first["sex.label"], first["mood.raw"]) == (0, "Female", 2.0)


def test_results_with_answers_are_resumed_at_the_cursor(
    stanine: Run, up: Up, answered: str
) -> None:
    plain = stanine("results", answered, "-o", "ndjson", **up.variables)
    cursor = plain.err.rsplit("cursor: ", 1)[1].strip()
    with Stanine(up.variables["STANINE_API_URL"], up.variables["STANINE_KEY"]) as client:
        client.attempts.submit_and_wait(answered, {"A1": 3, "d1": 0}, key="row-4")
    options = ("--with", "answers", "-o", "ndjson", "--after", cursor)
    ran = stanine("results", answered, *options, **up.variables)
    (line,) = map(json.loads, ran.out.splitlines())
    assert (line["key"], line["answers"]["A1"], line["state"]) == ("row-4", 3, "Scored")
    assert "attributes" not in line
    empty = stanine(
        "results", answered, "--with", "attributes", "--after",
        ran.err.rsplit("cursor: ", 1)[1].strip(), **up.variables,
    )  # fmt: skip
    assert (empty.status, rows_of(empty.out)) == (0, [])
    assert empty.out.startswith("key,attempt,")


@pytest.mark.parametrize(
    ("options", "about"),
    [
        (("--with", "scores"), "answers, attributes, labels"),
        (("--with", "labels"), "add one of them"),
        (("--codebook", "book.csv"), "--with answers"),
    ],
)
def test_faulty_options_of_results_are_refused_before_anything_is_written(
    stanine: Run, up: Up, tmp_path: Path, options: tuple[str, ...], about: str
) -> None:
    ran = stanine("results", "any", *options, "--output", "x.csv", **up.variables)
    assert ran.status == 1
    assert about in ran.err
    assert list(tmp_path.glob("*.csv")) == []

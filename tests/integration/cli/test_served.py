"""The commands that use the API, with a running stack."""

import csv
import io
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet
import pyreadstat
import pytest
import yaml

from stanine.cli.commands.submit import Counts
from stanine.client import Stanine

from .conftest import INSTRUMENT, Run, Up

ROWS = "key,A1,A2,q1\nk1,1,3,b\nk2,NA,2,\nk3,1,1,a\n"


@pytest.fixture
def published(up: Up, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The name of an indexed instrument for this test."""
    name = request.node.name.replace("_", "-")[-40:].strip("-").split("[")[0]
    document = INSTRUMENT.replace("name: small", f"name: {name}")
    (tmp_path / "own.yaml").write_text(document)
    with Stanine(up.variables["STANINE_API_URL"], up.variables["STANINE_KEY"]) as client:
        client.instruments.publish(name, document, media_type="application/yaml", wait=30)
    return str(name)


def count(stanine: Run, up: Up, name: str, file: str, *more: str) -> Counts:
    ran = stanine("submit", name, file, "-o", "json", *more, **up.variables)
    assert ran.status in {0, 3}, ran.err
    return Counts(**json.loads(ran.out))


def test_publishing_an_unchanged_document_makes_no_revision(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    ran = stanine("publish", "own.yaml", "-o", "json", **up.variables)
    (again,) = json.loads(ran.out)
    assert (again["name"], again["revision"], again["changed"]) == (published, 1, False)
    (tmp_path / "own.yaml").write_text(
        (tmp_path / "own.yaml").read_text().replace("title: Small", "title: Other")
    )
    (next_one,) = json.loads(stanine("publish", "own.yaml", "-o", "json", **up.variables).out)
    assert (next_one["revision"], next_one["form"], next_one["changed"]) == (2, 1, True)


def test_publishing_shows_each_warning_once(stanine: Run, up: Up, published: str) -> None:
    ran = stanine("publish", "own.yaml", "-o", "json", **up.variables)
    (answer,) = json.loads(ran.out)
    assert [(one["pointer"], one["code"]) for one in answer["warnings"]] == [
        ("spec.scales[2].unanswered", "UnansweredWithoutMinValid")
    ]
    assert ran.err.count("warning:") == 1
    assert "own.yaml: warning: spec.scales[2].unanswered: " in ran.err


def test_the_language_of_a_row_is_stored(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("key,attempt.language,A1,A2,q1\nk,pt-BR,1,2,a\nl,,1,2,a\n")
    ran = stanine("submit", published, "rows.csv", "--wait", **up.variables)
    assert "ignored" not in ran.err
    with Stanine(up.variables["STANINE_API_URL"], up.variables["STANINE_KEY"]) as client:
        languages = {one.key: one.language for one in client.results.list(published)}
    assert languages == {"k": "pt-BR", "l": None}


def test_one_invalid_document_prevents_all_publications(
    stanine: Run, up: Up, tmp_path: Path
) -> None:
    (tmp_path / "good.yaml").write_text(INSTRUMENT.replace("name: small", "name: never-published"))
    (tmp_path / "bad.yaml").write_text(INSTRUMENT.replace("key: {q1: b}", "key: {q1: z}"))
    ran = stanine("publish", "good.yaml", "bad.yaml", **up.variables)
    assert ran.status == 2
    assert ran.err.startswith("bad.yaml: spec.scales[2].key")
    assert stanine("instruments", "never-published", **up.variables).status == 4


def test_a_shown_document_can_be_published_again(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    for view in ("yaml", "json"):
        (tmp_path / f"shown.{view}").write_text(
            stanine("instruments", published, "-o", view, **up.variables).out
        )
        (again,) = json.loads(stanine("publish", f"shown.{view}", "-o", "json", **up.variables).out)
        assert again["changed"] is False


def test_instruments_are_listed(stanine: Run, up: Up, published: str) -> None:
    lines = stanine("instruments", **up.variables).out.splitlines()
    assert lines[0].split() == ["NAME", "REVISION", "FORM"]
    assert [published, "1", "1"] in [line.split() for line in lines]
    scales = stanine("instruments", published, **up.variables).out.splitlines()
    assert [line.split()[0] for line in scales] == ["SCALE", "average", "total", "correct"]


def test_served_results_equal_offline_scores(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(ROWS)
    assert count(stanine, up, published, "r.csv", "--wait") == Counts(
        published, rows=3, taken=3, repeated=0, scored=3, failed=0
    )
    offline = list(csv.DictReader(io.StringIO(stanine("score", "own.yaml", "r.csv").out)))
    served = list(csv.DictReader(io.StringIO(stanine("results", published, **up.variables).out)))
    assert len(served) == 3
    by_key = {row["key"]: row for row in served}
    for row in offline:
        assert {name: by_key[row["key"]][name] for name in row} == row
    lines = [
        json.loads(line)
        for line in stanine("results", published, "-o", "ndjson", **up.variables).out.splitlines()
    ]
    assert {line["key"]: line["scales"]["average"]["raw"] for line in lines} == {
        "k1": 3,
        "k2": 2,
        "k3": 2,
    }


def test_statistics_are_by_an_attribute_and_by_month_together(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    sexes = INSTRUMENT.replace("[{id: age, type: Integer}]", "[{id: sex, values: [f, m]}]")
    (tmp_path / "own.yaml").write_text(sexes.replace("name: small", f"name: {published}"))
    assert stanine("publish", "own.yaml", "--wait", **up.variables).status == 0
    rows = [f"k{n},{1 + n % 3},1,a,{'f' if n < 12 else 'm'}" for n in range(25)]
    (tmp_path / "r.csv").write_text("\n".join(["key,A1,A2,q1,sex", *rows]))
    count(stanine, up, published, "r.csv", "--wait")
    by = ("--by", "sex", "--monthly")
    found = json.loads(stanine("statistics", published, *by, "-o", "json", **up.variables).out)
    months = {datetime.now(UTC).strftime("%Y-%m"), found["groups"][0]["month"]}
    assert len(months) == 1
    groups = [(one["value"], one["month"], one["attempts"]) for one in found["groups"]]
    assert groups == [(sex, *months, size) for sex, size in (("f", 12), ("m", 13))]
    table = stanine("statistics", published, *by, **up.variables).out.splitlines()
    assert table[0].split()[:4] == ["VALUE", "MONTH", "SCALE", "N"]
    assert table[1].split()[:4] == ["f", *months, "average", "12"]


def test_a_rescoring_is_reported_before_and_done_once(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(ROWS)
    count(stanine, up, published, "r.csv", "--wait")
    changed = (tmp_path / "own.yaml").read_text().replace("[-A1, A2]", "[A1, A2]")
    assert changed != (tmp_path / "own.yaml").read_text()
    (tmp_path / "own.yaml").write_text(changed)
    assert stanine("publish", "own.yaml", "--wait", **up.variables).status == 0
    ran = stanine("rescore", published, "--dry-run", "-o", "json", **up.variables)
    assert ran.status == 0, ran.err
    dry = json.loads(ran.out)
    assert (dry["state"], dry["dryRun"], dry["report"]["attempts"]) == ("Completed", True, 3)
    assert dry["report"]["changed"] > 0
    assert f"{dry['report']['changed']} would change" in ran.err
    ran = stanine("rescore", published, "-o", "json", **up.variables)
    assert json.loads(ran.out)["report"] == dry["report"]
    table = stanine("rescore", published, "--status", **up.variables)
    assert "raw" in table.out
    again = stanine("rescore", published, "-o", "json", **up.variables)
    assert json.loads(again.out)["report"]["changed"] == 0
    offline = list(csv.DictReader(io.StringIO(stanine("score", "own.yaml", "r.csv").out)))
    served = csv.DictReader(io.StringIO(stanine("results", published, **up.variables).out))
    by_key = {row["key"]: row for row in served}
    assert {name: by_key[row["key"]][name] for row in offline for name in row if "." in name} == {
        name: row[name] for row in offline for name in row if "." in name
    }


@pytest.mark.parametrize(
    "command", [["reliability"], ["norms", "--min", "5"], ["norms", "--by", "age:10", "--min", "5"]]
)
def test_figures_of_stored_attempts_equal_those_of_their_file(
    stanine: Run, up: Up, published: str, tmp_path: Path, command: list[str]
) -> None:
    chance = random.Random(3)
    rows = [
        f"k{n},{chance.choice(['1', '2', '3', 'none', ''])},{chance.choice('123')},{chance.choice('ab')},{20 + n % 25}"
        for n in range(60)
    ]
    (tmp_path / "r.csv").write_text("\n".join(["key,A1,A2,q1,age", *rows]) + "\n")
    count(stanine, up, published, "r.csv")
    of_file = stanine(command[0], "own.yaml", "r.csv", *command[1:], "-o", "json")
    stored = stanine(command[0], published, *command[1:], "-o", "json", **up.variables)
    assert stored.status == 0, stored.err
    assert json.loads(stored.out) == json.loads(of_file.out)
    assert json.loads(stored.out)["people"] == 60


def test_figures_of_stored_attempts_are_refused_what_they_cannot_mean(
    stanine: Run, up: Up, published: str
) -> None:
    assert stanine("norms", "own.yaml", **up.variables).status == 2
    assert stanine("norms", published, "--separator", ";", **up.variables).status == 2
    assert stanine("reliability", "no-such-instrument", **up.variables).status == 4


@pytest.mark.parametrize("suffix", ["csv", "ndjson"])
def test_submitting_a_file_twice_adds_nothing(
    stanine: Run, up: Up, published: str, tmp_path: Path, suffix: str
) -> None:
    rows = {
        "csv": "A1,A2,q1\n1,1,a\n1,1,a\n",
        "ndjson": '{"answers": {"A1": 1}}\n{"answers": {"A1": 1}}\n',
    }[suffix]
    (tmp_path / f"r.{suffix}").write_text(rows)
    for repeated in (0, 2):
        assert count(stanine, up, published, f"r.{suffix}", "--wait") == Counts(
            published, rows=2, taken=2, repeated=repeated, scored=2, failed=0
        )
    assert len(stanine("results", published, "-o", "ndjson", **up.variables).out.splitlines()) == 2


@pytest.mark.parametrize("view", ["table", "json", "yaml"])
def test_repeated_rows_are_counted_in_every_output_format(
    stanine: Run, up: Up, published: str, tmp_path: Path, view: str
) -> None:
    rows = ROWS.replace("\nk", f"\n{view}")
    (tmp_path / "r.csv").write_text(rows)
    first = stanine("submit", published, "r.csv", "-o", view, **up.variables)
    assert (first.status, first.err) == (0, "")
    (tmp_path / "r.csv").write_text(f"{rows}{view}4,1,1,a\n")
    again = stanine("submit", published, "r.csv", "-o", view, **up.variables)
    assert (again.status, again.err) == (0, "r.csv: 4 submitted, 3 of them repeated\n")
    if view == "table":
        head, row = (line.split() for line in again.out.splitlines())
        shown = dict(zip(head, row, strict=True))
        assert (shown["ROWS"], shown["TAKEN"], shown["REPEATED"]) == ("4", "4", "3")
    else:
        assert yaml.safe_load(again.out)["repeated"] == 3  # JSON is YAML too


def test_client_and_server_errors_are_located_in_the_file(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(
        "key,A1,A2,q1,revision,note\nk1,1,9,a,,\nk2,1,1,a,7,\nk3,1,1,a,1,\nk3,2,1,a,1,\n"
    )
    ran = stanine("submit", published, "r.csv", "-o", "json", **up.variables)
    assert ran.status == 3
    lines = ran.err.splitlines()
    assert lines[0] == f"r.csv: these columns are not part of {published} and are ignored: note"
    assert lines[1] == "r.csv:2:3: A2: not one of its options (1, 2, 3, none)"
    assert lines[2].startswith("r.csv:3:5: ")  # the server knows the revisions
    assert lines[3].startswith("r.csv:5:1: ")  # and the keys
    assert (json.loads(ran.out)["taken"], json.loads(ran.out)["faulty"]) == (1, 3)


def test_an_invalid_line_of_json_is_located(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    (tmp_path / "r.ndjson").write_text(
        '{"key": "a", "answers": {"A1": 1}}\n{"key": \n\n{"key": "b", "answers": {"A1": 17, "Z": 1}}\n'
    )
    ran = stanine("submit", published, "r.ndjson", **up.variables)
    assert ran.status == 3
    assert [line.split(": ")[0] for line in ran.err.splitlines()] == [
        "r.ndjson:2:1",
        "r.ndjson:4:1",
    ]
    assert "/answers/A1" in ran.err
    assert "/answers/Z" in ran.err


def test_a_result_requires_its_own_token(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(ROWS)
    assert count(stanine, up, published, "r.csv", "--wait").scored == 3
    attempts = {
        row["key"]: row["attempt"]
        for row in csv.DictReader(io.StringIO(stanine("results", published, **up.variables).out))
    }
    shown = stanine("result", attempts["k1"], **up.variables)
    assert [line.split() for line in shown.out.splitlines()][:2] == [
        ["SCALE", "RAW", "VALID", "ITEMS", "STATUS", "BAND"],
        ["average", "3", "2", "2", "Scored", "high"],
    ]
    assert (
        json.loads(stanine("result", attempts["k1"], "-o", "json", **up.variables).out)["key"]
        == "k1"
    )
    assert stanine("result", attempts["k1"], "--key", "0" * 32, **up.variables).status in {4, 6}
    assert stanine("result", "0" * 32, **up.variables).status == 4


def test_parquet_spss_and_csv_have_the_same_values(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(ROWS)
    count(stanine, up, published, "r.csv", "--wait")
    stanine("results", published, "--output", "r.parquet", "-o", "parquet", **up.variables)
    table = pyarrow.parquet.read_table(tmp_path / "r.parquet")
    rows = list(csv.DictReader(io.StringIO(stanine("results", published, **up.variables).out)))
    assert table.column_names == list(rows[0])
    assert str(table.schema.field("average.raw").type) == "double"
    for row, typed in zip(rows, table.to_pylist(), strict=True):
        assert {name: value for name, value in typed.items() if value is not None} == {
            name: type(typed[name])(text) for name, text in row.items() if text
        }
    stanine("results", published, "--output", "r.sav", "-o", "sav", **up.variables)
    columns, about = pyreadstat.read_sav(tmp_path / "r.sav", output_format="dict")
    assert list(about.column_names_to_labels.values()) == list(rows[0])
    for name, values in zip(rows[0], columns.values(), strict=True):
        texts = [row[name] for row in rows]
        shown = [f"{x:g}" if isinstance(x, float) else x or "" for x in values]
        assert shown == texts, name


def test_results_are_continued_from_a_cursor(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text(ROWS)
    count(stanine, up, published, "r.csv", "--wait")
    first = stanine("results", published, **up.variables)
    cursor = first.err.split("cursor: ")[1].strip()
    (tmp_path / "more.csv").write_text(ROWS.replace("k", "m").replace("mey", "key"))
    count(stanine, up, published, "more.csv", "--wait")
    rest = list(
        csv.DictReader(
            io.StringIO(stanine("results", published, "--after", cursor, **up.variables).out)
        )
    )
    assert {row["key"] for row in rest} == {"m1", "m2", "m3"}


@pytest.mark.parametrize("cursor", ["2", "9999"])
def test_an_outdated_cursor_continues_at_the_servers_cursor(
    stanine: Run, up: Up, published: str, tmp_path: Path, cursor: str
) -> None:
    (tmp_path / "r.csv").write_text(ROWS)
    count(stanine, up, published, "r.csv", "--wait")
    ran = stanine("results", published, "--after", cursor, **up.variables)
    assert ran.status == 0
    assert ran.err.startswith("the server's data were replaced; continuing from ")
    assert {row["key"] for row in csv.DictReader(io.StringIO(ran.out))} == {"k1", "k2", "k3"}


def test_an_invalid_cursor_is_rejected(stanine: Run, up: Up, published: str) -> None:
    ran = stanine("results", published, "--after", "no cursor", **up.variables)
    assert (ran.status, ran.out) == (2, "")
    assert "`next`" in ran.err


def test_earlier_tokens_stay_valid_for_the_given_time_after_a_rotation(
    stanine: Run, up: Up, published: str
) -> None:
    with Stanine(up.variables["STANINE_API_URL"], up.variables["STANINE_KEY"]) as client:

        def submit() -> tuple[str, str]:
            receipt = client.attempts.submit(published, {"A1": 1}, key="k")
            return receipt.attempt, receipt.token

        attempt, token = submit()
        for kept in (["--keep-seconds", "600"], ["-o", "json"]):
            rotated = stanine("tokens", "rotate", *kept, **up.variables)
            assert (rotated.status, rotated.err) == (0, "")
            assert (
                stanine("result", attempt, "--wait", "10", "--key", token, **up.variables).status
                == 0
            )
        until = datetime.fromisoformat(json.loads(rotated.out)["formerValidUntil"])
        assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(days=1, minutes=1)
        attempt, last = submit()
        assert last != token
        assert stanine("tokens", "rotate", "--keep-seconds", "0", **up.variables).status == 0
        assert stanine("result", attempt, "--key", last, **up.variables).status == 4
        assert stanine("result", attempt, "--key", submit()[1], **up.variables).status == 0


@pytest.mark.parametrize(
    ("words", "variables", "status", "says"),
    [
        (["instruments", "nobody-knows"], {}, 4, "was not found"),
        (["instruments"], {"STANINE_KEY": "wrong"}, 6, "key"),
        (["instruments"], {"STANINE_KEY": ""}, 6, "STANINE_KEY"),
        (["instruments"], {"STANINE_API_URL": "http://127.0.0.1:1"}, 5, "cannot be reached"),
        (["instruments"], {"STANINE_API_URL": "127.0.0.1:1"}, 2, "http://HOST:PORT"),
        (["submit", "nobody-knows", "r.csv"], {}, 4, "was not found"),
        (["instruments", "-o", "xml"], {}, 2, "xml"),
        (["tokens", "rotate"], {"STANINE_KEY": "wrong"}, 6, "key"),
        (["tokens", "rotate", "--keep-seconds", "-1"], {}, 2, "--keep-seconds"),
    ],
)
def test_each_failure_has_its_exit_status_and_message(
    stanine: Run,
    up: Up,
    tmp_path: Path,
    words: list[str],
    variables: dict[str, str],
    status: int,
    says: str,
) -> None:
    (tmp_path / "r.csv").write_text(ROWS)
    ran = stanine(*words, **(up.variables | variables))
    assert (ran.status, ran.out) == (status, "")
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_piped_file_is_recognised_as_the_same_file(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    rows = "A1,A2,q1\n1,1,a\n2,1,a\n"
    (tmp_path / "r.csv").write_text(rows)
    assert (
        stanine("submit", published, "-", "--wait", stdin=rows.encode(), **up.variables).status == 0
    )
    assert count(stanine, up, published, "r.csv", "--wait").scored == 2
    assert len(stanine("results", published, "-o", "ndjson", **up.variables).out.splitlines()) == 2


def test_many_rows_are_submitted_once_each_in_many_requests(
    stanine: Run, up: Up, published: str, tmp_path: Path
) -> None:
    rows = [
        f"k{number},{1 + number % 3},{'9' if number % 700 == 3 else '2'},a"
        for number in range(5_000)
    ]
    (tmp_path / "r.csv").write_text("\n".join(["key,A1,A2,q1", *rows]) + "\n")
    ran = stanine("submit", published, "r.csv", "-o", "json", **up.variables)
    assert ran.status == 3
    assert [line.split(": ")[0] for line in ran.err.splitlines()] == [
        f"r.csv:{number + 2}:3" for number in range(3, 5_000, 700)
    ]
    assert json.loads(ran.out)["taken"] == 4_992
    assert count(stanine, up, published, "r.csv", "--wait").scored == 4_992
    keys = [
        row["key"]
        for row in csv.DictReader(io.StringIO(stanine("results", published, **up.variables).out))
    ]
    assert len(keys) == len(set(keys)) == 4_992

"""`stanine score` on files as programs export them: one test per program, with invented data."""

import csv
import io
import sys
from pathlib import Path

import pytest

from stanine.cli.main import main

from .conftest import Ran, Run

INSTRUMENT = """
apiVersion: stanine.dev/v1alpha1
kind: Instrument
metadata: {name: mood}
spec:
  title: Mood
  language: en
  attributes:
    - {id: age, type: Integer}
    - {id: sex, values: [{value: f, label: "Female"}, {value: m, label: "Male"}]}
  responseSets:
    - name: often
      options:
        - {value: 0, label: "Never"}
        - {value: 1, label: "Sometimes"}
        - {value: 2, label: "Often, or always"}
  items:
    - {id: m1, text: "I am sad.", responses: often}
    - {id: m2, text: "I am tired.", responses: often}
    - {id: pain, type: Number, text: "Pain?", min: 0, max: 10, step: 0.5}
    - {id: helps, type: Multiple, text: "What helps?",
       options: [{value: "1", label: "A walk"}, {value: "2", label: "A book"}]}
  scales:
    - {id: mood, items: [m1, m2], score: Sum}
    - {id: hurt, items: [pain], score: Sum}
    - {id: aids, points: {helps: count}, score: Sum}
  translations:
    de:
      options: {often: {"0": "Nie", "1": "Manchmal", "2": "Oft oder immer"}}
"""


@pytest.fixture
def stanine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    """Run the command in this process: starting one takes longer than what it does here."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["stanine", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def mood(tmp_path: Path) -> str:
    (tmp_path / "mood.yaml").write_text(INSTRUMENT)
    return "mood.yaml"


def scores(ran: Ran) -> dict[str, tuple[str, str, str]]:
    """Return the raw scores by key."""
    assert ran.status == 0, ran.err
    rows = csv.DictReader(io.StringIO(ran.out))
    return {row["key"]: (row["mood.raw"], row["hurt.raw"], row["aids.raw"]) for row in rows}


def test_spss_and_excel_in_german_write_semicolons_and_decimal_commas(
    stanine: Run, mood: str, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_bytes(
        "\ufefflfdn;m1;m2;pain;helps.1;helps.2;age;Bemerkung\r\n"
        "101;0;2,0;3,5;1;0;31;schön, gut\r\n"
        "102;1; ;10,0;;;42;\r\n".encode()
    )
    ran = stanine("score", mood, "r.csv", "--key-column", "lfdn")
    assert scores(ran) == {"101": ("2", "3.5", "1"), "102": ("", "10", "")}
    assert ran.err.splitlines() == [
        "r.csv: read as UTF-8 with a byte order mark, separated by semicolons",
        "r.csv: read with decimal commas",
        "r.csv: these columns are not part of mood and are ignored: Bemerkung",
    ]


def test_excel_in_western_europe_writes_windows_1252(
    stanine: Run, mood: str, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_bytes(
        "sep=;\r\nkey;m1;m2;pain;helps.1;helps.2\r\nMüller;1;1;0;0;0\r\n".encode("cp1252")
    )
    ran = stanine("score", mood, "r.csv")
    assert scores(ran) == {"Müller": ("2", "0", "0")}
    assert ran.err == (
        "r.csv: read as Windows-1252, because it is not UTF-8, separated by semicolons (as its line sep= says)\n"
    )


def test_redcap_writes_a_column_for_each_box(stanine: Run, mood: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(
        "record_id,redcap_event_name,age,m1,m2,pain,helps___1,helps___2,mood_complete\n"
        '"1",baseline_arm_1,31,0,2,3.5,1,1,2\n'
        '"2",baseline_arm_1,,1,,,0,0,0\n'
    )
    ran = stanine("score", mood, "r.csv", "--key-column", "record_id")
    assert scores(ran) == {"1": ("2", "3.5", "2"), "2": ("", "", "0")}
    assert "the columns helps___1, helps___2 are read as the options of helps\n" in ran.err


def test_redcap_with_labels_writes_checked_and_unchecked(
    stanine: Run, mood: str, tmp_path: Path
) -> None:
    (tmp_path / "map.yaml").write_text("helps: {noneChosen: Missing}\n")
    (tmp_path / "r.csv").write_text(
        "record_id,sex,m1,m2,pain,helps___1,helps___2\n"
        '1,Female,never,"Often,  or always",3.5,Checked,Unchecked\n'
        "2,Male,Sometimes,Never,,Unchecked,Unchecked\n"
    )
    ran = stanine(
        "score", mood, "r.csv", "--key-column", "record_id", "--labels", "--columns", "map.yaml"
    )
    assert scores(ran) == {"1": ("2", "3.5", "1"), "2": ("1", "", "")}


def test_qualtrics_has_three_header_rows(stanine: Run, mood: str, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(
        "key: ResponseId\nm1: Q1_1\nm2: Q1_2\npain: Q2\nhelps: Q3\nage: Q4\n"
    )
    (tmp_path / "r.csv").write_text(
        "StartDate,ResponseId,Q1_1,Q1_2,Q2,Q3_1,Q3_2,Q4\n"
        'Start Date,Response ID,"How are you?\nSad","How are you?\nTired",Pain?,What helps? A walk,What helps? A book,Age\n'
        '"{""ImportId"":""startDate""}","{""ImportId"":""_recordId""}","{""ImportId"":""QID1_1""}","{""ImportId"":""QID1_2""}",'
        '"{""ImportId"":""QID2""}","{""ImportId"":""QID3_1""}","{""ImportId"":""QID3_2""}","{""ImportId"":""QID4""}"\n'
        "2026-11-02 10:00:00,R_1a,2,2,4.5,1,,31\n"
        "2026-11-02 10:05:00,R_2b,0,1,,,,\n"
    )
    ran = stanine("score", mood, "r.csv", "--columns", "map.yaml")
    assert scores(ran) == {"R_1a": ("4", "4.5", "1"), "R_2b": ("1", "", "")}
    assert "r.csv: read without the 2 rows of Qualtrics below the header\n" in ran.err
    same = stanine("score", mood, "r.csv", "--columns", "map.yaml", "--skip-rows", "2")
    assert same.out == ran.out


def test_limesurvey_writes_answer_codes(stanine: Run, mood: str, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(
        'm1: &often {column: "feel[SQ001]", values: {A1: 0, A2: 1, A3: 2, "-oth-": null}}\n'
        'm2: {column: "feel[SQ002]", values: {A1: 0, A2: 1, A3: 2}}\n'
        'key: id\nhelps: {values: {"Y": 1, "N": 0}}\n'
    )
    (tmp_path / "r.csv").write_text(
        '"id","submitdate","startlanguage","feel[SQ001]","feel[SQ002]","pain","helps[1]","helps[2]"\n'
        '"7","2026-11-02 10:00:00","de","A1","A3","3.5000000000","Y",""\n'
        '"8","","de","-oth-","A2","","",""\n'
    )
    ran = stanine("score", mood, "r.csv", "--columns", "map.yaml")
    assert scores(ran) == {"7": ("2", "3.5", "1"), "8": ("", "", "")}


def test_sosci_survey_writes_tabs_in_utf_16_and_negative_codes(
    stanine: Run, mood: str, tmp_path: Path
) -> None:
    (tmp_path / "map.yaml").write_text(
        "key: CASE\n"
        "m1: {column: AB01_01, values: {'1': 0, '2': 1, '3': 2}}\n"
        "m2: {column: AB01_02, values: {'1': 0, '2': 1, '3': 2}}\n"
        "pain: AB02_01\n"
        "helps.1: {column: AB03_01, values: {'1': 0, '2': 1}}\n"
        "helps.2: {column: AB03_02, values: {'1': 0, '2': 1}}\n"
    )
    (tmp_path / "r.csv").write_bytes(
        (
            '"CASE"\t"AB01_01"\t"AB01_02"\t"AB02_01"\t"AB03_01"\t"AB03_02"\n'
            '"31"\t1\t3\t"3,5"\t2\t1\n"32"\t2\t-9\t-9\t1\t1\n'
        ).encode("utf-16")
    )
    ran = stanine("score", mood, "r.csv", "--columns", "map.yaml", "--missing", "-9,-1")
    assert scores(ran) == {"31": ("2", "3.5", "1"), "32": ("", "", "0")}
    assert ran.err.splitlines()[0] == "r.csv: read as UTF-16, separated by tabs"


def test_r_writes_row_names_and_na(stanine: Run, mood: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(
        '"","m1","m2","pain","helps.1","helps.2"\n"1",0,2,3.5,1,0\n"2",NA,2,NA,NA,NA\n'
    )
    ran = stanine("score", mood, "r.csv")
    assert scores(ran) == {"1": ("2", "3.5", "1"), "2": ("", "", "")}
    assert "(column 1, no name)" in ran.err


def test_google_forms_writes_labels_below_questions(
    stanine: Run, mood: str, tmp_path: Path
) -> None:
    (tmp_path / "map.yaml").write_text(
        "m1: I am sad.\nm2: I am tired.\npain: Pain?\n"
        'helps: {column: "What helps?", split: ",", noneChosen: Missing}\nkey: Timestamp\n'
    )
    (tmp_path / "r.csv").write_text(
        "Timestamp,I am sad.,I am tired.,Pain?,What helps?\n"
        '2026/11/02 10:00:01 am GMT+1,Never,"Often, or always",3.5,"A walk, A book"\n'
        '2026/11/02 10:07:44 am GMT+1,Nie,"Oft oder  immer",4,A book\n'
        "2026/11/02 10:09:00 am GMT+1,Sometimes,,,\n"
    )
    ran = stanine("score", mood, "r.csv", "--labels", "--columns", "map.yaml")
    assert list(scores(ran).values()) == [("2", "3.5", "2"), ("2", "4", "1"), ("", "", "")]
    plain = stanine("score", mood, "r.csv", "--columns", "map.yaml")
    assert plain.status == 3
    assert plain.err.splitlines()[0] == (
        "r.csv:2:2: I am sad.: not one of its options (0, 1, 2); it is an option's label: --labels reads labels"
    )


HEADER = "key,m1,m2,pain,helps.1,helps.2"


@pytest.mark.parametrize(
    ("content", "words", "says"),
    [
        (
            HEADER.replace(",", ";") + "\na;0;1;1,5;1;0\nb;0;1;1.5;1;0\n",
            (),
            "r.csv:2:4: a decimal comma, but 3:4 has a decimal point: --decimal says which one is meant",
        ),
        (
            "key,m1;x,m2;pain,helps.1;y,helps.2\n1,1;1,1;1,1;1,1\n",
            (),
            "r.csv:1: the separator is not clear: commas give 5 columns, semicolons give 4 columns; name it with --separator",
        ),
        (
            HEADER + "\na,1,2,9,0,0\n",
            ("--missing", "9,99"),
            "--missing 9: an answer to pain can be 9; name the missing codes of each column in --columns",
        ),
        (HEADER + "\n", ("--key-column", "id"), "r.csv:1: missing column 'id' for key"),
        (HEADER + "\n", ("--separator", ";;"), "--separator ;;: one character"),
        (HEADER + "\n", ("--decimal", "x"), "--decimal x: . or , belongs here"),
        (HEADER + "\n", ("--encoding", "hex"), "--encoding hex: not known"),
        (HEADER + "\nü\n", ("--encoding", "ascii"), "r.csv:1: the text from here on is not ascii"),
        (
            "Study of mood\n" + HEADER + "\n",
            (),
            "missing column for m1, m2, pain, helps.1, helps.2",
        ),
    ],
)
def test_what_is_not_clear_is_an_error_that_names_the_option(
    stanine: Run, mood: str, tmp_path: Path, content: str, words: tuple[str, ...], says: str
) -> None:
    (tmp_path / "r.csv").write_text(content)
    ran = stanine("score", mood, "r.csv", *words)
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a,Never,1,1,1,0", "2:2: m1: not one of its options (0, 1, 2); it is an option's label"),
        ("a,-99,1,1,1,0", "2:2: m1: not one of its options (0, 1, 2); if it marks a missing"),
        ('a,0,1,"1,5",1,0', ""),
        (
            "a,0,1,1,1,0,F",
            "2:7: sex: not one of f, m; it differs from one in upper and lower case",
        ),
        ("a,0,1,x,1,0", "2:4: pain: a number belongs here"),
        ("a,0,1,1,2,0", "2:5: helps.1: 1 (chosen) or 0 belongs here"),
    ],
)
def test_a_cell_that_cannot_be_read_is_located_with_a_remedy(
    stanine: Run, mood: str, tmp_path: Path, row: str, says: str
) -> None:
    header = f"{HEADER},sex" if row.endswith(",F") else HEADER
    (tmp_path / "r.csv").write_text(f"{header}\n{row}\n")
    ran = stanine("score", mood, "r.csv")
    assert ran.status == (3 if says else 0)
    assert f"r.csv:{says}" in ran.err


@pytest.mark.parametrize(
    ("map_", "says"),
    [
        ("m9: x\n", "the instrument has no item, option or attribute m9"),
        ("m1: {colum: x}\n", "map.yaml: m1: Object contains unknown field"),
        ("[m1]\n", "a mapping from names to columns belongs here"),
        ("m1: m2\n", "m1 and m2 would be read from the same column 'm2'"),
        ("m1: {split: x}\n", "split and noneChosen belong to an item of type Multiple"),
        ("m1: a\nm1: b\n", "map.yaml:"),
    ],
)
def test_a_wrong_column_map_is_refused(
    stanine: Run, mood: str, tmp_path: Path, map_: str, says: str
) -> None:
    (tmp_path / "map.yaml").write_text(map_)
    (tmp_path / "r.csv").write_text(f"{HEADER}\na,0,1,1,1,0\n")
    ran = stanine("score", mood, "r.csv", "--columns", "map.yaml")
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err


def test_a_code_that_the_map_does_not_list_is_refused(
    stanine: Run, mood: str, tmp_path: Path
) -> None:
    (tmp_path / "map.yaml").write_text('m1: {values: {"1": 0, "2": 1}}\n')
    (tmp_path / "r.csv").write_text(f"{HEADER}\na,1.0,1,1,1,0\nb,0,1,1,1,0\n")
    ran = stanine("score", mood, "r.csv", "--columns", "map.yaml")
    assert ran.status == 3
    assert "r.csv:3:2: m1: not one of the codes that the column map lists" in ran.err
    assert next(csv.DictReader(io.StringIO(ran.out)))["mood.raw"] == "1"


@pytest.mark.parametrize("command", ["reliability", "norms"])
def test_other_commands_read_the_same_files(
    stanine: Run, mood: str, tmp_path: Path, command: str
) -> None:
    rows = "".join(f"{key};{key % 3};-9;{key % 10},5;1;0\r\n" for key in range(40))
    (tmp_path / "r.csv").write_bytes(f"{HEADER.replace(',', ';')}\r\n{rows}".encode("utf-16"))
    ran = stanine(command, mood, "r.csv", "--missing", "-9", "-o", "json")
    assert ran.status == 0, ran.err
    assert '"people": 40' in ran.out
    assert "r.csv: read as UTF-16, separated by semicolons\nr.csv: read with decimal commas\n" in (
        ran.err
    )


def test_one_row_is_explained_from_the_same_file(stanine: Run, mood: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(
        "id;m1;m2;pain;helps.1;helps.2\n7;Never;Oft oder immer;1,5;1;0\n"
    )
    ran = stanine("explain", mood, "r.csv", "--key", "7", "--key-column", "id", "--labels")
    assert ran.status == 0, ran.err
    assert "1.5" in ran.out

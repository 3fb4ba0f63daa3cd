"""`stanine import`: exit statuses, output, and that what it writes can be scored."""

import json
import sys
from pathlib import Path

import pytest

from stanine.cli.main import main

from .conftest import Ran, Run

WEIGHT = "http://hl7.org/fhir/StructureDefinition/itemWeight"
MOOD = {
    "resourceType": "Questionnaire",
    "name": "Mood_Short",
    "title": "Mood",
    "item": [
        {"linkId": f"q{number}", "text": text, "type": "choice", "answerOption": [
            {"valueInteger": value, "extension": [{"url": WEIGHT, "valueDecimal": value}]} for value in (0, 1, 2)
        ]}
        for number, text in ((1, "Sad?"), (2, "Tired?"))
    ],
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["stanine", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return Ran(int(ended.value.code or 0), out, err)

    return run


def test_a_questionnaire_is_imported_and_scored(here: Run, tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text(json.dumps(MOOD))
    ran = here("import", "fhir", "q.json", "--output", "mood.yaml")
    assert (ran.status, ran.out) == (0, "")
    assert ran.err == (
        "q.json: note: no scale is declared: total sums the 2 items with weights; check it\n"
    )
    (tmp_path / "r.csv").write_text("key,q1,q2\na,1,2\n")
    scored = here("score", "mood.yaml", "r.csv")
    assert scored.out.splitlines()[1] == "a,3,2,Scored"


def test_what_was_left_out_is_listed_with_status_3(here: Run, tmp_path: Path) -> None:
    more = [*MOOD["item"], {"linkId": "photo", "text": "?", "type": "attachment"}]
    (tmp_path / "q.json").write_text(json.dumps(MOOD | {"item": more, "status": "active"}))
    ran = here("import", "fhir", "q.json", "--name", "mood-2")
    assert ran.status == 3
    assert "metadata:\n  name: " in ran.out
    assert "mood-2" in ran.out
    assert ran.err.splitlines() == [
        "q.json: note: elements about the file are not taken over: status",
        "q.json: note: no scale is declared: total sums the 2 items with weights; check it",
        "q.json: left out: photo: the item: type attachment",
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "q.json: not JSON: "),
        ("[]", "q.json: a FHIR Questionnaire in JSON belongs here; this is another document"),
        ('{"resourceType": "Bundle"}', "this is Bundle"),
        ('{"resourceType": "Questionnaire"}', "q.json: no item can be imported"),
        ('{"resourceType": "Questionnaire", "item": ["x"]}', "q.json: not built as FHIR says: "),
        ('{"resourceType": "Questionnaire", "language": "x", "item": [{"linkId": "a", "type": "date"}]}', "spec.language"),
    ],
)  # fmt: skip
def test_an_unusable_file_is_refused_and_nothing_is_written(
    here: Run, tmp_path: Path, content: str, says: str
) -> None:
    (tmp_path / "q.json").write_text(content)
    ran = here("import", "fhir", "q.json", "--output", "out.yaml")
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err
    assert not (tmp_path / "out.yaml").exists()


def test_an_activity_is_imported_from_its_folder(here: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mood"
    (folder / "items").mkdir(parents=True)
    choices = [{"name": "No", "value": 0}, {"name": "Yes", "value": 1}]
    item = {
        "@type": "reproschema:Field",
        "question": {"en": "Sad?"},
        "ui": {"inputType": "radio"},
        "responseOptions": {"choices": choices},
    }
    (folder / "items" / "m1").write_text(json.dumps(item))
    activity = {
        "@type": "reproschema:Activity",
        "@id": "mood_schema",
        "prefLabel": "Mood",
        "ui": {"order": ["items/m1"], "addProperties": [{"isAbout": "items/m1", "variableName": "m1"}]},
    }  # fmt: skip
    (folder / "mood_schema").write_text(json.dumps(activity))
    ran = here("import", "reproschema", "mood", "--output", "mood.yaml")
    assert (ran.status, ran.out) == (0, ""), ran.err
    (tmp_path / "r.csv").write_text("m1\n1\n")
    assert here("score", "mood.yaml", "r.csv").out.splitlines()[1] == "1,1,1,Scored"
    assert here("import", "reproschema", "mood/items").status == 2

"""The file of one's own answers."""

import csv
import io

import httpx
from tests.unit.pages.test_every_page import visit
from tests.unit.pages.test_prepared import DOCUMENTS, entry_of, form_of

from stanine.pages.settings import PagesSettings
from stanine.pages.survey.answers_file import answers_csv
from stanine.pages.survey.local_sessions import CODE, LocalSessions
from stanine.pages.survey.prepared import Prepared

EVERY_FEATURE = next(path for path in DOCUMENTS if path.stem == "every_feature")
GAD_7 = next(path for path in DOCUMENTS if path.stem == "gad-7")


def test_the_file_has_the_answers_that_count_with_their_labels() -> None:
    written = {"note": "=1+1", "r1": ["w", "f"], "m1": ["b", "a"], "pain": 2.5, "q2": -3}
    chosen = {"q1": "a", "A1": 1, "A2": "na", "d1": 0, "d2": 2}
    prepared = Prepared(form_of(entry_of(EVERY_FEATURE)))
    text = answers_csv(prepared, written | chosen, {"years": 31})
    assert list(csv.reader(io.StringIO(text))) == [
        ["item", "text", "answer", "label"],
        ["A1", "I ignore others.", "1", "No"],
        ["A2", "I ask others.", "na", ""],
        ["d1", "Do you drink?", "0", ""],
        ["q1", "2, 4, 8", "a", "12"],
        ["q2", "7 x 6", "-3", ""],
        ["pain", "Pain", "2.5", ""],
        ["m1", "Which?", "b", ""],
        ["m1", "Which?", "a", ""],
        ["r1", "I learn when I", "w", ""],
        ["r1", "I learn when I", "f", ""],
        ["note", "Else?", "'=1+1", ""],
    ]


def test_the_review_leads_to_the_file_until_the_answers_are_submitted() -> None:
    async def walk(http: httpx.AsyncClient) -> None:
        first = (await http.post(f"/s/{CODE}")).headers["location"]
        session = first.rpartition("/")[0]
        link = f'href="{session}/answers.csv"'
        assert link not in (await http.get(f"{session}/review")).text
        items = [f"g{n}" for n in range(1, 8)]
        await http.post(first, data={"i": items} | {f"a.{item}": "2" for item in items})
        assert link in (await http.get(f"{session}/review")).text
        file = await http.get(f"{session}/answers.csv")
        assert file.headers["content-type"] == "text/csv; charset=utf-8"
        assert file.headers["content-disposition"] == 'attachment; filename="answers-gad-7.csv"'
        assert file.headers["cache-control"] == "no-store"
        rows = list(csv.DictReader(io.StringIO(file.text)))
        assert [(row["item"], row["answer"]) for row in rows] == [(item, "2") for item in items]
        stranger = await http.get(f"{session}/answers.csv", headers={"cookie": ""})
        assert stranger.status_code == 403
        await http.post(f"{session}/review")
        late = await http.get(f"{session}/answers.csv")
        assert late.headers["location"] == f"{session}/done"

    visit(LocalSessions(entry_of(GAD_7)), PagesSettings(), walk)

"""What scripts save: answers to items and attributes in one body, with the error of each by its field's name."""

from typing import Any

import httpx
from tests.unit.pages.test_every_page import visit
from tests.unit.pages.test_prepared import DOCUMENTS, entry_of

from stanine.pages.settings import PagesSettings
from stanine.pages.survey.local_sessions import CODE, LocalSessions

EVERY_FEATURE = next(path for path in DOCUMENTS if path.stem == "every_feature")


def test_attributes_are_saved_with_answers_and_each_error_names_its_field() -> None:
    async def walk(http: httpx.AsyncClient) -> None:
        first = (await http.post(f"/s/{CODE}")).headers["location"]
        address = f"{first.rpartition('/')[0]}/answers"

        async def save(seq: int, answers: dict[str, Any]) -> httpx.Response:
            return await http.patch(address, json={"seq": seq, "page": 1, "answers": answers})

        assert (await save(1, {"A1": 1, "p.years": 31})).json() == {"seq": 1}
        stale = await save(1, {"A1": 2, "p.years": 32})
        assert stale.status_code == 409
        assert stale.json() == {"seq": 1, "answers": {"A1": 1, "p.years": 31}}
        wrong = await save(2, {"A1": 1, "p.years": "old", "p.sex": ["f"]})
        assert wrong.status_code == 422
        assert set(wrong.json()["errors"]) == {"p.years", "p.sex"}
        unknown = await save(2, {"p.unknown": 1})
        assert (unknown.status_code, set(unknown.json()["errors"])) == (422, {"p.unknown"})
        assert (await save(2, {"p.years": None})).json() == {"seq": 2}
        assert (await save(2, {})).json()["answers"] == {"A1": 1}

    visit(LocalSessions(entry_of(EVERY_FEATURE)), PagesSettings(), walk)

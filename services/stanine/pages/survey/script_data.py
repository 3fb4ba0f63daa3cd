"""What the scripts of a page need, as JSON in the page. Called by the routes."""

from collections.abc import Sequence
from typing import Any

from stanine.client.records import ItemInfo
from stanine.pages.links import Links
from stanine.pages.survey.paging import SurveyPage
from stanine.pages.survey.visits import Visit
from stanine.pages.survey.wording import has_slider


def script_data(
    visit: Visit,
    page: SurveyPage | None,
    links: Links,
    left: float | None,
    section_left: float | None = None,
) -> dict[str, Any]:
    """Return the data of a page. `left`, `section_left`: seconds to the deadlines, if there are any."""
    data: dict[str, Any] = {
        "session": visit.id,
        "seq": visit.session.seq,
        "save": links.answers(visit.id),
        "review": links.review(visit.id),
        "done": links.done(visit.id),
        "page": page.number if page is not None else visit.session.page,
        "texts": visit.wording.for_script(),
    }
    if left is not None:
        data["left"] = round(left, 1)
    if page is None:
        return data
    if section_left is not None:
        data["sectionLeft"] = round(section_left, 1)
        data["sectionOver"] = links.page(visit.id, page.number)
    conditions = visit.prepared.conditions(page)
    if conditions:
        here = {visit.prepared.form.items[place].id for place in page.items}
        names = visit.prepared.names(page)
        data["conditions"] = conditions
        data["others"] = [
            _other(visit, item)
            for item in visit.prepared.items
            if item in names and item not in here
        ]
        data["attributes"] = {
            name: value for name, value in visit.session.attributes.items() if name in names
        }
    return data


def modules_of(items: Sequence[ItemInfo], *, has_timer: bool) -> list[str]:
    """Return the scripts that a page with these items loads besides `survey`, so that they load at once."""
    needed = {
        "questions": True,
        "saving": True,
        "conditions": any(item.when for item in items),
        "ranking": any(item.type == "Ranking" for item in items),
        "sliders": any(item.type == "Number" and has_slider(item) for item in items),
        "timer": has_timer,
    }
    return [name for name, is_needed in needed.items() if is_needed]


def _other(visit: Visit, name: str) -> dict[str, Any]:
    """Return a question of another page, which a condition of this page uses."""
    item = visit.prepared.items[name]
    return {
        "id": name,
        "type": item.type,
        "answer": visit.session.answers.get(name),
        "options": [option.value for option in item.options],
        "missing": [option.value for option in item.options if option.missing],
        "shown": visit.prepared.state(name, visit.session.answers, visit.session.attributes),
    }

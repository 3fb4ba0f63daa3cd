"""Lists of dead letters, also when the server's data are replaced."""

import httpx
import pytest
from tests.unit.cli.http_server import problem, served_by

from stanine.cli.commands.queues import _read_letters
from stanine.client import errors


def page(*ids: str, following: str | None = None) -> httpx.Response:
    about = {"reason": "r", "actor": "a", "deliveries": 1, "createdAt": "", "diedAt": ""}
    items = [{"id": each, "about": [], **about} for each in ids]
    return httpx.Response(200, json={"items": items, "next": following})


def read(*pages: httpx.Response, limit: int) -> tuple[list[str], bool]:
    left = list(pages)
    with served_by(lambda _: left.pop(0)) as client:
        listed = client.queues.dead_letters("index", on_history_change="continue")
        letters, more = _read_letters(listed, limit)
    return [each.id for each in letters], more


def test_dead_letters_are_listed_from_the_beginning_after_a_changed_history() -> None:
    changed = problem(410, "history-changed", next="0-0")
    pages = (page("5-0", following="5-0"), changed, page("2-0", following="2-0"), page("3-0"))
    assert read(*pages, limit=10) == (["2-0", "3-0"], False)


@pytest.mark.parametrize(
    ("limit", "shown"), [(1, (["1"], True)), (2, (["1", "2"], True)), (3, (["1", "2", "3"], False))]
)
def test_at_most_limit_letters_are_shown_and_more_are_announced(
    limit: int, shown: tuple[list[str], bool]
) -> None:
    assert read(page("1", "2", following="2"), page("3"), limit=limit) == shown


def test_a_server_that_contradicts_itself_ends_the_list() -> None:
    changed = problem(410, "history-changed", next="0-0")
    with pytest.raises(errors.HistoryChangedError):
        read(changed, changed, limit=10)

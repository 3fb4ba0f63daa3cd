"""Dead letters, listed page by page while the server comes back with other data."""

import json
from collections.abc import Mapping
from typing import cast

import httpx
import pytest

from stanine.cli.client import Api, HistoryChangedError
from stanine.cli.commands.queues import _read_letters


class Pages:
    """Answers one page after the other, and keeps what was asked for."""

    def __init__(self, *pages: object) -> None:
        self._pages = list(pages)
        self.asked: list[object] = []

    def get(self, _path: str, params: Mapping[str, str | int]) -> httpx.Response:
        self.asked.append(params.get("after"))
        page = self._pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return httpx.Response(200, content=json.dumps(page))


def test_dead_letters_are_listed_again_when_the_server_has_others() -> None:
    pages = Pages(
        {"items": [{"id": "5-0"}], "next": "5-0"},
        HistoryChangedError("0-0", "changed"),
        {"items": [{"id": "2-0"}], "next": "2-0"},
        {"items": [{"id": "3-0"}], "next": None},
    )
    assert _read_letters(cast("Api", pages), "path", {}, 10) == (
        [{"id": "2-0"}, {"id": "3-0"}],
        False,
    )
    assert pages.asked == [None, "5-0", "0-0", "2-0"]


def test_a_server_that_contradicts_itself_ends_the_list() -> None:
    pages = Pages(HistoryChangedError("0-0", "changed"), HistoryChangedError("0-0", "changed"))
    with pytest.raises(HistoryChangedError):
        _read_letters(cast("Api", pages), "path", {}, 10)

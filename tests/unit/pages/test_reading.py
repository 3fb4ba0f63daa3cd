"""What pages read from fields, headers and files."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from tests.pages.conditions import prepared

from stanine.domain.client_address import read_networks
from stanine.pages.links import Links, read_base_path
from stanine.pages.secure_transport import is_of_this_site, transport_of
from stanine.pages.settings import read_organisation
from stanine.pages.survey.fields import read_answers, read_fields, read_number
from stanine.pages.survey.moves import move_option


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2.5", 2.5), ("2,5", 2.5), (" 7 ", 7), ("-1", -1), ("\N{MINUS SIGN}1", -1), (".5", 0.5), ("5.", 5), ("", None),
        ("\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC DECIMAL SEPARATOR}\N{ARABIC-INDIC DIGIT FIVE}", 1.5), ("1e3", "1e3"),
        ("1.000,5", "1.000,5"), ("nan", "nan"), ("x", "x"), ("\N{SUPERSCRIPT TWO}", "\N{SUPERSCRIPT TWO}"),
    ],
)  # fmt: skip
def test_a_number_is_read_as_people_type_it(text: str, number: Any) -> None:
    assert read_number(text) == number


@given(st.binary(max_size=60))
def test_any_body_is_fields_or_refused(body: bytes) -> None:
    try:
        fields = read_fields(body)
    except ValueError:
        return
    form = prepared("n1 > 0")
    for page in form.pages(()):
        read_answers(form, page, fields)


def test_a_hidden_question_is_not_answered_and_a_blank_one_is() -> None:
    form = prepared("n1 > 0")
    (page, *_) = form.pages(())
    fields = read_fields(b"i=n1&i=c1&a.c1=%22a%22&a.n2=1")
    assert read_answers(form, page, fields) == {"n1": None, "c1": "a"}


@given(st.text(max_size=20))
def test_any_move_keeps_the_options(move: str) -> None:
    fields = {"a.r1": ["a", "b", "c"]}
    for each in (move, f"r1|{move}|up", f"r1|1|{move}"):
        assert sorted(move_option(fields, each)["a.r1"]) == ["a", "b", "c"]


def test_an_option_moves_by_one_place_and_the_ranking_is_confirmed() -> None:
    moved = move_option({"a.r1": ["a", "b", "c"]}, "r1|2|up")
    assert moved == {"a.r1": ["a", "c", "b"], "ok.r1": ["1"]}
    assert move_option({"a.r1": ["a", "b"]}, "r1|0|up") == {"a.r1": ["a", "b"]}


@pytest.mark.parametrize("path", ["x", "/x//y", "/x?y", "/x y", "https://x"])
def test_a_base_path_that_cannot_be_used_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="base path"):
        read_base_path(path)


def test_every_link_is_below_the_base_path() -> None:
    links = Links(read_base_path("/x/y/"))
    found = [
        links.welcome("c"), links.page("s", 1, "a"), links.answers("s"), links.review("s"), links.done("s"),
        links.withdrawal("s"), links.result("s"), links.asset("d", "n"),
    ]  # fmt: skip
    assert all(link.startswith("/x/y/") for link in found)


def _request(client: str = "10.0.0.7", **headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http", "method": "POST", "scheme": "http", "path": "/", "query_string": b"",
            "headers": pairs, "client": (client, 1), "server": ("h", 80),
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8420", True), ("localhost", True), ("[::1]:80", True), ("survey.localhost:1", True),
        ("example.org", False), ("127.0.0.1.example.org", False), ("[::2]:80", False), ("", False), ("10.0.0.1", False),
    ],
)  # fmt: skip
def test_plain_http_is_for_the_own_machine(host: str, allowed: bool) -> None:
    assert transport_of(_request(host=host), ()).is_allowed is allowed


def test_only_a_trusted_proxy_states_the_scheme_and_the_last_value_counts() -> None:
    request = _request(
        host="inner", x_forwarded_proto="http, https", x_forwarded_host="a.org, b.org"
    )
    assert transport_of(request, ()).origin == "http://inner"
    assert transport_of(request, read_networks(["10.0.0.0/8"])).origin == "https://b.org"
    assert transport_of(request, read_networks(["192.168.0.1"])).origin == "http://inner"


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec_fetch_site": "same-origin"}, True), ({"sec_fetch_site": "none"}, True), ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site", "origin": "http://h"}, False), ({"origin": "http://h"}, True),
        ({"origin": "http://h.evil"}, False), ({"origin": "null"}, False), ({}, True),
    ],
)  # fmt: skip
def test_a_form_of_another_site_is_recognised(headers: dict[str, str], ours: bool) -> None:
    request = _request(host="h", **headers)
    assert is_of_this_site(request, transport_of(request, ())) is ours


def test_a_faulty_file_of_the_organisation_names_its_place(tmp_path: Path) -> None:
    path = tmp_path / "organisation.yaml"
    for text, words in (
        ("nmae: x", "nmae"),
        ("privacyUrl: 'javascript:x'", "https://"),
        ("[", "organisation.yaml"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=words):
            read_organisation(path)
    with pytest.raises(ValueError, match="cannot be read"):
        read_organisation(tmp_path / "none")

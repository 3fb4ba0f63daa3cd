"""Invitations over HTTP: created once, with links; listed, revoked, extended."""

import csv
import io
import json
import time
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.conftest import Server
from tests.integration.api.filling import NAME, Person, day, invite, start
from tests.integration.api.serving import Serving, only, problem, write_keys

BULK = f"/v1/instruments/{NAME}/invitations:bulk"
ND = {"content-type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def api(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path)
    serving = Serving(valkey.url, f"api-invitations-{time.monotonic_ns()}", path)
    try:
        serving.until_ready().publish(day())
        yield serving
    finally:
        serving.stop()


def listed(api: Serving, name: str = NAME, limit: int = 1000) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = (
            api.http()
            .get(
                f"/v1/instruments/{name}/invitations",
                params={"limit": limit} | ({"after": after} if after else {}),
            )
            .json()
        )
        if not page["items"]:
            return found
        found += page["items"]
        after = page["next"]


def test_an_invitation_is_created_once_by_its_key(api: Serving) -> None:
    order: dict[str, Any] = {
        "key": "k-1",
        "participant": "p",
        "attributes": {"sex": "male"},
        "expiresAt": "2100-01-01T00:00:00+01:00",
        "maxUses": 3,
    }
    first = invite(api, **order)
    assert (first["participant"], first["uses"], first["maxUses"]) == ("p", 0, 3)
    assert first["expiresAt"] == "2099-12-31T23:00:00.000Z"
    assert invite(api, **order) == first | {"repeated": True}
    address = f"/v1/instruments/{NAME}/invitations"
    problem(api.http().post(address, json=order | {"participant": "q"}), "key-conflict")
    assert (
        api.http().post(address, json={}, headers={"idempotency-key": "k-2"}).json()["key"] == "k-2"
    )
    other = api.http(only("invitations:write")).post(address, json={"key": "k-1"})
    assert other.status_code == 201, "another key space"
    assert other.json()["invitation"] != first["invitation"]


@pytest.mark.parametrize(
    ("order", "place"),
    [
        ({"maxUses": 0}, "/maxUses"),
        ({"show": "All"}, "/show"),
        ({"expiresAt": "2100-01-01T00:00:00"}, "/expiresAt"),
        ({"attributes": {"shoe": 3}}, "/attributes/shoe"),
        ({"attributes": {"sex": True}}, "/attributes"),
        ({"revision": 9}, "/revision"),
        ({"returnUrl": "https://evil.example/"}, "/returnUrl"),
        ({"participant": "a\u0000b"}, "/participant"),
    ],
)
def test_an_invalid_order_is_rejected_with_its_place_without_storing(
    api: Serving, order: dict[str, Any], place: str
) -> None:
    before = len(listed(api))
    answer = api.http().post(f"/v1/instruments/{NAME}/invitations", json=order)
    assert problem(answer, "invalid-request")["errors"][0]["pointer"].startswith(place)
    assert len(listed(api)) == before


def test_links_are_created_in_bulk_as_ndjson_or_csv_and_repeats_add_nothing(
    api: Serving,
) -> None:
    api.publish(day("a-bulk"))
    address = BULK.replace(NAME, "a-bulk")
    lines = "".join(
        json.dumps({"key": f"b{n}", "participant": f"p{n}"}) + "\n" for n in range(1200)
    )
    lines += '{"participant": "no key"}\n\n{"key": "b0", "participant": "other"}\n{"key"\n'
    answers = [
        json.loads(line)
        for line in api.http().post(address, content=lines, headers=ND).text.splitlines()
    ]
    assert [each["status"] for each in answers] == [201] * 1200 + [422, 409, 422]
    assert [each["line"] for each in answers] == [*range(1, 1202), 1203, 1204]
    assert len({each["code"] for each in answers[:1200]}) == 1200
    again = api.http().post(address, content=lines, headers=ND | {"accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(again.text)))
    assert again.headers["content-type"] == "text/csv"
    assert [row["code"] for row in rows[:1200]] == [each["code"] for each in answers[:1200]]
    assert [row["status"] for row in rows] == ["200"] * 1200 + ["422", "409", "422"]
    assert rows[-1]["problem"]
    assert [each["key"] for each in listed(api, "a-bulk", 500)] == [f"b{n}" for n in range(1200)]


def test_a_list_can_be_followed_and_detects_replaced_data(api: Serving) -> None:
    api.publish(day("a-list"))
    address = "/v1/instruments/a-list/invitations"
    first = [invite(api, "a-list", key=f"l{n}")["invitation"] for n in range(3)]
    page = api.http().get(address, params={"limit": 2}).json()
    assert [each["invitation"] for each in page["items"]] == first[:2]
    rest = api.http().get(address, params={"after": page["next"]}).json()
    assert [each["invitation"] for each in rest["items"]] == first[2:]
    assert api.http().get(address, params={"after": rest["next"]}).json()["items"] == []
    # like a server restored from a backup before their creation
    names: Any = api.redis.hgetall(api.keys.numbers)
    (number,) = (int(number) for number, name in names.items() if name == b"a-list")
    api.redis.delete(
        f"{api.keys.partition}:i:{number}:0",
        *(api.keys.invitation(bytes.fromhex(each)) for each in first),
    )
    api.redis.hdel(api.keys.invited, str(number))
    invite(api, "a-list", key="new")
    gone = problem(api.http().get(address, params={"after": page["next"]}), "history-changed")
    assert (
        len(
            api.http()
            .get(address, params={"after": gone["next"]} if gone["next"] else None)
            .json()["items"]
        )
        == 1
    )


def test_a_revoked_or_expired_invitation_opens_no_session_and_an_extended_one_does(
    api: Serving,
) -> None:
    invited = invite(api, expiresAt="2001-01-01T00:00:00Z")
    address, code = f"/v1/instruments/{NAME}/invitations/{invited['invitation']}", invited["code"]
    assert problem(start(api, code), "invitation-ended")["reason"] == "Expired"
    assert api.http().post(f"{address}:extend", json={"expiresAt": None}).status_code == 200
    person = Person(api, start(api, code))
    assert "revokedAt" in api.http().post(f"{address}:revoke").json()
    assert problem(start(api, code), "invitation-ended")["reason"] == "Revoked"
    assert person.save(1, {"calm": 1}).status_code == 200, "a session that is open goes on"


def test_reading_an_invitation_by_its_code_does_not_use_it(api: Serving) -> None:
    invited = invite(api, timeLimitSeconds=90)
    for _ in range(3):
        found = api.http(invited["code"]).get("/v1/invitation").json()
        assert found == {
            "instrument": NAME, "title": "A day", "isOpen": True, "language": "en", "languages": ["en", "de"], "timeLimitSeconds": 90,
        }  # fmt: skip
    for stranger in (None, "x" * 22, invited["code"][::-1], "admin-key"):
        assert api.http(stranger).get("/v1/invitation").status_code in {401, 404}


def test_a_code_is_valid_only_for_its_instrument(api: Serving) -> None:
    api.publish(day("a-else"))
    code = invite(api)["code"]
    problem(start(api, code, "a-else"), "not-found")
    problem(start(api, code, "a-nowhere"), "not-found")
    for method, address in (
        ("GET", f"/v1/instruments/{NAME}"),
        ("GET", f"/v1/instruments/{NAME}/invitations"),
        ("GET", "/v1/sessions/" + "0" * 32),
    ):
        problem(api.http(code).request(method, address), "unauthenticated")
    problem(start(api, code, participant="me"), "invalid-request")


def draw(api: Serving, invited: dict[str, Any]) -> str:
    """Return the QR code of an invitation, which is an SVG without a size or a script."""
    answer = api.http().get(f"/v1/instruments/{NAME}/invitations/{invited['invitation']}/qr")
    assert answer.headers["content-type"] == "image/svg+xml"
    root = ElementTree.fromstring(answer.text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib.keys() == {"viewBox", "class"}
    assert {each.tag.rpartition("}")[2] for each in root} == {"path"}
    return answer.text


def test_a_qr_code_needs_the_address_of_the_pages(api: Serving) -> None:
    invited = invite(api)
    address = f"/v1/instruments/{NAME}/invitations/{invited['invitation']}/qr"
    assert "publicUrl" in problem(api.http().get(address), "not-found")["detail"]
    problem(api.http().get(address.replace(invited["invitation"], "0" * 16)), "not-found")


def test_links_and_return_addresses_follow_the_settings(api: Serving) -> None:
    settings = {
        "publicUrl": "https://survey.example/x/",
        "returnUrls": "https://shop.example/done http://localhost:3000",
    }
    assert api.http().patch("/v1/config", json={"settings": settings}).status_code == 200
    began = time.monotonic()
    while "url" not in (invited := invite(api)):
        assert time.monotonic() - began < 20
    assert invited["url"] == f"https://survey.example/x/s/{invited['code']}"
    one, again, other = (draw(api, each) for each in (invited, invited, invite(api)))
    assert one == again != other
    for url, status in (
        ("https://shop.example/done", 201), ("https://shop.example/done/1?x=2", 201), ("http://localhost:3000/", 201),
        ("https://shop.example/donex", 422), ("https://shop.example.evil.example/done", 422), ("https://shop.example/done/../x", 422),
        ("https://shop.example@evil.example/done", 422), ("http://shop.example/done", 422), ("javascript:alert(1)", 422),
        ("https://shop.example:444/done", 422), ("//shop.example/done", 422), ("https://shop.example\\@evil.example/done", 422),
    ):  # fmt: skip
        answer = api.http().post(f"/v1/instruments/{NAME}/invitations", json={"returnUrl": url})
        assert answer.status_code == status, url
    api.http().patch("/v1/config", json={"settings": {"publicUrl": None, "returnUrls": None}})

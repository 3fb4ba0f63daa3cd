"""Both clients send what the API takes, with everything that it offers, and nothing of a key or a person leaves them otherwise."""

import asyncio
import inspect
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stanine.client import (
    NO_RETRIES,
    AsyncListing,
    AsyncStanine,
    AttemptRequest,
    Listing,
    Stanine,
    async_resources,
    errors,
    records,
    sync_resources,
)
from stanine.client.connecting import Endpoint
from stanine.client.messages import call

SURFACE = json.loads((Path(__file__).parents[1] / "surface.json").read_text())
KEY = "sk-very-secret"
RESOURCES = (
    "instruments",
    "attempts",
    "sessions",
    "invitations",
    "results",
    "participants",
    "queues",
    "config",
    "tokens",
    "logins",
    "keys",
    "audit",
    "status",
)
ATTEMPT = "0" * 32
Handler = Callable[[httpx.Request], httpx.Response]


def sync(handler: Handler, **options: Any) -> Stanine:
    http = httpx.Client(transport=httpx.MockTransport(handler))
    return Stanine("http://api.test/base/", KEY, http_client=http, retries=NO_RETRIES, **options)


def asynchronous(handler: Handler, **options: Any) -> AsyncStanine:
    http = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return AsyncStanine(
        "http://api.test/base/", KEY, http_client=http, retries=NO_RETRIES, **options
    )


def methods(resource: object) -> dict[str, Any]:
    return {
        name: each
        for name, each in vars(type(resource)).items()
        if callable(each) and not name.startswith("_")
    }


def consume(found: Any) -> None:
    """Do what there is to do in a call, sync or async."""

    async def consume_async() -> None:
        if inspect.isawaitable(found):
            await found
        else:
            async for _ in found:
                pass

    if inspect.isawaitable(found) or isinstance(found, AsyncIterator | AsyncListing):
        asyncio.run(consume_async())
    elif isinstance(found, Iterator | Listing):
        list(found)


CALLS: dict[str, tuple[Any, ...]] = {
    "instruments.list": (), "instruments.get": ("x",), "instruments.form": ("x",), "instruments.scales": ("x",),
    "instruments.publish": ("x", {"kind": "Instrument"}), "instruments.rescore": ("x",), "instruments.rescoring": ("x",),
    "attempts.submit": ("x", {"a": 1}), "attempts.submit_and_wait": ("x", {"a": 1}), "attempts.submit_many": ("x", [{"key": "k"}]),
    "attempts.wait_for": ("x", [records.AttemptReceipt(ATTEMPT, "t")]), "attempts.get": (ATTEMPT,),
    "attempts.list": ("x",), "attempts.codebook": ("x",), "results.statistics": ("x",),
    "results.get": (ATTEMPT,), "results.wait_for": (ATTEMPT,), "results.list": ("x",), "results.export": ("x",),
    "results.of_participant": ("p",),
    "attempts.erase": (ATTEMPT,), "results.explain": (ATTEMPT,), "results.history": (ATTEMPT,), "results.scales": (ATTEMPT,),
    "participants.erase": ("p",),
    "sessions.open": ("x",), "sessions.get": (ATTEMPT,), "sessions.form": (ATTEMPT,), "sessions.save": (ATTEMPT,),
    "sessions.submit": (ATTEMPT,), "sessions.withdraw": (ATTEMPT,), "sessions.extend": (ATTEMPT, 60),
    "invitations.create": ("x",), "invitations.create_many": ("x", [{"key": "k"}]), "invitations.list": ("x",),
    "invitations.revoke": ("x", "i"), "invitations.extend": ("x", "i", None), "invitations.preview": ("code",),
    "invitations.release": ("x",),
    "queues.list": (), "queues.get": ("results",), "queues.pause": ("results",), "queues.resume": ("results",),
    "queues.drain": ("results",), "queues.purge": ("results", "dead"), "queues.dead_letters": ("results",),
    "queues.dead_letter": ("results", "1-2"), "queues.delete_dead_letter": ("results", "1-2"),
    "queues.requeue_dead": ("results", ["1-2"]), "queues.delete_dead": ("results", ["1-2"]),
    "config.get": (), "config.change": ({"a": 1},), "config.history": (), "config.rollback": (1,), "tokens.rotate": (),
    "logins.begin": (), "logins.current": (), "logins.end": (), "keys.list": (), "audit.list": (), "audit.newest": (), "status.get": (),
    "invitations.qr": ("x", "i"),
}  # fmt: skip


#: Arguments that are given by name.
NAMED: dict[str, dict[str, Any]] = {
    f"sessions.{each}": {"token": "t"} for each in ("get", "form", "submit", "withdraw")
} | {"sessions.save": {"token": "t", "seq": 1}}


def matches(path: str, method: str, of: str) -> str:
    """Return the route of the API's description that a request is to, by its most exact template."""
    found = []
    for template, operations in SURFACE["http api"]["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            found.append(template)
    assert found, f"{of}: {method} {path} is no route"
    return f"{method} {min(found, key=lambda each: each.count('{'))}"


@pytest.mark.parametrize("make", [sync, asynchronous])
def test_a_client_with_another_key_sends_that_key_only(make: Callable[[Handler], Any]) -> None:
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["authorization"])
        return httpx.Response(200, json={"items": []})

    client = make(answer)
    other = client.with_options(key="another-key")
    consume(other.keys.list())
    consume(client.keys.list())
    assert sent == ["Bearer another-key", f"Bearer {KEY}"]
    with pytest.raises(ValueError, match="key"):
        client.with_options(key="no\nkey")


@pytest.mark.parametrize("make", [sync, asynchronous])
def test_the_methods_reach_every_route_of_the_api(make: Callable[[Handler], Any]) -> None:
    reached = set()
    name = ""

    def sent(request: httpx.Request) -> httpx.Response:
        reached.add(matches(request.url.path.removeprefix("/base"), request.method, name))
        assert request.headers["authorization"].startswith("Bearer ")
        return httpx.Response(
            404, json={"type": "urn:stanine:problem:not-found", "title": "Not found", "status": 404}
        )

    client = make(sent)
    assert set(CALLS) == {
        f"{resource}.{method}"
        for resource in RESOURCES
        for method in methods(getattr(client, resource))
    }
    for name, arguments in CALLS.items():
        resource, _, method = name.partition(".")
        with pytest.raises(errors.NotFoundError):
            consume(getattr(getattr(client, resource), method)(*arguments, **NAMED.get(name, {})))
    offered = {
        f"{method.upper()} {path}"
        for path, operations in SURFACE["http api"]["paths"].items()
        for method in operations
        if path.startswith("/v1/")
    }
    assert reached == offered


def test_both_clients_have_the_same_methods_parameters_and_sentences() -> None:
    pairs = [("Stanine", Stanine, AsyncStanine)] + [
        (name, getattr(sync_resources, name), getattr(async_resources, f"Async{name}"))
        for name in ("Listing", *(f"{each.title()}Resource" for each in RESOURCES))
    ]
    for name, one, other in pairs:
        names = {each for each in vars(one) if not each.startswith("_")}
        assert names == {each for each in vars(other) if not each.startswith("_")}
        for each in names - {"run", "run_in_order", "call"}:
            if not callable(getattr(one, each)):
                continue
            parameters = [
                [
                    (p.name, p.kind, p.default)
                    for p in inspect.signature(getattr(of, each)).parameters.values()
                ]
                for of in (one, other)
            ]
            parameters = [
                [(each, kind, repr(default)) for each, kind, default in some] for some in parameters
            ]
            assert parameters[0] == parameters[1], f"{name}.{each}"
            sentence = (getattr(one, each).__doc__ or "").splitlines()[0]
            assert (getattr(other, each).__doc__ or "").splitlines()[0] == sentence, (
                f"{name}.{each}"
            )


@pytest.mark.parametrize("make", [sync, asynchronous])
def test_neither_key_nor_token_nor_answer_is_in_a_text_a_log_or_a_repr(
    make: Callable[[Handler], Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    private = ("SECRET-ANSWER", KEY, "token-of-it", "SECRET-TOO")

    def answer(request: httpx.Request) -> httpx.Response:
        quoted = f"you sent {request.headers['authorization']}"
        return httpx.Response(
            422, json={
                "type": "urn:stanine:problem:invalid-attempt", "title": f"It does not fit {KEY}", "status": 422, "detail": quoted,
                "errors": [{"pointer": "/answers/SECRET-TOO", "code": "NotAnAnswer", "detail": "SECRET-ANSWER"}],
            },
        )  # fmt: skip

    client = make(answer)
    shown = [repr(client), repr(client.attempts), repr(client._server), repr(client.context)]
    for arguments in (
        ("attempts", "submit", "x", {"a": "SECRET-ANSWER"}),
        ("results", "get", ATTEMPT),
    ):
        resource, method, *rest = arguments
        more = {"token": "token-of-it"} if method == "get" else {}
        with pytest.raises(errors.InvalidAttemptError) as raised:
            consume(getattr(getattr(client, resource), method)(*rest, **more))
        shown += [
            str(raised.value),
            repr(raised.value),
            repr(raised.value.args),
            "".join(map(repr, raised.traceback[-1].frame.f_globals)),
        ]
        assert KEY not in raised.value.problem.detail
    attempt = AttemptRequest({"a": "SECRET-ANSWER"}, "k", participant="SECRET-TOO")
    result = records.AttemptResult(
        ATTEMPT,
        "x",
        1,
        "Scored",
        "now",
        scales={"SECRET-TOO": records.ScaleScore(1.0, 1, 1, "Scored")},
    )
    shown += [
        repr(attempt),
        repr(records.AttemptReceipt(ATTEMPT, "token-of-it")),
        repr(result),
        caplog.text,
    ]
    for text in shown:
        assert not any(each in text for each in private), text


@pytest.mark.parametrize("key", ["a b", "a\nb", "ä", "\x00"])
def test_a_key_that_no_header_holds_is_refused_without_quoting_it(key: str) -> None:
    with pytest.raises(ValueError, match="printable") as raised:
        Stanine("http://api.test", key)
    assert key not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "api.test",
        "ftp://api.test",
        "http://user:secret@api.test",
        "http://api.test?x=1",
        "http://",
        "http://[::1",
        "http://api.test:99999",
        "http://api.test:0",
        "http://xn--",
        f"http://{'a' * 70}.test",
    ],
)
def test_an_address_that_is_none_is_refused_without_quoting_it(address: str) -> None:
    with pytest.raises(ValueError, match="base_url") as raised:
        Stanine(address, KEY)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", [".", "..", "a/b", "ä b", "%2e", "a?b#c", "..."])
def test_a_name_is_one_segment_of_the_path(name: str) -> None:
    paths = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(200, json={"items": [], "next": "x"})

    client = sync(answer)
    list(client.results.of_participant(name, after="x"))
    before, _, after = paths[0].partition("/v1/participants/")
    assert before == "/base"
    assert after.split("?")[0].count("/") == 1
    assert after.split("/")[0] not in {".", ".."}
    assert httpx.URL("http://x/" + after.split("/")[0]).path == f"/{name}"


def test_a_request_says_what_it_comes_from_and_waits_longer_than_the_server_may_hold_it() -> None:
    server = Endpoint.at("http://api.test", KEY, 5.0)
    request = server.request(call("GET", "/x", lambda _: None, hold=20.0))
    assert re.match(r"stanine-python/\S+ \(Python 3", request["headers"]["user-agent"])
    assert request["timeout"].read > 20
    assert request["timeout"].connect == 5.0
    assert server.request(call("GET", "/x", lambda _: None))["timeout"].read == 5.0


@pytest.mark.parametrize(
    ("key", "header"),
    [
        ("order-17", '"order-17"'),
        ("two words", '"two words"'),
        ('a"b', None),
        ("ключ", None),
        ("x" * 65, None),
    ],
)
def test_a_key_goes_into_the_header_that_can_hold_it_else_into_the_body(
    key: str, header: str | None
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers.get("idempotency-key") == header
        assert json.loads(request.content).get("key") == (None if header else key)
        return httpx.Response(202, json={"attempt": ATTEMPT, "token": "t", "state": "Submitted"})

    assert sync(answer).attempts.submit("x", {"a": 1}, key=key).key == key


def test_without_a_key_each_attempt_gets_one_of_its_own_that_its_retries_keep() -> None:
    keys = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ReadError("gone", request=request)
        return httpx.Response(202, json={"attempt": ATTEMPT, "token": "t", "state": "Submitted"})

    client = Stanine(
        "http://api.test", KEY, http_client=httpx.Client(transport=httpx.MockTransport(answer))
    )
    for _ in range(2):
        client.attempts.submit("x", {"a": 1})
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"\xff", b'{"attempt": 1}'])
def test_an_answer_of_something_else_is_an_error_of_its_own(body: bytes) -> None:
    with pytest.raises(errors.UnexpectedAnswerError, match="Receipt"):
        sync(lambda _: httpx.Response(202, content=body)).attempts.submit("x", {})


def test_other_options_share_the_connections_and_close_nothing() -> None:
    with sync(lambda _: httpx.Response(200, json={"items": [], "next": None})) as client:
        with client.with_options(timeout=1.0) as other:
            assert other.queues.list() == []
        assert client.queues.list() == []


def test_an_unclear_choice_of_dead_letters_is_refused_before_anything_is_sent() -> None:
    client = sync(lambda _: pytest.fail("sent"))
    for ids, more in (
        (None, {}),
        (["1-2"], {"everything": True}),
        ([], {}),
        (["1-2"], {"token": "t"}),
        (["1-2"], {"reason": "r"}),
    ):
        with pytest.raises(ValueError, match="say which"):
            client.queues.requeue_dead("results", ids, **more)


def test_a_bulk_submission_that_is_left_early_ends_its_threads_and_raises_what_its_input_raises() -> (
    None
):
    def answer(request: httpx.Request) -> httpx.Response:
        lines = [json.loads(line) for line in request.content.splitlines()]
        answers = [
            {"line": n, "status": 202, "key": each["key"], "attempt": "a", "token": "t"}
            for n, each in enumerate(lines, start=1)
        ]
        return httpx.Response(200, content="".join(json.dumps(each) + "\n" for each in answers))

    def endless() -> Iterator[AttemptRequest]:
        number = 0
        while True:
            number += 1
            yield AttemptRequest({"a": 1}, str(number))

    def broken() -> Iterator[AttemptRequest]:
        yield AttemptRequest({"a": 1}, "1")
        raise KeyError("mine")

    client = sync(answer)
    answers = client.attempts.submit_many("x", endless())
    assert [next(answers).line for _ in range(700)] == list(range(1, 701))
    answers.close()
    with pytest.raises(KeyError, match="mine"):
        list(client.attempts.submit_many("x", broken()))

    async def leave_early() -> list[int]:
        found = []
        async with asynchronous(answer) as client:
            async for each in client.attempts.submit_many("x", endless()):
                found.append(each.line)
                if len(found) == 700:
                    break
        return found

    assert asyncio.run(leave_early()) == list(range(1, 701))


def test_what_is_opened_or_created_without_a_key_gets_one_that_its_retries_keep() -> None:
    sent: list[tuple[str, str | None, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        key = json.loads(request.content).get("key")
        sent.append((request.url.path, key, request.headers.get("idempotency-key")))
        if len(sent) % 2:
            raise httpx.ReadError("gone", request=request)
        return httpx.Response(400, json={})

    client = Stanine(
        "http://api.test", KEY, http_client=httpx.Client(transport=httpx.MockTransport(answer))
    )
    for order in (
        lambda: client.sessions.open("x"),
        lambda: client.sessions.open("x", code="A" * 22),
        lambda: client.invitations.create("x"),
    ):
        with pytest.raises(errors.PermanentApiError):
            order()
    pairs = list(zip(sent[::2], sent[1::2], strict=True))
    assert [first == again for first, again in pairs] == [True] * 3
    # A code allows no `key` in the body; everything else has it there.
    assert [(first[1] is None, first[2] is None) for first, _ in pairs] == [
        (False, True),
        (True, False),
        (False, True),
    ]
    assert len({first[1] or first[2] for first, _ in pairs}) == 3

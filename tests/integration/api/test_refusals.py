"""Invalid requests and their problems."""

import json
import socket
import time
from typing import Any

import httpx
import pytest
from tests.integration.api.serving import ADMIN, Serving, document, problem

ATTEMPTS = "/v1/instruments/a-mood/attempts"
JSON = {"content-type": "application/json"}
YAML = {"content-type": "application/yaml"}
DEEP = b"[" * 40 + b"]" * 40


def attempt_of(answers: str) -> bytes:
    return b'{"answers":{"i1":%b}}' % answers.encode()


@pytest.mark.parametrize(
    ("content", "pointer", "code"),
    [
        (b'{"answers":{"i1":1}', "1:20", "Syntax"),
        (b"", "1:1", "Syntax"),
        (b"\xff\xfe", "", "Encoding"),
        (b"[1]", "", "WrongType"),
        (b'{"answers":[1]}', "/answers", "WrongType"),
        (b'{"answers":{"i1":true}}', "/answers/i1", "WrongType"),
        (b"{}", "/answers", "MissingField"),
        (attempt_of("NaN"), None, None),
        (attempt_of("Infinity"), None, None),
        (attempt_of("1e999"), None, None),
        (attempt_of("9" * 400), None, None),
        (b'{"answers":{"i1":1,"i1":2}}', "/answers/i1", "DuplicateKey"),
        (b'{"answers":{"i1":1},"answers":{}}', "/answers", "DuplicateKey"),
        (attempt_of("9"), "/answers/i1", "NotAnAnswer"),
        (attempt_of("1.5"), "/answers/i1", "NotAnAnswer"),
        (attempt_of('"1"'), "/answers/i1", "NotAnAnswer"),
        (b'{"answers":{"z/~9":1}}', "/answers/z~1~09", "UnknownItem"),
        (b'{"answers":{"i1":1},"attributes":{"age":3}}', "/attributes/age", "UnknownAttribute"),
        (b'{"answers":{"i1":1},"surprise":1}', "/surprise", "UnknownField"),
        (b'{"answers":{"i1":1},"key":""}', "/key", "TooShort"),
        (b'{"answers":{"i1":1},"key":"%b"}' % (b"k" * 65), "/key", "TooLong"),
        (b'{"answers":{"i1":1},"revision":0}', "/revision", "OutOfRange"),
        (b'{"answers":%b}' % DEEP, None, "TooDeep"),
    ],
)
def test_an_invalid_attempt_is_reported_with_the_place_of_each_error(
    shared: Serving, content: bytes, pointer: str | None, code: str | None
) -> None:
    body = problem(shared.http().post(ATTEMPTS, content=content, headers=JSON), "invalid-attempt")
    assert body["errorCount"] == len(body["errors"]) == 1
    (error,) = body["errors"]
    assert pointer is None or error["pointer"] == pointer
    assert code is None or error["code"] == code
    assert error["detail"]


def test_a_hundred_errors_are_listed_and_all_are_counted_over_http(shared: Serving) -> None:
    answers = {f"unknown{number}": 1 for number in range(250)}
    body = problem(shared.http().post(ATTEMPTS, json={"answers": answers}), "invalid-attempt")
    assert (len(body["errors"]), body["errorCount"]) == (100, 250)


def broken(change: Any) -> bytes:
    body = document("x")
    change(body)
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("content", "headers", "place", "code"),
    [
        (b'{"kind":', JSON, "1:9", "Syntax"),
        (b"kind: [", YAML, None, "Syntax"),
        (b"a: 1\n---\nb: 2\n", YAML, None, "SeveralDocuments"),
        (b"a: 1\na: 2\n", YAML, None, "DuplicateKey"),
        (b"yes: 1\n", YAML, None, "KeyNotText"),
        (DEEP, JSON, None, "TooDeep"),
        (b"x: " + DEEP, YAML, None, "TooDeep"),
        (
            broken(lambda body: body["spec"]["scales"][0]["items"].append("i9")),
            JSON,
            "spec.scales[0].items[3]",
            "UnknownReference",
        ),
        (
            broken(lambda body: body["spec"]["items"].append(body["spec"]["items"][0])),
            JSON,
            "spec.items[3].id",
            "DuplicateId",
        ),
        (
            broken(lambda body: body["metadata"].update(name="y")),
            JSON,
            "metadata.name",
            "NameMismatch",
        ),
        (
            broken(lambda body: body["spec"].update(surprise=1)),
            JSON,
            "spec.surprise",
            "UnknownField",
        ),
        (broken(lambda body: body["spec"].update(title=7)), JSON, "spec.title", "WrongType"),
        (broken(lambda body: None).replace(b'"Mood"', b"NaN"), JSON, None, None),
    ],
)
def test_an_invalid_document_is_reported_with_the_place_of_each_error(
    shared: Serving, content: bytes, headers: dict[str, str], place: str | None, code: str | None
) -> None:
    body = problem(
        shared.http().put("/v1/instruments/x", content=content, headers=headers), "invalid-document"
    )
    assert code is None or code in {error["code"] for error in body["errors"]}
    assert place is None or place in {error["pointer"] for error in body["errors"]}
    problem(shared.http().get("/v1/instruments/x"), "not-found")


@pytest.mark.parametrize(
    "address",
    [
        "/v1/instruments?limit=0",
        "/v1/instruments?limit=1001",
        "/v1/instruments?limit=ten",
        "/v1/instruments?limit=1&limit=1",
        "/v1/instruments?surprise=1",
        "/v1/instruments?after=NOT-A-NAME",
        "/v1/instruments/a-mood?revision=0",
        "/v1/instruments/a-mood?revision=1e3",
        "/v1/instruments/a-mood/results?after=-1",
        "/v1/instruments/a-mood/results?after=99999999999999999999",
        "/v1/instruments/a-mood/results?after=AQ%3D%3D",
        "/v1/participants/p/results?after=" + "A" * 200,
        "/v1/attempts/00/result?wait=31",
        "/v1/attempts/00/result?wait=nan",
        "/v1/attempts/00/result?wait=-1",
        "/v1/instruments?" + "x" * 3000,
    ],
)
def test_invalid_query_parameters_are_rejected(shared: Serving, address: str) -> None:
    problem(shared.http().get(address), "malformed-request")


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/nothing",
        "/v1/instruments/",
        "/v1//a-mood",
        "/v2/instruments",
        "/v1/instruments/a-mood/",
        "/%2e%2e",
    ],
)
def test_an_unknown_address_is_not_found(shared: Serving, path: str) -> None:
    problem(shared.http().get(path), "not-found")


@pytest.mark.parametrize(
    "name", ["Upper", "a_b", "-a", "a" * 64, "a%2Fb", "%E2%82%AC", "a:b", "*", "a-mood%00"]
)
def test_an_impossible_name_is_not_found(shared: Serving, name: str) -> None:
    problem(shared.http().get(f"/v1/instruments/{name}"), "not-found")
    problem(shared.http().put(f"/v1/instruments/{name}", json=document()), "not-found")


def test_an_unsupported_method_is_rejected_with_the_supported_ones(
    shared: Serving,
) -> None:
    answer = shared.http().delete("/v1/instruments/a-mood")
    problem(answer, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD, PUT"
    head = shared.http().head("/v1/instruments/a-mood")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        (ATTEMPTS, {"content-type": "text/plain"}),
        (ATTEMPTS, JSON | {"content-encoding": "gzip"}),
        (ATTEMPTS + ":bulk", JSON),
        (ATTEMPTS + ":bulk", {"content-type": "application/x-ndjson", "content-encoding": "br"}),
    ],
)
def test_a_body_of_another_type_or_encoding_is_rejected(
    shared: Serving, address: str, headers: dict[str, str]
) -> None:
    problem(
        shared.http().post(address, content=b'{"answers":{"i1":1}}', headers=headers),
        "unsupported-content",
    )


def test_an_attempt_over_the_limit_is_rejected(shared: Serving) -> None:
    spaces = b" " * ((256 << 10) - len(b'{"answers":{"i1":1}}'))
    assert (
        shared.http()
        .post(ATTEMPTS, content=b'{"answers":{"i1":1}}' + spaces, headers=JSON)
        .status_code
        == 202
    )
    problem(
        shared.http().post(ATTEMPTS, content=b'{"answers":{"i1":1}} ' + spaces, headers=JSON),
        "too-large",
    )


def receive(connection: socket.socket, wanted: bytes) -> bytes:
    """Return all bytes up to and including `wanted`: an answer may arrive in several parts."""
    answer = b""
    while wanted not in answer:
        part = connection.recv(65536)
        assert part, answer
        answer += part
    return answer


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_rejected_unread(shared: Serving, chunked: bool) -> None:
    size, sent = 64 << 20, 0  # several times the kernel's buffers of both sides
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
        connection.sendall(
            b"PUT /v1/instruments/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n%b\r\n\r\n"
            % (ADMIN.encode(), framing)
        )
        part = b" " * 65536
        frame = b"%x\r\n%b\r\n" % (len(part), part) if chunked else part
        try:
            while sent < size:
                if not chunked and sent >= 4 * len(part):
                    break  # refused by its declared length: no more data are needed
                connection.sendall(frame)
                sent += len(part)
        except OSError:
            pass  # disconnected, as expected
        answer = receive(connection, b"urn:stanine:problem:too-large")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < size


def test_a_client_that_reads_after_sending_gets_its_rejection(shared: Serving) -> None:
    answer = shared.http().put("/v1/instruments/x", content=b" " * (10 << 20), headers=JSON)
    problem(answer, "too-large")
    assert shared.http().get("/v1/instruments").status_code == 200


def test_an_endless_request_head_is_rejected(shared: Serving) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
        connection.sendall(b"GET /v1/instruments HTTP/1.1\r\nHost: x\r\nX-Long: ")
        try:
            for _ in range(64):
                connection.sendall(b"a" * 4096)
        except OSError:
            pass  # disconnected, as expected
        answer = receive(connection, b"urn:stanine:problem:malformed-request")
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_invalid_http_is_answered_and_disconnected(shared: Serving) -> None:
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01 hello?\r\n\r\n")
        receive(connection, b"application/problem+json")


def test_an_internal_error_has_an_id_and_no_traceback(
    mood: Serving, capfd: pytest.CaptureFixture[str]
) -> None:
    mood.redis.set(mood.keys.instruments, "another program's key")  # not a key of the store
    answer = mood.http().get("/v1/instruments")
    body = problem(answer, "internal")
    assert "Traceback" not in answer.text
    assert "WRONGTYPE" not in answer.text
    captured = capfd.readouterr()
    assert body["id"] in captured.out + captured.err


def test_attempts_are_not_logged(mood: Serving, capfd: pytest.CaptureFixture[str]) -> None:
    canary = "canary-4711"
    client = mood.http()
    client.post(
        ATTEMPTS, json={"key": canary, "participant": canary, "answers": {"i1": canary, canary: 1}}
    )
    client.post(ATTEMPTS, json={"key": canary, "participant": canary, "answers": {"i1": 1}})
    client.post(
        ATTEMPTS + ":bulk",
        content=f'{{"key":"{canary}","answers":{{"{canary}":1}}}}',
        headers={"content-type": "application/x-ndjson"},
    )
    client.get(f"/v1/participants/{canary}/results?{canary}=1")
    mood.http(canary).get("/v1/instruments")
    metrics = client.get("/metrics").text
    captured = capfd.readouterr()
    assert canary not in captured.out + captured.err + metrics
    assert 'outcome="accepted"' in metrics


def test_a_missing_body_ends_the_request(shared: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanine.api.web.http.BODY_SECONDS", 0.3)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", shared.port), timeout=25) as connection:
        connection.sendall(
            b"POST /v1/instruments/a-mood/attempts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: 100\r\n\r\n{"
            % ADMIN.encode()
        )
        receive(connection, b"urn:stanine:problem:too-slow")
    assert time.monotonic() - began < 25  # the limit is 30 s by default


def test_a_disconnected_client_is_not_an_error(
    shared: Serving, capfd: pytest.CaptureFixture[str]
) -> None:
    for address in (ATTEMPTS, ATTEMPTS + ":bulk"):
        with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as connection:
            connection.sendall(
                b"POST %b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: 100\r\n\r\n{"
                % (address.encode(), ADMIN.encode())
            )
    time.sleep(0.2)
    assert shared.http().get("/healthz").status_code == 200
    captured = capfd.readouterr()
    assert "Traceback" not in captured.out + captured.err
    assert isinstance(shared.http(), httpx.Client)


def test_a_participant_with_too_long_a_name_is_not_found(shared: Serving) -> None:
    assert shared.http().get(f"/v1/participants/{'é' * 128}/results").status_code == 200
    problem(shared.http().get(f"/v1/participants/{'é' * 129}/results"), "not-found")

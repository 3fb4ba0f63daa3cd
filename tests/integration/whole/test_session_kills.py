"""kill -9 of the API, both watchers and the server while people fill in sessions on two devices, with a ledger.

Nothing is lost, split or doubled. STANINE_SESSIONS says how many sessions (100; `make soak`: 10,000), STANINE_SEED repeats a run.
"""

import itertools
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.whole.services import Services, eventually

SESSIONS = int(os.environ.get("STANINE_SESSIONS", "100"))
PEOPLE_AT_ONCE = 8
ITEMS = [f"{trait}{n}" for trait in "ACENO" for n in range(1, 6)]
#: Saves of each of the two devices, items of a save.
SAVES, ITEMS_A_SAVE = 10, 3
#: Seconds for one request to be answered at last, and for everything to be scored once the last fault is healed.
PATIENCE, HEALED_WITHIN = 120, 120
EXAMPLES = Path(__file__).parents[3] / "examples" / "instruments"


class Device:
    """One of two devices on which a session is filled in: it knows the last `seq` that it has seen."""

    def __init__(self, http: httpx.Client, session: dict[str, Any], ledger: dict[str, int]) -> None:
        #: How often each kind of save was acknowledged or refused as it had to be.
        self.counts = Counter[str]()
        self._http = http
        self._address = f"/v1/sessions/{session['session']}"
        self._headers = {"authorization": f"Bearer {session['token']}"}
        self._seq = 0
        #: What was acknowledged, of both devices.
        self._ledger = ledger

    def save(self, answers: dict[str, int], chance: random.Random) -> None:
        """Save until it is acknowledged; some saves are sent twice, some with a `seq` of the past."""
        seq = self._seq + 1
        while True:
            answer = self.ask("PATCH", "", {"seq": max(1, seq), "answers": answers})
            if answer.status_code == 409:
                there = answer.json()["session"]
                seq = there["seq"] + 1
                self.counts["refused for the other device"] += 1
                continue
            assert answer.status_code == 200, answer.text
            self._seq = seq
            self._ledger |= answers
            self.counts["saved"] += 1
            if chance.random() < 0.1:
                assert (
                    self.ask("PATCH", "", {"seq": seq, "answers": answers}).json().get("repeated")
                    is True
                )
                self.counts["duplicates"] += 1
            if chance.random() < 0.1 and seq > 1:
                assert (
                    self.ask("PATCH", "", {"seq": seq - 1, "answers": {"A1": 6}}).status_code == 409
                )
                self.counts["older seq"] += 1
            return

    def submit(self) -> dict[str, Any]:
        answer = self.ask("POST", ":submit")
        assert answer.status_code == 202, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def ask(self, method: str, verb: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """Ask until there is an answer that says something."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self._http.request(
                    method, self._address + verb, json=body, headers=self._headers
                )
                if answer.status_code < 500:
                    return answer
            except httpx.HTTPError:
                pass
            assert time.monotonic() < deadline, "not answered within two minutes"
            time.sleep(0.05)


def open_once(http: httpx.Client, number: int) -> dict[str, Any]:
    """Open a session until that is acknowledged; its key makes that harmless."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            answer = http.post(
                "/v1/instruments/bfi-25/sessions",
                json={"key": f"s{number}", "participant": f"p{number % 50}"},
            )
            if answer.is_success:
                body: dict[str, Any] = answer.json()
                return body
            assert answer.status_code >= 500, answer.text
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.05)


def fill_in(services: Services, number: int, seed: int) -> tuple[str, dict[str, int], Counter[str]]:
    """Fill in one session, submit it from both devices; return attempt, ledger and counts of saves."""
    chance, ledger = random.Random(f"{seed} {number}"), dict[str, int]()
    with services.client(timeout=10) as http:
        session = open_once(http, number)
        devices = [Device(http, session, ledger), Device(http, open_once(http, number), ledger)]
        for step in range(2 * SAVES):
            which = chance.randrange(2)
            # Each device has separate items, since the last of two concurrent writes of an item is stored.
            items = chance.sample(ITEMS[1:13] if which else ITEMS[13:], ITEMS_A_SAVE)
            devices[which].save(
                {item: chance.randint(1, 6) for item in items} | ({"A1": 1} if not step else {}),
                chance,
            )
        first, second = devices[0].submit(), devices[1].submit()
    assert first["attempt"] == second["attempt"]
    return first["attempt"], ledger, devices[0].counts + devices[1].counts


def stored_answers(http: httpx.Client) -> list[tuple[str, dict[str, int]]]:
    """Return every attempt in the list of attempts with the items that are answered."""
    with http.stream("GET", "/v1/instruments/bfi-25/attempts") as response:
        assert response.status_code == 200
        lines = [line for line in map(json.loads, response.iter_lines()) if "attempt" in line]
    return [
        (
            line["attempt"],
            {item: value for item, value in line["answers"].items() if value is not None},
        )
        for line in lines
    ]


@pytest.mark.slow
def test_no_session_is_lost_split_or_doubled_whatever_is_killed(tmp_path: Path) -> None:
    seed = int(os.environ.get("STANINE_SEED", time.time()))
    print(f"STANINE_SEED={seed}")  # noqa: T201 - a failing run is repeated with it
    chance, services, done = random.Random(seed), Services(tmp_path), threading.Event()
    began = time.monotonic()
    kills = {"api": 0, "valkey": 0, "result-watcher": 0, "index-watcher": 0}

    def kill() -> None:
        while not done.wait(chance.uniform(0.5, 1.5)):
            name = min(kills, key=lambda each: (kills[each], each))
            services.kill(name)
            time.sleep(chance.uniform(0, 0.3))
            services.start(name)
            kills[name] += 1
            services.await_ready()  # a service that is never up would show nothing

    try:
        services.start()
        services.await_ready()
        with services.client() as http:
            document = (EXAMPLES / "bfi-25.yaml").read_bytes()
            put = http.put(
                "/v1/instruments/bfi-25?wait=20",
                content=document,
                headers={"content-type": "application/yaml"},
            )
            assert put.is_success, put.text
        numbers = itertools.count()

        def fill_in_many() -> list[tuple[str, dict[str, int], Counter[str]]]:
            """Fill in sessions until there are enough and every process was killed, or another failed."""
            mine = []
            while not done.is_set():
                number = next(numbers)
                if number >= SESSIONS and min(kills.values()) >= 1:
                    break
                mine.append(fill_in(services, number, seed))
            return mine

        with ThreadPoolExecutor(PEOPLE_AT_ONCE + 1) as pool:
            killer = pool.submit(kill)
            people = [pool.submit(fill_in_many) for _ in range(PEOPLE_AT_ONCE)]
            killer.add_done_callback(lambda _: done.set())
            wait(people, return_when=FIRST_EXCEPTION)
            done.set()
            killer.result()
            filled = [session for person in people for session in person.result()]
        counts = sum((each for _, _, each in filled), Counter[str]())
        seconds = time.monotonic() - began
        print(f"{len(filled)} sessions in {seconds:.0f} s; kill -9: {kills}; saves: {dict(counts)}")  # noqa: T201 - the figures of the long run
        assert min(kills.values()) >= 1, kills
        assert len(filled) >= SESSIONS
        assert counts["saved"] == len(filled) * 2 * SAVES
        ledgers = {attempt: ledger for attempt, ledger, _ in filled}
        assert len(ledgers) == len(filled)
        services.await_ready()
        with services.client() as http:
            stored = stored_answers(http)
            assert len(stored) == len(filled)
            assert dict(stored) == ledgers
            listed: dict[str, int] = {}

            def all_scored() -> bool:
                listed.clear()
                after = None
                while True:
                    page = http.get(
                        "/v1/instruments/bfi-25/results",
                        params={"limit": 1000} | ({"after": after} if after else {}),
                    ).json()
                    for item in page["items"]:
                        listed[item["attempt"]] = listed.get(item["attempt"], 0) + 1
                    if not page["items"]:
                        return len(listed) >= len(filled)
                    after = page["next"]

            eventually(all_scored, HEALED_WITHIN)
            assert listed == dict.fromkeys(ledgers, 1)
    finally:
        services.stop()


@pytest.mark.slow
@pytest.mark.parametrize("function", ["open_session", "save_session", "submit_session"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_api_dies_at_a_step_and_the_same_request_goes_on(
    tmp_path: Path, function: str, when: str
) -> None:
    services = Services(tmp_path)
    try:
        services.start("valkey", "index-watcher", "result-watcher", "api")
        services.await_ready()
        with services.client() as http:
            document = (EXAMPLES / "bfi-25.yaml").read_bytes()
            http.put(
                "/v1/instruments/bfi-25?wait=20",
                content=document,
                headers={"content-type": "application/yaml"},
            )
        services.kill("api")
        services.launchers["api"] = [
            "tests.integration.whole.doomed_service",
            f"{when} {function} 1",
        ]
        services.start("api")
        services.await_ready()
        with services.client() as http:

            def again() -> None:
                """Start the API once more when it has died."""
                services.wait("api", 30)
                services.launchers.pop("api", None)
                services.start("api")
                services.await_ready()

            revival = threading.Thread(target=again)
            revival.start()
            session = open_once(http, 1)
            ledger: dict[str, int] = {}
            device = Device(http, session, ledger)
            device.save({"A1": 2, "O5": 3}, random.Random(1))
            attempt = device.submit()["attempt"]
            revival.join(60)
            assert device.submit()["attempt"] == attempt
            answers = http.get(f"/v1/attempts/{attempt}").json()["answers"]
            assert {item: value for item, value in answers.items() if value is not None} == {
                "A1": 2,
                "O5": 3,
            }
            eventually(
                lambda: http.get(f"/v1/attempts/{attempt}/result").status_code == 200, HEALED_WITHIN
            )
            assert len(http.get("/v1/instruments/bfi-25/results").json()["items"]) == 1
    finally:
        services.stop()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """All processes with the instrument bfi-25."""
    made = Services(tmp_path)
    try:
        made.start()
        made.await_ready()
        with made.client() as http:
            document = (EXAMPLES / "bfi-25.yaml").read_bytes()
            header = {"content-type": "application/yaml"}
            put = http.put("/v1/instruments/bfi-25?wait=20", content=document, headers=header)
            assert put.is_success, put.text
        yield made
    finally:
        made.stop()


def restart(services: Services, name: str) -> None:
    """Kill a process, start it again, and wait until all are ready."""
    services.kill(name)
    services.start(name)
    services.await_ready()


def doom(services: Services, name: str, step: str) -> None:
    """Replace a process by one that dies at a step."""
    services.kill(name)
    services.launchers[name] = ["tests.integration.whole.doomed_service", step]
    services.start(name)
    del services.launchers[name]
    services.await_ready()


def revive(services: Services, name: str) -> None:
    """Wait until a process has died at its step, and start it again."""
    services.wait(name, 60)
    services.start(name)
    services.await_ready()


def submitted(http: httpx.Client, number: int) -> tuple[Device, str]:
    """Fill in a session and submit it; return its device and its attempt."""
    device = Device(http, open_once(http, number), {})
    device.save({"A1": 2, "O5": 3}, NEVER)
    return device, device.submit()["attempt"]


def answers_of(http: httpx.Client, attempt: str) -> dict[str, int]:
    answers = http.get(f"/v1/attempts/{attempt}").json()["answers"]
    return {item: value for item, value in answers.items() if value is not None}


def await_result(http: httpx.Client, attempt: str) -> None:
    address = f"/v1/attempts/{attempt}/result"
    eventually(lambda: http.get(address).status_code == 200, HEALED_WITHIN)


def results(http: httpx.Client) -> list[str]:
    """Return the attempts of all listed results."""
    page = http.get("/v1/instruments/bfi-25/results", params={"limit": 1000}).json()
    return [each["attempt"] for each in page["items"]]


def erase(http: httpx.Client, attempt: str) -> None:
    """Erase an attempt until that is acknowledged, or until it is gone by an earlier try."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if http.delete(f"/v1/attempts/{attempt}").status_code in {204, 404}:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_erased(http: httpx.Client, device: Device, attempt: str) -> None:
    """Assert that neither the attempt nor its result nor its session is there or comes back."""
    for address in (f"/v1/attempts/{attempt}", f"/v1/attempts/{attempt}/result"):
        assert http.get(address).status_code == 404
    assert device.ask("POST", ":submit").status_code in {404, 410}
    assert attempt not in results(http)


class _Never(random.Random):
    """No save is sent twice or late."""

    def random(self) -> float:
        return 1.0


NEVER = _Never()


@pytest.mark.slow
def test_the_server_dies_after_each_step_and_nothing_acknowledged_is_lost(
    services: Services,
) -> None:
    with services.client() as http:
        session = open_once(http, 1)
        restart(services, "valkey")
        device = Device(http, session, {})
        device.save({"A1": 2}, NEVER)
        restart(services, "valkey")  # between the saves
        device.save({"O5": 3}, NEVER)
        services.signal("result-watcher", signal.SIGSTOP)
        services.kill("valkey")  # between save and submit
        services.start("valkey")
        attempt = device.submit()["attempt"]
        services.kill("valkey")  # between submit and score
        services.start("valkey")
        services.signal("result-watcher", signal.SIGCONT)
        services.await_ready()
        assert device.submit()["attempt"] == attempt
        await_result(http, attempt)
        restart(services, "valkey")
        assert answers_of(http, attempt) == {"A1": 2, "O5": 3}
        assert results(http) == [attempt]
        erase(http, attempt)
        restart(services, "valkey")
        assert_erased(http, device, attempt)


@pytest.mark.slow
def test_the_result_watcher_dies_between_submit_and_score_and_the_result_is_there_once(
    services: Services,
) -> None:
    attempts = []
    with services.client() as http:
        for number, when in enumerate(("before", "after")):
            doom(services, "result-watcher", f"{when} commit_results 1")
            _, attempt = submitted(http, number)
            revive(services, "result-watcher")
            await_result(http, attempt)
            attempts.append(attempt)
        assert results(http) == attempts
        assert [answers_of(http, each) for each in attempts] == 2 * [{"A1": 2, "O5": 3}]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_erasure_stands_whatever_dies_between_it_and_the_commit(
    services: Services, when: str
) -> None:
    with services.client() as http:
        # the resultWatcher dies with the attempt in progress, and its successor gets the message again
        doom(services, "result-watcher", f"{when} commit_results 1")
        device, attempt = submitted(http, 1)
        services.wait("result-watcher", 60)
        erase(http, attempt)
        services.start("result-watcher")
        services.await_ready()
        _, other = submitted(http, 2)
        await_result(http, other)
        assert_erased(http, device, attempt)
        # the API dies in the erasure, while the result is committed
        services.signal("result-watcher", signal.SIGSTOP)
        device, attempt = submitted(http, 3)
        services.kill("api")
        services.launchers["api"] = ["tests.integration.whole.doomed_service", f"{when} erase 1"]
        services.start("api")
        del services.launchers["api"]
        eventually(lambda: services.health("api", "/readyz").status_code == 200, HEALED_WITHIN)
        with pytest.raises(httpx.HTTPError):
            http.delete(f"/v1/attempts/{attempt}")
        services.signal("result-watcher", signal.SIGCONT)
        revive(services, "api")
        erase(http, attempt)
        _, last = submitted(http, 4)
        await_result(http, last)
        assert_erased(http, device, attempt)
        assert results(http) == [other, last]

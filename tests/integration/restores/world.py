"""Clients of real processes whose server restarts with older data.

Requests, responses, observations.
Every item of the two instruments is a scale, so the scores of an attempt reveal its answers and the reversed items.
"""

import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.integration.whole.services import Services

NAMES = ("mood", "sleep")
#: Numbers of items of the documents: they differ in form and in scoring.
ITEMS = (7, 8)
LINES_A_REQUEST = 20
#: Seconds that a participant's request waits for the result.
HELD_SECONDS = 2


@dataclass(frozen=True)
class Document:
    """An instrument document: number of items, and the reversed ones."""

    name: str
    items: int
    reversed: frozenset[int]
    number: int

    def text(self) -> bytes:
        options = [{"value": value} for value in range(5)]
        items = [{"id": f"i{n}", "text": f"Item {n}"} for n in range(self.items)]
        scales = [
            {"id": f"s{n}", "items": [f"-i{n}" if n in self.reversed else f"i{n}"]}
            for n in range(self.items)
        ]
        spec = {
            "title": f"Document {self.number}", "language": "en", "licence": "public domain", "source": "invented",
            "responseSets": [{"name": "often", "options": options}], "defaults": {"responses": "often", "score": "Sum"},
            "items": items, "scales": scales,
        }  # fmt: skip
        return json.dumps(
            {
                "apiVersion": "stanine.dev/v1alpha1",
                "kind": "Instrument",
                "metadata": {"name": self.name},
                "spec": spec,
            }
        ).encode()

    def scores(self, answers: Mapping[str, int]) -> dict[str, int | None]:
        """Score independently of Stanine."""
        raw = {n: answers.get(f"i{n}") for n in range(self.items)}
        return {
            f"s{n}": None if x is None else 4 - x if n in self.reversed else x
            for n, x in raw.items()
        }


@dataclass
class Ledger:
    """The clients' records, by the attempt's key, or by participant for an attempt without key."""

    sent: dict[str, tuple[str, dict[str, int]]] = field(default_factory=dict)
    #: Identifier of the last acknowledgement, by attempt id.
    acknowledged: dict[str, str] = field(default_factory=dict)
    documents: dict[str, list[Document]] = field(
        default_factory=lambda: {name: [] for name in NAMES}
    )
    #: Errors seen by clients during the run.
    faults: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, by: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + by

    def check_result(self, who: str, body: Mapping[str, Any]) -> None:
        """Record an error unless some published document explains the scores by the answers."""
        name, answers = self.sent[who]
        if body["instrument"] != name or body["state"] != "Scored":
            self.faults.append(f"{who} of {name} was answered {body}")
            return
        scores = {scale: each["raw"] for scale, each in body["scales"].items()}
        if not any(document.scores(answers) == scores for document in self.documents[name]):
            self.faults.append(f"{who} with {answers} was answered the scores {scores}")


class Poller(threading.Thread):
    """Polls an instrument's results by cursor and keeps the last content of each."""

    def __init__(self, services: Services, name: str, ledger: Ledger) -> None:
        super().__init__(daemon=True)
        self.services, self.instrument, self.ledger = services, name, ledger
        self.cursor = ""
        self.seen: dict[str, dict[str, Any]] = {}
        self.at_end = False
        self.stopping = threading.Event()

    def run(self) -> None:
        with self.services.client(timeout=10) as client:
            while not self.stopping.is_set():
                try:
                    self.poll(client)
                except (httpx.HTTPError, ValueError):
                    self.at_end = False
                time.sleep(0.02)

    def poll(self, client: httpx.Client) -> None:
        parameters = {"limit": "200"} | ({"after": self.cursor} if self.cursor else {})
        answer = client.get(f"/v1/instruments/{self.instrument}/results", params=parameters)
        if answer.status_code == 410:
            self.cursor = answer.json()["next"]
            self.ledger.count("pollers that were told")
        elif answer.status_code == 200:
            page = answer.json()
            for item in page["items"]:
                self.seen[item["attempt"]] = item
            self.cursor = page["next"]
            self.at_end = not page["items"]
        else:
            self.at_end = False


class Clients:
    """The senders: in bulk under keys, and single with the attempt's own token."""

    def __init__(self, services: Services, ledger: Ledger, seed: int) -> None:
        self.services, self.ledger, self._seed = services, ledger, seed
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(turn, seed + n), daemon=True)
            for n, turn in enumerate(
                (self._send_many, self._send_many, self._send_one, self._send_one, self._send_one)
            )
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _repeat(self, turn: Callable[[httpx.Client, random.Random], None], seed: int) -> None:
        chance = random.Random(seed)
        with self.services.client(timeout=10) as client:
            while not self._stopping.is_set():
                try:
                    turn(client, chance)
                except (httpx.HTTPError, ValueError):
                    self.ledger.count("failed requests")
                    time.sleep(0.02)

    def _answers(self, chance: random.Random) -> dict[str, int]:
        return {f"i{n}": chance.randrange(5) for n in range(chance.choice(ITEMS))}

    def _send_many(self, client: httpx.Client, chance: random.Random) -> None:
        name = chance.choice(NAMES)
        lines = []
        for _ in range(LINES_A_REQUEST):
            key = str(uuid.UUID(int=chance.getrandbits(128)))
            answers = self._answers(chance)
            self.ledger.sent[key] = name, answers
            lines.append(json.dumps({"key": key, "answers": answers}).encode())
        answer = client.post(f"/v1/instruments/{name}/attempts:bulk", content=b"\n".join(lines))
        if answer.status_code != 200:
            time.sleep(0.02)
            return
        for each in map(json.loads, answer.text.splitlines()):
            if each["status"] == 202:
                self.ledger.acknowledged[each["attempt"]] = each["key"]
                self.ledger.count("acknowledged")

    def _send_one(self, client: httpx.Client, chance: random.Random) -> None:
        name, participant, answers = (
            chance.choice(NAMES),
            f"p-{chance.getrandbits(64):x}",
            self._answers(chance),
        )
        self.ledger.sent[participant] = name, answers
        answer = client.post(
            f"/v1/instruments/{name}/attempts",
            json={"participant": participant, "answers": answers},
        )
        if answer.status_code != 202:
            time.sleep(0.02)
            return
        receipt = answer.json()
        self.ledger.acknowledged[receipt["attempt"]] = participant
        self.ledger.count("acknowledged")
        headers = {"Authorization": f"Bearer {receipt['token']}"}
        path = f"{self.services.url}/v1/attempts/{receipt['attempt']}/result"
        for _ in range(5):
            held = client.get(path, params={"wait": HELD_SECONDS}, headers=headers)
            if held.status_code == 200:
                body = held.json()
                if body["attempt"] != receipt["attempt"]:
                    self.ledger.faults.append(
                        f"{receipt['attempt']} waited and was answered {body['attempt']}"
                    )
                self.ledger.check_result(participant, body)
                self.ledger.count("waited and read")
            if held.status_code != 202 or self._stopping.is_set():
                return

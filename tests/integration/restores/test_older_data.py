"""A server restarts with older data under real processes.

No result is mixed up, and the remaining data is consistent. During the restart attempts are submitted, awaited and
polled, and documents are republished in another order. `STANINE_RESTORES` is the number of rounds per fault (`make
soak`: 10), `STANINE_SEED` repeats a run.
"""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.restores.faults import FAULTS
from tests.integration.restores.world import ITEMS, NAMES, Clients, Document, Ledger, Poller
from tests.integration.whole.invariants import Records
from tests.integration.whole.services import Services, eventually

from stanine.store.audit import Auditor
from stanine.store.instruments import InstrumentHistory

ROUNDS = int(os.environ.get("STANINE_RESTORES", "1"))
#: Seconds within which everything must be scored after the last fault.
HEALED_WITHIN = 90


class Scene:
    """The processes and clients of one test."""

    def __init__(self, directory: Path, fault: str, seed: int) -> None:
        self.chance = random.Random(seed)
        make = FAULTS[fault]
        self.services = Services(directory, server_options=make(Services(directory)).options)
        self.fault = make(self.services)
        self.ledger = Ledger()
        self.published = 0

    def publish(self, names: tuple[str, ...], seconds: float = 60) -> None:
        """Publish a new document of each instrument, in this order, until it is indexed."""
        for name in names:
            self.published += 1
            items = self.chance.choice(ITEMS)
            reverse = frozenset(n for n in range(items) if self.chance.random() < 0.5)
            document = Document(name, items, reverse, self.published)
            self.ledger.documents[name].append(document)

            def is_indexed(document: Document = document) -> bool:
                with self.services.client(timeout=15) as client:
                    answer = client.put(
                        f"/v1/instruments/{document.name}?wait=5", content=document.text()
                    )
                    return answer.status_code in (200, 201) and bool(answer.json()["indexed"])

            eventually(
                is_indexed,
                seconds,
                lambda: (
                    self.services.log("api")[-2000:] + self.services.log("index-watcher")[-2000:]
                ),
            )

    def at_rest(self, records: Records) -> bool:
        return records.queues_at_rest() and not any(True for _ in records.sweep.all_unscored())


def read(client: httpx.Client, address: str, params: dict[str, str] | None = None) -> Any:
    """Read from the API; on a busy machine a request may exceed its time, and is repeated."""
    answers: list[httpx.Response] = []

    def is_answered() -> bool:
        answers.append(client.get(address, params=params))
        return answers[-1].status_code != 503

    eventually(is_answered, HEALED_WITHIN)
    return answers[-1].json()


def check_final_state(scene: Scene, pollers: list[Poller]) -> None:
    """Assert that the server's data is consistent and that every poller has received it."""
    services, ledger = scene.services, scene.ledger
    records = Records(services.redis_url, services.namespace)
    eventually(
        lambda: scene.at_rest(records),
        HEALED_WITHIN,
        lambda: services.log("result-watcher")[-3000:],
    )
    scores: dict[tuple[str, int], Any] = {}
    with services.client() as client:
        total = 0
        for poller in pollers:
            fresh, cursor = [], ""
            while True:
                page = read(
                    client,
                    f"/v1/instruments/{poller.instrument}/results",
                    {"limit": "1000"} | ({"after": cursor} if cursor else {}),
                )
                fresh += page["items"]
                cursor = page["next"]
                if not page["items"]:
                    break
            total += len(fresh)
            # I2: listed once. I9 and I4: belongs to its own attempt, which a client sent. I3: scored by the document of
            # its revision here.
            assert len({item["attempt"] for item in fresh}) == len(fresh)
            for item in fresh:
                who = item.get("key") or item["participant"]
                name, answers = ledger.sent[who]
                assert name == poller.instrument
                assert ledger.acknowledged.get(item["attempt"], who) == who
                assert item["state"] == "Scored", item
                which = name, item["scoringRevision"]
                if which not in scores:
                    stored = read(client, f"/v1/instruments/{name}?revision={which[1]}")
                    number = int(stored["spec"]["title"].split()[1])
                    scores[which] = next(
                        each for each in ledger.documents[name] if each.number == number
                    )
                expected = scores[which].scores(answers)
                assert {scale: each["raw"] for scale, each in item["scales"].items()} == expected
            # The poller has skipped nothing, and its last contents are current.
            eventually(lambda poller=poller: poller.at_end, 30)  # type: ignore[misc]
            missed = [item["attempt"] for item in fresh if poller.seen.get(item["attempt"]) != item]
            assert not missed, (
                f"{len(missed)} of {len(fresh)} results were not polled: {missed[:3]}"
            )
        # I1: stored records are readable; I6: every attempt has a result.
        assert total == records.sweep.arrivals() == records.sweep.committed()
        participants = [who for who in ledger.acknowledged.values() if who.startswith("p-")]
        for who in scene.chance.sample(participants, min(20, len(participants))):
            for item in read(client, f"/v1/participants/{who}/results")["items"]:
                assert item["participant"] == who
                ledger.check_result(who, item)
    audit = Auditor(
        records.client, InstrumentHistory(records.client, records.keys), records.sweep, records.keys
    ).audit()
    assert audit.is_sound, audit
    assert audit.failed == 0
    assert ledger.faults == []
    records.client.close()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_no_result_is_mixed_up_after_a_restart_with_older_data(fault: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("STANINE_SEED", time.time()))
    print(f"STANINE_SEED={seed}")  # noqa: T201 - a failing run is repeated with it
    scene = Scene(tmp_path, fault, seed)
    services, chance, ledger = scene.services, scene.chance, scene.ledger
    pollers: list[Poller] = []
    try:
        services.start()
        services.await_ready()
        scene.publish(NAMES)
        pollers = [Poller(services, name, ledger) for name in NAMES]
        for poller in pollers:
            poller.start()
        for number in range(ROUNDS):
            clients = Clients(services, ledger, seed + 1000 * number)
            clients.start()
            time.sleep(chance.uniform(0.5, 1.0))
            scene.fault.prepare()
            time.sleep(chance.uniform(0.2, 0.6))
            # Without other documents, only the ids distinguish the attempts of the two histories.
            republishes = not scene.fault.keeps_documents or chance.random() < 0.6
            if republishes:
                scene.publish(NAMES)
            time.sleep(chance.uniform(0.0, 0.6))
            if chance.random() < 0.6:
                services.signal("result-watcher", signal.SIGSTOP)  # often with a batch in progress
                time.sleep(chance.uniform(0.0, 0.2))
            scene.fault.strike()
            if chance.random() < 0.5:
                services.signal("result-watcher", signal.SIGCONT)
            if republishes:
                scene.publish(NAMES[::-1])
            time.sleep(chance.uniform(0.3, 1.0))
            services.signal("result-watcher", signal.SIGCONT)
            time.sleep(chance.uniform(0.2, 0.5))
            clients.stop()
            check_final_state(scene, pollers)
            scene.fault.close()
        print(f"{fault}: {ROUNDS} rounds, {ledger.counts}")  # noqa: T201 - what the run came to
    finally:
        for poller in pollers:
            poller.stopping.set()
        scene.fault.close()
        services.stop()

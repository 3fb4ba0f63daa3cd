"""Kill each process at random moments during 20,000 attempts with duplicates.

Compare with the client's ledger.
"""

import json
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.whole.invariants import Records, assert_invariants
from tests.integration.whole.services import Services, eventually

ATTEMPTS = 20_000
#: Small requests with pauses, so that the load lasts during the kills.
LINES_A_REQUEST = 25
PAUSE_SECONDS = 0.02
#: Minimum number of kills of each process under load.
KILLS_EACH = 4
#: Seconds within which everything must be scored after the last fault.
HEALED_WITHIN = 60
ITEMS = [f"{trait}{n}" for trait in "ACENO" for n in range(1, 6)]
EXAMPLES = Path(__file__).parents[3] / "examples" / "instruments"


class Ledger:
    """Attempts sent and acknowledged, recorded by the client."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.sent: dict[str, dict[str, Any]] = {
            f"key-{n}": {item: chance.choice([1, 2, 3, 4, 5, 6, None]) for item in ITEMS}
            for n in range(ATTEMPTS)
        }
        self.acknowledged: dict[str, str] = {}
        self.conflicts = 0
        self.failed_requests = 0

    def lines(self, keys: list[str]) -> bytes:
        return b"".join(
            json.dumps(
                {"key": key, "participant": f"p{int(key[4:]) % 500}", "answers": self.sent[key]}
            ).encode()
            + b"\n"
            for key in keys
        )

    def note(self, line: dict[str, Any]) -> None:
        if line["status"] not in (200, 202):
            return
        before = self.acknowledged.setdefault(line["key"], line["attempt"])
        self.conflicts += before != line["attempt"]


def send(services: Services, ledger: Ledger, keys: list[str]) -> None:
    """Send keys in bulk until each is acknowledged.

    Whole requests are retried, which creates duplicates.
    """
    with services.client(timeout=10) as client:
        for start in range(0, len(keys), LINES_A_REQUEST):
            part = keys[start : start + LINES_A_REQUEST]
            deadline = time.monotonic() + 120
            while any(key not in ledger.acknowledged for key in part):
                assert time.monotonic() < deadline, "not acknowledged within two minutes"
                try:
                    with client.stream(
                        "POST", "/v1/instruments/bfi-25/attempts:bulk", content=ledger.lines(part)
                    ) as answer:
                        if answer.status_code != 200:
                            raise httpx.TransportError(str(answer.status_code))
                        for line in answer.iter_lines():
                            ledger.note(json.loads(line))
                except (httpx.HTTPError, json.JSONDecodeError):
                    ledger.failed_requests += 1
                    time.sleep(0.05)
            time.sleep(PAUSE_SECONDS)


@pytest.mark.slow
def test_every_acknowledged_attempt_is_scored_once_despite_kills(tmp_path: Path) -> None:
    seed = int(os.environ.get("STANINE_SEED", time.time()))
    print(f"STANINE_SEED={seed}")  # noqa: T201 - a failing run is repeated with it
    chance = random.Random(seed)
    services = Services(tmp_path)
    try:
        services.start()
        services.await_ready()
        document = (EXAMPLES / "bfi-25.yaml").read_bytes()
        with services.client() as client:
            headers = {"Content-Type": "application/yaml"}
            assert client.put(
                "/v1/instruments/bfi-25?wait=20", content=document, headers=headers
            ).status_code in (200, 201)

        ledger = Ledger(seed)
        keys = list(ledger.sent)
        again = chance.sample(keys, ATTEMPTS // 10)
        senders = [
            threading.Thread(target=send, args=(services, ledger, part), daemon=True)
            for part in (keys[::2] + again, keys[1::2] + again)
        ]
        for sender in senders:
            sender.start()

        killed = dict.fromkeys(("result-watcher", "index-watcher", "api", "valkey"), 0)
        while any(sender.is_alive() for sender in senders):
            time.sleep(chance.uniform(0.05, 0.6))
            name = chance.choice(
                [each for each in killed if killed[each] <= min(killed.values()) + 1]
            )
            services.kill(name)
            time.sleep(chance.uniform(0, 0.5))
            services.start(name)
            killed[name] += 1
        for sender in senders:
            sender.join(180)
            assert not sender.is_alive()

        healed = time.monotonic()
        records = Records(services.redis_url, services.namespace)
        eventually(
            lambda: records.queues_at_rest() and records.unscored() == 0, HEALED_WITHIN,
            lambda: f"{records.unscored()} unscored; {[records.broker.stats(q) for q in ('index', 'results')]}",
        )  # fmt: skip
        print(  # noqa: T201
            f"kills {killed}; requests that failed {ledger.failed_requests}; healed in {time.monotonic() - healed:.1f} s"
        )
        assert min(killed.values()) >= KILLS_EACH, (
            f"the load ended before enough was killed, so this shows too little: {killed}"
        )
        assert ledger.failed_requests > 0
        assert len(ledger.acknowledged) == ATTEMPTS
        assert ledger.conflicts == 0
        assert_invariants(records, ledger.sent, ledger.acknowledged)
    finally:
        services.stop()

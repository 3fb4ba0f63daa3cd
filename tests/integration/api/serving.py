"""The API as served: the real application and server on a real port, in a thread of the test.

The watchers' work between two requests is done by calls, so that a test decides its time.
"""

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from opentelemetry import trace

from stanine.api.app import Api
from stanine.api.settings import ApiSettings
from stanine.api.web.auth import Keyring, Scope
from stanine.api.web.server import listen, serve
from stanine.broker.connection.clients import connect
from stanine.broker.entry import head
from stanine.broker.keys import queue_keys
from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.index_watcher.index_builder import IndexBuilder
from stanine.messages import SCORE_ATTEMPTS, Outbox
from stanine.result_watcher.batch_scorer import BatchScorer, Tally
from stanine.result_watcher.rescorer import Rescorer
from stanine.store import load_library
from stanine.store.index import Index
from stanine.store.instruments import InstrumentHistory
from stanine.store.keys import Keys
from stanine.store.rescoring import Rescorings
from stanine.store.results import Results

#: A key with all scopes, one key per scope, and one that reaches only the instruments `a-…`.
ADMIN, NARROW = "admin-key", "narrow-key"
ALL_SCOPES = [scope.value for scope in Scope]


def only(scope: str) -> str:
    """Return the key with one scope."""
    return f"key-{scope}"


def key_entry(key: str, scopes: list[str], instruments: list[str], **more: str) -> dict[str, Any]:
    return {
        "name": key,
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
        "scopes": scopes,
        "instruments": instruments,
    } | more


def write_keys(path: Path, *more: Mapping[str, Any]) -> None:
    entries = [key_entry(ADMIN, ALL_SCOPES, ["*"]), key_entry(NARROW, ALL_SCOPES, ["a-*"])]
    entries += [key_entry(only(scope), [scope], ["*"]) for scope in ALL_SCOPES]
    path.write_text(json.dumps([*entries, *more]))


def document(
    name: str = "a-mood",
    *,
    title: str = "Mood",
    reverse: bool = False,
    items: int = 3,
    form: str = "",
) -> dict[str, Any]:
    """An instrument of a few items with answers 1 to 5, and one scale, their mean.

    Another `form` is another form.
    """
    ids = [f"i{number}" for number in range(1, items + 1)]
    return {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": name},
        "spec": {
            "title": title,
            "attributes": [{"id": form, "type": "Text"}] if form else [],
            "responseSets": [
                {
                    "name": "five",
                    "options": [{"value": value, "label": f"L{value}"} for value in range(1, 6)],
                }
            ],
            "items": [
                {"id": item, "text": f"Statement {item}", "responses": "five"} for item in ids
            ],
            "scales": [
                {
                    "id": "mood",
                    "items": [f"-{ids[0]}" if reverse else ids[0], *ids[1:]],
                    "score": "Mean",
                    "minValid": 1,
                }
            ],
        },
    }


class Serving:
    """One API process, run in a thread."""

    def __init__(
        self,
        redis_url: str,
        namespace: str,
        keys_file: Path,
        provider: trace.TracerProvider | None = None,
    ) -> None:
        keyring = Keyring(keys_file)
        keyring.load()
        self.api: Api
        self.keys_file = keys_file
        self.keys = Keys(namespace)
        self.redis = connect(redis_url)
        listener = listen("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        begun = threading.Event()

        async def run() -> None:
            self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
            self.api = Api(
                ApiSettings(redis_url, keys_file, namespace),
                keyring,
                provider or trace.NoOpTracerProvider(),
            )
            begun.set()
            await serve(self.api.asgi, listener, self._stopping)

        self._thread = threading.Thread(target=lambda: asyncio.run(run()))
        self._thread.start()
        begun.wait(10)
        self._http: dict[str | None, httpx.Client] = {}
        library = load_library()
        outbox = Outbox(
            queue_keys(self.keys.partition, SCORE_ATTEMPTS.queue).ready,
            head(SCORE_ATTEMPTS.queue, SCORE_ATTEMPTS.actor),
        )
        history, index = (
            InstrumentHistory(self.redis, self.keys),
            Index(self.redis, library, self.keys),
        )
        self._builder = IndexBuilder(history, index, ENGINE_VERSION)
        results = Results(self.redis, library, self.keys, outbox)
        self._scorer = BatchScorer(results, index, history)
        self.rescorings = Rescorings(self.redis, library, self.keys, outbox)
        self._rescorer = Rescorer(self.rescorings, results, history)

    def http(self, key: str | None = ADMIN) -> httpx.Client:
        """Return a client with a key."""
        if key not in self._http:
            headers = {"authorization": f"Bearer {key}"} if key else {}
            # There is no TLS here; loading certificates would take 50 ms per client.
            self._http[key] = httpx.Client(
                base_url=self.url, headers=headers, timeout=40, verify=False
            )
        return self._http[key]

    def until_ready(self) -> "Serving":
        for _ in range(500):
            if self.http(None).get("/readyz").status_code == 200:
                return self
            threading.Event().wait(0.01)
        raise AssertionError(self.http(None).get("/readyz").text)

    def see_states(self) -> None:
        """Let the API read the queues' states now."""
        asyncio.run_coroutine_threadsafe(self.api.refresh_states(), self._loop).result(5)

    def see_tokens(self) -> None:
        """Let the API read the secrets of tokens now."""
        asyncio.run_coroutine_threadsafe(self.api.refresh_tokens(), self._loop).result(5)

    def sweep_sessions(self) -> None:
        """End due sessions now."""
        asyncio.run_coroutine_threadsafe(self.api.sweep_sessions(), self._loop).result(20)

    def keep_retention(self) -> None:
        """Apply the retention now."""
        asyncio.run_coroutine_threadsafe(self.api.keep_retention(at_once=True), self._loop).result(
            20
        )

    def publish(self, body: Mapping[str, Any], *, build: bool = True) -> httpx.Response:
        """Publish and index an instrument."""
        name = body["metadata"]["name"]
        answer = self.http().put(f"/v1/instruments/{name}", json=body)
        assert answer.is_success, answer.text
        if build:
            self.build(name)
            asyncio.run_coroutine_threadsafe(self.api.refresh_index(), self._loop).result(5)
        return answer

    def build(self, name: str) -> None:
        """Index an instrument, like the indexWatcher."""
        self._builder.build([name])

    def submit(self, name: str = "a-mood", **attempt: Any) -> dict[str, Any]:
        answer = self.http().post(f"/v1/instruments/{name}/attempts", json=attempt)
        assert answer.status_code == 202, answer.text
        receipt: dict[str, Any] = answer.json()
        return receipt

    def score(self, *receipts: Mapping[str, Any]) -> Tally:
        """Score attempts, like the resultWatcher."""
        return self._scorer.score(
            b"".join(bytes.fromhex(receipt["attempt"]) for receipt in receipts)
        )

    def rescore(self) -> None:
        """Do the steps of all re-scorings, like the resultWatcher."""
        while running := self.rescorings.running():
            self._rescorer.do(running[0].step)

    def drain(self) -> None:
        """Drain, like SIGTERM."""
        self._loop.call_soon_threadsafe(self.api.drain)
        self._loop.call_soon_threadsafe(self._stopping.set)

    def stop(self) -> None:
        self.drain()
        self._thread.join(20)
        assert not self._thread.is_alive()
        for client in self._http.values():
            client.close()
        self.redis.close()


def backup(api: Serving) -> Callable[[], None]:
    """Return a function that restores the current records, like a backup."""
    client: Any = api.redis
    dump = {key: client.dump(key) for key in client.keys(f"{api.keys.partition}:*")}

    def put_back() -> None:
        client.delete(*client.keys(f"{api.keys.partition}:*"))
        for key, value in dump.items():
            client.restore(key, 0, value)

    return put_back


def problem(answer: httpx.Response, code: str) -> dict[str, Any]:
    """Check that an answer is a problem document of this type; return it."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:stanine:problem:{code}", body
    assert body["status"] == answer.status_code
    assert body["title"]
    assert body["detail"]
    return body

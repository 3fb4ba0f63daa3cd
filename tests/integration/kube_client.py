"""The operator's own client of the API server, for tests that are no coroutines: each has a thread with an event loop."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from stanine_operator.kubernetes.client import Body, Client
from stanine_operator.kubernetes.credentials import load_credentials

T = TypeVar("T")

#: Seconds for one request and its answer, whatever happens.
_PATIENCE = 60.0


class BlockingClient:
    """Requests as a kubeconfig says. May be used from several threads."""

    def __init__(self, kubeconfig: Path) -> None:
        """Log in. Raises LoginError."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="kubernetes", daemon=True
        )
        self._thread.start()
        try:
            self._client = self._run(
                Client.connect(lambda: load_credentials({"KUBECONFIG": str(kubeconfig)}))
            )
        except BaseException:
            self._end()
            raise

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Body:
        """Make a request. Raises ClusterError."""
        return self._run(self._client.call(method, path, body, **more))

    def close(self) -> None:
        self._run(self._client.close())
        self._end()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        self._loop.close()

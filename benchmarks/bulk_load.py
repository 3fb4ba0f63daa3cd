"""Load generator for bulk submissions: send prepared requests over several connections.

Runs as a separate process: reads one JSON object (see `Load`) from standard input, and writes one with the durations.
Keys of attempts are unique in a run.
"""

import http.client
import json
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.work import attempt_text


@dataclass(frozen=True)
class Load:
    """The load."""

    port: int
    path: str
    key: str
    connections: int
    requests: int
    lines: int
    #: Number of the first attempt.
    first: int


def bodies(load: Load) -> list[bytes]:
    """Return the request bodies: one keyed attempt per line."""
    made = []
    for request in range(load.requests):
        numbers = range(load.first + request * load.lines, load.first + (request + 1) * load.lines)
        made.append(
            b"".join(
                b'{"key":"k%d",' % number
                + attempt_text(number)[1:].replace(b'"instrument":"ipip-50",', b"")
                + b"\n"
                for number in numbers
            )
        )
    return made


def send(load: Load) -> dict[str, Any]:
    """Send all requests; return seconds, number of accepted attempts, and each request's ms."""
    waiting = bodies(load)[::-1]
    accepted: list[int] = []
    times: list[float] = []
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {load.key}"}
    lock = threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", load.port, timeout=120)
        while True:
            with lock:
                if not waiting:
                    break
                body = waiting.pop()
            began = time.perf_counter()
            connection.request("POST", load.path, body, headers)
            answer = connection.getresponse().read()
            times.append((time.perf_counter() - began) * 1000)
            accepted.append(answer.count(b'"status":202') + answer.count(b'"status": 202'))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(load.connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"seconds": time.perf_counter() - began, "accepted": sum(accepted), "ms": times}


if __name__ == "__main__":
    print(json.dumps(send(Load(**json.load(sys.stdin)))))

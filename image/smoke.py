# ruff: noqa: INP001 - run as a file by the image, never imported
"""The smoke test: publishes an instrument, submits an attempt, reads its result, as anybody would, through the HTTP API.

Run in the cluster by `helm test` and by the development loop's `verify`: `docker run IMAGE smoke`, with STANINE_API_URL and STANINE_KEY.
Exit status: 0 all is well, 1 it is not, and the last line says at which step.
"""

import os
import sys
import time
from typing import Any

import httpx

#: The instrument that is published; an unchanged one makes no new revision, so that running this again leaves only one more attempt.
NAME = "smoke-test"
DOCUMENT = {
    "apiVersion": "stanine.dev/v1alpha1",
    "kind": "Instrument",
    "metadata": {"name": NAME},
    "spec": {
        "title": "Smoke test",
        "language": "en",
        "responseSets": [
            {
                "name": "agreement",
                "options": [{"value": value, "label": str(value)} for value in range(1, 6)],
            }
        ],
        "items": [
            {"id": f"i{number}", "text": f"Statement {number}", "responses": "agreement"}
            for number in range(1, 5)
        ],
        "scales": [{"id": "agreement_all", "items": ["i1", "i2", "-i3", "i4"], "score": "Sum"}],
    },
}
ANSWERS = {"i1": 5, "i2": 4, "i3": 1, "i4": 3}
#: What these answers score: 5 + 4 + (6 - 1) + 3.
EXPECTED = 17.0
#: Seconds until everything must have worked, from a release whose pods may still be starting.
PATIENCE = 120.0


class SmokeError(Exception):
    """Something did not come out as it should; the message says what."""


def main() -> int:
    """Run the test; return the exit status."""
    missing = [name for name in ("STANINE_API_URL", "STANINE_KEY") if not os.environ.get(name)]
    if missing:
        return _say(f"smoke: set {' and '.join(missing)}", 1)
    step = "reach the API"
    with httpx.Client(
        base_url=os.environ["STANINE_API_URL"],
        headers={"authorization": f"Bearer {os.environ['STANINE_KEY']}"},
        timeout=40,
    ) as client:
        try:
            _until_ready(client)
            step = "publish"
            published = _json(
                client.put(f"/v1/instruments/{NAME}", params={"wait": 30}, json=DOCUMENT), 200, 201
            )
            _say(f"published {NAME}, revision {published['revision']}")
            step = "submit"
            submitted = _json(
                client.post(
                    f"/v1/instruments/{NAME}/attempts",
                    params={"wait": 30},
                    json={"answers": ANSWERS},
                ),
                200,
                202,
            )
            _say(f"submitted an attempt: {submitted['attempt']}")
            step = "read the result"
            result = _json(
                client.get(f"/v1/attempts/{submitted['attempt']}/result", params={"wait": 30}), 200
            )
            raw = result["scales"]["agreement_all"]["raw"]
            if raw != EXPECTED:
                return _say(f"smoke: the score is {raw}, and should be {EXPECTED}", 1)
            return _say(f"read its result: raw {raw}, as it should be")
        except (httpx.HTTPError, SmokeError, KeyError) as error:
            return _say(f"smoke: cannot {step}: {type(error).__name__}: {error}", 1)


def _until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            answer = client.get("/readyz")
            if answer.status_code == 200:
                return
            why = answer.text
        except httpx.TransportError as error:
            why = str(error)
        if time.monotonic() > deadline:
            raise SmokeError(f"not ready within {PATIENCE:g} s: {why}")
        time.sleep(1)


def _json(answer: httpx.Response, *expected: int) -> Any:
    if answer.status_code not in expected:
        raise SmokeError(
            f"{answer.request.method} {answer.request.url.path} was answered {answer.status_code}: {answer.text[:500]}"
        )
    return answer.json()


def _say(line: str, status: int = 0) -> int:
    print(line, file=sys.stderr if status else sys.stdout, flush=True)
    return status

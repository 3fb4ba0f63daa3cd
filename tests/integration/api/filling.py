"""An instrument for sessions, and callers of the session and invitation routes.

Used by the tests of people's data.
"""

from typing import Any

import httpx
from tests.integration.api.serving import Serving

NAME = "a-day"


def day(name: str = NAME, **spec: Any) -> dict[str, Any]:
    """An instrument with a required item, a condition, a text, a Multiple, attributes and a translation."""
    return {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": name},
        "spec": {
            "title": "A day",
            "language": "en",
            "attributes": [
                {"id": "sex", "values": ["female", "male"]},
                {"id": "years", "type": "Integer"},
            ],
            "responseSets": [
                {"name": "five", "options": [{"value": value} for value in range(1, 6)]}
            ],
            "items": [
                {"id": "calm", "text": "Calm?", "responses": "five", "required": True},
                {
                    "id": "drink",
                    "text": "Drink?",
                    "options": [{"value": 0}, {"value": 1}],
                    "required": True,
                },
                {
                    "id": "much",
                    "text": "How much?",
                    "responses": "five",
                    "required": True,
                    "when": "drink > 0",
                },
                {
                    "id": "which",
                    "type": "Multiple",
                    "text": "Which?",
                    "options": [{"value": "a"}, {"value": "b"}],
                },
                {"id": "note", "type": "Text", "text": "Else?"},
            ],
            "scales": [{"id": "calmness", "items": ["calm"], "score": "Mean", "minValid": 1}],
            "translations": {"de": {"title": "Ein Tag", "items": {"calm": "Ruhig?"}}},
        }
        | spec,
    }


class Person:
    """A participant with a session: its id and token."""

    def __init__(self, api: Serving, opened: httpx.Response) -> None:
        assert opened.is_success, opened.text
        self.opened: dict[str, Any] = opened.json()
        self.id, self.token = self.opened["session"], self.opened["token"]
        self._http = api.http(self.token)

    def read(self) -> dict[str, Any]:
        found = self._http.get(f"/v1/sessions/{self.id}")
        assert found.status_code == 200, found.text
        body: dict[str, Any] = found.json()
        return body

    def save(self, seq: int, answers: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        return self._http.patch(
            f"/v1/sessions/{self.id}", json={"seq": seq, "answers": answers or {}} | more
        )

    def submit(self, wait: float = 0) -> httpx.Response:
        return self._http.post(
            f"/v1/sessions/{self.id}:submit", params={"wait": wait} if wait else None
        )

    def withdraw(self) -> httpx.Response:
        return self._http.post(f"/v1/sessions/{self.id}:withdraw")


def open_session(api: Serving, name: str = NAME, **order: Any) -> Person:
    """Open a session by an API key, like a program."""
    return Person(api, api.http().post(f"/v1/instruments/{name}/sessions", json=order))


def invite(api: Serving, name: str = NAME, **order: Any) -> dict[str, Any]:
    answer = api.http().post(f"/v1/instruments/{name}/invitations", json=order)
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


def start(api: Serving, code: str, name: str = NAME, **order: Any) -> httpx.Response:
    """Open a session by a code, like a page."""
    return api.http(code).post(f"/v1/instruments/{name}/sessions", json=order)

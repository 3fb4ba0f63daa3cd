"""The pages as served: the real application before the real API, each on a port, in threads of the test."""

import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from tests.integration.api.serving import Serving, write_keys

from stanine.domain.client_address import Network
from stanine.pages.app import make_pages
from stanine.pages.console.sources import ApiOrganisations
from stanine.pages.main import make_client
from stanine.pages.result.sources import ApiResults
from stanine.pages.serving import listen
from stanine.pages.settings import Organisation, PagesSettings
from stanine.pages.survey.sources import ApiSessions


class ServedPages:
    """The pages of one API."""

    def __init__(self, api_url: str, settings: PagesSettings, port: int = 0) -> None:
        client = make_client(api_url)
        app = make_pages(
            settings,
            ApiSessions(client),
            client.close,
            results=ApiResults(client),
            organisations=ApiOrganisations(client),
        )
        listener = listen("127.0.0.1", port)
        self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}{settings.base_path}"
        config = uvicorn.Config(
            app,
            interface="asgi3",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


class Survey:
    """An API with pages before it, and instruments to invite people to."""

    def __init__(self, api: Serving, pages: ServedPages) -> None:
        self.api, self.pages = api, pages

    def publish(self, document: Mapping[str, Any]) -> str:
        """Publish an instrument; return its name."""
        self.api.publish(document)
        return str(document["metadata"]["name"])

    def invite(self, name: str, **order: Any) -> str:
        """Return a new link to an instrument."""
        answer = self.api.http().post(f"/v1/instruments/{name}/invitations", json=order)
        assert answer.is_success, answer.text
        return f"{self.pages.url}/s/{answer.json()['code']}"

    def session(self, page: Any) -> dict[str, Any]:
        """Return the session whose page a browser shows, as the API has it."""
        return self.session_at(page, page.url)

    def session_at(self, page: Any, address: str) -> dict[str, Any]:
        """Return the session of an address of the survey or the result."""
        name = re.split("/[sr]/", address)[1].split("/")[0]
        cookies = {one["name"]: one["value"] for one in page.context.cookies()}
        found = self.api.http(cookies[f"s_{name}"]).get(f"/v1/sessions/{name}")
        assert found.is_success, found.text
        body: dict[str, Any] = found.json()
        return body

    def submitted(self, page: Any) -> dict[str, Any]:
        """Return the answers of the attempt that a browser has submitted."""
        found = self.api.http().get(f"/v1/attempts/{self.session(page)['attempt']}")
        assert found.is_success, found.text
        answers: dict[str, Any] = found.json()["answers"]
        return answers


@contextmanager
def survey_at(
    redis_url: str,
    directory: Path,
    *,
    base_path: str = "",
    organisation: Organisation = Organisation(),  # noqa: B008 - frozen
    trusted_proxies: tuple[Network, ...] = (),
) -> Iterator[Survey]:
    """Run an API and its pages."""
    keys = directory / "keys.json"
    write_keys(keys)
    api = Serving(redis_url, f"pages-{secrets.token_hex(4)}", keys)
    try:
        api.until_ready()
        pages = ServedPages(api.url, PagesSettings(base_path, trusted_proxies, organisation))
        try:
            yield Survey(api, pages)
        finally:
            pages.stop()
    finally:
        api.stop()

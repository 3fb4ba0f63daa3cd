"""Ten invited people answer in a browser while pods of pages and API are killed: nothing is lost, every result is right."""

import csv
import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from tests.cluster.conftest import ROOT, Release, until
from tests.cluster.forwarding import Forwarder, forwarder
from tests.pages.conftest import browser  # noqa: F401 - a fixture

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

INVITED, ANSWERING = 100, 10
BASE_PATH = "/survey"
ITEMS = [f"g{number}" for number in range(1, 8)]
#: Two items to a page: welcome, four pages, review.
ITEMS_PER_PAGE = 2
#: Milliseconds for one action of a browser; the pages try the API again for 8 s.
PATIENCE = 12_000
#: Actions until a person gives up; six succeed without a failure.
MAX_ACTIONS = 60
#: Seconds until a killed pod is replaced.
REPLACED_SECONDS = 90


class Person:
    """A participant at a browser of their own, who opens the last address again after an error."""

    def __init__(self, page: Any, link: str, answers: dict[str, int], labels: list[str]) -> None:
        self.page, self.answers, self._labels = page, answers, labels
        self._address = link
        self.failures = 0
        page.set_default_timeout(PATIENCE)

    @property
    def is_done(self) -> bool:
        return bool(re.search(r"/s/[0-9a-f]{32}/done$", self.page.url))

    def act(self) -> None:
        """Do what the page asks for, once."""
        from playwright.sync_api import Error  # noqa: PLC0415 - not installed everywhere

        try:
            if not self.page.url.startswith("http://127.0.0.1") or self._is_error():
                self.page.goto(self._address)
            before = self.page.url
            self._fill()
            self.page.locator("button.primary").click()
            self.page.wait_for_url(lambda url: url != before)
            self.page.wait_for_load_state()
        except Error:
            self.failures += 1
        if re.search(r"/s/[0-9a-f]{32}/", self.page.url):
            self._address = self.page.url

    def _is_error(self) -> bool:
        return not self.is_done and self.page.locator("form button.primary").count() == 0

    def _fill(self) -> None:
        for item, value in self.answers.items():
            place = self.page.locator(f"#q-{item}")
            if place.count():
                place.get_by_label(self._labels[value], exact=True).check()


def ready_pods(release: Release, component: str) -> set[str]:
    return {
        pod["metadata"]["name"]
        for pod in release.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        for condition in pod["status"].get("conditions", [])
        if (condition["type"], condition["status"]) == ("Ready", "True")
    }


def kill_one(release: Release, component: str) -> None:
    """Kill a pod without a grace period and wait until another one has replaced it."""
    before = ready_pods(release, component)
    killed = min(before)
    release.kubectl("delete", "pod", killed, "--grace-period=0", "--force")
    until(
        lambda: len(ready_pods(release, component) - {killed}) == len(before),
        REPLACED_SECONDS,
        f"{killed} is replaced",
    )


@pytest.fixture
def forward() -> Iterator[Forwarder]:
    with forwarder() as made:
        yield made


def node_port(release: Release, service: str) -> int:
    return int(release.get("service", service)["spec"]["ports"][0]["nodePort"])


def invite(release: Release, rows: str) -> list[dict[str, str]]:
    """Return the links of people as the command line writes them; repeating it creates nothing."""
    text = release.stanine("invitations", "create", "gad-7", "-", given=rows)
    return list(csv.DictReader(io.StringIO(text)))


def test_people_answer_while_pods_are_killed(
    release: Release,
    forward: Forwarder,
    browser: Any,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    public = f"http://127.0.0.1:{forward.port}{BASE_PATH}"
    release.put(
        {
            "pages": {
                "enabled": True,
                "basePath": BASE_PATH,
                "service": {"type": "NodePort"},
                "organisation": {"name": "University of Examples"},
                "resources": {"requests": {"cpu": "10m"}},
            },
            "redisConfig": {"spec": {"settings": {"publicUrl": public}}},
        }
    )
    node = urlsplit(release.url).hostname
    assert node is not None
    forward.target = (node, node_port(release, "stanine-pages"))

    document = yaml.safe_load((ROOT / "examples/instruments/gad-7.yaml").read_text())
    document["spec"]["layout"] = {"itemsPerPage": ITEMS_PER_PAGE}
    labels = [each["label"] for each in document["spec"]["responseSets"][0]["options"]]
    (tmp_path / "gad-7.yaml").write_text(yaml.safe_dump(document))
    release.stanine("publish", str(tmp_path / "gad-7.yaml"), "--wait")

    rows = "key,participant\n" + "".join(f"k-{n},p-{n}\n" for n in range(INVITED))
    until(lambda: invite(release, rows)[0]["url"].startswith(public), 90, "links have an address")
    links = {each["key"]: each["url"] for each in invite(release, rows)}
    assert len(links) == len(set(links.values())) == INVITED

    given = {
        f"k-{n}": {item: (n * n + n * place) % 4 for place, item in enumerate(ITEMS)}
        for n in range(ANSWERING)
    }
    people = {
        key: Person(browser.new_context().new_page(), links[key], answers, labels)
        for key, answers in given.items()
    }
    kills = fill_in_under_kills(release, list(people.values()))
    assert kills >= ITEMS_PER_PAGE
    codes = [urlsplit(link).path.rsplit("/", 1)[1] for link in links.values()]

    until(lambda: len(results(release)) == ANSWERING, 60, "every attempt is scored, and no other")
    with httpx.Client(
        base_url=release.url, headers={"authorization": f"Bearer {release.key}"}, timeout=30
    ) as http:
        for row in results(release):
            answers = given[row["key"]]
            assert http.get(f"/v1/attempts/{row['attempt']}").json()["answers"] == answers
            assert row["scales"]["anxiety"]["raw"] == float(sum(answers.values()))
    for component in ("pages", "api"):
        label = f"app.kubernetes.io/component={component}"
        log = release.kubectl("logs", "-l", label, "--tail=-1")
        assert not [code for code in codes if code in log], f"a code is in the log of {component}"
    release.check()


def fill_in_under_kills(release: Release, people: list[Person]) -> int:
    """Let everyone fill in one page after another; return how many pods of each component were killed."""
    kills = 0
    for _ in range(MAX_ACTIONS):
        waiting = [person for person in people if not person.is_done]
        if not waiting:
            break
        failed: list[BaseException] = []
        killer = threading.Thread(target=_kill_both, args=(release, failed))
        killer.start()
        for person in waiting:
            person.act()
        killer.join()
        assert not failed, failed
        kills += 1
    assert all(person.is_done for person in people), [person.page.url for person in people]
    for person in people:
        assert person.page.get_by_role("heading", name="Thank you").is_visible()
    print(f"{kills} pods of each killed, {sum(each.failures for each in people)} failed actions")  # noqa: T201 - for people
    return kills


def _kill_both(release: Release, failed: list[BaseException]) -> None:
    try:
        for component in ("pages", "api"):
            kill_one(release, component)
    except BaseException as error:  # noqa: BLE001 - reported by the test's thread
        failed.append(error)


def results(release: Release) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in release.stanine("results", "gad-7", "-o", "ndjson").splitlines()
    ]

"""Measure survey pages: bytes, pages a second of one process, first control in a slowed browser, a long instrument.

    python -m benchmarks.pages [--json] [--seconds N] [--output FILE]

One process serves the pages and calls an API in another process; eight connections read the same page of 25 items, each
in a session of its own. The browser is the distribution's Chromium, its processor slowed four times; without Chromium or
Playwright those figures are absent.
"""

import argparse
import asyncio
import gzip
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks import machine
from benchmarks.processes import started
from benchmarks.servers import free_port
from benchmarks.sessions import cpu_seconds
from stanine.cli.local.stack import Stack
from stanine.client import InvitationRequest, Stanine

ROOT = Path(__file__).parents[1]
CONNECTIONS = 8
#: Bars: bytes of a page with its files, seconds, pages a second of one process.
MOST_BYTES, MOST_SECONDS, LEAST_PAGES = 15_000, 1.0, 150
#: How much slower the browser's processor is made.
SLOWED = 4
#: Items of the long instrument.
LONG = 2_000


def one_page() -> dict[str, Any]:
    """Return bfi-25 with all items on one page."""
    document: dict[str, Any] = yaml.safe_load(
        (ROOT / "examples/instruments/bfi-25.yaml").read_text()
    )
    document["spec"]["layout"] = {"itemsPerPage": 25}
    document["spec"].pop("sections", None)
    return document


def long_one() -> dict[str, Any]:
    """Return an instrument of 2,000 items on pages of 25, each tenth with a condition."""
    items: list[dict[str, Any]] = [
        {"id": f"i{number}", "text": f"Statement {number} of many", "responses": "five"}
        for number in range(LONG)
    ]
    for number in range(10, LONG, 10):
        items[number]["when"] = f"i{number - 1} > 2"
    options = [{"value": value, "label": f"Answer {value}"} for value in range(1, 6)]
    return {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": "long"},
        "spec": {
            "title": "A long instrument",
            "responseSets": [{"name": "five", "options": options}],
            "items": items,
            "layout": {"itemsPerPage": 25},
            "scales": [{"id": "total", "items": ["i0", "i1"], "score": "Sum", "minValid": 1}],
        },
    }


@contextmanager
def serving(directory: Path) -> Iterator[tuple[Stanine, str, int]]:
    """Run everything; yield a client, the address of the pages and the id of their process."""
    stack = Stack(directory / "stack", port=0, environment=os.environ, note=lambda _: None)
    try:
        stack.start()
        port = free_port()
        command = [sys.executable, "-m", "stanine.pages", "--api", stack.url, "--port", str(port)]
        with (
            started(command, {}, directory / "pages.log") as pages,
            Stanine(stack.url, stack.key) as client,
        ):
            for name, document in (("bfi-25", one_page()), ("long", long_one())):
                client.instruments.publish(name, document, wait=20.0)
            address = f"http://127.0.0.1:{port}"
            _await(address)
            yield client, address, pages.pid
    finally:
        stack.stop()


async def read_pages(client: Stanine, address: str, seconds: float) -> list[float]:
    """Read a page over several connections for some seconds; return the milliseconds of each."""
    took: list[float] = []

    async def read(link: str, until: float) -> None:
        headers = {"accept-encoding": "gzip"}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
            page = questions((await http.post(link)).headers["location"])
            while time.perf_counter() < until:
                began = time.perf_counter()
                answer = await http.get(address + page)
                took.append((time.perf_counter() - began) * 1000)
                answer.raise_for_status()

    links = [invite(client, address, "bfi-25") for _ in range(CONNECTIONS)]
    until = time.perf_counter() + seconds
    await asyncio.gather(*(read(link, until) for link in links))
    return took


def questions(first: str) -> str:
    """Return the address of the page with all items, which follows the one about the person."""
    return f"{first.rpartition('/')[0]}/2"


def invite(client: Stanine, address: str, name: str) -> str:
    """Return a new link."""
    return f"{address}/s/{client.invitations.create(name, InvitationRequest()).code}"


def sizes(client: Stanine, address: str) -> dict[str, int]:
    """Return the bytes of the page and of all its files, compressed."""
    with httpx.Client(base_url=address, trust_env=False) as http:
        first = http.post(invite(client, address, "bfi-25")).headers["location"]
        page = http.get(questions(first)).text
        files = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page)
        packed = [len(gzip.compress(http.get(file).content, 9)) for file in files]
        return {"page_bytes": len(gzip.compress(page.encode(), 5)), "files_bytes": sum(packed)}


def long_pages(client: Stanine, address: str) -> dict[str, float]:
    """Return the milliseconds of the first and of the slowest later page of the long instrument."""
    took = []
    with httpx.Client(base_url=address, trust_env=False) as http:
        place = http.post(invite(client, address, "long")).headers["location"]
        for number in (1, 2, 40, 80, 40):
            began = time.perf_counter()
            http.get(place.rpartition("/")[0] + f"/{number}").raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
    return {
        "long_first_page_ms": machine.digits(took[0]),
        "long_slowest_page_ms": machine.digits(max(took[1:])),
    }


def in_browser(client: Stanine, address: str) -> dict[str, float]:
    """Return when the first radio button is painted, in a slowed browser without a cache, and the bytes transferred."""
    chromium = shutil.which("chromium")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        return {}
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not everywhere

    painted, transferred = [], 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(3):
            context = browser.new_context()
            page = context.new_page()
            page.goto(invite(client, address, "bfi-25"))
            page.locator("button.primary").click()
            fresh = context.new_page()  # a new page of the same session, with an empty cache
            devtools = context.new_cdp_session(fresh)
            devtools.send("Network.enable")
            devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
            devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
            received: list[float] = []
            devtools.on(
                "Network.loadingFinished",
                lambda event, received=received: received.append(event["encodedDataLength"]),
            )
            fresh.goto(questions(page.url))
            fresh.locator("input[type=radio]").first.wait_for()
            fresh.wait_for_load_state()
            painted.append(
                fresh.evaluate(
                    "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? performance.now()"
                )
            )
            transferred = int(sum(received))
            context.close()
        browser.close()
    return {
        "first_control_ms": machine.digits(sorted(painted)[1]),
        "transferred_bytes": transferred,
    }


def measure(seconds: float) -> dict[str, Any]:
    """Return all figures."""
    with (
        tempfile.TemporaryDirectory(prefix="stanine-bench-") as directory,
        serving(Path(directory)) as (client, address, pid),
    ):
        asyncio.run(read_pages(client, address, 1.0))  # warm-up
        taken = cpu_seconds(pid)
        began = time.perf_counter()
        took = asyncio.run(read_pages(client, address, seconds))
        lasted, taken = time.perf_counter() - began, cpu_seconds(pid) - taken
        found: dict[str, Any] = {
            "machine": machine.machine(),
            "pages_per_second": machine.digits(len(took) / lasted),
            "pages_per_cpu_second": machine.digits(len(took) / taken),
            "page_p50_ms": machine.percentile(took, 0.5),
            "page_p99_ms": machine.percentile(took, 0.99),
            **sizes(client, address),
            **long_pages(client, address),
            **in_browser(client, address),
        }
    transferred = found.get("transferred_bytes", found["page_bytes"] + found["files_bytes"])
    bars = [
        ("bytes of a page of 25 items with its files", transferred, transferred <= MOST_BYTES),
        ("pages a second of one process", found["pages_per_second"], found["pages_per_second"] >= LEAST_PAGES),
        ("ms of the slowest page of 2,000 items", found["long_slowest_page_ms"], found["long_slowest_page_ms"] <= 1000 * MOST_SECONDS),
    ]  # fmt: skip
    if "first_control_ms" in found:
        figure = found["first_control_ms"]
        bars.append(
            ("ms to the first control, slowed 4 times", figure, figure <= 1000 * MOST_SECONDS)
        )
    return found | {
        "bars": [{"bar": bar, "figure": figure, "met": met} for bar, figure, met in bars]
    }


def _await(address: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(f"{address}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the pages are not ready")


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pages", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--seconds", type=float, default=10, help="seconds of reading (10)")
    parser.add_argument("--output", type=Path, help="also write the JSON document here")
    options = parser.parse_args()
    found = measure(options.seconds)
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:24}{value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""docs/howto/use-the-client.md is true: its blocks run in order, and it names every option and the numbers that there are."""

import inspect
import re
from pathlib import Path
from typing import Any

from tests.integration.whole.services import KEY, Services

from stanine.client import RetryPolicy, Stanine, bulk
from stanine.client.connecting import DEFAULT_TIMEOUT

FILE = Path(__file__).parents[3] / "docs" / "howto" / "use-the-client.md"
PAGE = FILE.read_text()


def test_its_blocks_run_in_their_order(tmp_path: Path) -> None:
    services = Services(tmp_path)
    names: dict[str, Any] = {}
    services.start()
    try:
        services.await_ready()
        for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE):
            code = block.replace("http://127.0.0.1:8420", services.url).replace("my-key", KEY)
            exec(compile(code, str(FILE), "exec"), names)
    finally:
        if "client" in names:
            names["client"].close()
        services.stop()
    assert names["again"].repeated


def test_it_names_every_option_and_the_numbers_that_there_are() -> None:
    options = set(inspect.signature(Stanine).parameters) - {"base_url", "key"}
    assert options == set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    policy = RetryPolicy()
    assert (DEFAULT_TIMEOUT.read, DEFAULT_TIMEOUT.connect) == (30, 5)
    assert (
        policy.patience,
        policy.patience_unreached,
        policy.first_pause,
        policy.longest_pause,
    ) == (60, 10, 0.1, 5)
    assert f"{bulk.LINES_PER_REQUEST:,} lines" in PAGE
    assert bulk.REQUESTS_AT_ONCE == 4

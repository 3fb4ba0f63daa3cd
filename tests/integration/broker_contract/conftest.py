"""Every contract test runs on each broker.

Where a broker deviates (deviations.py), its test must fail.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.broker_contract.deviations import DEVIATIONS
from tests.integration.broker_contract.stage import KINDS, Stage


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Stage]:
    """A broker of each kind."""
    made = Stage(request.param, redis_url)
    if request.node.get_closest_marker("xfail"):
        made.patience = 1.0  # the wait is expected to time out
    yield made
    made.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if (
            not isinstance(item, pytest.Function)
            or Path(__file__).parent not in item.path.parents
            or not hasattr(item, "callspec")
        ):
            continue
        reason = DEVIATIONS.get((str(item.callspec.params.get("stage")), item.originalname))
        if reason is not None:
            item.add_marker(pytest.mark.xfail(strict=True, reason=reason))

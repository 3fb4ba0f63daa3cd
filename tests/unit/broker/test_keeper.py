"""Due times recorded by the keeper."""

from typing import Any

import pytest
import redis

from stanine.broker.keeper import LeaseKeeper
from stanine.broker.keys import queue_keys
from stanine.broker.queue import Queue


class Asked(Queue):
    """A queue that runs a callback during the request for due messages, and reports none."""

    def __init__(self, meanwhile: Any) -> None:
        super().__init__("q", queue_keys("n", "q"))
        self._meanwhile = meanwhile

    def promote(self, client: Any) -> int:
        self._meanwhile(self)
        return -1


def test_a_promotion_scheduled_during_a_request_is_kept() -> None:
    keeper = LeaseKeeper(lambda: pytest.fail("no client is needed"))
    queue = Asked(lambda queue: keeper.expect(queue, 50))
    keeper.expect(queue, 0)
    client: Any = None
    keeper._promote(client, queue)
    assert queue in keeper._due


def test_due_messages_stay_due_after_a_failed_request() -> None:
    def fail(_queue: Queue) -> None:
        raise redis.ConnectionError

    keeper = LeaseKeeper(lambda: pytest.fail("no client is needed"))
    queue = Asked(fail)
    keeper.expect(queue, 0)
    client: Any = None
    with pytest.raises(redis.ConnectionError):
        keeper._promote(client, queue)
    assert queue in keeper._due

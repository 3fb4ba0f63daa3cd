"""Read attempts and their results by id. Used by the API.

An attempt and its results are read in one transaction and matched by the whole id: after a restart with older data the
server assigns arrival numbers again.
"""

from typing import Any

import msgspec
import redis.asyncio

from stanine.store.blocks import fields_of, read_fields
from stanine.store.keys import Keys
from stanine.store.records import StoredAttempt, arrival_of, is_at, place, read_attempt
from stanine.store.result_history import ReplacedResult, read_history
from stanine.store.result_layout import StoredResult, read_result
from stanine.store.views import ask_for_view, check_view


class AttemptRecords:
    """The stored attempts of one namespace, for asyncio."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys) -> None:
        self._client: Any = client
        self._keys = keys

    async def read(
        self, attempt_id: bytes, view: str = ""
    ) -> tuple[StoredAttempt, StoredResult | None] | None:
        """Return an attempt and its result, if any; None if the attempt does not exist.

        Raises StaleViewError if the index view `view` does not match the server's data.
        """
        found = await self.read_all(attempt_id, view)
        return None if found is None else found[:2]

    async def read_all(
        self, attempt_id: bytes, view: str = ""
    ) -> tuple[StoredAttempt, StoredResult | None, tuple[ReplacedResult, ...]] | None:
        """Return the same with the results that were replaced, oldest first."""
        block, slot = place(arrival_of(attempt_id))
        pipeline = self._client.pipeline(transaction=True)
        pipeline.hmget(self._keys.attempts(block), fields_of([slot]))
        pipeline.hmget(self._keys.results(block), fields_of([slot]))
        pipeline.hget(self._keys.history(block), slot)
        ask_for_view(pipeline, self._keys, view)
        attempt_fields, result_fields, history, token = await pipeline.execute()
        check_view(view, token)
        ids, (attempt_record,) = read_fields(attempt_fields, [slot])
        _, (result_record,) = read_fields(result_fields, [slot])
        if not attempt_record or not is_at(ids, attempt_id):
            return None
        earlier = () if history is None else read_history(history).earlier
        result = None if result_record is None else read_result(result_record)
        if result is not None and earlier:
            result = msgspec.structs.replace(result, replaced=len(earlier))
        return read_attempt(attempt_record, attempt_id), result, earlier

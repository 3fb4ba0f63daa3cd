"""Retention: erases attempts older than their instrument's `retentionDays`, oldest first.

A loop of every API process. It reads the list of the instrument's results, which is in commit order and so nearly
in order of arrival; the time of arrival in the record decides. A position per list, in Redis, marks what is already
processed; the scan stops at the first attempt that is recent enough. Erasure is idempotent, so several processes
may run it concurrently. Attempts without a result are not in the list; every attempt gets one eventually.
"""

import time

import redis.asyncio

from stanine.api.web.deadlines import within
from stanine.domain.instruments.document import read_json
from stanine.store.erasure import Erasure
from stanine.store.instruments import Instruments, InstrumentSummary
from stanine.store.keys import Keys
from stanine.store.lists import ResultLists
from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.logs import get_log

#: Seconds between iterations, and after an iteration that reached the end. Maximum attempts per iteration, which
#: takes seconds; attempts and instruments per read.
TURN_SECONDS, REST_SECONDS, ATTEMPTS_A_TURN, PAGE, INSTRUMENTS = 2.0, 60.0, 1_000, 100, 500
#: Milliseconds of a day.
DAY_MS = 86_400_000

log = get_log()


class Retention:
    """Erases attempts at the end of their retention."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        keys: Keys,
        instruments: Instruments,
        lists: ResultLists,
        erasure: Erasure,
        metrics: ApiMetrics,
    ) -> None:
        self._client = client
        self._keys = keys
        self._instruments = instruments
        self._lists = lists
        self._erasure = erasure
        self._metrics = metrics
        #: By instrument: digest of the document that was read, number, and retention in days (0: unlimited).
        self._days: dict[str, tuple[str, int, int]] = {}
        #: The instrument after which the next iteration begins, and the time until which the loop pauses.
        self._after: str | None = None
        self._rests_until = 0.0

    async def turn(self, *, at_once: bool = False) -> None:
        """Erase expired attempts, at most ATTEMPTS_A_TURN.

        Does nothing during the pause, unless `at_once`. Raises redis-py's errors.
        """
        if time.monotonic() < self._rests_until and not at_once:
            return
        left = ATTEMPTS_A_TURN
        while True:
            page = await within(self._instruments.list(self._after, INSTRUMENTS))
            for each in page:
                number, days = await self._retention_of(each)
                if days:
                    left -= await self._erase(each.name, number, days, left)
                    if left <= 0:
                        return  # the next iteration begins with the same instrument
                self._after = each.name
            if len(page) < INSTRUMENTS:
                self._after, self._rests_until = None, time.monotonic() + REST_SECONDS
                return

    async def _retention_of(self, instrument: InstrumentSummary) -> tuple[int, int]:
        known = self._days.get(instrument.name)
        if known is None or known[0] != instrument.digest:
            stored = await within(self._instruments.read(instrument.name))
            if stored is None:
                return 0, 0
            document = read_json(stored.document)
            spec = document.get("spec") if isinstance(document, dict) else None
            known = self._days[instrument.name] = (
                stored.digest,
                stored.number,
                int((spec or {}).get("retentionDays") or 0),
            )
        return known[1], known[2]

    async def _erase(self, name: str, number: int, days: int, most: int) -> int:
        """Process at most `most` attempts of an instrument; return their number."""
        seconds, _ = await within(self._client.time())
        oldest = int(seconds) * 1000 - days * DAY_MS
        begun = position = int(
            await within(self._client.hget(self._keys.retention, str(number))) or 0
        )
        erased = 0
        while position - begun < most:
            page = await within(
                self._lists.arrivals(number, position, min(PAGE, most - position + begun))
            )
            for attempt_id, submitted_at in page:
                if submitted_at is not None:
                    if submitted_at > oldest:
                        page = []
                        break
                    erased += await within(self._erasure.attempt(attempt_id, by_order=False))
                position += 1
            if not page:
                break
        if position != begun:
            await within(self._client.hset(self._keys.retention, str(number), str(position)))
        if erased:
            self._metrics.erased["attempt", "retention"].inc(erased)
            log.info("retention.erased", instrument=name, attempts=erased, days=days)
        return position - begun

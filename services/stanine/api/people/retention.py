"""Retention: attempts that are older than their instrument's `retentionDays` are erased, oldest first. A loop of every API process.

It finds them in the list of the instrument's results, which is in the order of commits and so nearly in that of arrivals; what decides is
the time of arrival in the record. A position of each list, in Redis, says how much of it is past: it goes on until the first attempt that
is young enough. Doing the same twice erases nothing more, so several processes may do it at once. An attempt without a result is not in the
list; it is found once it has one, and every attempt comes to one.
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

#: Seconds between two turns, and after one that found nothing more to do. Attempts that are looked at in one turn, which takes seconds at
#: the most, and at once; instruments read at once.
TURN_SECONDS, REST_SECONDS, ATTEMPTS_A_TURN, PAGE, INSTRUMENTS = 2.0, 60.0, 1_000, 100, 500
#: Milliseconds of a day.
DAY_MS = 86_400_000

log = get_log()


class Retention:
    """Erases what is kept too long."""

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
        #: Of each instrument the digest of the document that was read, its number and its days (0: kept for ever).
        self._days: dict[str, tuple[str, int, int]] = {}
        #: Behind which instrument the next turn begins, and until when there is none.
        self._after: str | None = None
        self._rests_until = 0.0

    async def turn(self, *, at_once: bool = False) -> None:
        """Erase what is past its time, as far as one turn goes; nothing while it rests, unless `at_once`. Raises redis-py's errors."""
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
                        return  # the next turn begins with the same instrument
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
        """Look at `most` attempts of an instrument at the most; return how many they were."""
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
                    erased += await within(self._erasure.attempt(attempt_id))
                position += 1
            if not page:
                break
        if position != begun:
            await within(self._client.hset(self._keys.retention, str(number), str(position)))
        if erased:
            self._metrics.erased["attempt", "retention"].inc(erased)
            log.info("retention.erased", instrument=name, attempts=erased, days=days)
        return position - begun

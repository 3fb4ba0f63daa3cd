"""Retry policy of failed batches: a batch is split until the failing entry is alone. Pure.

Called by the consumer. Delivery 1 is a full batch, delivery 2 runs in parts of 32, and from delivery 3 on each entry
runs alone. Only an entry that failed alone is dead-lettered.
"""

from collections.abc import Callable, Sequence

from stanine.broker.batch import SECOND_BATCH_SIZE
from stanine.broker.pauses import pause_after
from stanine.broker.queue import Rejection
from stanine.broker.settings import QueueSettings

#: Jitter: pauses are multiplied by 0.75 to 1.25, so that entries that failed together are not retried together.
JITTER = (0.75, 1.25)


def split(
    entry_ids: Sequence[bytes],
    delivery: int,
    settings: QueueSettings,
    uniform: Callable[[float, float], float],
    delay_ms: int | None = None,
) -> list[Rejection]:
    """Return the rejection of each entry of a batch that failed at delivery `delivery`.

    `uniform(low, high)` is the source of jitter; `delay_ms` overrides the pause (the actor raised Retry with a delay).
    """
    if len(entry_ids) == 1 and delivery >= settings.batch_tries:
        return [Rejection(entry_ids[0], delivery, None)]
    size = SECOND_BATCH_SIZE if delivery == 1 else 1
    rejections = []
    for start in range(0, len(entry_ids), size):
        pause = delay_ms if delay_ms is not None else backoff_ms(delivery, settings, uniform)
        rejections += [
            Rejection(entry_id, delivery, pause) for entry_id in entry_ids[start : start + size]
        ]
    return rejections


def backoff_ms(
    delivery: int, settings: QueueSettings, uniform: Callable[[float, float], float]
) -> int:
    """Return the pause after failure `delivery`.

    Exponential, with jitter, within the queue's limits.
    """
    least, most = settings.batch_backoff_ms
    return max(1, int(pause_after(delivery, least, most) * uniform(*JITTER)))

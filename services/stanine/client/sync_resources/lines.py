"""Send lines in bulk requests, several at once. Used by the resources `attempts` and `invitations`."""

from collections.abc import Generator, Iterable
from contextlib import closing

from stanine.client import bulk
from stanine.client.calls.lines import Answer, AnyLine, BulkRoute
from stanine.client.sync_resources.base import Runner


def send_lines(
    client: Runner,
    route: BulkRoute[Answer],
    instrument: str,
    lines: Iterable[AnyLine],
    requests_at_once: int,
) -> Generator[Answer, None, None]:
    """Yield the answers to lines in their order, while the lines are read.

    Raises the error that affects all remaining lines after the answers received before.
    """
    flows = (
        bulk.deliver(client.context, route, instrument, batch) for batch in bulk.batches(lines)
    )
    with closing(client.run_in_order(flows, requests_at_once)) as deliveries:
        for delivery in deliveries:
            yield from delivery.answers
            if delivery.error is not None:
                raise delivery.error

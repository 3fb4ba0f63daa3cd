"""Send lines in bulk requests, several at once, for asyncio. Used by the resources `attempts` and `invitations`."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing

from stanine.client import bulk
from stanine.client.async_resources.base import AsyncRunner
from stanine.client.calls.lines import Answer, AnyLine, BulkRoute
from stanine.client.flow import Flow


async def send_lines(
    client: AsyncRunner,
    route: BulkRoute[Answer],
    instrument: str,
    lines: Iterable[AnyLine] | AsyncIterable[AnyLine],
    requests_at_once: int,
) -> AsyncGenerator[Answer, None]:
    """Yield the answers to lines in their order, while the lines are read.

    Raises the error that affects all remaining lines after the answers received before.
    """

    async def flows() -> AsyncIterator[Flow[bulk.Delivery[Answer]]]:
        async for batch in _batches(lines):
            yield bulk.deliver(client.context, route, instrument, batch)

    async with aclosing(client.run_in_order(flows(), requests_at_once)) as deliveries:
        async for delivery in deliveries:
            for answer in delivery.answers:
                yield answer
            if delivery.error is not None:
                raise delivery.error


async def _batches(
    lines: Iterable[AnyLine] | AsyncIterable[AnyLine],
) -> AsyncIterator[bulk.BulkBatch]:
    if not isinstance(lines, AsyncIterable):
        for batch in bulk.batches(lines):
            yield batch
        return
    batcher = bulk.Batcher()
    async for line in lines:
        if (full := batcher.add(line)) is not None:
            yield full
    if (last := batcher.finish()) is not None:
        yield last

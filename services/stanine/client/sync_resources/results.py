"""`client.results`: read results."""

from collections.abc import Sequence

from stanine.client import waiting
from stanine.client.calls import results
from stanine.client.listing import ListReader, OnHistoryChange, result_id
from stanine.client.records import (
    AttemptResult,
    ExportedResultInfo,
    ResultExplanation,
    ResultHistoryInfo,
    ScalesInfo,
    StatisticsInfo,
)
from stanine.client.sync_resources.base import Listing, SyncResource


class ResultsResource(SyncResource):
    """`client.results`: scored results."""

    def get(
        self, attempt: str, *, token: str | None = None, wait: float = 0.0, quality: bool = False
    ) -> AttemptResult | None:
        """Return an attempt's result; None: it is not scored yet. `token`: the attempt's own. `wait`: seconds to wait for it, 0 to 30.

        `quality`: with figures about how it was filled in; not with a token.
        """
        return self._client.call(results.of_attempt(attempt, token, wait, quality=quality))

    def wait_for(
        self, attempt: str, *, token: str | None = None, timeout: float = 60.0
    ) -> AttemptResult:
        """Wait for an attempt's result. Raises NotScoredError after `timeout` seconds."""
        return self._client.run(
            waiting.wait_for_result(self._client.context, attempt, token, timeout)
        )

    def explain(self, attempt: str) -> ResultExplanation | None:
        """Return how an attempt's scores were computed, step by step; None: it is not scored yet.

        Without the scope attempts:read it has no answers and attributes, without instruments:read no formulas.
        """
        return self._client.call(results.explanation(attempt))

    def scales(
        self, attempt: str, *, token: str | None = None, language: str | None = None
    ) -> ScalesInfo | None:
        """Return what an attempt's scores can be and mean, by the revision that scored it; None: it is not scored yet.

        `token`: the attempt's own. Texts in `language` as far as there are such.
        """
        return self._client.call(results.scales(attempt, token, language))

    def history(self, attempt: str) -> ResultHistoryInfo:
        """Return the results of an attempt that a re-scoring replaced, oldest first."""
        return self._client.call(results.history(attempt))

    def list(
        self,
        instrument: str,
        *,
        after: str = "",
        on_history_change: OnHistoryChange = "raise",
        page_size: int = results.PAGE,
        quality: bool = False,
    ) -> Listing[AttemptResult]:
        """List an instrument's results in commit order.

        If the server restarted with other data, raises HistoryChangedError with the cursor to continue from; with
        "continue" the list continues from there, without attempts that it has already yielded.
        """
        context = self._client.context
        reader = ListReader(
            context,
            lambda at: results.of_instrument(instrument, at, page_size, quality=quality),
            after,
            on_history_change,
            result_id,
        )
        return Listing(self._client, reader)

    def export(
        self,
        instrument: str,
        *,
        after: str = "",
        include: Sequence[str] = ("answers", "attributes"),
        language: str | None = None,
        on_history_change: OnHistoryChange = "raise",
        page_size: int = results.EXPORT_PAGE,
    ) -> Listing[ExportedResultInfo]:
        """List an instrument's results in commit order with the answers; needs the scope `attempts:read` too.

        `include`: of "answers", "attributes" and "labels", which are in `language`. Cursors are those of `list`,
        `on_history_change` as there.
        """
        reader = ListReader(
            self._client.context,
            lambda at: results.with_attempts(instrument, at, page_size, tuple(include), language),
            after,
            on_history_change,
            result_id,
        )
        return Listing(self._client, reader)

    def of_participant(
        self,
        participant: str,
        *,
        after: str = "",
        on_history_change: OnHistoryChange = "raise",
        page_size: int = results.PAGE,
        quality: bool = False,
    ) -> Listing[AttemptResult]:
        """List a participant's results, of the instruments that the key can access.

        Otherwise as `list`.
        """
        context = self._client.context
        reader = ListReader(
            context,
            lambda at: results.of_participant(participant, at, page_size, quality=quality),
            after,
            on_history_change,
            result_id,
        )
        return Listing(self._client, reader)

    def statistics(
        self, instrument: str, *, attribute: str | None = None, by_month: bool = False
    ) -> StatisticsInfo:
        """Return figures of each scale over all scored attempts, by the values of an attribute, by months, or both.

        Groups of fewer than 10 people are hidden, with others from which they could be computed. Months are UTC. A million
        attempts take minutes.
        """
        by = (*([attribute] if attribute else []), *(["time:month"] if by_month else []))
        return self._client.call(results.statistics(instrument, by))

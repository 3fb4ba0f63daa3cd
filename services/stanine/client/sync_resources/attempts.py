"""`client.attempts`: submit, read, list and erase attempts."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import TypeVar

from stanine.client import bulk, waiting
from stanine.client.calls import attempt_lists, attempts
from stanine.client.calls.lines import AnyLine
from stanine.client.listing import ListReader, OnHistoryChange
from stanine.client.records import (
    AnswerValue,
    AttemptInfo,
    AttemptOutcome,
    AttemptReceipt,
    AttemptRequest,
    AttemptResult,
    AttributeValue,
    CodebookInfo,
    ListedAttemptInfo,
)
from stanine.client.sync_resources.base import Listing, SyncResource
from stanine.client.sync_resources.lines import send_lines

S = TypeVar("S", bound=waiting.SubmittedAttempt)


class AttemptsResource(SyncResource):
    """`client.attempts`: submitted attempts."""

    def submit(
        self,
        instrument: str,
        answers: Mapping[str, AnswerValue] | AttemptRequest,
        *,
        key: str | None = None,
        participant: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        revision: int | None = None,
        language: str | None = None,
        seconds: float | None = None,
    ) -> AttemptReceipt:
        """Submit one attempt. With the same `key` it is stored once, however often it is sent; without one a random key is made."""
        attempt = attempts.new_attempt(
            answers, key, participant, attributes, revision, language, seconds
        )
        receipt, _ = self._client.call(attempts.submit(instrument, attempt, 0.0))
        return receipt

    def submit_and_wait(
        self,
        instrument: str,
        answers: Mapping[str, AnswerValue] | AttemptRequest,
        *,
        key: str | None = None,
        participant: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        revision: int | None = None,
        language: str | None = None,
        seconds: float | None = None,
        timeout: float = 60.0,
    ) -> AttemptResult:
        """Submit one attempt and return its result. Raises NotScoredError after `timeout` seconds; the attempt is stored then."""
        attempt = attempts.new_attempt(
            answers, key, participant, attributes, revision, language, seconds
        )
        return self._client.run(
            waiting.submit_and_wait(self._client.context, instrument, attempt, timeout)
        )

    def submit_many(
        self,
        instrument: str,
        lines: Iterable[AnyLine],
        *,
        requests_at_once: int = bulk.REQUESTS_AT_ONCE,
    ) -> Generator[AttemptOutcome, None, None]:
        """Submit many attempts, each with a key; yield their answers in the order of `lines`.

        Answers are yielded while `lines` are read. A line is an `AttemptRequest`, a mapping, or JSON (bytes or
        str), for example a file of NDJSON. The answer of a rejected line contains its problem. An error that affects
        all remaining lines (connection lost, key revoked) is raised after the answers of the accepted lines; submitting
        everything again is idempotent.
        """
        return send_lines(self._client, attempts.BULK, instrument, lines, requests_at_once)

    def wait_for(
        self, instrument: str, submitted: Iterable[S], *, timeout: float = 120.0
    ) -> Generator[tuple[S, AttemptResult], None, None]:
        """Yield the results of attempts (receipts or line answers) when available.

        Raises NotScoredError for an attempt without a result after `timeout` seconds; NotFoundError for one that the
        server lost.
        """
        follower = waiting.ResultFollower(self._client.context, instrument, submitted)
        while follower.follows:
            yield from self._client.run(follower.look())
        flows = (follower.ask(each, timeout) for each in follower.left.values())
        with closing(self._client.run_in_order(flows, waiting.ASKED_AT_ONCE)) as found:
            yield from found

    def get(self, attempt: str, *, quality: bool = False) -> AttemptInfo:
        """Return an attempt as it was answered; `quality`: with figures about how it was filled in."""
        return self._client.call(attempts.read(attempt, quality=quality))

    def erase(self, attempt: str) -> None:
        """Erase an attempt with its result, its session and its invitation; permanent.

        Raises NotFoundError for an unknown attempt, also after a retry whose first request erased it.
        """
        self._client.call(attempts.erase(attempt))

    def list(
        self,
        instrument: str,
        *,
        after: str = "",
        since: str | None = None,
        until: str | None = None,
        state: str | None = None,
        key: str | None = None,
        participant: str | None = None,
        include: Sequence[str] = ("answers", "attributes"),
        language: str | None = None,
        on_history_change: OnHistoryChange = "raise",
        page_size: int = attempt_lists.PAGE,
    ) -> Listing[ListedAttemptInfo]:
        """List an instrument's attempts in order of arrival, with or without a result.

        `since`, `until`: RFC 3339 times or dates; `include`: of "answers", "attributes", "results" (needs the scope
        `results:read`) and "labels", which are in `language`. An attempt that is passed before it is scored is not
        listed again: for results follow `results.list`. `on_history_change` as there.
        """
        selection = attempt_lists.Selection(
            since, until, state, key, participant, tuple(include), language
        )
        reader = ListReader(
            self._client.context,
            lambda at: attempt_lists.page(instrument, at, page_size, selection),
            after,
            on_history_change,
            _attempt_of,
        )
        return Listing(self._client, reader)

    def codebook(self, instrument: str, *, language: str | None = None) -> CodebookInfo:
        """Return the columns of exports of an instrument: labels, values and their labels, missing codes."""
        return self._client.call(attempt_lists.codebook(instrument, language))


def _attempt_of(listed: ListedAttemptInfo) -> str:
    return listed.attempt

"""Resources of `Stanine`: thin methods over calls and flows.

`async_resources` is the asyncio counterpart; a test compares them.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from stanine.client import bulk, waiting
from stanine.client.calls import attempts, instruments, operating, queues, results
from stanine.client.listing import ListReader, OnHistoryChange
from stanine.client.messages import JSON
from stanine.client.records import (
    AnswerValue,
    Attempt,
    AttributeValue,
    ConfigChange,
    ConfigInfo,
    ConfigRevision,
    DeadLetterInfo,
    Form,
    InstrumentSummary,
    InstrumentText,
    LineAnswer,
    OrderDone,
    Publication,
    QueueInfo,
    Receipt,
    Result,
    Scales,
    StoredAttempt,
    TokensRotated,
)

if TYPE_CHECKING:
    from stanine.client.sync_client import Stanine

Item = TypeVar("Item")
S = TypeVar("S", bound=waiting.SubmittedAttempt)


class _Resource:
    def __init__(self, client: "Stanine") -> None:
        self._client = client


class Listing(Generic[Item]):
    """A list read during iteration. Iterating again after its end yields items added since."""

    def __init__(self, client: "Stanine", reader: ListReader[Item]) -> None:
        self._client, self._reader = client, reader

    @property
    def cursor(self) -> str:
        """Cursor to continue from later: after the last page that was yielded completely.

        Items of an incomplete page are yielded again.
        """
        return self._reader.cursor

    @property
    def at_end(self) -> bool:
        """Whether the last page was the end of the list."""
        return self._reader.at_end

    @property
    def history_changes(self) -> int:
        """How often reading continued after a changed history: what the server lost is not among the items."""
        return self._reader.history_changes

    def read(self) -> list[Item]:
        """Return the rest of the page, or the next page; it may be empty."""
        if not self._reader.pending:
            self._client.run(self._reader.read())
        page = list(self._reader.pending)
        self._reader.pending.clear()
        return page

    def pages(self) -> Iterator[list[Item]]:
        """Yield the pages that have items, to the end."""
        while True:
            if page := self.read():
                yield page
            if self._reader.at_end:
                return

    def __iter__(self) -> Iterator[Item]:
        pending = self._reader.pending
        while True:
            if not pending:
                self._client.run(self._reader.read())
            while pending:
                yield pending.popleft()
            if self._reader.at_end:
                return


class InstrumentsResource(_Resource):
    """`client.instruments`: published instruments."""

    def list(
        self, *, after: str = "", page_size: int = instruments.PAGE
    ) -> Listing[InstrumentSummary]:
        """List the instruments that the key reaches, by name."""
        return Listing(
            self._client,
            ListReader(self._client.session, lambda at: instruments.page(at, page_size), after),
        )

    def get(
        self, name: str, *, revision: int | None = None, known: InstrumentText | None = None
    ) -> InstrumentText:
        """Return an instrument's document, by default the newest.

        Return `known` if it is unchanged.
        """
        return self._client.call(instruments.read(name, revision, known))

    def form(self, name: str, *, revision: int | None = None, language: str | None = None) -> Form:
        """Return what a participant may see: items and options, no scales; in `language` as far as it has such texts."""
        return self._client.call(instruments.form(name, revision, language))

    def scales(
        self, name: str, *, revision: int | None = None, language: str | None = None
    ) -> Scales:
        """Return what scores can be and mean: titles, ranges, bands; in `language` as far as it has such texts."""
        return self._client.call(instruments.scales(name, revision, language))

    def publish(
        self,
        name: str,
        document: Mapping[str, Any] | bytes | str,
        *,
        media_type: str = JSON,
        if_match: str | None = None,
        only_new: bool = False,
        wait: float = 0.0,
    ) -> Publication:
        """Publish a document: a mapping, or JSON or YAML text (`media_type="application/yaml"`).

        An unchanged document creates no revision. `if_match`: ETag or digest of the revision to replace; `only_new`:
        fail if the name exists. `wait`: seconds to wait until attempts are scored by it; raises NotIndexedInTimeError
        after that.
        """
        call = instruments.publish(
            name,
            document,
            media_type,
            if_match,
            only_new=only_new,
            wait=min(wait, waiting.LONGEST_HOLD),
        )
        if not wait:
            return self._client.call(call)
        return self._client.run(waiting.publish_and_wait(self._client.session, call, wait))


class AttemptsResource(_Resource):
    """`client.attempts`: submitted attempts."""

    def submit(
        self,
        instrument: str,
        answers: Mapping[str, AnswerValue] | Attempt,
        *,
        key: str | None = None,
        participant: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        revision: int | None = None,
        language: str | None = None,
        seconds: float | None = None,
    ) -> Receipt:
        """Submit one attempt. With the same `key` it is stored once, however often it is sent; without one a random key is made."""
        attempt = attempts.new_attempt(
            answers, key, participant, attributes, revision, language, seconds
        )
        receipt, _ = self._client.call(attempts.submit(instrument, attempt, 0.0))
        return receipt

    def submit_and_wait(
        self,
        instrument: str,
        answers: Mapping[str, AnswerValue] | Attempt,
        *,
        key: str | None = None,
        participant: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        revision: int | None = None,
        language: str | None = None,
        seconds: float | None = None,
        timeout: float = 60.0,
    ) -> Result:
        """Submit one attempt and return its result. Raises NotScoredError after `timeout` seconds; the attempt is stored then."""
        attempt = attempts.new_attempt(
            answers, key, participant, attributes, revision, language, seconds
        )
        return self._client.run(
            waiting.submit_and_wait(self._client.session, instrument, attempt, timeout)
        )

    def submit_many(
        self,
        instrument: str,
        lines: Iterable[bulk.Line],
        *,
        requests_at_once: int = bulk.REQUESTS_AT_ONCE,
    ) -> Generator[LineAnswer, None, None]:
        """Submit many attempts, each with a key; yield their answers in the order of `lines`.

        Answers are yielded while `lines` are read. A line is an `Attempt`, a mapping, or JSON (bytes or
        str), for example a file of NDJSON. The answer of a rejected line contains its problem. An error that affects
        all remaining lines (connection lost, key revoked) is raised after the answers of the accepted lines; submitting
        everything again is idempotent.
        """
        session = self._client.session
        flows = (bulk.deliver(session, instrument, batch) for batch in bulk.batches(lines))
        with closing(self._client.run_in_order(flows, requests_at_once)) as deliveries:
            for delivery in deliveries:
                yield from delivery.answers
                if delivery.error is not None:
                    raise delivery.error

    def wait_for(
        self, instrument: str, submitted: Iterable[S], *, timeout: float = 120.0
    ) -> Generator[tuple[S, Result], None, None]:
        """Yield the results of attempts (receipts or line answers) when available.

        Raises NotScoredError for an attempt without a result after `timeout` seconds; NotFoundError for one that the
        server lost.
        """
        follower = waiting.ResultFollower(self._client.session, instrument, submitted)
        while follower.follows:
            yield from self._client.run(follower.look())
        flows = (follower.ask(each, timeout) for each in follower.left.values())
        with closing(self._client.run_in_order(flows, waiting.ASKED_AT_ONCE)) as found:
            yield from found

    def get(self, attempt: str, *, quality: bool = False) -> StoredAttempt:
        """Return an attempt as it was answered; `quality`: with figures about how it was filled in."""
        return self._client.call(attempts.read(attempt, quality=quality))


class ResultsResource(_Resource):
    """`client.results`: scored results."""

    def get(
        self, attempt: str, *, token: str | None = None, wait: float = 0.0, quality: bool = False
    ) -> Result | None:
        """Return an attempt's result; None: it is not scored yet. `token`: the attempt's own. `wait`: seconds to wait for it, 0 to 30.

        `quality`: with figures about how it was filled in; not with a token.
        """
        return self._client.call(results.of_attempt(attempt, token, wait, quality=quality))

    def wait_for(self, attempt: str, *, token: str | None = None, timeout: float = 60.0) -> Result:
        """Wait for an attempt's result. Raises NotScoredError after `timeout` seconds."""
        return self._client.run(
            waiting.wait_for_result(self._client.session, attempt, token, timeout)
        )

    def list(
        self,
        instrument: str,
        *,
        after: str = "",
        on_history_change: OnHistoryChange = "raise",
        page_size: int = results.PAGE,
        quality: bool = False,
    ) -> Listing[Result]:
        """List an instrument's results in commit order.

        If the server restarted with other data, raises HistoryChangedError with the cursor to continue from; with
        "continue" the list continues from there, without attempts that it has already yielded.
        """
        session = self._client.session
        reader = ListReader(
            session,
            lambda at: results.of_instrument(instrument, at, page_size, quality=quality),
            after,
            on_history_change,
            _attempt_of,
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
    ) -> Listing[Result]:
        """List a participant's results, of the instruments that the key can access.

        Otherwise as `list`.
        """
        session = self._client.session
        reader = ListReader(
            session,
            lambda at: results.of_participant(participant, at, page_size, quality=quality),
            after,
            on_history_change,
            _attempt_of,
        )
        return Listing(self._client, reader)


class QueuesResource(_Resource):
    """`client.queues`: queue operations."""

    def list(self) -> list[QueueInfo]:
        """Return all queues."""
        return self._client.call(queues.every())

    def get(self, queue: str) -> QueueInfo:
        """Return one queue."""
        return self._client.call(queues.read(queue))

    def pause(self, queue: str) -> QueueInfo:
        """Stop deliveries within 2 s; new work is still accepted."""
        return self._client.call(queues.set_state(queue, "pause"))

    def resume(self, queue: str) -> QueueInfo:
        """End a pause or a drain."""
        return self._client.call(queues.set_state(queue, "resume"))

    def drain(self, queue: str) -> QueueInfo:
        """Reject new work within 2 s and finish the rest."""
        return self._client.call(queues.set_state(queue, "drain"))

    def purge(
        self, queue: str, part: Literal["ready", "delayed", "dead"], *, token: str | None = None
    ) -> OrderDone:
        """Delete a part of a queue, idempotently by `token`.

        The client creates a random token by default.
        """
        return self._client.call(queues.purge(queue, part, token))

    def dead_letters(
        self,
        queue: str,
        *,
        reason: str | None = None,
        actor: str | None = None,
        after: str = "",
        on_history_change: OnHistoryChange = "raise",
        page_size: int = queues.PAGE,
    ) -> Listing[DeadLetterInfo]:
        """List dead letters in order of death.

        After a changed history, "continue" lists them from the beginning again.
        """
        session = self._client.session
        reader = ListReader(
            session,
            lambda at: queues.dead_page(queue, at, page_size, reason, actor),
            after,
            on_history_change,
        )
        return Listing(self._client, reader)

    def dead_letter(self, queue: str, letter: str) -> DeadLetterInfo:
        """Return one dead letter."""
        return self._client.call(queues.dead_letter(queue, letter))

    def delete_dead_letter(self, queue: str, letter: str) -> OrderDone:
        """Delete one dead letter. Not retried: after LostAnswerError, check with `dead_letter`."""
        return self._client.call(queues.delete_dead_letter(queue, letter))

    def requeue_dead(
        self,
        queue: str,
        ids: Sequence[str] | None = None,
        *,
        reason: str | None = None,
        actor: str | None = None,
        everything: bool = False,
        token: str | None = None,
    ) -> OrderDone:
        """Requeue dead letters: those with these ids, all of a reason or actor, or all.

        Without ids the operation is idempotent by `token`; the client creates a random token by default.
        """
        return self._client.call(
            queues.order_dead(queue, "requeue", ids, reason, actor, token, everything=everything)
        )

    def delete_dead(
        self,
        queue: str,
        ids: Sequence[str] | None = None,
        *,
        reason: str | None = None,
        actor: str | None = None,
        everything: bool = False,
        token: str | None = None,
    ) -> OrderDone:
        """Delete dead letters, selected as for `requeue_dead`."""
        return self._client.call(
            queues.order_dead(queue, "delete", ids, reason, actor, token, everything=everything)
        )


class ConfigResource(_Resource):
    """`client.config`: the runtime configuration."""

    def get(self) -> ConfigInfo:
        """Return every setting as the services apply it."""
        return self._client.call(operating.read_config())

    def change(
        self, settings: Mapping[str, int | str | None], *, revision: int | None = None
    ) -> ConfigChange:
        """Change settings (None: the default) as one revision.

        With `revision`, raises ConfigConflictError if another one is current, and is not retried: after
        LostAnswerError, check with `get`.
        """
        return self._client.call(operating.change_config(settings, revision))

    def history(self) -> list[ConfigRevision]:
        """Return the stored revisions, newest first."""
        return self._client.call(operating.config_history())

    def rollback(self, revision: int) -> ConfigChange:
        """Restore the values of an earlier revision, as a new one."""
        return self._client.call(operating.roll_back_config(revision))


class TokensResource(_Resource):
    """`client.tokens`: the secret that signs attempt tokens."""

    def rotate(self, *, keep_seconds: int = 86_400) -> TokensRotated:
        """Create a new secret; tokens of the current one remain valid for `keep_seconds`."""
        return self._client.call(operating.rotate_tokens(keep_seconds))


def _attempt_of(result: Result) -> str:
    return result.attempt

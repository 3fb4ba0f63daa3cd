"""The resources of `Stanine`: thin methods over the calls and flows. `async_resources` has the same for asyncio; a test compares them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """A list that is read as it is iterated. Iterated again after its end, it gives what was added since."""

    def __init__(self, client: "Stanine", reader: ListReader[Item]) -> None:
        self._client, self._reader = client, reader

    @property
    def cursor(self) -> str:
        """Where to continue later: behind the last page that was given whole. Within a page its items would come again."""
        return self._reader.cursor

    @property
    def at_end(self) -> bool:
        """Whether the last page was the end of the list."""
        return self._reader.at_end

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
    """`client.instruments`: what is published."""

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
        """Return an instrument's document, by default the newest; `known` itself if it is still the same."""
        return self._client.call(instruments.read(name, revision, known))

    def form(self, name: str, *, revision: int | None = None, language: str | None = None) -> Form:
        """Return what a participant may see: items and options, no scales. Texts not in `language` are in the document's own."""
        return self._client.call(instruments.form(name, revision, language))

    def scales(
        self, name: str, *, revision: int | None = None, language: str | None = None
    ) -> Scales:
        """Return what scores can be and mean: titles, ranges, bands. Texts not in `language` are in the document's own."""
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
        """Publish a document, as a mapping, or as JSON or YAML text (`media_type="application/yaml"`). Unchanged, it makes no revision.

        `if_match`: the ETag or digest that it replaces; `only_new`: refuse if the name is taken. `wait`: seconds until attempts are scored
        by it, else NotIndexedInTimeError is raised.
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
    """`client.attempts`: what people answered."""

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
    ) -> Iterator[LineAnswer]:
        """Submit many attempts, each with a key; yield an answer for each, in order, while `lines` are read.

        A line is an `Attempt`, a mapping, or JSON (bytes or str), so a file of NDJSON will do. A line that the server refuses has its
        problem in its answer. An error for all that is left (the server is away, the key was revoked) is raised after the answers of what
        was taken; submitting all again adds nothing.
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
    ) -> Iterator[tuple[S, Result]]:
        """Yield the results of many attempts (receipts or line answers) of an instrument, as they are known.

        Raises NotScoredError for one that has none `timeout` seconds after it was asked for; NotFoundError for one that the server lost.
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
    """`client.results`: what scoring said."""

    def get(
        self, attempt: str, *, token: str | None = None, wait: float = 0.0, quality: bool = False
    ) -> Result | None:
        """Return an attempt's result; None: it is not scored yet. `token`: the attempt's own. `wait`: seconds to wait for it, 0 to 30.

        `quality`: with figures about how it was filled in; not with a token.
        """
        return self._client.call(results.of_attempt(attempt, token, wait, quality=quality))

    def wait_for(self, attempt: str, *, token: str | None = None, timeout: float = 60.0) -> Result:
        """Return an attempt's result as soon as it is there. Raises NotScoredError after `timeout` seconds."""
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
        """List an instrument's results in the order of their commits.

        If the server came back with other data, HistoryChangedError is raised with the cursor to continue from; with "continue" the list is
        read on from there, and attempts that it gave before are left out.
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
        """List a participant's results, of the instruments that the key reaches; else as `list`."""
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
    """`client.queues`: for operators."""

    def list(self) -> list[QueueInfo]:
        """Return all queues."""
        return self._client.call(queues.every())

    def get(self, queue: str) -> QueueInfo:
        """Return one queue."""
        return self._client.call(queues.read(queue))

    def pause(self, queue: str) -> QueueInfo:
        """Deliver nothing new, within 2 s; new work is still accepted."""
        return self._client.call(queues.set_state(queue, "pause"))

    def resume(self, queue: str) -> QueueInfo:
        """End a pause or a drain."""
        return self._client.call(queues.set_state(queue, "resume"))

    def drain(self, queue: str) -> QueueInfo:
        """Refuse new work, within 2 s, and finish the rest."""
        return self._client.call(queues.set_state(queue, "drain"))

    def purge(
        self, queue: str, part: Literal["ready", "delayed", "dead"], *, token: str | None = None
    ) -> OrderDone:
        """Delete a part of a queue. With the same `token` it acts once; without one a random token is made."""
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
        """List dead letters in order of death. After a changed history with "continue" they are listed from the beginning again."""
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
        """Delete one dead letter. It is sent once: after LostAnswerError, check with `dead_letter`."""
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
        """Put dead letters back into the queue: those with these ids, or all of a reason or actor, or everything.

        With the same `token` an order without ids acts once; without one a random token is made.
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
        """Delete dead letters, chosen as for `requeue_dead`."""
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
        """Change settings (None: the default) as one revision. With `revision`, another one in force is refused (ConfigConflictError).

        With `revision` it is sent once: after LostAnswerError, check with `get`.
        """
        return self._client.call(operating.change_config(settings, revision))

    def history(self) -> list[ConfigRevision]:
        """Return the revisions that are kept, the newest first."""
        return self._client.call(operating.config_history())

    def rollback(self, revision: int) -> ConfigChange:
        """Restore the values of an earlier revision, as a new one."""
        return self._client.call(operating.roll_back_config(revision))


class TokensResource(_Resource):
    """`client.tokens`: the secret of attempt tokens."""

    def rotate(self, *, keep_seconds: int = 86_400) -> TokensRotated:
        """Make a new secret; tokens of the present one stay valid for `keep_seconds`."""
        return self._client.call(operating.rotate_tokens(keep_seconds))


def _attempt_of(result: Result) -> str:
    return result.attempt

"""The composition root of the API. Called by `main` and by tests."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import trace

from stanine import store
from stanine.api.admin.current_settings import CurrentSettings
from stanine.api.admin.queue_admin import QueueAdmin, StateFollower
from stanine.api.admin.settings_admin import SettingsAdmin
from stanine.api.admin.status_reader import StatusReader
from stanine.api.attempt_reader import AttemptReader
from stanine.api.explanation_presenter import ExplanationPresenter
from stanine.api.intake.attempt_tokens import Tokens
from stanine.api.intake.bulk import BulkIntake
from stanine.api.intake.documents import DocumentReader
from stanine.api.intake.shared_secret import SharedSecret
from stanine.api.intake.storing import Intake
from stanine.api.intake.validation import Checker
from stanine.api.loops import (
    BACKUP_SECONDS,
    INDEX_SECONDS,
    SLOW_SECONDS,
    BackupFollower,
    IndexFollower,
    SettingsFollower,
    WriteProbe,
    follow_keys,
)
from stanine.api.people.codes import InvitationCodes
from stanine.api.people.inviting import InvitationDesk
from stanine.api.people.retention import TURN_SECONDS as RETENTION_SECONDS
from stanine.api.people.retention import Retention
from stanine.api.people.session_opening import SessionOpening
from stanine.api.people.session_sweep import SWEEP_SECONDS, SessionSweep
from stanine.api.people.sessions import DAY_MS, SessionDesk
from stanine.api.result_presenter import ResultPresenter
from stanine.api.routes.access import AccessRoutes
from stanine.api.routes.attempt_list import AttemptListRoutes
from stanine.api.routes.attempts import AttemptRoutes
from stanine.api.routes.config import ConfigRoutes
from stanine.api.routes.docs import DocsRoutes
from stanine.api.routes.erasure import ErasureRoutes
from stanine.api.routes.instruments import InstrumentRoutes
from stanine.api.routes.invitation_bulk import InvitationBulkRoutes
from stanine.api.routes.invitation_codes import InvitationCodeRoutes
from stanine.api.routes.invitations import InvitationRoutes
from stanine.api.routes.logins import LoginRoutes
from stanine.api.routes.probes import ProbeRoutes
from stanine.api.routes.queues import QueueRoutes
from stanine.api.routes.rescoring import RescoringRoutes
from stanine.api.routes.results import ResultRoutes
from stanine.api.routes.scales import ScaleRoutes
from stanine.api.routes.sessions import SessionRoutes
from stanine.api.routes.statistics import StatisticsRoutes
from stanine.api.routes.status import StatusRoutes
from stanine.api.routes.tokens import TokenRoutes
from stanine.api.settings import ApiSettings
from stanine.api.web.auth import Keyring
from stanine.api.web.change_recorder import ChangeRecorder
from stanine.api.web.deadlines import within
from stanine.api.web.dispatch import Dispatcher
from stanine.api.web.failed_logins import FailedLogins
from stanine.api.web.login_tokens import LoginTokens
from stanine.api.web.openapi import describe
from stanine.api.web.problems import KINDS
from stanine.broker import StreamsBroker
from stanine.broker.bootstrap import QueueDeclaration, bootstrap_until_ready
from stanine.broker.connection.clients import connect, connect_async, pool_use
from stanine.broker.connection.errors import ServerProblem
from stanine.broker.entry import head
from stanine.broker.keys import queue_keys
from stanine.messages import BUILD_INDEX, RESCORE, SCORE_ATTEMPTS, MessageRoute, Outbox
from stanine.runtime.loops import Loops
from stanine.store import settings as configuration
from stanine.store.attempt_lists import AttemptLists
from stanine.store.attempts import Attempts
from stanine.store.capacity import Capacity
from stanine.store.changes import Changes
from stanine.store.durability import Writer
from stanine.store.erasure import Erasure
from stanine.store.index import AsyncIndex
from stanine.store.instruments import Instruments
from stanine.store.invitations import Invitations
from stanine.store.keys import Keys
from stanine.store.lists import ResultLists
from stanine.store.logins import Logins
from stanine.store.processes import NOTE_SECONDS, OwnProcess
from stanine.store.reading import AttemptRecords
from stanine.store.rescoring import RescoringRequests
from stanine.store.secret import TokenSecrets
from stanine.store.sessions import Sessions
from stanine.store.throughput import SAMPLE_MS
from stanine.store.waiting import ResultWaiter
from stanine.telemetry.api_metrics import ApiMetrics
from stanine.telemetry.heartbeats import Heartbeats
from stanine.telemetry.logs import get_log
from stanine.telemetry.metrics import make_registry, watch_pool
from stanine.telemetry.traces import get_tracer, records_spans

#: Loops whose failure does not concern requests: the keys that were read stay, and the others only report.
_WITHOUT_REQUESTS = frozenset({"keys", "presence", "throughput"})

log = get_log()


class Api:
    """One API process: the ASGI application and its life cycle from bootstrap to drain."""

    def __init__(
        self, settings: ApiSettings, keyring: Keyring, provider: trace.TracerProvider
    ) -> None:
        """Construct all parts; no connection is opened before `start`."""
        self._settings = settings
        self._keys = Keys(settings.namespace)
        self._library = store.load_library()
        self._client = connect_async(settings.redis_url)
        self._keyring = keyring
        tracer = get_tracer(provider)
        self.registry = registry = make_registry()
        metrics = ApiMetrics(registry, [kind.code for kind in KINDS])
        writer = Writer(self._client, self._library)
        instruments = Instruments(
            self._client, writer, self._keys, _outbox(self._keys, BUILD_INDEX)
        )
        attempts = Attempts(self._client, writer, self._keys, _outbox(self._keys, SCORE_ATTEMPTS))
        index = AsyncIndex(self._client, self._keys)
        capacity, live = Capacity(self._client), CurrentSettings()
        token_secret = SharedSecret(TokenSecrets(self._client, self._library, self._keys.secret))
        link_secret = SharedSecret(
            TokenSecrets(self._client, self._library, self._keys.link_secret)
        )
        erasure_secrets = TokenSecrets(self._client, self._library, self._keys.erasure_secret)
        self._secrets = (token_secret, link_secret, SharedSecret(erasure_secrets))
        tokens, codes = Tokens(token_secret), InvitationCodes(link_secret)
        records = AttemptRecords(self._client, self._keys)
        self._waiter = ResultWaiter(self._client, self._keys, records)
        self._documents = DocumentReader()
        checker, intake = Checker(attempts, instruments, index.entries), Intake(attempts)
        self._index = IndexFollower(index)
        self._following = SettingsFollower(self._client, self._keys, live, capacity, writer, intake)
        self._desk = QueueAdmin(
            StreamsBroker(url=settings.redis_url, namespace=self._keys.partition)
        )
        self._config_desk = SettingsAdmin(settings.redis_url, self._keys)
        self._states = StateFollower(self._client, self._keys.partition, intake)
        self._writes = WriteProbe(self._client, self._keys)
        self._backups = BackupFollower(self._client, self._keys)
        self._heartbeats = Heartbeats()
        #: Only for the loop that follows the keys file: a thread pool shared with requests could delay it and fail
        #: the liveness probe.
        self._keys_thread = ThreadPoolExecutor(1, thread_name_prefix="keys")
        self._loops = Loops(self._heartbeats)
        lists = ResultLists(self._client, self._library, self._keys)
        sessions = Sessions(self._client, writer, self._keys, _outbox(self._keys, SCORE_ATTEMPTS))
        invitations = Invitations(self._client, writer, self._keys)
        erasure = Erasure(
            self._client,
            writer,
            self._keys,
            records,
            sessions,
            invitations,
            erasure_secrets,
            lambda: live.now.tombstone_days * DAY_MS,
        )
        self._reader = AttemptReader(
            records,
            lists,
            AttemptLists(self._client, self._library, self._keys),
            self._index,
            self._waiter,
            tokens,
            invitations.is_released,
        )
        scorings = ResultPresenter(instruments)
        bulk = BulkIntake(checker, intake, self._index, tokens, metrics, tracer, live, keyring)
        inviting = InvitationDesk(invitations, checker, codes, live, settings.public_url)
        desk = SessionDesk(
            sessions, inviting, self._index, intake, live, tracer=tracer, metrics=metrics
        )
        opening = SessionOpening(
            sessions, desk, inviting, self._index, intake, codes, live, metrics
        )
        self._session_sweep = SessionSweep(sessions, inviting, self._index, intake, metrics)
        self._retention = Retention(self._client, self._keys, instruments, lists, erasure, metrics)
        watch_pool(registry, "records", pool_use(self._client))
        metrics.watch_index(
            lambda: (index.entries.hits, index.entries.misses), lambda: self._index.refreshed_at
        )
        metrics.watch_backups(lambda: self._backups.newest_at)
        metrics.watch_capacity(lambda: intake.is_full, lambda: (capacity.used, capacity.limit))
        metrics.ready.set_function(lambda: float(not self.unready()))
        self._own = OwnProcess("api", self._library, self._keys)
        self._status = StatusReader(
            self._client, self._keys, self._desk, instruments, index.entries
        )
        changes = Changes(self._client, self._library, self._keys)
        logins = LoginTokens(Logins(self._client, self._library, self._keys), keyring)
        routes = (
            *InstrumentRoutes(
                instruments,
                index.entries,
                self._index,
                checker,
                intake,
                tracer,
                live,
                self._documents,
            ).routes(),
            *AttemptRoutes(
                checker,
                intake,
                bulk,
                self._index,
                self._reader,
                scorings,
                tokens=tokens,
                metrics=metrics,
                tracer=tracer,
                live=live,
            ).routes(),
            *StatisticsRoutes(self._reader, scorings, checker).routes(),
            *AttemptListRoutes(self._reader, scorings, checker, keyring, self._index).routes(),
            *ResultRoutes(
                self._reader, scorings, ExplanationPresenter(instruments), checker
            ).routes(),
            *RescoringRoutes(
                RescoringRequests(self._client, writer, self._keys, _outbox(self._keys, RESCORE)),
                checker,
                intake,
            ).routes(),
            *SessionRoutes(
                opening, desk, invitations, self._reader, scorings, tokens, live
            ).routes(),
            *InvitationRoutes(inviting, invitations, sessions, checker, intake, metrics).routes(),
            *InvitationBulkRoutes(inviting, checker, intake, metrics).routes(),
            *InvitationCodeRoutes(inviting).routes(),
            *ErasureRoutes(erasure, self._reader, metrics).routes(),
            *TokenRoutes(token_secret, link_secret, erasure).routes(),
            *LoginRoutes(logins).routes(),
            *AccessRoutes(keyring, changes).routes(),
            *StatusRoutes(self._status).routes(),
            *ScaleRoutes(instruments, self._documents, self._reader).routes(),
            *QueueRoutes(self._desk).routes(),
            *ConfigRoutes(self._config_desk).routes(),
            *ProbeRoutes(self._heartbeats, self.unready, self.notes, registry).routes(),
        )
        docs = DocsRoutes(lambda: describe(self.asgi.router.routes))
        self.asgi = Dispatcher(
            (*routes, *docs.routes()),
            keyring,
            logins,
            ChangeRecorder(changes),
            metrics,
            tracer,
            records_spans=records_spans(provider),
            instruments=lambda: index.entries.now.forms,
            reasons=self.unprepared,
            start=self.start,
            stop=self.stop,
            failed_logins=FailedLogins(settings.trusted_proxies),
        )
        self._prepared = False
        self._leaving = False
        self._problem: ServerProblem | None = None
        self._stopping = threading.Event()
        self._preparing: asyncio.Task[None] | None = None

    def unprepared(self) -> list[str]:
        """Return the reasons why no request can be served yet."""
        if self._prepared:
            return []
        return [f"bootstrap: {self._problem}" if self._problem else "bootstrap is not done"]

    def unready(self) -> list[str]:
        """Return the reasons why this process should not get requests."""
        reasons = self.unprepared()
        reasons += [
            f"Redis cannot be used: {name} fails: {error}"
            for name, error in self._loops.failing.items()
            if name not in _WITHOUT_REQUESTS
        ]
        if self._leaving:
            reasons.append("stopping")
        return reasons

    def notes(self) -> list[str]:
        """Return failures that leave this process ready: it serves reads and refuses writes."""
        return [f"Redis refuses writes: {self._writes.refusal}"] if self._writes.refusal else []

    async def start(self) -> None:
        """Begin the bootstrap; requests are refused as not-ready until it is done."""
        self._loops.start(
            "keys", lambda: follow_keys(self._keyring, self._keys_thread), SLOW_SECONDS
        )
        self._preparing = asyncio.create_task(self._prepare())

    def leave(self) -> None:
        """Report this process as unready; requests are still served."""
        self._leaving = True

    def drain(self) -> None:
        """Report this process as unready, and end the waits of held requests."""
        self.leave()
        self._reader.drain()

    async def stop(self) -> None:
        """Stop the loops and close the connections."""
        self.drain()
        self._stopping.set()
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
        await self._loops.stop()
        self._keys_thread.shutdown(wait=False, cancel_futures=True)
        self._documents.close()
        await asyncio.to_thread(self._desk.close)
        await asyncio.to_thread(self._config_desk.close)
        await self._client.aclose()
        log.info("api.stopped")

    async def refresh_index(self) -> None:
        """Refresh the index, as its loop does. After the first refresh requests are served."""
        if not self._prepared:
            await self._load_secrets()
        await self._index.refresh()
        if not self._prepared:
            self._prepared = True
            log.info("api.ready")

    async def refresh_states(self) -> None:
        """Read the states of the queues, as the loop does."""
        await self._states.refresh()

    async def refresh_tokens(self) -> None:
        """Refresh the secrets of tokens and codes, as the loop does."""
        await within(self._load_secrets())

    async def _load_secrets(self) -> None:
        for secret in self._secrets:
            await secret.refresh()

    async def _note_presence(self) -> None:
        await within(self._own.note_async(self._client, self._loops.states.now()))

    async def sweep_sessions(self) -> None:
        """End due sessions, as the loop does."""
        if self._prepared:
            await self._session_sweep.turn()

    async def keep_retention(self, *, at_once: bool = False) -> None:
        """Apply the retention, as the loop does; `at_once` ignores the pause."""
        if self._prepared:
            await self._retention.turn(at_once=at_once)

    async def _prepare(self) -> None:
        client = connect(self._settings.redis_url, pool_size=1)
        try:
            await asyncio.to_thread(
                bootstrap_until_ready,
                client,
                namespace=self._keys.partition,
                queues=[
                    QueueDeclaration(BUILD_INDEX.queue),
                    QueueDeclaration(SCORE_ATTEMPTS.queue),
                ],
                libraries=[self._library, configuration.load_library()],
                stop=self._stopping,
                on_state=self._note,
            )
        finally:
            client.close()
        self._loops.start("presence", self._note_presence, NOTE_SECONDS)
        self._loops.start("throughput", self._status.sample, SAMPLE_MS / 1000)
        self._loops.start("settings", self._following.refresh, SLOW_SECONDS)
        self._loops.start("queues", self.refresh_states, SLOW_SECONDS)
        self._loops.start("writes", self._writes.probe, SLOW_SECONDS)
        self._loops.start("backups", self._backups.refresh, BACKUP_SECONDS)
        self._loops.start("index", self.refresh_index, INDEX_SECONDS)
        self._loops.start("tokens", self.refresh_tokens, SLOW_SECONDS)
        self._loops.start("sessions", self.sweep_sessions, SWEEP_SECONDS)
        self._loops.start("retention", self.keep_retention, RETENTION_SECONDS)
        self._loops.start_once("results", self._waiter.run())

    def _note(self, problem: ServerProblem | None) -> None:
        self._problem = problem
        if problem is not None:
            log.warning("bootstrap.waiting", reason=problem.reason, remedy=problem.remedy)


def _outbox(keys: Keys, route: MessageRoute) -> Outbox:
    return Outbox(queue_keys(keys.partition, route.queue).ready, head(route.queue, route.actor))

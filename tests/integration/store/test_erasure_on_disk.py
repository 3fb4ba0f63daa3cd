"""Proof of erasure: a scan of the whole server and of its files, after the append-only file was rewritten."""

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path

import dramatiq
import msgspec
import pytest
from tests.conftest import Server
from tests.integration.backup.conftest import fill
from tests.integration.backup.test_restore import CANARY, personal
from tests.integration.store.attempting import SPACE, content
from tests.integration.store.test_erasure import erasing
from tests.integration.store.test_rescoring import finish, score, start
from tests.integration.store.test_sessions import (
    invitation,
    opened,
    with_invitations,
    with_sessions,
)
from tests.integration.stores import Store, make_store
from tests.integration.watchers.assessing import GAD_7_DOUBLED, publish

from stanine.broker import StreamsBroker
from stanine.broker.deadletters import DeadLetter
from stanine.broker.entry import head
from stanine.broker.keys import queue_keys
from stanine.messages import SCORE_ATTEMPTS, Outbox
from stanine.store.digests import key_fingerprint, key_scope, participant_fingerprint
from stanine.store.invitations import Given
from stanine.store.records import START_BYTES, TIME_BYTES, arrival_of, place
from stanine.store.result_history import read_history

QUEUE, ACTOR = SCORE_ATTEMPTS.queue, SCORE_ATTEMPTS.actor
#: Answers whose packed form and scores no other attempt has.
ANSWERS = b"\x03\x02\x00\x01\x00\x02\x03"
#: Place of their number and their packed form in the attempt's record.
PACKED_ANSWERS = slice(TIME_BYTES + START_BYTES, TIME_BYTES + START_BYTES + 5)
#: Seconds for what takes milliseconds on an idle machine.
PATIENCE = 60


def until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def rewrite(store: Store) -> None:
    store.client.bgrewriteaof()

    def is_done() -> bool:
        found = store.client.info("persistence")
        return not (found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"])

    until(is_done)
    assert store.client.info("persistence")["aof_last_bgrewrite_status"] == "ok"


def doomed_broker(store: Store) -> StreamsBroker:
    """Return a broker whose actor fails with an error that quotes the attempts."""
    broker = StreamsBroker(url=store.url, namespace=store.keys.partition)

    store.client.hset(broker._queue(QUEUE).keys.settings, "max_retries", 0)

    @dramatiq.actor(
        broker=broker,
        actor_name=ACTOR,
        queue_name=QUEUE,
        batch="attempts",
        batch_max_messages=1,  # else a batch that fails is divided, and its messages wait
    )
    def score_attempts(attempts: bytes) -> None:
        ids = [attempts[at : at + 16] for at in range(0, len(attempts), 16)]
        raise ValueError(f"cannot score {store.results.load(ids).records}")

    return broker


def let_messages_die(store: Store, broker: StreamsBroker) -> list[DeadLetter]:
    """Let all messages of the queue fail; return the dead letters."""
    count = store.client.xlen(store.outbox.stream)
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=100)
    worker.start()
    try:
        until(lambda: broker.stats(QUEUE).dead == count)
    finally:
        worker.stop(10_000)
    return list(broker.dead_letters(QUEUE))


def traces(store: Store, directory: Path, words: dict[str, bytes]) -> set[str]:
    """Return which words are on the server or in its files."""
    held = content(store) + b"\n".join(store.client.scan_iter(count=1000))
    held += b"".join(path.read_bytes() for path in (directory / "appendonlydir").iterdir())
    return {name for name, word in words.items() if word in held or word.hex().encode() in held}


@pytest.mark.parametrize("by_participant", [True, False])
def test_nothing_of_an_erased_person_is_on_the_server_or_in_its_files(
    own_server: Callable[..., Server], by_participant: bool
) -> None:
    # Uncompressed, so that a scan of the files finds every text.
    server = own_server("--rdbcompression", "no")
    store = make_store(server.url)
    outbox = Outbox(queue_keys(store.keys.partition, QUEUE).ready, head(QUEUE, ACTOR))
    store = dataclasses.replace(store, outbox=outbox)
    publish(store)
    fill(store, 40)
    (one,) = store.submit(msgspec.structs.replace(personal("canary-key"), codes=ANSWERS))
    block, slot = place(arrival_of(one.id))
    broker = doomed_broker(store)
    letters = let_messages_die(store, broker)
    assert {each.reason for each in letters} == {"ValueError"}
    assert any(one.id in each.ids for each in letters)
    score(store, [one.id])
    publish(store, GAD_7_DOUBLED)
    start(store)
    finish(store)
    if by_participant:
        session = opened(store, participant=CANARY)
        with_sessions(store, "save", session, 1, b"a", 1, {"q1": b"canary-answer"})
        given = Given(participant=CANARY)
        with_invitations(store, "create", 1, [invitation("canary-invited", given=given)])
    record, result = store.results.load([one.id]).records[0], store.result(one.id)
    history = read_history(store.client.hget(store.keys.history(block), str(slot)))
    assert record is not None
    assert result is not None
    words = {
        "text": b"canary",
        "answers": record[PACKED_ANSWERS],
        "key": key_fingerprint(key_scope(SPACE, 1), b"canary-key"),
        "participant": participant_fingerprint(CANARY),
        "result": result.body,
        "earlier result": history.earlier[0].result.body,
    }
    rewrite(store)
    assert traces(store, server.directory, words) == set(words), "the scan finds what is there"
    assert traces(store, server.directory, {"random": os.urandom(5)}) == set(), "and nothing else"

    if by_participant:
        assert erasing(store, "participant", CANARY).attempts == 1
    else:
        assert erasing(store, "attempt", one.id)
    rewrite(store)
    assert traces(store, server.directory, words) == set()
    assert not store.client.hexists(store.keys.history(block), str(slot))
    # The dead letters remain; requeueing them restores nothing.
    assert broker.requeue_dead(QUEUE, [each.id for each in letters]) == len(letters)
    let_messages_die(store, broker)
    score(store, [one.id])
    rewrite(store)
    assert traces(store, server.directory, words) == set()

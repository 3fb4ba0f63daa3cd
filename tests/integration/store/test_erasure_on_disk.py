"""Proof of erasure: a scan of the whole server and of its files, after the append-only file was rewritten."""

import time
from collections.abc import Callable
from pathlib import Path

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

from stanine.store.digests import key_fingerprint, key_scope, participant_fingerprint
from stanine.store.invitations import Given


def rewrite(store: Store) -> None:
    store.client.bgrewriteaof()
    deadline = time.monotonic() + 30
    while (found := store.client.info("persistence"))["aof_rewrite_in_progress"] or found[
        "aof_rewrite_scheduled"
    ]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found["aof_last_bgrewrite_status"] == "ok"


def traces(store: Store, directory: Path, words: dict[str, bytes]) -> set[str]:
    """Return which words are on the server or in its files."""
    held = content(store) + b"".join(
        path.read_bytes() for path in (directory / "appendonlydir").iterdir()
    )
    return {name for name, word in words.items() if word in held or word.hex().encode() in held}


@pytest.mark.parametrize("by_participant", [True, False])
def test_nothing_of_an_erased_person_is_on_the_server_or_in_its_files(
    own_server: Callable[..., Server], by_participant: bool
) -> None:
    # Uncompressed, so that a scan of the files finds every text.
    server = own_server("--rdbcompression", "no")
    store = make_store(server.url)
    publish(store)
    fill(store, 40)
    (one,) = store.submit(personal("canary-key"))
    score(store, [one.id])
    publish(store, GAD_7_DOUBLED)
    start(store)
    finish(store)  # its former result is in the history now
    if by_participant:
        session = opened(store, participant=CANARY)
        with_sessions(store, "save", session, 1, b"a", 1, {"q1": b"canary-answer"})
        given = Given(participant=CANARY)
        with_invitations(store, "create", 1, [invitation("canary-invited", given=given)])
    words = {
        "text": b"canary",
        "key": key_fingerprint(key_scope(SPACE, 1), b"canary-key"),
        "participant": participant_fingerprint(CANARY),
    }
    rewrite(store)
    assert traces(store, server.directory, words) == set(words), "the scan finds what is there"
    block, slot = divmod(int.from_bytes(one.id[-5:], "big"), 32)
    assert store.client.hexists(store.keys.history(block), str(slot))
    if by_participant:
        assert erasing(store, "participant", CANARY).attempts == 1
    else:
        assert erasing(store, "attempt", one.id)
    rewrite(store)
    assert traces(store, server.directory, words) == set()
    assert not store.client.hexists(store.keys.history(block), str(slot))

"""kill -9 before and after every step of an erasure, of its repetition by a journal, and of a restore.

After the successor's run nothing of the erased person remains, and everything else is as after an erasure that nobody
killed.
"""

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import Server
from tests.integration.backup.conftest import command_for, fill
from tests.integration.failpoints import steps_of
from tests.integration.store.attempting import commit, content, submit
from tests.integration.store.test_erased_hashes import hashes_of, held
from tests.integration.store.test_erasure import erasing, personal
from tests.integration.store.test_sessions import (
    invitation,
    opened,
    session,
    with_invitations,
    with_sessions,
)
from tests.integration.stores import Store, make_store
from tests.integration.watchers.assessing import publish

from stanine.store.invitations import Given
from stanine.store.journal import JournalEntry, encode_participant, read_stream
from stanine.store.journal_file import append_new, read_journal
from stanine.store.records import RANDOM_BYTES, id_random
from stanine.store.sessions import session_id

PERSON, OTHER = "canary-person", "somebody"
#: Attempts of the person: two calls of `erase`.
ATTEMPTS = 130
#: Calls of each kind that are killed.
MOST = 2
#: Steps of a restore in their order, each from what the former run left.
RESTORE_STEPS = (
    "after copyfile 1", "after copyfile 2", "before erase 1", "after erase 1", "before config_set 1",
    "after config_set 1", "after shutdown 1", "before unlink 1", "after unlink 1", "before rename 1", "after rename 1",
)  # fmt: skip


class Doomed:
    """Orders to the process that does them in forked processes."""

    def __init__(self, process: "subprocess.Popen[str]", calls: Path) -> None:
        self._process = process
        self._calls = calls

    def do(self, step: str, kind: str, url: str, name: str, **more: str) -> dict[str, int]:
        """Do an order; it must die at its step, if there is one. Return the calls of one that did not."""
        order = {"step": step, "kind": kind, "url": url, "name": name, "calls": str(self._calls)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order | more) + "\n")
        self._process.stdin.flush()
        assert int(self._process.stdout.readline()) == (-signal.SIGKILL if step else 0), step
        return {} if step else dict(json.loads(self._calls.read_text()))


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Doomed]:
    words = [sys.executable, "-m", "tests.integration.store.doomed_erasure"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Doomed(process, tmp_path / "calls.json")
        assert process.stdin is not None
        process.stdin.close()


def values(store: Store) -> dict[bytes, Any]:
    """Return the server's data by key, without what differs from one erasure to the next: the times of tombstones."""
    client, found = store.client, dict[bytes, Any]()
    for key in client.scan_iter(count=1000):
        match client.type(key):
            case b"hash":
                found[key] = client.hgetall(key)
            case b"string":
                found[key] = client.get(key)
            case b"set":
                found[key] = client.smembers(key)
            case b"zset":
                found[key] = sorted(client.zrange(key, 0, -1))
    return found


def people(store: Store) -> bytes:
    """Store attempts, sessions and invitations of two people; return the attempt that came from a session."""
    erasing(store, "prepare")
    given = {"canary-0": Given(participant=PERSON), "other": Given(participant=OTHER)}
    invitations = [invitation(key, given=each) for key, each in given.items()]
    invited = with_invitations(store, "create", 1, invitations)
    random = id_random(secrets.token_bytes(RANDOM_BYTES))
    mine = msgspec.structs.replace(
        session(participant=PERSON, invited=invited[0].id), id=session_id(random)
    )
    assert with_sessions(store, "open", mine) == "Opened"
    with_sessions(store, "save", mine.id, 1, b"a", 1, {"q1": b"canary-answer"})
    answered = msgspec.structs.replace(personal("canary-own"), id_random=random)
    done = with_sessions(store, "submit", mine.id, 1, answered)
    with_sessions(store, "save", opened(store, participant=OTHER), 1, b"a", 1, {"q1": b"other"})
    ids = submit(store, personal("other", OTHER))
    commit(store, [done.attempt, *ids], participants={0: PERSON, 1: OTHER})
    return bytes(done.attempt)


def more_of_the_person(store: Store) -> None:
    """Store further attempts, an open session and an invitation of the person."""
    ids = submit(store, *[personal(f"canary-{n}") for n in range(ATTEMPTS)])
    commit(store, ids, participants=dict.fromkeys(range(ATTEMPTS), PERSON))
    with_sessions(store, "save", opened(store, participant=PERSON), 1, b"a", 1, {"q1": b"canary"})
    with_invitations(store, "create", 1, [invitation("canary", given=Given(participant=PERSON))])


def journal_of(store: Store, attempt_id: bytes, path: Path) -> Path:
    """Write a journal that names an attempt and its invitation, and the person."""
    own = with_sessions(store, "read", session_id(attempt_id)).invitation
    secret = erasing(store, "prepare").by_name()
    macs = dict(each.split("=") for each in encode_participant(secret, PERSON).split(","))
    entries = [
        JournalEntry("1-0", invitation=own.hex()),
        JournalEntry("1-1", attempts=(attempt_id.hex(),)),
        JournalEntry("1-2", participant=macs),
    ]
    append_new(path, entries)
    return path


@pytest.mark.parametrize("kind", ["attempt", "participant", "journal"])
def test_nothing_of_the_erased_remains_and_nothing_else_is_lost_at_any_step_it_dies(
    store: Store, doomed: Doomed, tmp_path: Path, kind: str
) -> None:
    attempt_id = people(store)
    name = attempt_id.hex()
    if kind != "attempt":
        more_of_the_person(store)
        name = PERSON
    if kind == "journal":
        name = str(journal_of(store, attempt_id, tmp_path / "erasures.ndjson"))
    keys = ["canary-own", "canary-0", *(f"canary-{n}" for n in range(ATTEMPTS))]
    hashes = hashes_of(PERSON, *keys)
    before = {key: store.client.dump(key) for key in store.client.scan_iter(count=1000)}

    def begin_again() -> None:
        store.client.flushall()
        for key, value in before.items():
            store.client.restore(key, 0, value)
        assert b"canary" in content(store)

    calls = doomed.do("", kind, store.url, name)
    expected = values(store)
    assert b"canary" not in content(store)
    steps = steps_of(calls, MOST)
    assert {"erase", "note_erasure", "drop_session", "drop_invitation"} <= calls.keys()
    for step in steps:
        begin_again()
        doomed.do(str(step), kind, store.url, name)
        doomed.do("", kind, store.url, name)  # the successor
        assert values(store) == expected, step
        assert b"canary" not in content(store), step
        assert held(store, hashes) == set(), step
        named = [each for entry in read_stream(store.client, store.keys) for each in entry.attempts]
        assert attempt_id.hex() in named, step


def test_a_restore_that_dies_at_any_step_leaves_no_data_or_all_of_them_without_the_erased(
    doomed: Doomed, tmp_path: Path, own_server: Callable[..., Server]
) -> None:
    server = own_server("--repl-diskless-sync-delay", "0", "--rdbcompression", "no")
    source, run = make_store(server.url), command_for(server.url)
    backups, data = tmp_path / "backups", tmp_path / "data"
    publish(source)
    fill(source, 40)
    attempt_id = people(source)
    run.backup(backups)
    erasing(source, "participant", PERSON)
    run("backup", backups, "--step", "journal")
    journal = str(backups / "erasures.ndjson")
    assert attempt_id.hex() in str(read_journal(Path(journal)).entries)

    def has(word: bytes) -> bool:
        return any(word in path.read_bytes() for path in data.rglob("*") if path.is_file())

    for step in RESTORE_STEPS:
        doomed.do(step, "restore", str(backups), journal, to=str(data))
        is_whole = (data / "appendonlydir").exists()
        assert is_whole == (step == RESTORE_STEPS[-1]), step
        assert not (is_whole and has(b"canary")), step
    restored = make_store(own_server(directory=data).url)
    assert b"canary" not in content(restored)
    assert held(restored, hashes_of(PERSON, "canary-own", "canary-0")) == set()
    assert [each.participant for each, _, _ in restored.results_of().items].count(OTHER) == 1
    assert len(restored.results_of().items) == 41
    assert not list((data / "restoring").rglob("*.rdb"))

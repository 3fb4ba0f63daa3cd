"""`stanine restore`: the data of the backup return, and nobody who was erased since."""

import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Server
from tests.integration.backup.conftest import Command, command_for, fill
from tests.integration.store.attempting import SPACE, content
from tests.integration.store.test_erasure import erasing
from tests.integration.store.test_sessions import (
    invitation,
    opened,
    with_invitations,
    with_sessions,
)
from tests.integration.stores import Store, make_store

from stanine.store.attempts import Submission
from stanine.store.audit import Auditor
from stanine.store.cursors import Cursor, read_cursor
from stanine.store.erasure import Erasure
from stanine.store.errors import LostCursorError
from stanine.store.invitations import Given
from stanine.store.journal_file import read_journal
from stanine.store.records import RANDOM_BYTES

CANARY = "canary-person"


def personal(key: str, participant: str = CANARY) -> Submission:
    """An attempt at GAD-7 with a key and a participant."""
    return Submission(
        1, 1, b"\x01" * 7, b"m" * 16, secrets.token_bytes(RANDOM_BYTES), "", SPACE, key, participant
    )


def restored(
    run: Command, backups: Path, directory: Path, own_server: Callable[..., Server], *words: str
) -> tuple[Store, dict[str, Any]]:
    """Restore the newest backup and start a server on the result; return its store and what was erased again."""
    done = run(
        "restore", backups, "--to", directory, "--erasures", backups / "erasures.ndjson", "-o", "json", *words
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return make_store(own_server(directory=directory).url), json.loads(done.stdout)


def test_the_data_return_without_those_who_were_erased_since(
    source: Store, tmp_path: Path, own_server: Callable[..., Server]
) -> None:
    run, backups = command_for(source.url), tmp_path / "backups"
    erasing(source, "prepare")  # as every API process does when it starts
    ids = [each.id for each in source.submit(personal("canary-1"), personal("kept", "somebody"))]
    alone = source.submit(personal("canary-alone", "canary-alone"))[0].id
    open_session = opened(source, participant=CANARY)
    with_sessions(source, "save", open_session, 1, b"a", 1, {"q1": b"canary-answer"})
    with_invitations(
        source, "create", 1, [invitation("canary-invited", given=Given(participant=CANARY))]
    )
    run.backup(backups)
    # The session is withdrawn before the erasure, which therefore does not name it.
    with_sessions(source, "drop", open_session, expired=False)
    assert erasing(source, "participant", CANARY).attempts == 1
    assert erasing(source, "attempt", alone)
    assert run("backup", backups, "--step", "journal").returncode == 0
    assert b"canary" not in (backups / "erasures.ndjson").read_bytes()

    store, erased = restored(run, backups, tmp_path / "data", own_server)
    assert (erased["attempts"], erased["participants"], erased["unmatched"]) == (2, 1, 0)
    assert (erased["sessions"], erased["invitations"]) == (1, 1)
    assert b"canary" not in content(store)
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not any(b"canary" in path.read_bytes() for path in files)
    assert store.read(ids[0]) is None
    kept = store.read(ids[1])
    assert kept is not None
    assert kept[0].participant == "somebody"
    audit = Auditor(store.client, store.history, store.sweep, store.keys).audit()
    assert (audit.is_sound, audit.equal) == (True, 40)
    again = store.submit(personal("canary-1"), personal("kept", "somebody"))
    assert [each.outcome for each in again] == ["erased", "repeated"]


def test_a_cursor_beyond_the_backup_is_refused_after_the_restore(
    source: Store, tmp_path: Path, own_server: Callable[..., Server]
) -> None:
    run, backups = command_for(source.url), tmp_path / "backups"
    run.backup(backups)
    fill(source, 10)
    cursor = source.results_of(limit=40).next
    cursor = source.results_of(cursor=cursor, limit=10).next
    store, _ = restored(run, backups, tmp_path / "data", own_server)
    with pytest.raises(LostCursorError) as changed:
        store.results_of(cursor=cursor)
    following = read_cursor(changed.value.following)
    assert isinstance(following, Cursor)
    assert following.position == 40
    fill(store, 10)  # other attempts at the same positions
    with pytest.raises(LostCursorError):
        store.results_of(cursor=cursor)


def test_a_directory_with_data_is_refused_and_left_alone(source: Store, tmp_path: Path) -> None:
    run, backups = command_for(source.url), tmp_path / "backups"
    run.backup(backups)
    (tmp_path / "data" / "appendonlydir").mkdir(parents=True)
    refused = run("restore", backups, "--to", tmp_path / "data", "--erasures", "none")
    assert refused.returncode == 1
    assert "exists: a backup is restored into a directory without data" in refused.stderr
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["appendonlydir"]


def test_a_restore_that_fails_leaves_no_data_and_can_be_repeated(
    source: Store, tmp_path: Path, own_server: Callable[..., Server]
) -> None:
    run, backups = command_for(source.url), tmp_path / "backups"
    found = run.backup(backups)
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    words = ("restore", backups, "--to", tmp_path / "data", "--erasures", "none")
    assert run(*words, "--server-program", program).returncode == 1
    assert not (tmp_path / "data" / "appendonlydir").exists()
    assert run(*words).returncode == 0
    store = make_store(own_server(directory=tmp_path / "data").url)
    assert store.client.dbsize() >= found["manifest"]["counts"]["keys"]
    snapshot = Path(found["directory"]) / "dump.rdb"
    snapshot.write_bytes(snapshot.read_bytes()[:-1] + b"x")
    refused = run("restore", backups, "--to", tmp_path / "other", "--erasures", "none")
    assert (refused.returncode, (tmp_path / "other" / "appendonlydir").exists()) == (1, False)
    assert "SHA-256" in refused.stderr


def test_the_journal_keeps_what_a_kept_backup_needs_and_an_older_copy_is_refused(
    source: Store, tmp_path: Path, own_server: Callable[..., Server]
) -> None:
    run, backups = command_for(source.url), tmp_path / "backups"
    erasing(source, "prepare")
    source.client.xadd(source.keys.erasures, {"v": b"invited!"}, id="1000000000000-0")
    source.submit(personal("canary-1"), personal("canary-2", "canary-other"))
    first = run.backup(backups)
    assert first["manifest"]["newestErasure"] == "1000000000000-0"
    shutil.copytree(first["directory"], tmp_path / "copy")
    erasing(source, "participant", CANARY)
    run.backup(backups, "--keep", "2")
    journal = backups / "erasures.ndjson"
    assert len(read_journal(journal).entries) == 3, "the first backup needs the erasure"
    erasing(source, "participant", "canary-other")
    done = run("backup", backups, "--keep", "1")
    assert "removed 1 entries of the erasure journal" in done.stderr
    assert run("backup", backups, "--step", "journal").returncode == 0
    found = read_journal(journal)
    assert [bool(each.invitation) for each in found.entries] == [False] * 4
    assert found.complete_from > 1_700_000_000_000
    store, erased = restored(run, backups, tmp_path / "data", own_server)
    assert (erased["entries"], b"canary" in content(store)) == (4, False)
    words = ("--to", tmp_path / "other", "--erasures", journal)
    refused = run("restore", tmp_path / "copy", *words)
    assert (refused.returncode, (tmp_path / "other" / "appendonlydir").exists()) == (1, False)
    assert "the journal is complete only from" in refused.stderr


def test_a_journal_whose_secret_the_backup_lacks_is_refused(source: Store, tmp_path: Path) -> None:
    run, backups = command_for(source.url), tmp_path / "backups"
    run.backup(backups)  # before the first secret was made
    erasing(source, "participant", CANARY)
    run("backup", backups, "--step", "journal")
    refused = run(
        "restore", backups, "--to", tmp_path / "data", "--erasures", backups / "erasures.ndjson"
    )
    assert refused.returncode == 1
    assert "1 entries of the journal name participants by a secret" in refused.stderr
    assert not (tmp_path / "data" / "appendonlydir").exists()


def test_an_erasure_that_was_interrupted_after_its_entry_is_completed_by_a_restore(
    source: Store,
    tmp_path: Path,
    own_server: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, backups = command_for(source.url), tmp_path / "backups"
    source.submit(personal("canary-1"))
    monkeypatch.setattr(Erasure, "_page", killed)
    with pytest.raises(KeyboardInterrupt):
        erasing(source, "participant", CANARY)
    monkeypatch.undo()
    run.backup(backups)
    store, erased = restored(run, backups, tmp_path / "data", own_server)
    assert (erased["participants"], erased["attempts"]) == (1, 1)
    assert b"canary" not in content(store)


async def killed(*_: object) -> None:
    """Stand for a process that dies."""
    raise KeyboardInterrupt


def test_a_running_server_that_was_restored_otherwise_is_erased_again(
    source: Store, tmp_path: Path, own_server: Callable[..., Server]
) -> None:
    run, backups = command_for(source.url), tmp_path / "backups"
    erasing(source, "prepare")
    source.submit(personal("canary-1"))
    run.backup(backups)
    for _ in range(2):  # the secret has changed since the backup, and the former one is still known
        erasing(source, "rotate_secret")
    erasing(source, "participant", CANARY)
    run("backup", backups, "--step", "journal")
    other = make_store(own_server().url)
    for key in source.client.scan_iter():
        other.client.restore(key, 0, source.client.dump(key))
    other.submit(personal("canary-2"))
    done = command_for(other.url)(
        "restore", "--erasures", backups / "erasures.ndjson", "-o", "json"
    )
    assert (done.returncode, json.loads(done.stdout)["participants"]) == (0, 1)
    assert b"canary" not in content(other)
    assert json.loads(
        command_for(other.url)("restore", "--erasures", backups / "erasures.ndjson", "-o", "json").stdout
    )["attempts"] == 0  # fmt: skip

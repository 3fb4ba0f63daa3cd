"""Erasure on a real server: no personal data remains or is restored, and other records are kept."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.store.attempting import (
    CONTENT,
    RESULT,
    SPACE,
    commit,
    content,
    everything,
    submission,
    submissions,
    submit,
)
from tests.integration.store.test_sessions import (
    invitation,
    opened,
    with_invitations,
    with_sessions,
)
from tests.integration.stores import AsyncStore, Store

from stanine.store import load_library
from stanine.store.attempts import Submission
from stanine.store.cursors import Cursor
from stanine.store.digests import key_fingerprint, key_scope
from stanine.store.erasure import Erasure
from stanine.store.invitations import Given, Invitations
from stanine.store.journal import participant_mac, read_stream
from stanine.store.journal_file import DamagedJournalError, append_new, read_journal
from stanine.store.keys import BLOCK_SIZE
from stanine.store.records import RANDOM_BYTES, read_attempt
from stanine.store.secret import TokenSecrets
from stanine.store.sessions import Sessions

DAY = 86_400_000


def eraser(store: Store, made: AsyncStore, tombstone_ms: int = DAY) -> Erasure:
    return Erasure(
        made.client,
        made.writer,
        store.keys,
        made.records,
        Sessions(made.client, made.writer, store.keys, store.outbox),
        Invitations(made.client, made.writer, store.keys),
        TokenSecrets(made.client, load_library(), store.keys.erasure_secret),
        lambda: tombstone_ms,
    )


def erasing(store: Store, name: str, *args: Any, tombstone_ms: int = DAY) -> Any:
    return store.run(lambda made: getattr(eraser(store, made, tombstone_ms), name)(*args))


def personal(key: str | None = None, participant: str = "canary-person") -> Submission:
    one = submission(key, participant=participant)
    return Submission(
        1,
        1,
        b"\x07" * 40,
        CONTENT,
        one.id_random,
        "",
        SPACE,
        key,
        participant,
        {"city": f"city of {participant}"},
    )


@pytest.mark.parametrize("size", [1, BLOCK_SIZE, BLOCK_SIZE + 3])
@pytest.mark.parametrize("scored", [True, False])
def test_erasure_removes_all_data_of_an_attempt_and_keeps_the_block(
    store: Store, size: int, scored: bool
) -> None:
    ids = submit(
        store,
        *[personal(f"canary-key-{n}") if n == 0 else submission(f"k{n}") for n in range(size)],
    )
    if scored:
        assert commit(store, ids) == size
    others = store.results.load(ids[1:]).records
    listed = [attempt.id for attempt, _, _ in store.results_of().items][1:]
    assert erasing(store, "attempt", ids[0])
    assert not erasing(store, "attempt", ids[0]), "it was erased before"
    held = b"".join(everything(store).values()) + b"".join(everything(store))
    assert b"canary" not in held
    assert b"\x77" * 20 not in held, "packed answers, half a byte each"
    assert store.read(ids[0]) is None
    assert store.results.load(ids).records == [None, *others]
    assert [attempt.id for attempt, _, _ in store.results_of().items] == listed
    assert {each.id for each in store.sweep.all_unscored()} == (set() if scored else set(ids[1:]))


def test_commits_retries_and_sweeps_do_not_restore_an_erased_attempt(
    store: Store,
) -> None:
    one = personal("canary-key")
    (made,) = store.submit(one)
    loaded = store.results.load([made.id]).records[0]
    assert read_attempt(loaded or b"", made.id).participant == "canary-person"
    assert erasing(store, "attempt", made.id)
    assert commit(store, [made.id], participants={0: "canary-person"}) == 0
    assert store.results.requeue([made.id]) == 1, "a message is a hint"
    assert store.results.load([made.id]).records == [None]
    assert [each.outcome for each in store.submit(one, submission("other"))] == ["erased", "new"]
    assert store.submit(personal("canary-key"))[0].outcome == "erased"
    assert list(store.sweep.all_unscored()) != []
    assert b"canary" not in b"".join(everything(store).values())


def test_a_tombstone_expires_and_the_key_is_free_again(store: Store) -> None:
    (made,) = store.submit(submission("k"))
    assert erasing(store, "attempt", made.id, tombstone_ms=-1000)
    again = store.submit(submission("k"))[0]
    assert (again.outcome, again.id != made.id) == ("new", True)
    assert store.submit(submission("k"))[0].outcome == "repeated"


def test_a_tombstone_has_no_trace_of_the_key_without_its_secret(store: Store) -> None:
    (made,) = store.submit(submission("canary-key"))
    erasing(store, "attempt", made.id)
    fingerprint = key_fingerprint(key_scope(SPACE, 1), b"canary-key")
    fields = [
        field
        for name in store.client.scan_iter(match="test:*")
        if store.client.type(name) == b"hash"
        for pair in store.client.hgetall(name).items()
        for field in pair
    ]
    assert not any(fingerprint in field for field in fields)
    assert store.client.zcard(store.keys.tombstones) == 1
    store.client.delete(store.keys.erasure_secret)
    assert store.submit(submission("canary-key"))[0].outcome == "new", "nobody can recognise it"


def test_a_tombstone_survives_rotations_of_its_secret_and_goes_with_its_time(store: Store) -> None:
    (made,) = store.submit(submission("k"))
    erasing(store, "attempt", made.id)
    for _ in range(2):
        erasing(store, "rotate_secret")
    (later,) = store.submit(submission("later"))
    erasing(store, "attempt", later.id)
    again = store.submit(submission("k"), submission("later"), submission("free"))
    assert [each.outcome for each in again] == ["erased", "erased", "new"]
    ends = store.client.pexpiretime(store.keys.tombstones)
    assert abs(ends / 1000 - store.client.time()[0] - DAY / 1000) < 60, "the set ends with its last"
    store.client.zadd(store.keys.tombstones, {b"expired": 1})
    erasing(store, "attempt", again[2].id)
    assert store.client.zscore(store.keys.tombstones, b"expired") is None


def test_erasing_a_key_keeps_others_with_the_same_fingerprint(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("stanine.store.attempts", "stanine.store.erasure"):
        monkeypatch.setattr(f"{module}.key_fingerprint", lambda _scope, _key: b"the same")
    ids = submit(store, *submissions(3))
    erasing(store, "attempt", ids[1])
    store.client.delete(store.keys.tombstones)
    again = store.submit(*submissions(3))
    assert [each.outcome for each in again] == ["repeated", "new", "repeated"]


def test_the_journal_names_what_was_erased_by_order_and_no_person(
    store: Store, tmp_path: Path
) -> None:
    ids = submit(store, personal("a"), personal("b"), submission("c"), submission("d"))
    erasing(store, "participant", "canary-person")
    erasing(store, "attempt", ids[2])
    store.run(lambda made: eraser(store, made).attempt(ids[3], by_order=False))
    entries = list(read_stream(store.client, store.keys))
    assert [each.attempts for each in entries] == [
        (),
        (ids[0].hex(), ids[1].hex()),
        (ids[2].hex(),),
    ]
    secrets = store.run(lambda made: eraser(store, made).prepare())
    assert entries[0].participant == {
        secrets.name: participant_mac(secrets.current, "canary-person")
    }
    path = tmp_path / "erasures.ndjson"
    assert append_new(path, entries[:2]) == 2
    with path.open("ab") as file:
        file.write(b'{"id": "17')  # a process died here
    assert read_journal(path).entries == entries[:2]
    assert (append_new(path, entries), append_new(path, entries)) == (1, 0)
    assert read_journal(path).entries == entries
    assert b"canary" not in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(b'"attempts"', b'"attemptz"'))
    with pytest.raises(DamagedJournalError, match=r"erasures\.ndjson:2: "):
        read_journal(path)


def test_cursors_survive_an_erasure_before_and_at_their_place(store: Store) -> None:
    ids = submit(store, *submissions(50))
    commit(store, ids)
    page = store.results_of(limit=20)
    assert [attempt.id for attempt, _, _ in page.items] == ids[:20]
    for attempt_id in (ids[3], ids[19], ids[20]):
        assert erasing(store, "attempt", attempt_id)
    following = store.results_of(cursor=page.next, limit=100)
    assert [attempt.id for attempt, _, _ in following.items] == ids[21:]
    assert following.unreadable == []
    assert [attempt.id for attempt, _, _ in store.results_of().items] == [
        each for n, each in enumerate(ids) if n not in (3, 19, 20)
    ]


def test_erasing_a_participant_removes_attempts_sessions_and_invitations(
    store: Store,
) -> None:
    many = [personal(f"canary-{n}") if n % 2 else personal(f"k{n}", "somebody") for n in range(300)]
    ids = submit(store, *many)
    commit(store, ids, participants={n: each.participant or "" for n, each in enumerate(many)})
    one = opened(store, participant="canary-person")
    with_sessions(store, "save", one, 1, b"a", 1, {"q1": b"canary-answer"})
    other = opened(store, participant="somebody")
    given = Given(participant="canary-person")
    with_invitations(
        store,
        "create",
        1,
        [
            invitation("canary-invited", given=given),
            invitation("k", given=Given(participant="somebody")),
        ],
    )
    erased = erasing(store, "participant", "canary-person")
    assert (erased.attempts, erased.sessions, erased.invitations) == (150, 1, 1)
    assert b"canary" not in b"".join(everything(store).values()) + b"".join(everything(store))
    assert store.results_of_participant("canary-person").items == []
    assert len(store.results_of_participant("somebody").items) == 150
    assert with_sessions(store, "read", other) is not None
    assert [each and each.key for _, each in with_invitations(store, "page", 1, 0, 10)] == [
        None,
        "k",
    ]
    again = erasing(store, "participant", "canary-person")
    assert (again.attempts, again.sessions, again.invitations) == (0, 0, 0)


def test_the_keys_of_an_erased_participant_are_refused_and_those_of_somebody_with_the_same_fingerprint_stay(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("stanine.store.attempts", "stanine.store.erasure"):
        monkeypatch.setattr(f"{module}.participant_fingerprint", lambda _: b"the same")
    mine, other = personal("k1"), personal("k2", "somebody")
    submit(store, mine, other)
    assert erasing(store, "participant", "canary-person").attempts == 1
    assert [each.outcome for each in store.submit(mine, other)] == ["erased", "repeated"]


def test_the_key_of_an_attempt_that_could_not_be_read_when_it_was_erased_is_refused(
    store: Store,
) -> None:
    (made,) = store.submit(submission("k"))
    store.client.hset(store.keys.attempts(0), "0", b"\0" * 6 + b"\xff")
    assert erasing(store, "attempt", made.id)
    assert store.submit(submission("k"))[0].outcome == "erased"
    known = store.run(lambda made: made.attempts.known(1, SPACE, "k", CONTENT))
    assert known is not None
    assert known.outcome == "erased"


def test_a_session_that_repeated_an_attempt_is_erased_with_it(store: Store) -> None:
    one = personal("canary-key")
    (made,) = store.submit(one)
    given: dict[str, Any] = {"participant": "canary-person", "key": "canary-key"}
    repeated, other = opened(store, **given), opened(store, participant="canary-person")
    done = with_sessions(
        store,
        "submit",
        repeated,
        0,
        msgspec.structs.replace(one, id_random=repeated[:RANDOM_BYTES]),
    )
    assert (done.outcome, done.attempt) == ("Submitted", made.id)
    assert erasing(store, "attempt", made.id)
    assert with_sessions(store, "read", repeated) is None
    assert with_sessions(store, "read", other) is not None
    assert b"canary-key" not in content(store)


def test_a_participant_of_many_pages_is_erased_whole(store: Store) -> None:
    ids = submit(store, *[personal() for _ in range(700)])
    commit(store, ids, participants=dict.fromkeys(range(len(ids)), "canary-person"))
    assert erasing(store, "participant", "canary-person").attempts == 700
    assert b"canary" not in b"".join(everything(store).values())
    assert not [key for key in everything(store) if b":l:" in key]
    (new,) = store.submit(personal())
    assert [each.id for each in [store.read(new.id)[0]]] == [new.id]  # type: ignore[index]


def test_an_id_of_other_data_erases_nothing(store: Store) -> None:
    (made,) = store.submit(submission("k"))
    before = everything(store)
    assert not erasing(store, "attempt", b"x" * RANDOM_BYTES + made.id[RANDOM_BYTES:])
    assert everything(store) == before


def test_a_completely_erased_list_can_be_read(store: Store) -> None:
    ids = submit(store, *submissions(3))
    store.results.commit(1, ids, [b"a", b"b", b"c"], {}, "", RESULT)
    for each in ids:
        erasing(store, "attempt", each)
    page = store.results_of(cursor=Cursor(), limit=10)
    assert (page.items, page.at_end, page.next.position) == ([], True, 3)

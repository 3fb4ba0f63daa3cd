"""What is derived from a pseudonym or a key without a secret goes with the last record that has it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.integration.store.attempting import SPACE, commit, content, everything, submit
from tests.integration.store.test_erasure import eraser, erasing, personal
from tests.integration.store.test_sessions import (
    invitation,
    opened,
    with_invitations,
    with_sessions,
)
from tests.integration.stores import AsyncStore, Store

from stanine.store.digests import key_fingerprint, key_scope, participant_fingerprint
from stanine.store.erasure import Erasure
from stanine.store.invitations import Given
from stanine.store.keys import PAGE_SIZE

PERSON = "canary-person"
SEARCH = Erasure._list_without


def hashes_of(participant: str, *keys: str) -> dict[str, bytes]:
    """Return every hash without a secret that the store makes of a pseudonym and of keys."""
    return {
        participant: participant_fingerprint(participant),
        **{key: key_fingerprint(key_scope(SPACE, 1), key.encode()) for key in keys},
    }


def held(store: Store, hashes: dict[str, bytes]) -> set[str]:
    """Return which of these hashes are on the server, in names or values, as bytes or digits."""
    found = content(store) + b"\n".join(store.client.scan_iter(count=1000))
    return {name for name, each in hashes.items() if each in found or each.hex().encode() in found}


@pytest.mark.parametrize("count", [1, 3, 2 * PAGE_SIZE])
def test_the_hash_of_a_pseudonym_goes_with_the_last_attempt_session_and_invitation(
    store: Store, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr("stanine.store.erasure.SEARCHED_AT_ONCE", 50)
    mine = [personal(f"canary-{n}") for n in range(count)]
    ids = submit(store, *mine, *[personal(f"k{n}", "somebody") for n in range(3)])
    people = dict(enumerate([PERSON] * count + ["somebody"] * 3))
    commit(store, ids, participants=people)
    hashes = hashes_of(PERSON, *(f"canary-{n}" for n in range(count)))
    half = count // 2
    for attempt_id in [*ids[:half], *reversed(ids[half:count])]:
        assert PERSON in held(store, hashes), "an attempt is left"
        assert erasing(store, "attempt", attempt_id)
    assert held(store, hashes) == set()
    assert not [key for key in everything(store) if b":l:0:" in key]
    assert len(store.results_of_participant("somebody").items) == 3

    session = opened(store, participant=PERSON)
    given = Given(participant=PERSON)
    (made,) = with_invitations(store, "create", 1, [invitation("canary-0", given=given)])
    assert held(store, hashes) == {PERSON, "canary-0"}
    with_sessions(store, "drop", session, expired=False)
    with_invitations(store, "drop", made.id)
    assert held(store, hashes) == set()


def after_the_search(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    attempt_id: bytes,
    step: Callable[[AsyncStore], Awaitable[object]],
) -> bool:
    """Erase an attempt; another caller's step comes between the search of the list and the erasure."""
    left = [step]

    async def work(made: AsyncStore) -> bool:
        async def search(self: Erasure, *args: Any) -> Any:
            found = await SEARCH(self, *args)
            if left:
                await left.pop()(made)
            return found

        monkeypatch.setattr(Erasure, "_list_without", search)
        return await eraser(store, made).attempt(attempt_id)

    done = store.run(work)
    monkeypatch.undo()
    assert not left
    return done


def test_an_attempt_that_arrives_during_the_erasure_of_the_last_one_stays_in_the_list(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def add(made: AsyncStore) -> None:
        await made.attempts.submit([personal()])

    async def erase_all_and_add(made: AsyncStore) -> None:
        await eraser(store, made).participant(PERSON)
        await add(made)

    (first,) = submit(store, personal())
    assert after_the_search(store, monkeypatch, first, add)
    assert erasing(store, "participant", PERSON).attempts == 1
    (second,) = submit(store, personal())
    assert not after_the_search(store, monkeypatch, second, erase_all_and_add)
    assert erasing(store, "participant", PERSON).attempts == 1
    assert held(store, hashes_of(PERSON)) == set()


def test_an_attempt_whose_successor_is_erased_during_its_erasure_takes_the_list_along(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = submit(store, personal("a"), personal("b"))

    async def erase(made: AsyncStore) -> None:
        await eraser(store, made).attempt(second)

    assert after_the_search(store, monkeypatch, first, erase)
    assert held(store, hashes_of(PERSON, "a", "b")) == set()


def test_a_list_that_was_begun_again_during_the_erasure_of_its_participant_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(store, personal())
    forget, left = Erasure._forget, [1]

    async def work(made: AsyncStore) -> None:
        async def forget_late(self: Erasure, *args: Any) -> bool:
            if left:
                left.pop()
                await eraser(store, made).participant(PERSON)
                await made.attempts.submit([personal()])
            return await forget(self, *args)

        monkeypatch.setattr(Erasure, "_forget", forget_late)
        erased = await eraser(store, made).participant(PERSON)
        assert erased.attempts == 2, "the one that was added, too"

    store.run(work)
    assert held(store, hashes_of(PERSON)) == set()


def test_erasing_a_participant_keeps_the_list_of_another_one_with_the_same_hash(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("attempts", "erasure", "lists", "results"):
        monkeypatch.setattr(
            f"stanine.store.{module}.participant_fingerprint", lambda _: b"the same"
        )
    ids = submit(store, personal("a"), personal("b", "somebody"), personal("c"))
    commit(store, ids, participants={0: PERSON, 1: "somebody", 2: PERSON})
    assert erasing(store, "participant", PERSON).attempts == 2
    assert [each.id for each, _, _ in store.results_of_participant("somebody").items] == [ids[1]]
    assert erasing(store, "attempt", ids[1])
    assert b"the same" not in content(store)

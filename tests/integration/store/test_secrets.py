"""Secrets of attempt tokens.

All processes of a namespace agree, and earlier ones remain valid for a given time.
"""

import time

from tests.integration.stores import AsyncStore, Store

from stanine.api.intake.attempt_tokens import Tokens
from stanine.api.intake.shared_secret import SharedSecret
from stanine.store.secret import new_secret

ATTEMPT = bytes(range(16))
DAY_MS = 86_400_000


def test_all_processes_use_the_first_secret(store: Store) -> None:
    async def load(s: AsyncStore) -> None:
        first, second = new_secret(), new_secret()
        assert await s.secrets.load(first) == first
        assert await s.secrets.load(second) == first
        assert await s.secrets.load(second) == first

    store.run(load)


def test_a_rotation_keeps_the_previous_secret_and_is_idempotent(
    store: Store,
) -> None:
    async def rotate(s: AsyncStore) -> None:
        first, second, third = new_secret(), new_secret(), new_secret()
        await s.secrets.load(first)
        before = time.time() * 1000
        until = await s.secrets.rotate(second, DAY_MS)
        assert abs(until - before - DAY_MS) < 5000
        found = await s.secrets.load(first)
        assert (found.name, found.current, found.former) == (
            second.name,
            second.current,
            (first.current,),
        )
        await s.secrets.rotate(second, DAY_MS)
        assert await s.secrets.load(first) == found
        await s.secrets.rotate(third, 0)
        found = await s.secrets.load(first)
        assert (found.current, found.former) == (third.current, (first.current,)), (
            "the second one's time is over"
        )
        await s.secrets.rotate(new_secret(), DAY_MS)
        fields = await s.client.hgetall(store.keys.secret)
        assert f"secret:{second.name}".encode() not in fields, (
            "a secret whose time is over is forgotten"
        )
        assert f"secret:{first.name}".encode() in fields

    store.run(rotate)


def test_all_processes_agree_after_a_rotation_and_after_data_loss(
    store: Store,
) -> None:
    async def agree(s: AsyncStore) -> None:
        processes = [SharedSecret(s.secrets) for _ in range(3)]

        async def refresh() -> str:
            for each in processes:
                await each.refresh()
            (token,) = {Tokens(each).of(ATTEMPT) for each in processes}
            return token

        token = await refresh()
        await processes[1].rotate(DAY_MS)
        assert Tokens(processes[0]).of(ATTEMPT) == token, "until it looks again"
        assert Tokens(processes[1]).of(ATTEMPT) != token
        assert Tokens(processes[1]).is_of(ATTEMPT, token)
        rotated = await refresh()
        assert rotated != token
        for each in processes:
            assert Tokens(each).is_of(ATTEMPT, token)
            assert Tokens(each).is_of(ATTEMPT, rotated)
            assert not Tokens(each).is_of(ATTEMPT[::-1], rotated)
        await s.client.flushall()
        assert await refresh() == rotated, "a process stores the secret that it has again"
        await s.client.flushall()
        processes.insert(0, SharedSecret(s.secrets))
        assert await refresh() != rotated, (
            "a process that knows none came first; the others take its secret"
        )
        await processes[2].rotate(0)
        current = await refresh()
        assert not any(Tokens(each).is_of(ATTEMPT, rotated) for each in processes)
        assert all(Tokens(each).is_of(ATTEMPT, current) for each in processes)

    store.run(agree)

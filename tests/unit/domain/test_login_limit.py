"""The limit of failed logins: exact, of bounded size, and of clients as proxies state them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.domain.client_address import client_address, read_networks
from stanine.domain.login_limit import MAX_FAILED, WINDOW_SECONDS, LoginLimit

PER_CLIENT = 3
steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 25), st.booleans()), min_size=1, max_size=40
)


@given(steps)
def test_a_client_begins_as_many_failed_logins_in_any_minute_as_the_limit(
    tries: list[tuple[str, int, bool]],
) -> None:
    limit, now = LoginLimit(b"key", PER_CLIENT), 0.0
    failed: list[tuple[str, float]] = []
    for client, pause, succeeds in tries:
        now += pause
        recent = [at for each, at in failed if each == client and at > now - WINDOW_SECONDS]
        wait = limit.begin(client, now)
        assert (wait > 0) == (len(recent) >= PER_CLIENT)
        if wait:
            assert wait == recent[0] + WINDOW_SECONDS - now
        elif succeeds:
            limit.succeed(client)
        else:
            failed.append((client, now))


def test_all_clients_together_are_limited_and_that_many_are_remembered() -> None:
    limit = LoginLimit(b"key", PER_CLIENT)
    waits = [limit.begin(f"2001:db8:0:{n:x}::1", n / 100) for n in range(2 * MAX_FAILED)]
    assert waits.count(0) == MAX_FAILED
    assert len(limit._counted) == MAX_FAILED
    assert limit.begin("192.0.2.1", WINDOW_SECONDS + 0.001) == 0


def test_addresses_that_one_machine_can_use_are_one_client_and_none_is_kept() -> None:
    limit = LoginLimit(b"key", 1)
    assert limit.begin("2001:db8::1", 0) == 0
    assert limit.begin("2001:db8::ffff:2", 0) > 0
    assert limit.begin("2001:db8:0:1::1", 0) == 0
    assert limit.begin("192.0.2.1", 0) == 0
    assert limit.begin("::ffff:192.0.2.1", 0) > 0
    kept = repr(vars(limit))
    assert "2001:db8" not in kept
    assert "192.0.2" not in kept


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "forged, 2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_only_trusted_proxies_state_the_client(peer: str, forwarded: str, client: str) -> None:
    assert client_address(peer, forwarded, read_networks(["10.0.0.0/8"])) == client

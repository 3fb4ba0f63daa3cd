"""Normal forms of the values of server parameters."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.crds.server_parameters import (
    PARAMETERS,
    InvalidParameter,
    find_fault,
    is_same,
    normalise,
)

DANGEROUS = {
    "bind", "port", "tls-port", "dir", "dbfilename", "requirepass", "masterauth", "masteruser", "replicaof", "aclfile", "logfile",
    "protected-mode", "enable-debug-command", "enable-module-command", "tls-cert-file", "tls-key-file", "unixsocket",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "wanted", "found"),
    [
        ("maxmemory", "100mb", "104857600"),
        ("maxmemory", "1M", "1000000"),
        ("maxmemory-clients", "05%", "5%"),
        ("hz", "010", "10"),
        ("appendonly", "YES", "yes"),
        ("save", "", ""),
        (
            "client-output-buffer-limit",
            "pubsub 32mb 8mb 60",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        ),
        ("client-output-buffer-limit", "replica 256mb 64mb 60", "slave 268435456 67108864 60"),
        ("notify-keyspace-events", "g$lshzxetdKE", "AKE"),
    ],
)
def test_equivalent_values_are_no_drift(name: str, wanted: str, found: str) -> None:
    assert is_same(name, wanted, found)


@pytest.mark.parametrize(
    ("name", "wanted", "found"),
    [
        ("maxmemory", "100mb", "100000000"),
        ("maxmemory-clients", "5%", "5"),
        ("save", "3600 1", ""),
        ("client-output-buffer-limit", "pubsub 32mb 8mb 60", "pubsub 33554432 8388608 61"),
        ("notify-keyspace-events", "KE", "AKE"),
        ("maxmemory-policy", "noeviction", "a-policy-of-the-future"),
    ],
)
def test_two_values_are_drift(name: str, wanted: str, found: str) -> None:
    assert not is_same(name, wanted, found)


@given(
    st.sampled_from(list(PARAMETERS)),
    st.text(max_size=12) | st.from_regex("-?[0-9]{1,20}[kmgb%]{0,2}( [0-9]+)*", fullmatch=True),
)
def test_a_value_is_rejected_or_its_normal_form_is_stable(name: str, value: str) -> None:
    fault = find_fault(name, value)
    if fault is not None:
        with pytest.raises(InvalidParameter, match=re.escape(fault)):
            normalise(name, value)
    else:
        once = normalise(name, value)
        assert normalise(name, once) == once
        assert is_same(name, value, once)


def test_dangerous_parameters_cannot_be_set() -> None:
    assert not DANGEROUS & set(PARAMETERS)
    assert not any(
        name.startswith(("tls-", "replica-", "acl", "unixsocket")) for name in PARAMETERS
    )

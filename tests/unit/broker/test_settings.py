"""Queue settings in a hash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.broker import BrokerSettingsInvalid
from stanine.broker.settings import QueueSettings, read_settings


@given(st.builds(
    QueueSettings, lease_ms=st.integers(500, 3_600_000), max_deliveries=st.integers(1, 1000), backoff_min_ms=st.integers(1, 1000),
    backoff_max_ms=st.integers(1000, 10_000), rate_messages=st.none() | st.integers(1, 1000), rate_burst=st.none() | st.integers(1, 9),
    batch_max_messages=st.none() | st.integers(1, 4000), dead_max_age_ms=st.integers(0, 10**9),
))  # fmt: skip
def test_settings_read_back_as_they_were_written(settings: QueueSettings) -> None:
    flat = {name.encode(): str(value).encode() for name, value in settings.as_fields().items()}
    assert read_settings(flat, QueueSettings()) == settings


def test_absent_settings_have_their_defaults() -> None:
    defaults = QueueSettings(lease_ms=700, batch_max_messages=9)
    assert read_settings({}, defaults) == defaults
    assert (
        read_settings(
            {b"max_deliveries": b"2", b"of_a_newer_version": b"x"}, defaults
        ).max_deliveries
        == 2
    )


def test_every_error_is_listed() -> None:
    with pytest.raises(BrokerSettingsInvalid) as caught:
        read_settings(
            {b"lease_ms": b"1", b"max_deliveries": b"0", b"dead_max_length": b"-1"}, QueueSettings()
        )
    assert [fault.split()[0] for fault in caught.value.faults] == [
        "lease_ms",
        "max_deliveries",
        "dead_max_length",
    ]
    with pytest.raises(BrokerSettingsInvalid, match="backoff_min_ms"):
        QueueSettings(backoff_min_ms=10, backoff_max_ms=5)
    with pytest.raises(BrokerSettingsInvalid, match="'soon'"):
        read_settings({b"lease_ms": b"soon"}, QueueSettings())

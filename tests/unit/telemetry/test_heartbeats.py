from stanine.telemetry.heartbeats import Heartbeats


def test_a_stuck_loop_is_reported() -> None:
    now = 100.0
    heartbeats = Heartbeats(clock=lambda: now)
    beat = heartbeats.expect("sweep", within=10)
    heartbeats.expect("refresh", within=60)
    now = 109.0
    assert heartbeats.late() == []
    now = 111.0
    (reason,) = heartbeats.late()
    assert "sweep" in reason
    beat()
    assert heartbeats.late() == []


def test_a_loop_that_ended_normally_is_not_reported() -> None:
    now = 0.0
    heartbeats = Heartbeats(clock=lambda: now)
    heartbeats.expect("sweep", within=1)
    heartbeats.forget("sweep")
    now = 10.0
    assert heartbeats.late() == []

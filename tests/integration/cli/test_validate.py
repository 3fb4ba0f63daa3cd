"""`stanine validate` as a process."""

from pathlib import Path

from .conftest import Run

EXAMPLES = Path(__file__).parents[3] / "examples/resources"


def test_the_exit_status_is_0_only_if_all_are_valid(stanine: Run) -> None:
    good = (EXAMPLES / "queue.yaml").read_bytes()
    assert stanine("validate", EXAMPLES / "everything.yaml").status == 0
    ran = stanine("validate", "-", stdin=good.replace(b"maxDeliveries: 5", b"maxDeliveries: 0"))
    assert ran.status == 2
    assert ran.err.startswith("<stdin>:8: spec.maxDeliveries: 0 is outside 1 to 1000")
    assert ran.out.splitlines()[1].split()[:3] == ["Queue", "results", "Refused"]
    assert stanine("validate", "no-such-file.yaml").status == 2

"""The demo's comparison of figures."""

import statistics

import pytest

from stanine.cli.commands.demo import _compare
from stanine.cli.local.demo_people import PUBLISHED


def scores(mean: float, deviation: float) -> list[float]:
    """Return numbers with that mean and standard deviation."""
    values = [-1.0, 0.0, 1.0, 2.0, -2.0]
    unit = statistics.stdev(values)
    return [mean + deviation * value / unit for value in values]


def test_the_published_figures_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert _compare({scale: scores(*figures) for scale, figures in PUBLISHED.items()}) == []
    assert capsys.readouterr().out.count("4.652095") == 2


@pytest.mark.parametrize(("mean", "deviation"), [(1e-6, 0.0), (-1e-6, 0.0), (0.0, 1e-6)])
def test_a_difference_in_the_sixth_decimal_fails(mean: float, deviation: float) -> None:
    off = {scale: scores(*figures) for scale, figures in PUBLISHED.items()}
    known = PUBLISHED["openness"]
    off["openness"] = scores(known[0] + mean, known[1] + deviation)
    (fault,) = _compare(off)
    assert fault.startswith("openness: mean ")


def test_a_scale_without_scores_fails() -> None:
    assert len(_compare({})) == len(PUBLISHED)

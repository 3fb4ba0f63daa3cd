"""The bars of a histogram for an SVG without a script: percentages of the width, pixels of height. Pure.

Called by the routes of the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stanine.client.records import BarInfo

#: Pixels of the highest bar, and percent of the width between bars.
HEIGHT, _GAP = 120.0, 0.6


@dataclass(frozen=True)
class DrawnBar:
    """One bar, as SVG attributes, with what it counts."""

    x: str
    width: str
    y: str
    height: str
    begin: float
    end: float
    count: int


def bars_of(histogram: Sequence[BarInfo]) -> tuple[DrawnBar, ...]:
    """Return the bars; the highest one has HEIGHT. Scores that have a bar each are set at equal distances."""
    most = max((one.count for one in histogram), default=0)
    if most == 0:
        return ()
    step = 100 / len(histogram)
    bars = []
    for place, one in enumerate(histogram):
        height = HEIGHT * one.count / most
        bars.append(
            DrawnBar(
                x=f"{place * step + _GAP / 2:.2f}%",
                width=f"{step - _GAP:.2f}%",
                y=f"{HEIGHT - height:.1f}",
                height=f"{height:.1f}",
                begin=one.from_,
                end=one.to,
                count=one.count,
            )
        )
    return tuple(bars)

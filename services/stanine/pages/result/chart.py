"""Places of a score, its interval and the norm band on an axis, for an SVG without a script. Pure.

Horizontal places are percentages of the width, so that a chart fits every width and its texts keep their size.
Called by the routes of the result.
"""

from dataclasses import dataclass

from stanine.pages.result.figures import ShownScale

#: By unit: the ends of the axis and the scores one standard deviation around the mean of the norm group.
_STANDARD = {
    "Z": (-3.0, 3.0, -1.0, 1.0),
    "T": (20.0, 80.0, 40.0, 60.0),
    "Sten": (1.0, 10.0, 3.5, 7.5),
    "Stanine": (1.0, 9.0, 3.0, 7.0),
    "Percentile": (0.0, 100.0, 15.866, 84.134),
}
#: Free width at both ends, in percent, for half of the mark.
_EDGE = 3.0


@dataclass(frozen=True)
class Segment:
    """A part of the axis: its begin and its length, in percent of the width, as SVG attributes."""

    x: str
    width: str


@dataclass(frozen=True)
class Chart:
    """The chart of one scale."""

    #: The axis.
    line: Segment
    #: Place and number of the labels: both ends and the middle.
    ticks: tuple[tuple[str, float], ...]
    #: Where about two of three people of the norm group are.
    norm: Segment | None
    interval: Segment | None
    mark: str


def chart_of(figures: ShownScale) -> Chart | None:
    """Return the chart of a scale; None: it has no score, or its scores have no known ends.

    A score outside of the axis is drawn at its end; the table next to the chart has its number.
    """
    ends = _STANDARD.get(figures.unit)
    if ends is None and figures.unit == "Raw" and figures.reach is not None:
        ends = (*figures.reach, 0.0, 0.0)
    if ends is None or figures.value is None or ends[0] >= ends[1]:
        return None
    lowest, highest, below, above = ends

    def place(x: float) -> float:
        share = (min(max(x, lowest), highest) - lowest) / (highest - lowest)
        return _EDGE + (100 - 2 * _EDGE) * share

    def segment(begin: float, end: float) -> Segment:
        return Segment(_percent(place(begin)), _percent(place(end) - place(begin)))

    middle = (lowest + highest) / 2
    ticks = [lowest, highest] if figures.unit == "Sten" else [lowest, middle, highest]
    has_norm = figures.norm is not None and figures.unit in _STANDARD
    has_interval = figures.low is not None and figures.high is not None
    return Chart(
        line=segment(lowest, highest),
        ticks=tuple((_percent(place(x)), x) for x in ticks),
        norm=segment(below, above) if has_norm else None,
        interval=segment(figures.low or 0.0, figures.high or 0.0) if has_interval else None,
        mark=_percent(place(figures.value)),
    )


def _percent(x: float) -> str:
    return f"{x:.2f}%"

"""`stanine statistics`: figures of an instrument's scores by groups.

Registered by `application`.
"""

from typing import Annotated, Any

import typer

from stanine.cli.connection import connect
from stanine.cli.io.terminal import View, note, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown
from stanine.client.records import GroupInfo, ScaleStatisticsInfo

#: Significant digits of the table; JSON and YAML have all.
_DIGITS = 4


def statistics(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The instrument's name.")],
    by: Annotated[
        str, typer.Option(metavar="ATTRIBUTE", help="By the values of an attribute.")
    ] = "",
    monthly: Annotated[
        bool, typer.Option("--monthly", help="By months of submission (UTC).")
    ] = False,
    view: Shown = View.TABLE,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
) -> None:
    """Show figures of each scale over all scored attempts. Needs the scope `results:read`.

    n, mean, SD, quartiles, alpha, SEM and missing scores; JSON and YAML also have histograms and bands. With --by and
    --monthly, each value has a group in each month. Groups of fewer than 10 people are hidden, with others from which
    they could be computed.
    """
    with connect(server, key) as client:
        found = client.results.statistics(name, attribute=by or None, by_month=monthly)
    rows = [
        _row(group, scale, figures)
        for group in found.groups
        for scale, figures in group.scales.items()
    ]
    show(found, view, rows)
    if found.hidden_groups:
        note(
            f"{found.hidden_groups} group{'s are' if found.hidden_groups > 1 else ' is'} hidden: fewer than 10 people, "
            "or needed to hide such a group"
        )
    elif not found.groups:
        note(f"{name} has no scored attempts yet")


def _row(group: GroupInfo, scale: str, figures: ScaleStatisticsInfo) -> dict[str, Any]:
    lower, median, upper = figures.quartiles or (None, None, None)
    return {
        "value": group.value,
        "month": group.month,
        "scale": scale,
        "n": figures.n,
        "mean": _shown(figures.mean),
        "sd": _shown(figures.sd),
        "q1": _shown(lower),
        "median": _shown(median),
        "q3": _shown(upper),
        "alpha": _shown(figures.alpha),
        "sem": _shown(figures.sem),
        "missing": figures.missing,
    }


def _shown(x: float | None) -> float | None:
    return None if x is None else float(f"{x:.{_DIGITS}g}")

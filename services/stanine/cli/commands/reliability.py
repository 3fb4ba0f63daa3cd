"""`stanine reliability`: compute scale reliabilities from a file of responses or stored attempts.

Registered by `application`.
"""

from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.exits import FAULTY_ROWS
from stanine.cli.file_parameters import takes_file_options
from stanine.cli.io.file_options import FileOptions
from stanine.cli.io.people import open_people
from stanine.cli.io.terminal import View, emit, show
from stanine.cli.options import (
    DEFAULT_SERVER,
    InstrumentOrName,
    Key,
    OptionalResponses,
    Server,
    Shown,
)
from stanine.domain.statistics.item_points import ItemPoints
from stanine.domain.statistics.reliability import ItemData, Reliability, analyse


class ReliabilityReport(msgspec.Struct, frozen=True):
    """The JSON and YAML output: people, confidence level, and each scale's figures by id."""

    instrument: str
    people: int
    faulty: int
    level: float
    scales: dict[str, Reliability]


@takes_file_options
def reliability(
    instrument: InstrumentOrName,
    responses: OptionalResponses = "",
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
    level: Annotated[
        float,
        typer.Option("--level", min=0.5, max=0.9999, help="Confidence of the intervals of alpha."),
    ] = 0.95,
    *,
    file: FileOptions,
) -> None:
    """Compute the reliability of each scale: of a file, or with `reliability NAME` of the attempts on the server.

    Per scale: n, mean and sd of its scores; Cronbach's alpha over the people who answered every item (listwise) and
    over all pairs of items (pairwise), each with its interval by Feldt; the standard error of measurement; per item
    its correlation with the rest of the scale and alpha without it (listwise). Invalid rows are reported as
    FILE:LINE:COLUMN and omitted; the exit status is then 3. Stored attempts need the scopes attempts:read and
    instruments:read; those at the newest form are scored by the newest document.
    """
    with open_people(instrument, responses, file, server, key) as rows:
        # Alpha is undefined for composites and formulas, which are not sums of items.
        places = [
            place for place, scale in enumerate(rows.entry.plan.scales) if scale.kind == "Items"
        ]
        scales = [rows.entry.plan.scales[place] for place in places]
        points = [ItemPoints(rows.entry.plan, scale) for scale in scales]
        data = [ItemData.nothing(len(scale.terms)) for scale in scales]
        for part in rows:
            for at, of_scale in enumerate(points):
                scores = part.scores[:, places[at]]
                data[at] = data[at].merged(
                    ItemData.of(of_scale.look_up(part.codes, scores), scores)
                )
        rows.report()
    ids = [item.id for item in rows.entry.items]
    found = {
        scale.id: analyse(one, tuple(ids[term.item] for term in scale.terms), level)
        for scale, one in zip(scales, data, strict=True)
    }
    report = ReliabilityReport(rows.entry.name, rows.people, rows.faulty, level, found)
    show(report, view, [_row(scale, one) for scale, one in found.items()])
    if view is View.TABLE:
        show_items(found)
    if rows.faulty:
        raise typer.Exit(FAULTY_ROWS)


def show_items(found: dict[str, Reliability]) -> None:
    """Print the table of items below the table of scales."""
    emit("")
    show(
        [],
        View.TABLE,
        [
            {
                "scale": scale,
                "item": item,
                "n": one.n,
                "mean": _shown(one.mean),
                "sd": _shown(one.sd),
                "item_rest_r": _shown(one.item_rest_r),
                "alpha_dropped": _shown(one.alpha_dropped),
            }
            for scale, its in found.items()
            for item, one in its.items.items()
        ],
    )


def _row(scale: str, one: Reliability) -> dict[str, Any]:
    return {
        "scale": scale,
        "items": one.k,
        "n": one.n,
        "mean": _shown(one.mean),
        "sd": _shown(one.sd),
        "sem": _shown(one.sem),
        "n_listwise": one.n_listwise,
        "alpha_listwise": _shown(one.alpha_listwise),
        "interval": _interval(one.interval_listwise),
        "alpha_pairwise": _shown(one.alpha_pairwise),
        "interval_pairwise": _interval(one.interval_pairwise),
    }


def _shown(x: float | None) -> float | None:
    """Return a rounded figure; JSON and YAML have it unrounded."""
    return None if x is None else round(x, 4)


def _interval(ends: tuple[float, float] | None) -> str | None:
    return None if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"

"""Draw docs/reference/benchmarks/*.svg from the *.json there: `python -m benchmarks.plots`.

Plain SVG: bars, with a logarithmic scale for distant figures, and the spread of the runs as a line; readable on light
and dark pages.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT

#: Folder of the documents and the plots.
DOCS = ROOT / "docs" / "reference" / "benchmarks"
#: Sizes in pixels.
WIDTH, LABEL, BAR, GAP, TOP = 760, 190, 16, 6, 44
#: Space after the longest bar for its figure.
FIGURE = 110
OURS, OTHERS, FLOOR, INK = "#2f7ed8", "#9aa5b1", "#c9b458", "#7a8694"


@dataclass(frozen=True)
class Bar:
    """A figure with minimum and maximum of its runs."""

    label: str
    value: float
    low: float
    high: float


def chart(title: str, bars: Sequence[Bar], *, unit: str, logarithmic: bool) -> str:
    """Return a chart of horizontal bars as SVG."""
    highest = max(bar.high for bar in bars)
    lowest = min(bar.low for bar in bars if bar.low > 0)
    bottom = math.floor(math.log10(lowest)) if logarithmic else 0.0
    top = math.log10(highest) if logarithmic else highest

    def at(value: float) -> float:
        scaled = math.log10(max(value, 10**bottom)) if logarithmic else value
        return LABEL + (WIDTH - LABEL - FIGURE) * max(0.01, (scaled - bottom) / (top - bottom or 1))

    height = TOP + len(bars) * (BAR + GAP) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
        "<style>text { font: 12px system-ui, sans-serif; }</style>",
        f'<text x="8" y="20" style="font-size: 15px" fill="{INK}">{escape(title)}</text>',
        f'<text x="8" y="36" fill="{INK}">{escape(unit)}{", logarithmic scale" if logarithmic else ""}</text>',
    ]
    for place, bar in enumerate(bars):
        y = TOP + place * (BAR + GAP)
        colour = (
            OURS if bar.label.startswith("stanine") else FLOOR if bar.label == "floor" else OTHERS
        )
        middle = y + BAR / 2
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 12}" text-anchor="end" fill="{INK}">{escape(bar.label)}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{at(bar.value) - LABEL:.1f}" height="{BAR}" rx="2" fill="{colour}"/>',
            f'<line x1="{at(bar.low):.1f}" y1="{middle}" x2="{at(bar.high):.1f}" y2="{middle}" stroke="{INK}"/>',
            f'<text x="{at(bar.high) + 8:.1f}" y="{y + 12}" fill="{INK}">{bar.value:,}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def bars_of(found: dict[str, Any], what: str) -> list[Bar]:
    """Return a figure of all peers, in descending order."""
    spread = found["spread"][what]
    bars = [
        Bar(name, value, spread[name]["min"], spread[name]["max"])
        for name, value in found[what].items()
    ]
    return sorted(bars, key=lambda bar: -bar.value)


def growth_bars(found: dict[str, Any]) -> list[Bar]:
    """Return the rates of all series, in the order of the series."""
    names = {
        "backlog": "backlog {}",
        "processes": "{} processes",
        "items": "{} items",
        "appendfsync": "appendonly {}",
        "distance": "{}",
    }
    return [
        Bar(
            f"stanine, {label.format(value)}",
            at["per_second"],
            at["spread"]["min"],
            at["spread"]["max"],
        )
        for series, label in names.items()
        for value, at in found.get(series, {}).items()
    ]


def plots() -> dict[str, str]:
    """Return each plot whose figures exist, by file name."""
    made: dict[str, str] = {}
    compare, growth, http, memory = (read(name) for name in ("compare", "growth", "http", "memory"))
    if compare:
        for what, title in (
            ("drain", "Drain of a backlog, one worker process, append-only file everysec"),
            (
                "drain_appendonly_off",
                "Drain of a backlog, one worker process, append-only file off",
            ),
            ("enqueue", "Submitting one by one"),
            ("bulk_enqueue", "Submitting in bulk"),
        ):
            if what in compare:
                made[f"{what}.svg"] = chart(
                    title, bars_of(compare, what), unit="attempts a second", logarithmic=True
                )
        latency = sorted(compare["latency_ms"].items(), key=lambda pair: pair[1]["p50"])
        bars = [Bar(name, each["p50"], each["p50"], each["p99"]) for name, each in latency]
        made["latency.svg"] = chart(
            "Submit to stored result, idle: bars p50, lines to p99",
            bars,
            unit="milliseconds",
            logarithmic=True,
        )
    if growth:
        made["growth.svg"] = chart(
            "Drain as things grow", growth_bars(growth), unit="attempts a second", logarithmic=False
        )
    if http:
        for how, title in (
            ("single", "Single submissions over HTTP, 64 connections"),
            ("bulk", "Bulk submissions over HTTP"),
        ):
            made[f"http_{how}.svg"] = chart(
                title,
                bars_of(http, f"{how}_per_second"),
                unit="attempts a second",
                logarithmic=True,
            )
    if memory:
        for name, each in memory["servers"].items():
            if "jemalloc" in name:
                bars = [Bar(layout, size, size, size) for layout, size in each["bytes"].items()]
                made["memory.svg"] = chart(
                    f"Memory of an attempt with its result, {name}",
                    bars,
                    unit="bytes",
                    logarithmic=False,
                )
    return made


def read(name: str) -> dict[str, Any]:
    """Return a document; empty if it does not exist."""
    path = DOCS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def main() -> None:
    """Write the plots."""
    for name, text in plots().items():
        Path(DOCS / name).write_text(text)
        print(DOCS / name)


if __name__ == "__main__":
    main()

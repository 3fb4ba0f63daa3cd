"""Write docs/reference/benchmarks/*.json as tables to benchmarks.md, and draw the plots.

    python -m benchmarks.report

A generated section of the page is the text between `<!-- NAME -->` and `<!-- /NAME -->`; the rest is written by hand.
"""

import re
import textwrap
from typing import Any

from benchmarks import plots
from benchmarks.processes import ROOT

#: Columns of prose, and the text before the versions in their first line.
WIDTH, _BEFORE_VERSIONS = 120, "Versions: <!-- versions --> "
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"


def table(head: list[str], rows: list[list[Any]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(value: Any) -> str:
    return (
        f"{value:,}"
        if isinstance(value, int | float) and not isinstance(value, bool)
        else str(value)
    )


def ranged(found: dict[str, Any], what: str, name: str) -> str:
    """Return a median with its spread."""
    value = found.get(what, {}).get(name)
    if value is None:
        return ""
    ends = found["spread"][what][name]
    return f"{value:,} ({ends['min']:,} to {ends['max']:,})"


def rates(found: dict[str, Any]) -> str:
    """Return the table of drains and submissions."""
    rows = []
    for name in sorted(found["drain"], key=lambda each: -found["drain"][each]):
        ratios = [
            found["ratios"].get(what, {}).get(f"stanine/{name}", "")
            for what in ("drain", "drain_appendonly_off")
        ]
        figures = [
            ranged(found, what, name)
            for what in ("drain", "drain_appendonly_off", "enqueue", "bulk_enqueue")
        ]
        rows.append([name, figures[0], ratios[0], figures[1], ratios[1], *figures[2:]])
    head = [
        "",
        "drain/s, AOF everysec",
        "Stanine is",
        "drain/s, AOF off",
        "Stanine is",
        "one by one/s",
        "in bulk/s",
    ]
    return (
        f"{found['machine']}; {found['server']}; {found['rounds']} rounds.\n\n{table(head, rows)}"
    )


def latencies(found: dict[str, Any]) -> str:
    """Return the table of idle latency and of memory per message."""
    rows = [
        [
            name,
            each["p50"],
            each["p99"],
            each["samples"],
            found["message_bytes"][name],
            found["record_bytes"][name],
        ]
        for name, each in sorted(found["latency_ms"].items(), key=lambda pair: pair[1]["p50"])
    ]
    return table(["", "p50 ms", "p99 ms", "samples", "bytes a message", "bytes a record"], rows)


def versions(found: dict[str, Any], http: dict[str, Any]) -> str:
    """Return all versions as a paragraph that begins after `Versions: <!-- versions -->`."""
    named = {**found.get("versions", {}), **http.get("versions", {})}
    text = ", ".join(f"{name} {version}" for name, version in named.items()) + "."
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=" " * len(_BEFORE_VERSIONS),
        break_long_words=False,
        break_on_hyphens=False,
    ).lstrip()


def over_http(found: dict[str, Any]) -> str:
    """Return the table of submissions over HTTP."""
    ways = ("sequential", "single", "bulk")
    rows = [
        [
            name,
            *(
                ranged(found, f"{how}_{figure}", name)
                for how in ways
                for figure in ("per_second", "p50_ms", "p99_ms")
            ),
        ]
        for name in found["single_per_second"]
    ]
    named = ("one connection", "64 connections", "bulk")
    head = [
        "",
        *(f"{how}: {figure}" for how in named for figure in ("per second", "p50 ms", "p99 ms")),
    ]
    return table(head, rows)


def scoring(found: dict[str, Any]) -> str:
    """Return the table of the kernel."""
    spread = found["spread"]
    rows = [
        [name, rate, f"{spread[name]['min']:,} to {spread[name]['max']:,}"]
        for name, rate in found["attempts_per_second"].items()
    ]
    return table(["", "attempts/s on one core", "spread"], rows)


def memory(found: dict[str, Any]) -> str:
    """Return the tables of layouts and of the configuration."""
    parts = []
    for server, each in found["servers"].items():
        rows = [
            [layout, size, each["ratios"][f"{layout}/stanine"]]
            for layout, size in each["bytes"].items()
        ]
        parts.append(
            f"{server}, {found['attempts']:,} attempts:\n\n"
            + table(["", "bytes an attempt with its result", "times Stanine's"], rows)
        )
        rows = [
            [
                one["settings"],
                layout,
                one[layout]["bytes"],
                *(
                    one[layout][f"{what}_us"]["p50"]
                    for what in ("read_one", "read_all", "change_one")
                ),
            ]
            for one in each["configuration"]
            for layout in ("string", "hash")
        ]
        parts.append(
            table(
                [
                    "settings",
                    "configuration as",
                    "bytes",
                    "read one, µs",
                    "read all, µs",
                    "change one, µs",
                ],
                rows,
            )
        )
    return "\n\n".join(parts)


def server_time(found: dict[str, Any]) -> str:
    """Return the table of the server's time in version 0.1 and the present version."""
    rows = [
        [
            name,
            way,
            *(
                f"{each[way][what]:,} ({ends[what]['min']:,} to {ends[what]['max']:,})"
                for what in each[way]
            ),
        ]
        for name, each in found["servers"].items()
        for way, ends in each["spread"].items()
    ]
    head = ["server", "version", "submit, µs", "drain, µs", "together, µs"]
    return f"{found['attempts']:,} attempts, {found['rounds']} rounds.\n\n{table(head, rows)}"


def growth(found: dict[str, Any]) -> str:
    """Return the table of growth."""
    rows = [
        [
            series,
            value,
            at["per_second"],
            f"{at['spread']['min']:,} to {at['spread']['max']:,}",
            at["worker_mib"],
        ]
        for series in (
            *sorted(name for name in found if name.startswith("backlog")),
            "processes",
            "items",
            "appendfsync",
            "distance",
        )
        for value, at in found.get(series, {}).items()
    ]
    ping = found["ping_ms"]
    note = f"A PING takes {ping['loopback']} ms on the loopback and {ping['proxy']} ms over the proxy ({found['proxy']})."
    return f"{note}\n\n{table(['series', '', 'attempts/s', 'spread', 'worker MiB'], rows)}"


def pages(found: dict[str, Any]) -> str:
    """Return the table of survey pages; the browser's figures are absent if it was not measured."""
    named = {
        "pages_per_second": "pages/s of one process",
        "pages_per_cpu_second": "pages per second of its processor time",
        "page_p50_ms": "page, p50 ms",
        "page_p99_ms": "page, p99 ms",
        "page_bytes": "bytes of the page, compressed",
        "files_bytes": "bytes of its files, compressed",
        "transferred_bytes": "bytes that the browser received",
        "first_control_ms": "first control in the slowed browser, ms",
        "long_first_page_ms": "first page of 2,000 items, ms",
        "long_slowest_page_ms": "slowest later page of 2,000 items, ms",
    }
    rows = [[text, found[name]] for name, text in named.items() if name in found]
    return f"{found['machine']}.\n\n{table(['', 'figure'], rows)}"


def exports(found: dict[str, Any]) -> str:
    """Return the table of memory by step and number of attempts."""
    sizes = sorted(found["attempts"], key=int)
    processes = {"api_mib": "API", "command_mib": "command", "watcher_mib": "resultWatcher"}
    steps = list(dict.fromkeys(step for size in sizes for step in found["attempts"][size]))
    rows = [
        [f"`{step}`" if step[0].islower() else step, text]
        + [found["attempts"][size].get(step, {}).get(name, "") for size in sizes]
        for step in steps
        for name, text in processes.items()
        if any(name in found["attempts"][size].get(step, {}) for size in sizes)
    ]
    head = ["step", "process", *(f"{int(size):,} attempts, MiB" for size in sizes)]
    return f"{found['machine']}; {found['server']}.\n\n{table(head, rows)}"


def rescoring(found: dict[str, Any]) -> str:
    """Return the table of re-scoring by number of attempts."""
    rows = [
        [
            each[what]["attempts"],
            what,
            each[what]["changed"],
            each[what]["per_second"],
            each[what]["watcher_mib"],
            each[what].get("server_bytes_a_changed", ""),
            each["check"]["equal"] if what == "run" else "",
        ]
        for each in found["attempts"].values()
        for what in ("dry run", "run")
    ]
    head = [
        "attempts",
        "",
        "changed",
        "attempts/s",
        "watcher MiB",
        "server bytes a changed result",
        "equal to a fresh scoring",
    ]
    return f"{found['machine']}.\n\n{table(head, rows)}"


def bars(documents: dict[str, dict[str, Any]]) -> str:
    """Return the table of all targets, met or not."""
    rows = [
        [
            "met" if bar["met"] else "**not met**",
            bar["bar"],
            bar["figure"],
            f"`python -m benchmarks.{name}`",
        ]
        for name, found in documents.items()
        for bar in found.get("bars", [])
    ]
    return table(["", "bar", "figure", "command"], rows)


def main() -> None:
    """Write page and plots."""
    names = ("compare", "http", "scoring", "memory", "server_time", "growth", "pages")
    documents = {name: plots.read(name) for name in (*names, "exports", "rescoring")}
    sections = {
        "bars": bars(documents),
        "versions": versions(documents["compare"], documents["http"]),
    }
    makers = {
        "rates": ("compare", rates),
        "latencies": ("compare", latencies),
        "http": ("http", over_http),
        "scoring": ("scoring", scoring),
        "memory": ("memory", memory),
        "server_time": ("server_time", server_time),
        "growth": ("growth", growth),
        "pages": ("pages", pages),
        "exports": ("exports", exports),
        "rescoring": ("rescoring", rescoring),
    }
    for section, (name, make) in makers.items():
        if documents[name]:
            sections[section] = make(documents[name])
    text = PAGE.read_text()
    for section, content in sections.items():
        found = re.search(rf"<!-- {section} -->\s(.*?)<!-- /{section} -->", text, re.DOTALL)
        if not found:
            raise SystemExit(f"{PAGE} has no section {section}")
        text = f"{text[: found.start(1)]}{content}\n{text[found.end(1) :]}"
    PAGE.write_text(text)
    plots.main()


if __name__ == "__main__":
    main()

"""`stanine norms`: compute norms from a file of responses or stored attempts as YAML for the document.

Registered by `application`.
"""

import json
from typing import Annotated, Any

import msgspec
import typer

from stanine.cli.exits import FAULTY_ROWS, InvalidInputError
from stanine.cli.file_parameters import takes_file_options
from stanine.cli.io.file_options import FileOptions
from stanine.cli.io.people import open_people
from stanine.cli.io.scored_rows import ScoredPeople
from stanine.cli.io.terminal import View, emit, note, show
from stanine.cli.options import (
    DEFAULT_SERVER,
    InstrumentOrName,
    Key,
    OptionalResponses,
    Server,
    Shown,
)
from stanine.domain.statistics.norms import By, GroupingError, Norms, NormSums, ScoreNorms, parse_by
from stanine.domain.tables.csv_lines import shortest


@takes_file_options
def norms(
    instrument: InstrumentOrName,
    responses: OptionalResponses = "",
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="ATTRIBUTES",
            help="Attributes to group by; age:10 makes classes of 10 years.",
        ),
    ] = "",
    least: Annotated[
        int, typer.Option("--min", min=2, help="Leave out groups and scales with fewer people.")
    ] = 30,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.YAML,
    *,
    file: FileOptions,
) -> None:
    """Compute norms: `norms INSTRUMENT RESPONSES` from a file, `norms NAME` from the attempts on the server.

    Per scale and group: n, mean, sd and frequencies of raw scores.

    The YAML output can be pasted: normGroups into the document's spec, and into each scale either its norms (mean
    and sd) or its frequencies. People without one of the attributes belong to no group. Invalid rows are reported
    as FILE:LINE:COLUMN and omitted; the exit status is then 3. Stored attempts need the scopes attempts:read and
    instruments:read; those at the newest form are scored by the newest document.
    """
    with open_people(instrument, responses, file, server, key) as rows:
        try:
            groups = parse_by(by, rows.entry.attributes) if by.strip() else ()
            _refuse_missing_columns(rows, groups)
            sums = NormSums(groups, [scale.id for scale in rows.entry.plan.scales])
            for part in rows:
                sums.add(part.attributes, part.scores)
        except GroupingError as error:
            raise InvalidInputError(f"--by {by}: {error}") from None
        rows.report()
    found = sums.norms(least)
    _report(found, least, rows.name)
    if view is View.YAML:
        _write_document(found, rows, rows.name)
    else:
        show(_as_record(found, rows), view, _as_rows(found))
    if rows.faulty:
        raise typer.Exit(FAULTY_ROWS)


def _refuse_missing_columns(rows: ScoredPeople, groups: tuple[By, ...]) -> None:
    for by in groups:
        if not rows.has_column(by.attribute.id):
            raise InvalidInputError(
                f"{rows.name}:1: missing column for the attribute {by.attribute.id}"
            )


def _report(found: Norms, least: int, file: str) -> None:
    if found.without_attribute:
        note(f"{file}: {found.without_attribute} people lack an attribute and belong to no group")
    if found.too_small:
        note(
            f"{file}: groups with fewer than {least} people were left out: {', '.join(found.too_small)}"
        )
    for one in found.groups:
        for scale, scores in one.scales.items():
            if scores.stated is None:
                note(
                    f"{file}: {one.group.id}: all scores of {scale} are equal, so that it has no norm with a mean and sd"
                )
            if scores.frequencies is None:
                note(
                    f"{file}: {one.group.id}: {scale} has too many different scores for a table of frequencies"
                )
    if not found.groups:
        note(f"{file}: no group has {least} people; --min sets the smallest size")


def _as_record(found: Norms, rows: ScoredPeople) -> dict[str, Any]:
    return {
        "instrument": rows.entry.name,
        "people": rows.people,
        "faulty": rows.faulty,
        "withoutAttribute": found.without_attribute,
        "tooSmall": found.too_small,
        "normGroups": [
            {"id": one.group.id, "where": one.group.where, "size": one.size} for one in found.groups
        ],
        "scales": {
            scale.id: {
                one.group.id: one.scales[scale.id] for one in found.groups if scale.id in one.scales
            }
            for scale in rows.entry.plan.scales
        },
    }


def _as_rows(found: Norms) -> list[dict[str, Any]]:
    return [
        {
            "group": one.group.id,
            "size": one.size,
            "scale": scale,
            "n": scores.n,
            "mean": scores.mean,
            "sd": scores.sd,
        }
        for one in found.groups
        for scale, scores in one.scales.items()
    ]


def _write_document(found: Norms, rows: ScoredPeople, file: str) -> None:
    """Print parts of a document. Texts are quoted as in JSON, which is valid YAML."""
    emit(
        f"# Norms of {rows.entry.name} from {rows.people} people. Paste normGroups into spec; into each scale its norms, or, for empirical"
    )
    emit("# percentiles instead of a mean and sd, its frequencies as norms.")
    emit("normGroups:" if found.groups else "normGroups: []")
    for one in found.groups:
        where = f", where: {_flow(one.group.where)}" if one.group.where else ""
        emit(
            f"  - {{id: {_name(one.group.id)}{where}, size: {one.size}, source: {_flow(_source(file))}}}"
        )
    for title in ("norms", "frequencies"):
        emit(f"{title}:" if found.groups else f"{title}: {{}}")
        for scale in rows.entry.plan.scales if found.groups else ():
            lines = [
                (one.group.id, _entry(one.scales.get(scale.id), title)) for one in found.groups
            ]
            emit(
                f"  {_name(scale.id)}:"
                if any(line for _, line in lines)
                else f"  {_name(scale.id)}: {{}}"
            )
            for group, line in lines:
                if line:
                    emit(f"    {_name(group)}: {line}")


def _entry(scores: ScoreNorms | None, title: str) -> str:
    if scores is None:
        return ""
    if title == "norms":
        if scores.stated is None:
            return ""
        mean, sd = scores.stated
        return f"{{mean: {shortest(mean)}, sd: {shortest(sd)}}}  # n = {scores.n}"
    if scores.frequencies is None:
        return ""
    counts = ", ".join(
        f"{{raw: {shortest(one.raw)}, count: {one.count}}}" for one in scores.frequencies
    )
    return f"{{frequencies: [{counts}]}}"


def _name(text: str) -> str:
    """Return an id as a key, quoted if YAML 1.1 could read it as another type."""
    return (
        text
        if len(text) > len("off") and text.lower() not in ("true", "false", "null")
        else _flow(text)
    )


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_name(name)}: {_flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return (
        json.dumps(value, ensure_ascii=False)
        if isinstance(value, str)
        else msgspec.json.encode(value).decode()
    )


def _source(file: str) -> str:
    return (
        "standard input" if file in {"-", "<stdin>"} else file.replace("\\", "/").rpartition("/")[2]
    )

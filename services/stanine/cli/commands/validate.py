"""`stanine validate`: check manifests as the API server and the operator do, without a cluster.

Registered by `application`.
"""

import operator
from typing import Annotated, Any

import typer

from stanine.cli.exits import INVALID, InvalidInputError
from stanine.cli.io.manifests import Lines, Manifest, read_manifests
from stanine.cli.io.terminal import View, note, open_input, show
from stanine.cli.options import Shown
from stanine.crds.errors import FAULTS_NAMED
from stanine.crds.judging import Judgement, is_ours, judge
from stanine.crds.reading import read_instrument
from stanine.domain.errors import Fault
from stanine.domain.instruments.warnings import warnings_of


def validate(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Manifests, YAML or JSON; - is standard input."),
    ],
    view: Shown = View.TABLE,
) -> None:
    """Check custom resources before applying them: RedisConfig, Queue, Instrument.

    Each error is reported as FILE:LINE: PLACE: message. `Refused`: `kubectl apply` would reject it. `NotReady`: it
    would be accepted, with the condition Ready false, this reason and this message. Other resources are skipped.
    Exit status 2: at least one is invalid.
    """
    records = [record for file in files for record in _judge_file(file)]
    if not records:
        raise InvalidInputError(
            "no resource of stanine.dev is in these files: a resource begins with apiVersion: stanine.dev/v1alpha1"
        )
    columns = ("kind", "name", "verdict", "reason", "file", "line")
    show(records, view, [{name: record[name] for name in columns} for record in records])
    if any(record["verdict"] != "Valid" for record in records):
        raise typer.Exit(INVALID)


def _judge_file(file: str) -> list[dict[str, Any]]:
    with open_input(file) as (stream, shown):
        content = stream.read()
    records = []
    for manifest in read_manifests(content):
        if manifest.fault is not None:
            note(
                f"{shown}:{manifest.fault}"
                if manifest.fault.place
                else f"{shown}:{manifest.line}: {manifest.fault.detail}"
            )
            fault = _located(
                manifest.fault, int(manifest.fault.place.partition(":")[0] or manifest.line)
            )
            records.append(
                _record(
                    shown,
                    manifest.line,
                    Judgement("", "", "", (manifest.fault,), 1, ()),
                    [fault],
                    [],
                )
            )
        elif is_ours(manifest.plain):
            records.append(_judge_one(shown, manifest))
    return records


def _judge_one(file: str, manifest: Manifest) -> dict[str, Any]:
    assert isinstance(manifest.plain, dict)
    judgement = judge(manifest.plain)
    if judgement.is_valid:
        if judgement.kind == "Instrument":
            _warn(file, manifest)
        return _record(file, manifest.line, judgement, [], [])
    lines = Lines(manifest)
    refused = [_located(fault, lines.find(fault.place)) for fault in judgement.refused]
    faults = [_located(fault, lines.find(fault.place)) for fault in judgement.faults]
    for one in sorted(
        refused[:FAULTS_NAMED] + faults[:FAULTS_NAMED], key=operator.itemgetter("line")
    ):
        note(
            f"{file}:{one['line']}: {one['place']}: {one['detail']}"
            if one["place"]
            else f"{file}:{one['line']}: {one['detail']}"
        )
    if (more := len(refused[FAULTS_NAMED:]) + len(faults[FAULTS_NAMED:])) > 0:
        note(f"{file}: and {more} more fault{'s' if more > 1 else ''}")
    return _record(file, lines.find("kind"), judgement, refused, faults)


def _warn(file: str, manifest: Manifest) -> None:
    """Print the warnings of a valid instrument."""
    assert isinstance(manifest.plain, dict)
    lines = Lines(manifest)
    for warning in warnings_of(
        read_instrument(manifest.plain["metadata"]["name"], manifest.plain["spec"]).instrument
    ):
        note(f"{file}:{lines.find(warning.place)}: warning: {warning}")


def _record(
    file: str,
    line: int,
    judgement: Judgement,
    refused: list[dict[str, Any]],
    faults: list[dict[str, Any]],
) -> dict[str, Any]:
    verdict = "Refused" if judgement.refused_count else "NotReady" if judgement.reason else "Valid"
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": judgement.reason,
        "message": judgement.message,
    }
    return {
        "file": file,
        "line": line,
        "kind": judgement.kind,
        "namespace": judgement.namespace or None,
        "name": judgement.name,
        "verdict": verdict,
        "reason": judgement.reason or None,
        "refused": refused,
        "faults": faults,
        "condition": condition if judgement.reason else None,
    }


def _located(fault: Fault, line: int) -> dict[str, Any]:
    return {"line": line, "place": fault.place, "code": fault.code, "detail": fault.detail}

"""`stanine rescore`: score all stored attempts of an instrument again. Registered by `application`."""

import time
import uuid
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from stanine.cli.connection import connect
from stanine.cli.exits import CliError, StoppedError
from stanine.cli.interrupts import noted_interrupt
from stanine.cli.io.terminal import View, note, progress, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown
from stanine.client import Stanine
from stanine.client.records import RescoringInfo

#: Seconds between two reads of the state.
POLL_SECONDS = 0.5


def rescore(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The instrument.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report what would change.")
    ] = False,
    wait: Annotated[
        bool, typer.Option(help="Wait until it has finished; it continues without this command.")
    ] = True,
    status: Annotated[
        bool, typer.Option("--status", help="Start nothing: show the last re-scoring.")
    ] = False,
    token: Annotated[
        str, typer.Option(help="A repeated command with the same token starts nothing.")
    ] = "",
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Score all stored attempts again by the newest scoring of their form, and report the changes.

    Attempts whose result changes get a new result, which appears again in `stanine results`; the earlier one is
    kept. Needs the scope `instruments:write`. Exit status 1: the re-scoring failed. 7: another one is running.
    """
    with connect(server, key) as client:
        if status:
            found = client.instruments.rescoring(name)
        else:
            found = client.instruments.rescore(
                name, dry_run=dry_run, token=token or uuid.uuid4().hex
            )
            if wait:
                found = _follow(client, name, found)
    show(found, view, list(_rows(found)))
    _summarise(found)
    if found.state == "Failed":
        raise CliError(f"the re-scoring of {name} failed: {found.reason}; run it again")


def _follow(client: Stanine, name: str, found: RescoringInfo) -> RescoringInfo:
    """Wait until a re-scoring has finished."""
    started, shown = found.rescoring, 0
    with noted_interrupt() as is_interrupted, progress(f"re-scoring {name}", found.total) as bar:
        while found.state == "Running" and found.rescoring == started:
            if is_interrupted():
                raise StoppedError(
                    f"interrupted; the re-scoring continues: stanine rescore {name} --status"
                )
            bar.advance(found.done - shown)
            shown = found.done
            time.sleep(POLL_SECONDS)
            found = client.instruments.rescoring(name)
    return found


def _rows(found: RescoringInfo) -> Iterator[dict[str, Any]]:
    """Yield a row for each changed value of a scale; one without a value for other changes."""
    for scale, change in found.report.scales.items():
        counts = {
            "scale": scale,
            "changed": change.changed,
            "becameNull": change.became_null,
            "ceasedNull": change.ceased_null,
            "bandsChanged": change.bands_changed,
        }
        if not change.values:
            yield counts | {"value": None, "valueChanged": None, "mean": None, "largest": None}
        for value, figures in change.values.items():
            yield counts | {
                "value": value,
                "valueChanged": figures.changed,
                "mean": figures.mean,
                "largest": figures.largest,
            }


def _summarise(found: RescoringInfo) -> None:
    """Print the numbers of attempts."""
    report = found.report
    what = "would change" if found.dry_run else "changed"
    note(
        f"{found.state}: {found.done} of {found.total} entries done; {report.attempts} attempts compared, "
        f"{report.changed} {what}"
    )
    for count, which in (
        (report.had_failed, f"that had failed {'can be' if found.dry_run else 'are'} scored"),
        (
            report.not_measured,
            "have an earlier result that cannot be read; its change is not measured",
        ),
        (report.still_failed, "still cannot be scored"),
        (report.kept, "keep their result because the newest scoring cannot score them"),
        (report.newer, "keep their result because a newer scoring made it"),
    ):
        if count:
            note(f"{count} attempts {which}")

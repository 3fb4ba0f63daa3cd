"""Opens the people whose figures a command computes: rows of a file, or stored attempts. Used by `norms`, `reliability`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.file_options import DEFAULTS, FileOptions
from stanine.cli.io.scored_rows import ScoredPeople, open_rows
from stanine.cli.io.stored_rows import open_stored


@contextmanager
def open_people(
    instrument: str, responses: str, options: FileOptions, server: str, key: str
) -> Iterator[ScoredPeople]:
    """Open a file of responses for a document or, without `responses`, the attempts at a published instrument.

    Raises CliError.
    """
    if responses:
        with open_rows(instrument, responses, options) as rows:
            yield rows
        return
    if options != DEFAULTS:
        raise InvalidInputError("the options of files need RESPONSES: a file")
    if Path(instrument).is_file():
        raise InvalidInputError(
            f"{instrument} is a file: name its RESPONSES, too, or the published instrument"
        )
    with open_stored(instrument, server, key) as stored:
        yield stored

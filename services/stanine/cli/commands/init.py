"""`stanine init`: write a sample instrument and sample answers. Registered by `application`."""

from pathlib import Path
from typing import Annotated

import typer

from stanine.cli import samples
from stanine.cli.commands.publish import parse_document
from stanine.cli.exits import InvalidInputError
from stanine.cli.io.terminal import emit, note


def init(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="The name of the instrument and of its files.")
    ] = "first",
    directory: Annotated[
        Path,
        typer.Option(
            "--directory",
            metavar="DIR",
            help="Directory for the files; created if it does not exist.",
        ),
    ] = Path(),
) -> None:
    """Write a sample instrument, NAME.yaml, and answers, NAME.csv.

    Existing files are an error (exit status 2).
    """
    document = samples.read("first.yaml").replace(b"NAME", name.encode())
    parse_document(document, f"{name}.yaml")  # checks the name
    contents = {
        directory / f"{name}.yaml": document,
        directory / f"{name}.csv": samples.read("first.csv"),
    }
    _write(directory, contents)
    for path in contents:
        emit(str(path))
    instrument, answers = contents
    note(
        "Next:",
        f"  stanine score {instrument} {answers}",
        "  stanine up                                  # in another terminal; its lines `export …` belong here",
        f"  stanine publish --wait {instrument}",
        f"  stanine submit {name} {answers} --wait",
        f"  stanine results {name}",
    )


def _write(directory: Path, contents: dict[Path, bytes]) -> None:
    """Write all files or none."""
    if there := [path for path in contents if path.exists()]:
        raise InvalidInputError(f"{there[0]} already exists: choose another NAME or --directory")
    written: list[Path] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            with path.open("xb") as file:  # x: another process may have created it
                written.append(path)
                file.write(content)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise InvalidInputError(f"{error.filename or directory}: {error.strerror}") from None

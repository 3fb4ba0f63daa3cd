"""`stanine publish`: publish instrument documents after checking all of them.

Registered by `application`.
"""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Annotated

import msgspec
import typer

from stanine.cli.connection import connect
from stanine.cli.exits import InvalidInputError, TryAgainError
from stanine.cli.io.fault_lines import locate_fault
from stanine.cli.io.terminal import View, note, read_file, show
from stanine.cli.options import DEFAULT_SERVER, Key, Server, Shown
from stanine.client import Stanine
from stanine.client.errors import NotIndexedInTimeError
from stanine.client.records import Publication
from stanine.domain.errors import Fault, InvalidDocument
from stanine.domain.instruments.document import canonical, digest, read_json, read_yaml
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.instruments.records import Instrument
from stanine.domain.instruments.warnings import warnings_of

#: Timeout of `--wait` in seconds.
_WAIT = 30.0
#: Suffixes of files of responses and workbooks, which users pass by mistake.
_OF_RESPONSES = frozenset({".csv", ".tsv", ".ndjson", ".xlsx", ".xls", ".ods", ".sav"})


class Document(msgspec.Struct, frozen=True):
    """An instrument document from a file: the checked instrument, its canonical JSON and digest."""

    file: str
    instrument: Instrument
    text: bytes
    digest: str


def publish(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Instrument documents, YAML or JSON; - is standard input."
        ),
    ],
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait until the revision is indexed and accepts attempts."),
    ] = False,
    server: Server = DEFAULT_SERVER,
    key: Key = "",
    view: Shown = View.TABLE,
) -> None:
    """Publish instruments. An unchanged document creates no new revision.

    Every error of every document is reported as FILE: PLACE: message; then nothing is published and the exit status
    is 2.
    """
    documents = _read_all(files)
    found = [warnings_of(document.instrument) for document in documents]
    for document, its in zip(documents, found, strict=True):
        for warning in its:
            note(f"{document.file}: warning: {warning}")
    with connect(server, key) as client:
        published = [_publish(client, document) for document in documents]
        for document, its, publication in zip(documents, found, published, strict=True):
            for line in _more_warnings(publication, its):
                note(f"{document.file}: warning: {line}")
        if wait:
            published = [
                _await_index(client, document, publication)
                for document, publication in zip(documents, published, strict=True)
            ]
    columns = ("name", "revision", "form", "changed", "indexed")
    show(published, view, [{name: getattr(each, name) for name in columns} for each in published])
    missing = [each.name for each in published if not each.indexed]
    if wait and missing:
        raise TryAgainError(
            f"published, but not indexed within {_WAIT:.0f} s: {', '.join(missing)}; does the indexWatcher run?"
        )


def _read_all(files: list[str]) -> list[Document]:
    documents: list[Document] = []
    lines: list[str] = []
    for file in files:
        try:
            documents.append(read_document(file))
        except InvalidInputError as error:
            lines.extend(error.args)
    names = [document.instrument.metadata.name for document in documents]
    lines.extend(
        f"{each.file}: {name} is also in an earlier file"
        for i, (each, name) in enumerate(zip(documents, names, strict=True))
        if name in names[:i]
    )
    if lines:
        raise InvalidInputError(*lines)
    return documents


def _more_warnings(published: Publication, known: list[Fault]) -> Iterator[str]:
    """Yield the warnings that only the server gave: it may be newer than this command."""
    seen = {(one.place, one.code) for one in known}
    for one in published.warnings:
        if (one.pointer, one.code) not in seen:
            yield str(Fault(one.pointer, one.code, one.detail))
    if published.warning_count > max(len(published.warnings), len(known)):
        yield f"the server has {published.warning_count} warnings"


def read_document(file: str) -> Document:
    """Read an instrument document from a file: JSON if the name ends with .json, otherwise YAML.

    Raises InvalidInputError with every error, CliError if the file cannot be read.
    """
    return parse_document(read_file(file), file)


def parse_document(content: bytes, file: str) -> Document:
    """Check the content of a file with this name. Raises InvalidInputError with every error."""
    try:
        plain = (
            read_json(content) if PurePath(file).suffix.lower() == ".json" else read_yaml(content)
        )
        instrument = parse_instrument(plain)
        text = canonical(plain)
    except InvalidDocument as error:
        lines = [locate_fault(file, fault) for fault in error.faults]
        if error.count > len(lines):
            lines.append(f"{file}: and {error.count - len(lines)} more faults")
        if PurePath(file).suffix.lower() in _OF_RESPONSES:
            lines.append(
                "an instrument document is YAML or JSON; a file of responses comes second: `stanine score INSTRUMENT RESPONSES`"
            )
        raise InvalidInputError(*lines) from None
    return Document(file, instrument, text, digest(text))


def _publish(client: Stanine, document: Document) -> Publication:
    return client.instruments.publish(document.instrument.metadata.name, document.text)


def _await_index(client: Stanine, document: Document, published: Publication) -> Publication:
    """Wait until a published document is indexed; `indexed` stays false after a timeout."""
    if published.indexed:
        return published
    try:  # publishing the same document again has no effect
        client.instruments.publish(
            published.name, document.text, if_match=published.digest, wait=_WAIT
        )
    except NotIndexedInTimeError:
        return published
    return msgspec.structs.replace(published, indexed=True)

"""The client's record of a form has all data that the CLI needs to parse responses."""

from pathlib import Path

import msgspec
import pytest

from stanine.cli.commands.publish import read_document
from stanine.client.records import FormInfo
from stanine.domain.instruments.public_form import public_form
from stanine.domain.scoring.index import build_entry

EXAMPLES = sorted((Path(__file__).parents[3] / "examples/instruments").glob("*.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_a_form_is_the_same_after_the_client_read_it(file: Path) -> None:
    document = read_document(str(file))
    entry = build_entry(document.instrument, number=0, revision=1, form=1, digest=document.digest)
    sent = msgspec.json.encode(public_form(entry))
    read = msgspec.to_builtins(msgspec.json.decode(sent, type=FormInfo))
    assert read == msgspec.json.decode(sent)

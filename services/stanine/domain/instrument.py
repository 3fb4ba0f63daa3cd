"""The instrument: plain data in, a checked record out, or all that is wrong with them at once.

Called by the API and the CLI before publishing, by the index watcher to compile, by the operator to judge a resource.
"""

import hashlib

import msgspec

from stanine.domain import form_checks, limits, scale_checks, structure
from stanine.domain.document import canonical
from stanine.domain.errors import Fault, Faults, InvalidDocument
from stanine.domain.records import Instrument, options_of

__all__ = ["Instrument", "form_digest", "parse_instrument"]


def parse_instrument(plain: object, *, name: str | None = None) -> Instrument:
    """Return the instrument that plain data (of `document.read_yaml` or `read_json`) describe.

    `name` is what the address says it is called. Raises InvalidDocument with all faults, whatever the data, and nothing else.
    """
    faults = Faults()
    instrument = structure.read(plain, Instrument, faults)
    if name is not None and instrument.metadata.name not in ("", name):
        faults.add("metadata.name", "NameMismatch", f'the document is named "{instrument.metadata.name}", but it was sent as "{name}"')
    form_checks.check(instrument.spec, faults)
    scale_checks.check(instrument.spec, faults)
    if faults.count:
        raise InvalidDocument(faults.kept, faults.count)
    size = len(canonical(plain))
    if size > limits.MAX_DOCUMENT_BYTES:
        detail = f"the document has {size} bytes as canonical JSON; {limits.MAX_DOCUMENT_BYTES} are allowed"
        raise InvalidDocument([Fault("", "TooLarge", detail)])
    return instrument


def form_digest(instrument: Instrument) -> str:
    """Return the SHA-256 (hex) of what people answer: attributes, items with their options, instructions.

    Options count as an item offers them, so renaming a response set or moving its options into an item makes no new form.
    """
    spec = instrument.spec
    options = options_of(spec)
    form = [
        spec.instructions,
        [msgspec.to_builtins(attribute) for attribute in spec.attributes],
        [[item.id, item.type, item.text, [msgspec.to_builtins(option) for option in options[item.id]]] for item in spec.items],
    ]
    return hashlib.sha256(msgspec.json.encode(form, order="deterministic")).hexdigest()

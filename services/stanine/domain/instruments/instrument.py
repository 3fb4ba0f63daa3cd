"""The instrument: plain data to a checked record, or all errors at once.

Called by the API and the CLI before publishing, by the indexWatcher to compile, by the operator to validate a resource.
"""

import hashlib

import msgspec

from stanine.domain import limits
from stanine.domain.errors import Fault, Faults, InvalidDocument
from stanine.domain.instruments import (
    decoding,
    form_checks,
    scale_checks,
    table_checks,
    wording_checks,
)
from stanine.domain.instruments.condition_checks import conditions_of
from stanine.domain.instruments.document import canonical
from stanine.domain.instruments.item_forms import resolve
from stanine.domain.instruments.records import Instrument

__all__ = ["Instrument", "form_digest", "parse_instrument"]


def parse_instrument(plain: object, *, name: str | None = None) -> Instrument:
    """Return the instrument of plain data (of `document.read_yaml` or `read_json`).

    `name`: the name in the request's address. Raises only InvalidDocument, with all faults.
    """
    faults = Faults()
    instrument = decoding.read(plain, Instrument, faults)
    if name is not None and instrument.metadata.name not in ("", name):
        faults.add(
            "metadata.name",
            "NameMismatch",
            f'the document is named "{instrument.metadata.name}", but it was sent as "{name}"',
        )
    form_checks.check(instrument.spec, faults)
    scale_checks.check(instrument.spec, faults)
    wording_checks.check(instrument.spec, faults)
    table_checks.check(instrument.spec, faults)
    if faults.count:
        raise InvalidDocument(faults.kept, faults.count)
    size = len(canonical(plain))
    if size > limits.MAX_DOCUMENT_BYTES:
        detail = f"the document has {size} bytes as canonical JSON; {limits.MAX_DOCUMENT_BYTES} are allowed"
        raise InvalidDocument([Fault("", "TooLarge", detail)])
    return instrument


def form_digest(instrument: Instrument) -> str:
    """Return the SHA-256 (hex) of a document's structure; revisions of one form have equal digests.

    Response sets are resolved, so renaming one or moving its options into an item does not create a new form, nor does
    changing a text, label or title.
    """
    spec = instrument.spec
    conditions = conditions_of(spec)
    structure_of_form = [
        [[one.id, one.type, [value.value for value in one.options]] for one in spec.attributes],
        [
            [
                form.id,
                form.type,
                [[option.value, option.missing, option.exclusive] for option in form.options],
                [form.low, form.high, form.step, form.integer, form.unit]
                if form.type == "Number"
                else None,
                [form.min_chosen, form.max_chosen] if form.type == "Multiple" else None,
                [condition.tree for condition in conditions.get(form.id, ())],
            ]
            for form in resolve(spec).values()
        ],
    ]
    return hashlib.sha256(
        msgspec.msgpack.encode(structure_of_form, order="deterministic")
    ).hexdigest()

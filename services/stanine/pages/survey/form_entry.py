"""The domain's form of a public form, so that pages use the rules of the API and have none of their own.

Called by `prepared`.
"""

import msgspec

from stanine.client.records import AttributeInfo, FormInfo, ItemInfo, SectionInfo
from stanine.domain.errors import InvalidDocument, StanineError
from stanine.domain.instruments.records import (
    Attribute,
    AttributeOption,
    Instrument,
    Item,
    Layout,
    Metadata,
    Option,
    Section,
    Spec,
)
from stanine.domain.scoring.index import IndexEntry, build_entry

__all__ = ["entry_of"]


def entry_of(form: FormInfo) -> IndexEntry:
    """Return an index entry without scales.

    Raises InvalidDocument if the form is none: the API has another version.
    """
    spec = Spec(
        title=form.title,
        language=form.language,
        instructions=form.instructions,
        duration_minutes=form.duration_minutes,
        time_limit_seconds=form.time_limit_seconds,
        attributes=tuple(_attribute(one) for one in form.attributes),
        items=tuple(_item(one) for one in form.items),
        sections=tuple(_section(one) for one in form.sections or ()),
        layout=None if form.layout is None else Layout(form.layout.items_per_page),
        scales=(),
    )
    try:
        return build_entry(
            Instrument("stanine.dev/v1alpha1", "Instrument", Metadata(form.name), spec),
            number=0,
            revision=form.revision,
            form=form.form,
            digest="",
        )
    except (AssertionError, KeyError, ValueError, StanineError, msgspec.MsgspecError) as error:
        raise InvalidDocument([]) from error


def _attribute(one: AttributeInfo) -> Attribute:
    labels = one.labels or [None] * len(one.values or ())
    values = (
        None
        if one.values is None
        else tuple(
            AttributeOption(value, label) for value, label in zip(one.values, labels, strict=True)
        )
    )
    return Attribute(one.id, one.title, one.type, values, one.required)  # type: ignore[arg-type]


def _item(one: ItemInfo) -> Item:
    return Item(
        one.id,
        one.text,
        type=one.type,  # type: ignore[arg-type]
        options=tuple(
            Option(each.value, each.label, each.missing, each.exclusive) for each in one.options
        )
        or None,
        min=one.min,
        max=one.max,
        step=one.step,
        integer=one.integer,
        unit=one.unit,
        min_label=one.min_label,
        max_label=one.max_label,
        min_chosen=one.min_chosen,
        max_chosen=one.max_chosen,
        max_length=one.max_length,
        multiline=one.multiline,
        required=one.required,
        when=one.when,
        distinct_from=one.distinct_from,
    )


def _section(one: SectionInfo) -> Section:
    return Section(
        one.id,
        tuple(one.items),
        one.title,
        one.instructions,
        one.when,
        one.time_limit_seconds,
    )

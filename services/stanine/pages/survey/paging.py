"""Divides a form into pages. Pure. Called by `prepared`."""

import msgspec

from stanine.client.records import FormInfo

#: Items on a page of a form that does not state it.
ITEMS_PER_PAGE = 10


class SurveyPage(msgspec.Struct, frozen=True):
    """One page: questions about the person, or items of one section."""

    #: From 1.
    number: int
    #: Places of its items in the form.
    items: tuple[int, ...] = ()
    #: Attributes that it asks for, by id.
    attributes: tuple[str, ...] = ()
    #: Place of its section; None without sections.
    section: int | None = None
    #: Whether it is the first page of its section, which shows the section's instructions.
    is_first: bool = False


def pages_of(form: FormInfo, attributes: tuple[str, ...] = ()) -> tuple[SurveyPage, ...]:
    """Return the pages of a form; `attributes` come first, on a page of their own.

    A page never holds items of two sections. Without `layout` it holds ITEMS_PER_PAGE items at most.
    """
    size = form.layout.items_per_page if form.layout is not None else ITEMS_PER_PAGE
    places = {item.id: place for place, item in enumerate(form.items)}
    groups: list[tuple[int | None, list[int]]] = [
        (number, [places[item] for item in section.items])
        for number, section in enumerate(form.sections or [])
    ] or [(None, list(range(len(form.items))))]
    pages = [SurveyPage(1, attributes=attributes, is_first=True)] if attributes else []
    for section, items in groups:
        pages += [
            SurveyPage(
                len(pages) + 1 + index,
                tuple(items[begin : begin + size]),
                section=section,
                is_first=begin == 0,
            )
            for index, begin in enumerate(range(0, len(items), size))
        ]
    return tuple(pages)

"""Semantic checks of a form (attributes, response sets, items, sections).

Called by `instrument.parse_instrument`. The records may contain neutral values where a fault is known; such places are
skipped. The checks of one item are in `item_checks`.
"""

import re
from collections.abc import Iterator

from stanine.domain import limits
from stanine.domain.attempts.answer_codes import cells_of, columns_of
from stanine.domain.errors import Faults
from stanine.domain.formulas.lexing import WORDS
from stanine.domain.instruments import condition_checks, item_checks
from stanine.domain.instruments.decoding import quote, several
from stanine.domain.instruments.item_forms import resolve
from stanine.domain.instruments.records import Spec
from stanine.domain.instruments.value_checks import check_options, check_value

#: Columns of a response file that are not items.
FILE_COLUMNS = frozenset(("key", "attempt", "participant", "revision"))
#: Ids reserved as columns of a response file, or as words of a formula.
RESERVED = FILE_COLUMNS | WORDS
#: Characters that a column may not begin or end with, and those that it may not contain.
_COLUMN = re.compile(r"\S(.*\S)?")


def check(spec: Spec, faults: Faults) -> None:
    """Check the form."""
    _check_ids(spec, faults)
    _check_attributes(spec, faults)
    _check_response_sets(spec, faults)
    item_checks.check(spec, faults)
    _check_sections(spec, faults)
    _check_columns(spec, faults)
    condition_checks.check(spec, faults)
    _check_size(spec, faults)


def _check_ids(spec: Spec, faults: Faults) -> None:
    taken: dict[str, str] = {}
    for place, one in _named(spec):
        if not one:
            continue
        if one in RESERVED:
            faults.add(
                f"{place}.id",
                "ReservedId",
                f'"{one}" is taken: it is a column of response files or a word of formulas',
            )
        elif one in taken:
            faults.add(
                f"{place}.id",
                "DuplicateId",
                f'"{one}" is the id of {taken[one]} already; attributes, items, scales and profiles share their ids',
            )
        else:
            taken[one] = place


def _named(spec: Spec) -> Iterator[tuple[str, str]]:
    for part, ids in (
        ("attributes", [one.id for one in spec.attributes]),
        ("items", [one.id for one in spec.items]),
        ("scales", [one.id for one in spec.scales]),
        ("profiles", [one.id for one in spec.profiles]),
    ):
        yield from ((f"spec.{part}[{index}]", one) for index, one in enumerate(ids))


def _check_attributes(spec: Spec, faults: Faults) -> None:
    for index, attribute in enumerate(spec.attributes):
        place = f"spec.attributes[{index}]"
        if faults.at(place) or faults.touches(f"{place}.type") or faults.touches(f"{place}.values"):
            continue
        if (attribute.type is None) == (attribute.values is None):
            faults.add(
                place,
                "Contradiction",
                "say either a type (Integer, Number, Text) or a list of values",
            )
        if attribute.required and attribute.title is None and not faults.touches(f"{place}.title"):
            faults.add(
                place,
                "MissingField",
                "title is missing: pages ask for a required attribute by its title",
            )
        values = tuple(one.value for one in attribute.options)
        for at, value in enumerate(values):
            check_value(value, values, at, f"{place}.values[{at}]", faults)


def _check_response_sets(spec: Spec, faults: Faults) -> None:
    taken: dict[str, int] = {}
    for index, one in enumerate(spec.response_sets):
        place = f"spec.responseSets[{index}]"
        if one.name and one.name in taken:
            faults.add(
                f"{place}.name",
                "DuplicateId",
                f'"{one.name}" is the name of spec.responseSets[{taken[one.name]}] already',
            )
        taken.setdefault(one.name, index)
        if faults.at(place) or faults.touches(f"{place}.type"):
            continue
        if one.type == "Number":
            if one.options is not None:
                faults.add(
                    place, "Contradiction", "it is of type Number and has options; leave one out"
                )
            item_checks.check_numbers(one, place, faults)
            continue
        if one.options is None:
            if not faults.touches(f"{place}.options"):
                faults.add(
                    place,
                    "MissingField",
                    "it has no options: write options, or type: Number with min and max",
                )
        else:
            check_options(one.options, f"{place}.options", faults)
        item_checks.refuse_fields(one, item_checks.NUMBER_FIELDS, "Number", place, faults)


def _check_sections(spec: Spec, faults: Faults) -> None:
    if not spec.sections or faults.at("spec.sections"):
        return
    items = [item.id for item in spec.items]
    known = {one: index for index, one in enumerate(items)}
    ids: dict[str, int] = {}
    first: dict[str, str] = {}
    last = -1
    doubtful = "" in known or faults.at("spec.items")
    for index, section in enumerate(spec.sections):
        place = f"spec.sections[{index}]"
        if section.id and section.id in ids:
            faults.add(
                f"{place}.id",
                "DuplicateId",
                f'"{section.id}" is the id of spec.sections[{ids[section.id]}] already',
            )
        ids.setdefault(section.id, index)
        for at, item in enumerate(section.items):
            where = f"{place}.items[{at}]"
            if not item:
                doubtful = True
            elif item not in known:
                if not doubtful:
                    faults.add(
                        where,
                        "UnknownReference",
                        f'there is no item "{item}"; the form has {several(items)}',
                    )
            elif item in first:
                faults.add(
                    where, "DuplicateId", f'"{item}" stands in a section already, at {first[item]}'
                )
            else:
                first[item] = where
                if known[item] < last and not doubtful:
                    faults.add(
                        where,
                        "Contradiction",
                        f'"{item}" stands before an item that the form has after it: keep the order of items',
                    )
                last = max(last, known[item])
        doubtful = doubtful or faults.touches(f"{place}.items")
    left = [one for one in items if one not in first]
    if left and not doubtful and not faults.touches("spec.sections"):
        faults.add(
            "spec.sections",
            "MissingField",
            f"every item stands in one section; missing are {several(left)}",
        )


def _check_columns(spec: Spec, faults: Faults) -> None:
    """Report two ids that would use one column of a response file."""
    taken = dict.fromkeys(FILE_COLUMNS, "every file of responses") | {
        "attempt.language": "every file of responses"
    }
    taken |= {
        one.id: f"spec.attributes[{index}]" for index, one in enumerate(spec.attributes) if one.id
    }
    forms = resolve(spec)
    seen: set[str] = set()
    for index, item in enumerate(spec.items):
        if not item.id or item.id in seen:
            continue
        seen.add(item.id)
        place = f"spec.items[{index}]"
        own = f"{place}.column" if item.column is not None else f"{place}.id"
        if faults.touches(own):
            continue
        if item.column is not None and not (
            _COLUMN.fullmatch(item.column) and item.column.isprintable()
        ):
            faults.add(
                own,
                "WrongText",
                f"{quote(item.column)} begins or ends with a space or holds an unprintable character",
            )
            continue
        for column in columns_of(forms[item.id], item.column):
            if column in taken:
                faults.add(
                    own, "DuplicateId", f'the column "{column}" is that of {taken[column]} already'
                )
                break
            taken[column] = place


def _check_size(spec: Spec, faults: Faults) -> None:
    if faults.count:
        return
    size = sum(cell.width for cell in cells_of(resolve(spec).values()))
    if size > limits.MAX_ROW_BYTES:
        faults.add(
            "spec.items",
            "TooLarge",
            f"the answers to all items take {size} bytes; {limits.MAX_ROW_BYTES} are allowed: fewer Multiple, Ranking or Number items",
        )

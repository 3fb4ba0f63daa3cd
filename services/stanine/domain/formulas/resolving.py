"""Resolves a name in a formula or condition, or explains why it is invalid. Called by `checking`."""

import difflib
from typing import NamedTuple

from stanine.domain.errors import Code
from stanine.domain.formulas.names import DERIVED, Kind, Named, Names
from stanine.domain.instruments.decoding import several


class Resolved(NamedTuple):
    """A name with its meaning, or with its error."""

    name: str
    kind: Kind = "Number"
    texts: tuple[str, ...] | None = ()
    missing_texts: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    error: "tuple[Code, str] | None" = None


def resolve(name: str, names: Names, *, condition: bool, hint: bool) -> Resolved:
    """Return the meaning of a name; for an unknown name, an error with the nearest known one."""
    base, dot, part = name.partition(".")
    if (found := names.items.get(base)) is not None:
        return _option(name, base, part, found) if dot else _whole(name, found)
    if base in names.later:
        return _unknown(
            name, f'"{base}" comes later in the form; a condition uses earlier items only'
        )
    if (found := names.attributes.get(base)) is not None:
        return (
            _unknown(name, f'"{base}" is an attribute, nothing follows it')
            if dot
            else _whole(name, found)
        )
    if base in names.scales:
        if condition:
            return _unknown(
                name, f'"{base}" is a scale; a condition uses items and attributes only'
            )
        return _score(name, base, part, names.scales[base]) if dot else Resolved(name)
    near = _nearest(base, names, condition=condition) if hint else ""
    return _unknown(name, f'there is nothing named "{base}"{near}')


def _whole(name: str, found: Named) -> Resolved:
    return Resolved(name, found.kind, found.texts, found.missing_texts, found.options)


def _option(name: str, item: str, option: str, found: Named) -> Resolved:
    if option in found.options:
        return Resolved(name)
    if not found.options:
        return _unknown(
            name,
            f'"{item}" has no options that can be named: only those of Multiple and Ranking items are',
        )
    return _unknown(
        name, f'"{item}" has no option "{option}"; it has {several(list(found.options))}'
    )


def _score(name: str, scale: str, part: str, its: tuple[str, ...]) -> Resolved:
    if part in its and part in DERIVED:
        return Resolved(name)
    if part == "raw":
        return _unknown(name, f"write {scale} for its raw score")
    known = several(list(its)) or "its raw score only"
    return _unknown(name, f'the scale "{scale}" has no "{part}"; it has {known}')


def _unknown(name: str, detail: str) -> Resolved:
    return Resolved(name, error=("UnknownReference", detail))


def _nearest(base: str, names: Names, *, condition: bool) -> str:
    known = [*names.items, *names.attributes, *(() if condition else names.scales)]
    near = difflib.get_close_matches(base, known, 1)
    return f'; did you mean "{near[0]}"?' if near else ""

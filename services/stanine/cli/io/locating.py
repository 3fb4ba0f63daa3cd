"""Locates the columns of a form in the header of a file. Called by `responses`.

Columns are named by the column map, else by the document's `column`, else by the item's id. The columns of a Multiple may
also be named as REDCap (`m1___a`), LimeSurvey (`m1[a]`) and Qualtrics (`m1_a`) do.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.column_map import ColumnSettings
from stanine.cli.io.file_options import FileOptions
from stanine.cli.io.forms import Form, ItemColumn
from stanine.cli.io.other_formats import explain_one_column, explain_ranking
from stanine.cli.io.sheet import Sheet, is_text

#: The column of the row's language.
LANGUAGE_COLUMN = "attempt.language"
#: Columns listed in a message.
_NAMED = 10


class Columns(NamedTuple):
    """Where a form's columns are.

    `places`: by item the places of its cells. `others`: places of attributes, key, participant, revision and language,
    as far as they exist. `ignored`: labels of unknown columns. `notes`: what was taken for a column of another name.
    """

    places: Mapping[str, Sequence[int]]
    others: Mapping[str, int]
    ignored: Sequence[str]
    notes: Sequence[str]


def locate_columns(sheet: Sheet, form: Form, options: FileOptions) -> Columns:
    """Return the places of a form's columns.

    Raises InvalidInputError if the header lacks an item, repeats a column, or a name of the column map is unknown.
    """
    _refuse_unknown_names(form, options)
    others = dict(_titles_of_others(form, options))
    documented = {item.id: _titles_of(item, options.columns) for item in form.items}
    free = set(sheet.header).difference(others.values(), *documented.values())
    notes: list[str] = []
    items: dict[str, Sequence[str]] = {}
    for item in form.items:
        wanted = documented[item.id]
        taken = wanted
        if not any(title in sheet.header for title in wanted):
            taken = next((its for its in _variants(wanted, item) if free.issuperset(its)), wanted)
        if taken is not wanted:
            notes.append(f"the columns {_some(taken)} are read as the options of {item.id}")
        items[item.id] = taken
    _refuse_shared_titles(others, items)
    named = {*others.values(), *(title for its in items.values() for title in its)}
    absent = {plain: name for name in named.difference(sheet.header) if (plain := _plain(name))}
    places, ignored = _places(sheet, named, absent)
    _refuse_missing(
        sheet,
        [title for its in items.values() for title in its if title not in places],
        absent,
        list(_rankings_by_place(sheet, form, items)),
    )
    for name, title in others.items():
        if title not in places and _is_named(name, options):
            raise InvalidInputError(
                f"{sheet.name}:{sheet.header_line}: missing column {title!r} for {name}"
            )
    return Columns(
        {item: [places[title] for title in its] for item, its in items.items()},
        {name: places[title] for name, title in others.items() if title in places},
        ignored,
        notes,
    )


def _refuse_shared_titles(others: Mapping[str, str], items: Mapping[str, Sequence[str]]) -> None:
    owners: dict[str, str] = {}
    for name, titles in [*((name, [title]) for name, title in others.items()), *items.items()]:
        for title in titles:
            if owners.setdefault(title, name) != name:
                raise InvalidInputError(
                    f"{owners[title]} and {name} would be read from the same column {title!r}"
                )


def _titles_of_others(form: Form, options: FileOptions) -> Iterator[tuple[str, str]]:
    for name in (
        "key",
        "participant",
        "revision",
        LANGUAGE_COLUMN,
        *(one.id for one in form.attributes),
    ):
        settings = options.columns.get(name)
        yield name, (settings.column if settings else None) or name
    if options.key_column:
        yield "key", options.key_column


def _is_named(name: str, options: FileOptions) -> bool:
    """Return whether the user named the column of an attribute or of the key."""
    settings = options.columns.get(name)
    return bool((settings and settings.column) or (name == "key" and options.key_column))


def _titles_of(item: ItemColumn, columns: Mapping[str, ColumnSettings]) -> Sequence[str]:
    """Return the titles of an item's columns."""
    settings = columns.get(item.id, ColumnSettings())
    if settings.split is not None:
        return (settings.column or item.column or item.id,)
    if settings.column is None or item.cells is None:
        titles = (settings.column,) if settings.column else item.columns
    else:
        suffixes = [title.removeprefix(item.column or item.id) for title in item.columns]
        titles = tuple(f"{settings.column}{suffix}" for suffix in suffixes)
    return [
        columns[name].column or title if name in columns else title
        for name, title in zip(names_of(item), titles, strict=True)
    ]


def names_of(item: ItemColumn) -> Sequence[str]:
    """Return the names of an item's columns in a column map: its id, or `item.option`."""
    if item.cells is None or item.cells.form.type not in ("Multiple", "Ranking"):
        return (item.id,)
    return [f"{item.id}.{option.value}" for option in item.cells.form.options]


def _variants(titles: Sequence[str], item: ItemColumn) -> Iterator[Sequence[str]]:
    """Yield other ways to name the columns of a Multiple."""
    if item.cells is None or item.cells.form.type != "Multiple":
        return
    for pattern in ("{}___{}", "{}[{}]", "{}_{}"):
        yield [pattern.format(*title.rpartition(".")[::2]) for title in titles]
    yield ["{}___{}".format(*title.rpartition(".")[::2]).lower() for title in titles]


def _places(
    sheet: Sheet, named: set[str], absent: Mapping[str, str]
) -> tuple[dict[str, int], list[str]]:
    places: dict[str, int] = {}
    ignored = []
    for place, title in enumerate(sheet.header):
        if title not in named:
            ignored.append(_describe(title, place, absent))
        elif title in places:
            raise InvalidInputError(
                f"{sheet.name}:{sheet.header_line}:{place + 1}: duplicate column {title!r}, first at column {places[title] + 1}"
            )
        else:
            places[title] = place
    return places, ignored


def _describe(title: str, place: int, absent: Mapping[str, str]) -> str:
    """Return a label for an unknown column, with the missing column that it resembles."""
    if not (is_text(title) and title.strip()):
        return f"(column {place + 1}, no name)"
    meant = absent.get(_plain(title))
    return f"{title!r} (is it {meant}?)" if meant else title


def _plain(name: str) -> str:
    """Return a name without case, spaces and punctuation, for fuzzy comparison."""
    return "".join(character for character in name.casefold() if character.isalnum())


def _some(titles: Sequence[str]) -> str:
    return ", ".join(titles[:_NAMED]) + (
        f" and {len(titles) - _NAMED} more" if len(titles) > _NAMED else ""
    )


def _rankings_by_place(
    sheet: Sheet, form: Form, items: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yield a hint for each missing Ranking whose columns are named by place."""
    for item in form.items:
        if item.cells is None or item.cells.form.type != "Ranking":
            continue
        if sheet.header and not set(items[item.id]).intersection(sheet.header):
            options = [str(option.value) for option in item.cells.form.options]
            column = items[item.id][0].removesuffix(f".{options[0]}")
            if hint := explain_ranking(sheet.header, column, options):
                yield hint


def _refuse_missing(
    sheet: Sheet, missing: list[str], absent: Mapping[str, str], hints: Sequence[str]
) -> None:
    """Raise InvalidInputError if columns are missing. `hints`: what other programs may have written instead."""
    if not missing:
        return
    lines = [f"{sheet.name}:{sheet.header_line}: missing column for {_some(missing)}", *hints]
    close = [(title, meant) for title in sheet.header if (meant := absent.get(_plain(title)))]
    if close:
        pairs = ", ".join(f"{title!r} is probably {meant}" for title, meant in close[:_NAMED])
        lines.append(f"column names must match exactly, including case and spaces: {pairs}")
    elif len(sheet.header) == 1:
        lines.append(explain_one_column(sheet.header[0], sheet.separator))
    if len(lines) == 1 or not lines[-1]:
        lines.append(
            "other names of columns: `column` of an item in the document, or --columns; a header in another line: --header-row"
        )
    raise InvalidInputError(*(line for line in lines if line))


def _refuse_unknown_names(form: Form, options: FileOptions) -> None:
    known = {"key", "participant", "revision", LANGUAGE_COLUMN}
    known.update(one.id for one in form.attributes)
    for item in form.items:
        known.update((item.id, *names_of(item)))
        settings = options.columns.get(item.id, ColumnSettings())
        kind = "Choice" if item.cells is None else item.cells.form.type
        if (settings.split or settings.none_chosen == "Missing") and kind != "Multiple":
            raise InvalidInputError(
                f"--columns: {item.id}: split and noneChosen belong to an item of type Multiple"
            )
    unknown = [name for name in options.columns if name not in known]
    if unknown:
        raise InvalidInputError(
            f"--columns: the instrument has no item, option or attribute {_some(unknown)}"
        )
    if options.key_column and "key" in options.columns:
        raise InvalidInputError("--key-column and `key` of --columns name the same: write one")

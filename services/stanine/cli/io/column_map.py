"""Reads a column map (`--columns MAP.yaml`): where a file has what, and how it is coded.

Called by `file_options`. Each name is that of an item, an option (`item.option`), an attribute, `key`, `participant`,
`revision` or `attempt.language`; `locating` checks that it exists.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.fault_lines import locate_fault
from stanine.cli.io.terminal import read_file
from stanine.domain.errors import InvalidDocument
from stanine.domain.instruments.document import read_yaml

Scalar = int | float | str


class ColumnSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True
):
    """One entry of a column map."""

    #: The column's title in the file. Default: as without a map.
    column: str | None = None
    #: Codes of missing answers in this column, also if they are values of options.
    missing: tuple[Scalar, ...] = ()
    #: The file's codes and what they mean in the document; null: missing. Other codes are refused.
    values: dict[str, Scalar | None] = {}
    #: Multiple in one column: what separates the chosen ones.
    split: Annotated[str, msgspec.Meta(min_length=1, max_length=8)] | None = None
    #: Multiple: what it means that no option is chosen.
    none_chosen: Literal["Missing", "Answered"] = "Answered"


def read_column_map(file: str) -> Mapping[str, ColumnSettings]:
    """Return the settings by name.

    Raises InvalidInputError with FILE and place.
    """
    try:
        plain = read_yaml(read_file(file))
    except InvalidDocument as error:
        raise InvalidInputError(*(locate_fault(file, fault) for fault in error.faults)) from None
    if not isinstance(plain, dict) or not plain:
        raise InvalidInputError(
            f'{file}: a mapping from names to columns belongs here, such as A1: "Question 1"'
        )
    found, faults = {}, []
    for name, entry in plain.items():
        try:
            settings = {"column": entry} if isinstance(entry, str) else entry
            found[name] = msgspec.convert(settings, ColumnSettings)
        except msgspec.ValidationError as error:
            faults.append(f"{file}: {name}: {error}; write a title, or {_FIELDS}")
    if faults:
        raise InvalidInputError(*faults)
    return found


_FIELDS = "any of column, missing, values, split, noneChosen"

"""Reads the files of a ReproSchema activity from a folder. Called by `reproschema`. It opens no addresses."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

#: The name of a schema file ends so, with or without `.jsonld`.
_SCHEMA = ("_schema", "_schema.jsonld", "_schema.json")


def find_schema(path: Path) -> Path:
    """Return the schema of an activity: the file itself, or the only one in a folder.

    Raises ValueError unless there is exactly one.
    """
    if not path.is_dir():
        return path
    found = sorted(one for one in path.iterdir() if one.name.endswith(_SCHEMA))
    if len(found) != 1:
        raise ValueError(
            f"the folder has {len(found)} schemas ({', '.join(one.name for one in found) or 'names end with _schema'}): name the file"
        )
    return found[0]


def plain_names(element: Any) -> Any:
    """Return an element with names without prefixes: `schema:minValue` is `minValue`."""
    if isinstance(element, dict):
        return {
            name if name.startswith("@") else name.rpartition(":")[2]: plain_names(value)
            for name, value in element.items()
        }
    if isinstance(element, list):
        return [plain_names(one) for one in element]
    return element


def open_reference(
    reference: str, base: Path, read: Callable[[Path], Any]
) -> tuple[Mapping[str, Any], Path]:
    """Return the element that a reference names, relative to the file `base`, and its own file.

    Raises ValueError if it is an address, or not there.
    """
    if "://" in reference:
        raise ValueError(f"{reference} is an address; only files are read")
    for name in (reference, f"{reference}.jsonld", f"{reference}.json"):
        file = base.parent / name
        if file.is_file():
            return plain_names(read(file)), file
    raise ValueError(f"the file {reference} is missing")


def texts_of(value: Any, language: str) -> tuple[str, dict[str, str]]:
    """Return a text in a language (else the first one), and its texts in other languages."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict):
        texts = {
            tag.replace("_", "-"): text
            for tag, text in value.items()
            if isinstance(text, str) and text.strip() and not tag.startswith("@")
        }
        if "@value" in value:
            return str(value["@value"]), {}
        own = language if language in texts else next(iter(texts), "")
        return texts.get(own, ""), {tag: text for tag, text in texts.items() if tag != own}
    return "", {}

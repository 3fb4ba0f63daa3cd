"""Languages of the pages' own texts: catalogs, choice, direction, numbers and times.

Called by `rendering` and the routes. The catalogs are `locales/LANGUAGE.po`; English is the language of the source.
"""

import gettext
import io
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from babel import Locale, UnknownLocaleError
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from stanine.domain.instruments.public_form import choose_language

#: The language of the source, used if no other one fits.
DEFAULT = "en"
#: Languages with a catalog.
CATALOGS = ("ar", "de")
LANGUAGES = (DEFAULT, *CATALOGS)
#: Scripts that are written from right to left.
_RIGHT_TO_LEFT = frozenset(
    {"ar", "arc", "ckb", "dv", "fa", "he", "ks", "nqo", "ps", "sd", "syr", "ug", "ur", "yi"}
)


@cache
def catalog(language: str) -> gettext.NullTranslations:
    """Return the texts in a language of LANGUAGES."""
    if language == DEFAULT:
        return gettext.NullTranslations()
    text = (files("stanine.pages") / "locales" / f"{language}.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(text), locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def interface_language(wanted: Iterable[str]) -> str:
    """Return the language of the pages' own texts: the first of some tags that has a catalog."""
    for tag in wanted:
        found = choose_language(None, LANGUAGES, [tag])
        if found is not None:
            return found
    return DEFAULT


def accepted(header: str) -> list[str]:
    """Return the language tags of an Accept-Language header, the preferred first."""
    weighted = []
    for place, part in enumerate(header[:1_000].split(",")):
        tag, _, rest = part.partition(";")
        weight = rest.strip().removeprefix("q=")
        try:
            weighted.append((-float(weight or 1), place, tag.strip()))
        except ValueError:
            continue
    return [tag for weight, _, tag in sorted(weighted) if tag not in {"", "*"} and weight < 0]


def direction(language: str | None) -> str:
    """Return the direction of a language's script, as the attribute `dir` names it."""
    return "rtl" if (language or "").lower().partition("-")[0] in _RIGHT_TO_LEFT else "ltr"


@cache
def locale(language: str) -> Locale:
    """Return Babel's data of a language."""
    return Locale.parse(language)


@cache
def language_name(tag: str) -> str:
    """Return the name of a language in that language; the tag if it is not known."""
    try:
        name = Locale.parse(tag, sep="-").get_display_name()
    except (UnknownLocaleError, ValueError):
        return tag
    return name[:1].upper() + name[1:] if name else tag

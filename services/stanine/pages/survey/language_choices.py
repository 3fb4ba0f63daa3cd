"""The languages among which a participant chooses, before and after the start. Pure. Called by the routes."""

from collections.abc import Iterable
from typing import NamedTuple

from stanine.client.records import FormInfo
from stanine.pages.languages import direction, language_name
from stanine.pages.survey.fields import Fields

#: Longest language tag that is passed on.
_MAX_TAG = 35


class LanguageChoice(NamedTuple):
    """A language of an instrument, as its switch shows it."""

    tag: str
    name: str
    direction: str
    is_current: bool


def language_choices(languages: Iterable[str] | None, current: str | None) -> list[LanguageChoice]:
    """Return the choices of a switch; empty if there is nothing to choose."""
    found = [
        LanguageChoice(tag, language_name(tag), direction(tag), tag == current)
        for tag in languages or ()
    ]
    return found if len(found) > 1 else []


def chosen_language(form: FormInfo, fields: Fields) -> str | None:
    """Return the language of the form whose button was pressed; None: another button."""
    tag = fields.get("language", [""])[0]
    return tag if tag in (form.languages or ()) else None


def read_tag(text: str | None) -> str | None:
    """Return a language tag of a request, if it can be one."""
    is_tag = text and len(text) <= _MAX_TAG and text.replace("-", "").isalnum() and text.isascii()
    return text if is_tag else None

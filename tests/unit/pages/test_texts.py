"""Every text of the pages is translated, with the same placeholders."""

import io
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import stanine.pages
from stanine.pages.languages import CATALOGS, LANGUAGES, catalog, direction, interface_language

ROOT = Path(stanine.pages.__file__).parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
PLACEHOLDER = re.compile(r"%\(\w+\)s")


def source_texts() -> set[str | tuple[str, ...]]:
    found = extract_from_dir(
        ROOT,
        METHODS,
        {"**.html": {"newstyle_gettext": "true"}},
        keywords={"_": None, "gettext": None, "ngettext": (1, 2)},
    )
    return {message for _, _, message, _, _ in found}


@pytest.mark.parametrize("language", CATALOGS)
def test_every_text_is_translated_and_none_is_left_over(language: str) -> None:
    text = (ROOT / "locales" / f"{language}.po").read_bytes()
    messages = {one.id: one for one in read_po(io.BytesIO(text), locale=language) if one.id}
    assert set(messages) == source_texts()
    for one in messages.values():
        sources = [*one.id] if isinstance(one.id, tuple) else [str(one.id)]
        words = [*one.string] if isinstance(one.string, tuple) else [str(one.string)]
        assert all(words), one.id
        assert not one.fuzzy
        allowed = set(PLACEHOLDER.findall(sources[-1]))
        for each in words:
            found = set(PLACEHOLDER.findall(each))
            assert found <= allowed
            assert found == allowed or isinstance(one.id, tuple), one.id


def test_each_language_has_its_plurals() -> None:
    forms = {catalog("ar").ngettext("%(num)s minute", "%(num)s minutes", n) for n in (1, 2, 3, 11)}
    assert len(forms) == 4
    assert catalog("de").ngettext("%(num)s minute", "%(num)s minutes", 1) == "%(num)s Minute"


def test_the_interface_speaks_the_first_language_that_it_knows() -> None:
    assert interface_language(["fr", "de-AT", "en"]) == "de"
    assert interface_language(["fr"]) == "en"
    assert [direction(language) for language in LANGUAGES] == ["ltr", "rtl", "ltr"]
    assert direction("he-IL") == "rtl"

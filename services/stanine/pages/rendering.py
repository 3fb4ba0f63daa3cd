"""Renders templates in a language. Used by all pages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from stanine.pages.assets import Assets
from stanine.pages.languages import LANGUAGES, catalog, direction
from stanine.pages.links import Links
from stanine.pages.settings import PagesSettings, in_language

_TEMPLATES = Path(__file__).parent / "templates"


class Renderer:
    """The templates, in each language of the interface."""

    def __init__(self, settings: PagesSettings, assets: Assets) -> None:
        self.links = Links(settings.base_path)
        self._assets = assets
        self._organisation = settings.organisation
        self._banner = settings.banner
        self._environments = {language: self._environment(language) for language in LANGUAGES}

    def render(self, template: str, language: str, **values: Any) -> str:
        """Return a page. `language`: the interface's, one of LANGUAGES."""
        return self._environments[language].get_template(template).render(part="", **values)

    def module(self, template: str, language: str, values: Mapping[str, Any]) -> str:
        """Return a part of a page."""
        return self._environments[language].get_template(template).render(**values)

    def organisation(self, language: str) -> dict[str, str | None]:
        """Return who asks, in a language."""
        its = self._organisation
        return {
            "name": in_language(its.name, language),
            "contact": in_language(its.contact, language),
            "privacy_url": in_language(its.privacy_url, language),
        }

    def consent(self, instrument: str, language: str) -> list[str]:
        """Return the paragraphs of the consent to an instrument."""
        its = self._organisation
        return paragraphs(in_language(its.instruments.get(instrument) or its.consent, language))

    def _environment(self, language: str) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        texts = catalog(language)
        extended: Any = environment  # the extension adds the method
        extended.install_gettext_callables(texts.gettext, texts.ngettext, newstyle=True)
        environment.globals |= {
            "language": language,
            "direction": direction(language),
            "asset": lambda name: self.links.asset(self._assets.digest, name),
            "organisation": self.organisation(language),
            "banner": in_language(self._banner, language),
        }
        return environment


def paragraphs(text: str | None) -> list[str]:
    """Return the paragraphs of a text, which are separated by blank lines."""
    return [
        part.strip() for part in (text or "").replace("\r\n", "\n").split("\n\n") if part.strip()
    ]


def data_block(data: Any) -> Markup:
    """Return data as JSON for a script element of the type application/json."""
    text = msgspec.json.encode(data).decode()
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028"))  # noqa: S704 - no `<` ends the element


def language_attributes(content: str | None, interface: str) -> Markup:
    """Return the attributes of an element whose texts are in the language of the instrument."""
    if content is None or content.lower() == interface:
        return Markup("")
    return Markup('lang="{}" dir="{}"').format(content, direction(content))

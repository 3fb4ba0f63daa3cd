"""The questions of a page as HTML that is rendered once and filled in for each participant.

A template marks with `slot` what depends on the answers. The text between the marks is kept per form, page and
language, so that a request joins strings. Called by the routes.
"""

import re
import secrets
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import msgspec
from markupsafe import Markup, escape

from stanine.client.records import ItemInfo
from stanine.pages.rendering import Renderer
from stanine.pages.survey.paging import SurveyPage
from stanine.pages.survey.prepared import Prepared
from stanine.pages.survey.wording import Wording, has_slider, is_wide, label

_NO_ERRORS: Mapping[str, str] = {}


@dataclass(frozen=True)
class PageState:
    """What a page shows of one participant. Never logged."""

    answers: Mapping[str, Any] = field(repr=False)
    shown: AbstractSet[str]
    #: Sentences by item.
    errors: Mapping[str, str] = field(default_factory=lambda: _NO_ERRORS)


class _Slot(msgspec.Struct, frozen=True):
    kind: str
    item: ItemInfo
    option: int


class ItemFragments:
    """The questions of one page in one language of the interface."""

    def __init__(
        self, renderer: Renderer, prepared: Prepared, page: SurveyPage, language: str
    ) -> None:
        self._items = [prepared.form.items[place] for place in page.items]
        self._wording = Wording(language)
        mark = f"\0{secrets.token_hex(8)}"

        def slot(kind: str, item: str, option: int = 0) -> Markup:
            return Markup(f"{mark}{kind}|{prepared.places[item]}|{option}\0")  # noqa: S704 - replaced below

        html = renderer.module(
            "survey/items.html",
            language,
            {
                "items": self._items,
                "slot": slot,
                "label": label,
                "literal": literal,
                "is_wide": is_wide,
                "has_slider": has_slider,
                "missing_values": missing_values,
                "number_hint": self._wording.number_hint,
                "choose_hint": self._wording.choose_hint,
                "plain_number": self._wording.number,
                "exact_number": exact_number,
                "slider_step": slider_step,
            },
        )
        pieces = re.split(re.escape(mark) + r"(\w+)\|(\d+)\|(\d+)" + "\0", html)
        self._texts = pieces[0::4]
        self._slots = [
            _Slot(kind, prepared.form.items[int(place)], int(option))
            for kind, place, option in zip(pieces[1::4], pieces[2::4], pieces[3::4], strict=True)
        ]

    def fill(self, state: PageState) -> Markup:
        """Return the questions with a participant's answers."""
        parts = [self._texts[0]]
        for slot, text in zip(self._slots, self._texts[1:], strict=True):
            parts += (self._value(slot, state), text)
        return Markup("".join(parts))  # noqa: S704 - of templates and escaped values

    def _value(self, slot: _Slot, state: PageState) -> str:
        item = slot.item
        answer = state.answers.get(item.id)
        error = state.errors.get(item.id)
        match slot.kind:
            case "checked":
                value = item.options[slot.option].value
                chosen = value in answer if isinstance(answer, list) else value == answer
                return " checked" if chosen else ""
            case "value":
                return self._text(answer)
            case "hidden":
                return "" if item.id in state.shown else " hidden disabled"
            case "ranking":
                return self._ranking(item, answer)
            case "unanswered":
                return " hidden" if answer is None else ""
            case "ranked":
                return " checked" if isinstance(answer, list) else ""
        if error is None:
            return ""
        match slot.kind:
            case "error":
                return Markup('<p class="error" id="e-{}">{}</p>').format(item.id, error)
            case "described":
                return Markup(' aria-describedby="e-{}"').format(item.id)
            case "describedby":
                return Markup(" e-{}").format(item.id)
        return ' aria-invalid="true"'

    def _text(self, answer: Any) -> str:
        if answer is None:
            return ""
        if isinstance(answer, int | float):
            return escape(self._wording.number(answer))
        return escape(answer)

    def _ranking(self, item: ItemInfo, answer: Any) -> str:
        values = [option.value for option in item.options]
        order = (
            answer
            if isinstance(answer, list) and sorted(map(str, answer)) == sorted(map(str, values))
            else values
        )
        labels = {option.value: label(option) for option in item.options}
        up, down = self._wording.gettext("Move up"), self._wording.gettext("Move down")
        return Markup("").join(
            Markup(
                '<li><span>{label}</span><input type="hidden" name="a.{id}" value="{value}">'
                '<button name="move" value="{id}|{place}|up" aria-label="{up}: {label}">↑</button>'
                '<button name="move" value="{id}|{place}|down" aria-label="{down}: {label}">↓</button></li>'
            ).format(
                label=labels[value], id=item.id, value=literal(value), place=place, up=up, down=down
            )
            for place, value in enumerate(order)
        )


def literal(value: Any) -> str:
    """Return a value as JSON text, as fields hold it."""
    return msgspec.json.encode(value).decode()


def missing_values(item: ItemInfo) -> str:
    """Return the values that count as missing answers, as JSON; "" if there are none."""
    found = [option.value for option in item.options if option.missing]
    return literal(found) if found else ""


def exact_number(x: float) -> str:
    """Return a number as attributes of HTML hold it."""
    return repr(int(x) if float(x).is_integer() else x)


def slider_step(item: ItemInfo) -> str:
    """Return the step of a slider."""
    if item.step is not None:
        return exact_number(item.step)
    return "1" if item.integer else "any"

"""Finds every error of an attempt that the compiled decoder rejected. Called by `attempt`.

Also checks other bodies that share members with attempts. No error message quotes an answer; it names the place.
"""

import re
from collections.abc import Callable
from typing import Any

from stanine.domain.errors import Faults, InvalidAttempt
from stanine.domain.instruments.strict_json import locate
from stanine.domain.limits import (
    MAX_ATTEMPT_BYTES,
    MAX_ATTRIBUTE_TEXT,
    MAX_INTEGER,
    MAX_KEY,
    MAX_LANGUAGE,
    MAX_PARTICIPANT,
    MAX_REVISION,
)

#: A language tag (BCP 47), as in documents.
LANGUAGE = "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"
#: Maximum of characters of a name in a pointer.
_SHOWN = 64


def check(text: bytes) -> None:
    """Raise InvalidAttempt if the slow reader finds an error."""
    faults = find(text)
    if faults.count:
        raise InvalidAttempt(faults.kept, faults.count)


def explain(text: bytes, refusal: Exception) -> InvalidAttempt:
    """Return the errors of an invalid text.

    `refusal`: the decoder's message, reported if the slow reader finds no error.
    """
    faults = find(text)
    if not faults.count:
        faults.add("", "Syntax", f"not an attempt: {refusal}")
    return InvalidAttempt(faults.kept, faults.count)


def pointer(place: str, name: str) -> str:
    """Return the JSON pointer of an object's member (RFC 6901); long names are truncated."""
    shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
    return f"{place}/{shown.replace('~', '~0').replace('/', '~1')}"


def judge(plain: dict[str, Any], faults: Faults) -> None:
    """Add the errors of members that a body shares with attempts."""
    for name, judge_member in _MEMBERS.items():
        if plain.get(name) is not None:
            judge_member(plain[name], f"/{name}", faults)


def find(text: bytes) -> Faults:
    """Find all errors of an attempt's text that do not depend on its form."""
    faults = Faults()
    plain = locate(
        text, faults, MAX_ATTEMPT_BYTES, pointer, lambda place, index: f"{place}/{index}"
    )
    if plain is None and faults.count:
        return faults
    if not isinstance(plain, dict):
        faults.add("", "WrongType", "an attempt is one JSON object")
        return faults
    for name, value in plain.items():
        judge = _MEMBERS.get(name)
        if judge is None:
            faults.add(pointer("", name), "UnknownField", f"an attempt has {', '.join(_MEMBERS)}")
        elif value is not None:
            judge(value, f"/{name}", faults)
    answers = plain.get("answers")
    if answers is None:
        faults.add("/answers", "MissingField", "answers are missing")
    elif (
        isinstance(answers, dict)
        and all(answer in (None, "") for answer in answers.values())
        and not faults.at("/answers")
    ):
        faults.add(
            "/answers", "TooFew", "no item is answered; an attempt without any answer is not taken"
        )
    return faults


def _text(limit: int) -> Callable[[Any, str, Faults], None]:
    def judge(value: Any, place: str, faults: Faults) -> None:
        if not isinstance(value, str):
            faults.add(place, "WrongType", "text belongs here")
        elif not 1 <= len(value) <= limit:
            faults.add(
                place, "TooLong" if value else "TooShort", f"1 to {limit} characters belong here"
            )
        elif not value.isprintable():
            faults.add(place, "WrongText", "the text holds a character that cannot be printed")

    return judge


def _revision(value: Any, place: str, faults: Faults) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        faults.add(place, "WrongType", "a whole number belongs here")
    elif not 1 <= value <= MAX_REVISION:
        faults.add(place, "OutOfRange", f"revisions are 1 to {MAX_REVISION}")


def _answers(value: Any, place: str, faults: Faults) -> None:
    if not isinstance(value, dict):
        faults.add(place, "WrongType", "an object of answers by item belongs here")
        return
    for name, answer in value.items():
        listed = isinstance(answer, list) and all(
            isinstance(one, int | float | str) and not isinstance(one, bool) for one in answer
        )
        if isinstance(answer, bool) or not (
            answer is None or listed or isinstance(answer, int | float | str)
        ):
            faults.add(
                pointer(place, name),
                "WrongType",
                "an answer is a number or a text, or a list of such for a Multiple or a Ranking",
            )


def _attributes(value: Any, place: str, faults: Faults) -> None:
    if not isinstance(value, dict):
        faults.add(place, "WrongType", "an object of values by attribute belongs here")
        return
    for name, one in value.items():
        if isinstance(one, bool) or not (one is None or isinstance(one, int | float | str)):
            faults.add(pointer(place, name), "WrongType", "a number or a text belongs here")
        elif isinstance(one, str) and len(one) > MAX_ATTRIBUTE_TEXT:
            faults.add(
                pointer(place, name),
                "TooLong",
                f"at most {MAX_ATTRIBUTE_TEXT} characters belong here",
            )


def _language(value: Any, place: str, faults: Faults) -> None:
    if not isinstance(value, str) or len(value) > MAX_LANGUAGE or not re.fullmatch(LANGUAGE, value):
        faults.add(
            place, "WrongText", 'a language tag (BCP 47) such as "en" or "pt-BR" belongs here'
        )


def _seconds(value: Any, place: str, faults: Faults) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        faults.add(place, "WrongType", "a number belongs here")
    elif not 0 <= value <= MAX_INTEGER:
        faults.add(place, "OutOfRange", "seconds are 0 or more")


_MEMBERS: dict[str, Callable[[Any, str, Faults], None]] = {
    "key": _text(MAX_KEY),
    "revision": _revision,
    "participant": _text(MAX_PARTICIPANT),
    "answers": _answers,
    "attributes": _attributes,
    "language": _language,
    "seconds": _seconds,
}

"""Translates enableWhen of a FHIR Questionnaire into a condition (`when`). Called by `fhir`."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from stanine.cli.imports.sections import join

_OPERATORS = {"=": "==", "!=": "!=", ">": ">", "<": "<", ">=": ">=", "<=": "<="}


class Question(NamedTuple):
    """An earlier question: its id and type in the document, and the value of each of its codes."""

    id: str
    type: str
    values: Mapping[str, int | float | str]


def condition_of(item: Mapping[str, Any], questions: Mapping[str, Question]) -> str | None:
    """Return the condition of an item; None if it is always shown. `questions`: the earlier ones, by linkId.

    Raises ValueError with the reason if it cannot be expressed.
    """
    parts = item.get("enableWhen") or ()
    texts = [_one(part, questions) for part in parts]
    if not texts:
        return None
    return join(texts, "and" if item.get("enableBehavior") == "all" else "or")


def _one(part: Mapping[str, Any], questions: Mapping[str, Question]) -> str:
    link, operator = part.get("question"), part.get("operator")
    question = questions.get(str(link))
    if question is None:
        raise ValueError(f"it depends on {link}, which is not an earlier item of the document")
    if operator == "exists":
        return f"answered({question.id}) == {1 if part.get('answerBoolean') else 0}"
    if operator not in _OPERATORS:
        raise ValueError(f"the operator {operator} is not known")
    answer = _answer(part)
    if question.type in ("Choice", "Multiple"):
        return _of_choice(question, operator, answer)
    if question.type == "Number" and isinstance(answer, int | float):
        return f"{question.id} {_OPERATORS[operator]} {answer}"
    raise ValueError(f"an item of type {question.type} cannot be compared")


def _of_choice(question: Question, operator: str, answer: str | float) -> str:
    if str(answer) not in question.values:
        raise ValueError(f"{question.id} has no option {answer}")
    value = question.values[str(answer)]
    if question.type == "Multiple":
        if operator not in ("=", "!="):
            raise ValueError("options of a Multiple have no order")
        return f"{question.id}.{value} == {1 if operator == '=' else 0}"
    if isinstance(value, str):
        if operator not in ("=", "!="):
            raise ValueError("options that are texts have no order")
        if "'" in value:
            raise ValueError("an option's value has an apostrophe")
        return f"{question.id} {_OPERATORS[operator]} '{value}'"
    return f"{question.id} {_OPERATORS[operator]} {value}"


def _answer(part: Mapping[str, Any]) -> str | float:
    if isinstance(coding := part.get("answerCoding"), dict):
        return str(coding.get("code") or coding.get("display"))
    if isinstance(quantity := part.get("answerQuantity"), dict):
        return float(quantity["value"])
    for field in ("answerInteger", "answerDecimal", "answerString", "answerDate"):
        if field in part:
            return part[field]  # type: ignore[no-any-return]
    if "answerBoolean" in part:
        return "true" if part["answerBoolean"] else "false"
    raise ValueError("what the answer is compared with cannot be read")

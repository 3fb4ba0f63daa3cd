"""Instruments of the tests of pages."""

import copy
from typing import Any

_AGREE = ["Strongly disagree", "Disagree", "Neither", "Agree", "Strongly agree"]

#: A question of every type, skip logic, sections, attributes, three languages.
TYPES: dict[str, Any] = {
    "apiVersion": "stanine.dev/v1alpha1",
    "kind": "Instrument",
    "metadata": {"name": "types"},
    "spec": {
        "title": "Every type of question",
        "language": "en",
        "durationMinutes": 5,
        "instructions": "Please answer as it is for you.",
        "attributes": [
            {"id": "sex", "title": "Sex", "values": [{"value": "female", "label": "Female"}, "other"]},
            {"id": "years", "title": "Your age", "type": "Integer", "required": True},
        ],
        "responseSets": [
            {
                "name": "agree",
                "options": [{"value": n, "label": text} for n, text in enumerate(_AGREE, 1)],
            }
        ],
        "items": [
            {"id": "A1", "text": "I ask others how they are.", "responses": "agree", "required": True},
            {
                "id": "d1",
                "text": "Do you drink alcohol?",
                "options": [
                    {"value": 0, "label": "Never"},
                    {"value": 1, "label": "Sometimes"},
                    {"value": "na", "label": "I prefer not to answer", "missing": True},
                ],
            },
            {
                "id": "d2", "text": "How many glasses a week?", "type": "Number", "min": 0, "max": 99, "integer": True,
                "unit": "glasses", "when": "d1 > 0", "required": True,
            },
            {
                "id": "pain", "type": "Number", "text": "How strong is your pain?", "min": 0, "max": 10, "step": 0.5,
                "minLabel": "none", "maxLabel": "worst", "unit": "points",
            },
            {
                "id": "m1",
                "type": "Multiple",
                "text": "Which of these do you use?",
                "minChosen": 1,
                "maxChosen": 2,
                "options": [
                    {"value": "a", "label": "Bus"},
                    {"value": "b", "label": "Train"},
                    {"value": "c", "label": "Tram"},
                    {"value": "none", "label": "None of them", "exclusive": True},
                ],
            },
            {
                "id": "r1",
                "type": "Ranking",
                "text": "I learn when I",
                "options": [{"value": v, "label": v} for v in ("feel", "watch", "think", "do")],
            },
            {"id": "note", "type": "Text", "text": "Anything else?", "maxLength": 500, "multiline": True},
            {"id": "word", "type": "Text", "text": "One word", "maxLength": 20},
            {"id": "since", "type": "Date", "text": "Since when?"},
        ],
        "sections": [
            {"id": "self", "title": "About you", "items": ["A1", "d1", "d2", "pain"]},
            {
                "id": "rest", "title": "Other questions", "instructions": "Take your time.",
                "items": ["m1", "r1", "note", "word", "since"],
            },
        ],
        "scales": [{"id": "s", "items": ["A1"], "score": "Mean", "minValid": 1}],
        "translations": {
            "de": {
                "title": "Jede Art von Frage",
                "instructions": "Bitte antworten Sie, wie es für Sie ist.",
                "items": {"A1": "Ich frage andere, wie es ihnen geht.", "d1": "Trinken Sie Alkohol?"},
                "options": {"agree": {"4": "Stimme zu"}},
            },
            "ar": {
                "title": "كل نوع من الأسئلة",
                "instructions": "يرجى الإجابة كما هو حالك.",
                "items": {
                    "A1": "أسأل الآخرين عن أحوالهم.",
                    "d1": "هل تشرب الكحول؟",
                    "d2": "كم كأسًا في الأسبوع؟",
                    "pain": "ما شدة ألمك؟",
                },
                "options": {
                    "agree": {"1": "لا أوافق بشدة", "2": "لا أوافق", "3": "محايد", "4": "أوافق", "5": "أوافق بشدة"},
                    "d1": {"0": "أبدًا", "1": "أحيانًا", "na": "أفضل عدم الإجابة"},
                },
                "sections": {"self": {"title": "عنك"}},
            },
        },
    },
}  # fmt: skip


def plain(name: str, items: int = 4, **spec: Any) -> dict[str, Any]:
    """An instrument of questions with the options 0 to 3, two on a page."""
    options = [{"value": value, "label": f"Answer {value}"} for value in range(4)]
    ids = [f"q{number}" for number in range(1, items + 1)]
    return {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": name},
        "spec": {
            "title": f"The instrument {name}",
            "language": "en",
            "responseSets": [{"name": "four", "options": options}],
            "items": [
                {"id": item, "text": f"Question {item}", "responses": "four"} for item in ids
            ],
            "layout": {"itemsPerPage": 2},
            "scales": [{"id": "total", "items": ids, "score": "Sum", "minValid": 1}],
        }
        | spec,
    }


def hostile(name: str, text: str) -> dict[str, Any]:
    """The instrument TYPES with a text that tries to be HTML or a script in every place for texts."""
    document = copy.deepcopy(TYPES)
    document["metadata"]["name"] = name

    def poison(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: poison(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [poison(each) for each in value]
        shown = {"title", "text", "label", "instructions", "unit", "minLabel", "maxLabel"}
        return text if key in shown else value

    spec = document["spec"]
    for part in ("title", "instructions", "attributes", "responseSets", "items", "sections"):
        spec[part] = poison(spec[part], part)
    del spec["translations"]
    return document


def timed(name: str, seconds: int, **spec: Any) -> dict[str, Any]:
    """An instrument of two sections of two questions, the first with a time limit and required questions."""
    document = plain(name, **spec)
    for item in document["spec"]["items"][:2]:
        item["required"] = True
    document["spec"]["sections"] = [
        {
            "id": "quick",
            "title": "Quick questions",
            "instructions": "Answer without thinking long.",
            "items": ["q1", "q2"],
            "timeLimitSeconds": seconds,
        },
        {"id": "rest", "title": "Other questions", "items": ["q3", "q4"]},
    ]
    return document

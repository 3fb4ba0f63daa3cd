"""The form of condition_vectors.json: a question of every type, hidden questions, attributes. Used by the tests of conditions."""

from typing import Any

from stanine.client.records import AttributeInfo, FormInfo, ItemInfo, OptionInfo
from stanine.pages.survey.prepared import Prepared

_NUMBERS = [*(OptionInfo(value) for value in range(4)), OptionInfo("na", missing=True)]
ITEMS = [
    ItemInfo("n1", "", "Choice", _NUMBERS),
    ItemInfo("n2", "", "Choice", _NUMBERS),
    ItemInfo("c1", "", "Choice", [OptionInfo("a"), OptionInfo("b"), OptionInfo("x", missing=True)]),
    ItemInfo("mixed", "", "Choice", [OptionInfo(1), OptionInfo("a")]),
    ItemInfo(
        "m1", "", "Multiple", [OptionInfo("a"), OptionInfo("b"), OptionInfo("none", exclusive=True)]
    ),
    ItemInfo("r1", "", "Ranking", [OptionInfo("f"), OptionInfo("w"), OptionInfo("t")]),
    ItemInfo("num", "", "Number", min=-1000.0, max=1000.0),
    ItemInfo("txt", "", "Text"),
    ItemInfo("since", "", "Date"),
    ItemInfo("h1", "", "Choice", _NUMBERS, when="n1 > 5"),
    ItemInfo("h2", "", "Choice", _NUMBERS, when="n1 > 0"),
]
ATTRIBUTES = [AttributeInfo("sex", type="Text"), AttributeInfo("years", type="Integer")]


def prepared(when: str) -> Prepared:
    """Return the form with a last item of this condition. Raises InvalidDocument for a wrong one."""
    items = [*ITEMS, ItemInfo("target", "", "Text", when=when)]
    return Prepared(FormInfo("vectors", 1, 1, "Vectors", ATTRIBUTES, items))


def for_browser(form: Prepared, answers: dict[str, Any], attributes: dict[str, Any]) -> Any:
    """Return the arguments of the script's function `states`."""
    conditions: dict[str, Any] = {}
    for one in form.pages(()):
        conditions |= form.conditions(one)
    items = [
        {
            "id": item.id,
            "type": item.type,
            "options": [option.value for option in item.options],
            "missing": [option.value for option in item.options if option.missing],
            "answer": answers.get(item.id),
            "conditions": conditions.get(item.id),
        }
        for item in form.form.items
    ]
    return [items, attributes]

"""What the buttons of questions do to a posted page: move an option of a ranking, clear an answer. Pure.

Called by the routes.
"""

from stanine.pages.survey.fields import Fields


def move_option(fields: Fields, move: str) -> dict[str, list[str]]:
    """Return the fields with one option moved, and its ranking confirmed.

    `move`: item, place from 0, and `up` or `down`, separated by bars. Another text moves nothing.
    """
    changed = {name: list(values) for name, values in fields.items()}
    item, _, rest = move.partition("|")
    place, _, direction = rest.partition("|")
    values = changed.get(f"a.{item}", [])
    if not place.isdecimal() or direction not in {"up", "down"}:
        return changed
    begin = int(place)
    end = begin + (1 if direction == "down" else -1)
    if 0 <= begin < len(values) and 0 <= end < len(values):
        values[begin], values[end] = values[end], values[begin]
        changed[f"ok.{item}"] = ["1"]
    return changed


def clear_answer(fields: Fields, name: str) -> dict[str, list[str]]:
    """Return the fields without the one that a button names, such as `a.A1`. An unknown name clears nothing."""
    return {each: list(values) for each, values in fields.items() if each != name}

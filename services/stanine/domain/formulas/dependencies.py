"""Topological order of scales: parts before the scales that use them.

Called by the checks of a document and by its plan.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple


class Order(NamedTuple):
    """The computable scales in order, and the cycles, each as a chain of scales that use the next."""

    order: tuple[str, ...]
    cycles: tuple[tuple[str, ...], ...]


def order(parts: Mapping[str, Collection[str]]) -> Order:
    """Return an order in which each scale follows its parts, otherwise as given.

    Parts that are not scales of the mapping are ignored. A scale that is in a cycle, or uses one that is, is not in the
    order. A cycle begins with the scale that is given first: `("a", "b")` means that a uses b and b uses a.
    """
    done: dict[str, None] = {}
    #: Scales from which a cycle is reachable.
    stuck: set[str] = set()
    cycles: dict[tuple[str, ...], None] = {}
    for scale in parts:
        _visit(scale, parts, done, stuck, cycles)
    return Order(tuple(done), tuple(cycles))


def _visit(
    root: str,
    parts: Mapping[str, Collection[str]],
    done: dict[str, None],
    stuck: set[str],
    cycles: dict[tuple[str, ...], None],
) -> None:
    """Depth-first search without recursion: a chain of scales may be long."""
    path: dict[str, list[str]] = {}  # the scales being visited, each with its remaining parts
    if root in done or root in stuck:
        return
    path[root] = _own(root, parts)
    while path:
        scale, rest = next(reversed(path.items()))
        if not rest:
            del path[scale]
            if scale not in stuck:
                done[scale] = None
            continue
        part = rest.pop(0)
        if part in path:
            places = list(path)
            members = places[places.index(part) :]
            cycles[_from_first(members, parts)] = None
            stuck.update(places)
        elif part in stuck:
            stuck.update(path)
        elif part not in done:
            path[part] = _own(part, parts)


def _own(scale: str, parts: Mapping[str, Collection[str]]) -> list[str]:
    return [part for part in dict.fromkeys(parts[scale]) if part in parts]


def _from_first(members: list[str], parts: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    place = {scale: at for at, scale in enumerate(parts)}
    first = min(range(len(members)), key=lambda at: place[members[at]])
    return tuple(members[first:] + members[:first])

"""ApiCall that lists an instrument's attempts. Used by the resource `attempts`."""

from typing import NamedTuple

import msgspec

from stanine.client.errors import UnexpectedAnswerError
from stanine.client.messages import NDJSON, ApiCall, Reply, call, query, reader
from stanine.client.records import CodebookInfo, ListedAttemptInfo, ListPositionInfo, Page

#: Attempts per page of a list.
PAGE = 1_000


class Selection(NamedTuple):
    """Which attempts of an instrument are listed, with which parts, and the language of labels."""

    since: str | None = None
    until: str | None = None
    state: str | None = None
    key: str | None = None
    participant: str | None = None
    include: tuple[str, ...] = ()
    language: str | None = None


def page(
    instrument: str, after: str, limit: int, selection: Selection
) -> ApiCall[Page[ListedAttemptInfo]]:
    """Read a page of an instrument's attempts, in order of arrival."""
    return call(
        "GET",
        "/v1/instruments/{name}/attempts",
        _read_lines,
        {"name": instrument},
        headers={"accept": NDJSON},
        query=query(
            after=after,
            limit=limit,
            **{"from": selection.since},
            to=selection.until,
            state=selection.state,
            key=selection.key,
            participant=selection.participant,
            include=",".join(selection.include),
            language=selection.language,
        ),
    )


def codebook(instrument: str, language: str | None) -> ApiCall[CodebookInfo]:
    """Read the variables of an instrument's exports."""
    return call(
        "GET",
        "/v1/instruments/{name}/codebook",
        reader(CodebookInfo),
        {"name": instrument},
        query=query(language=language),
    )


def _read_lines(reply: Reply) -> Page[ListedAttemptInfo]:
    items: list[ListedAttemptInfo] = []
    following = None
    try:
        for line in reply.body.splitlines():
            if line.startswith(b'{"next":'):
                following = msgspec.json.decode(line, type=ListPositionInfo).next
            else:
                items.append(_read_listed(line))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise UnexpectedAnswerError("a line of the server's answer cannot be read") from None
    if following is None:
        raise UnexpectedAnswerError("the server's answer does not end with a cursor")
    return Page(items, following)


_read_listed = msgspec.json.Decoder(ListedAttemptInfo).decode

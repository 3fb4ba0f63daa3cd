"""Calls that publish and read instruments. Used by the resource `instruments`."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from stanine.client.errors import UnexpectedAnswerError
from stanine.client.messages import JSON, ApiCall, Reply, call, json_call, query, reader
from stanine.client.records import (
    FormInfo,
    InstrumentInfo,
    InstrumentText,
    Page,
    Publication,
    RescoringInfo,
    ScalesInfo,
)

#: Instruments per page: the API's maximum.
PAGE = 1_000

_NAMED = "/v1/instruments/{name}"
_read_document = reader(dict[str, Any])


def publish(
    name: str,
    document: Mapping[str, Any] | bytes | str,
    media_type: str,
    if_match: str | None,
    *,
    only_new: bool,
    wait: float,
) -> ApiCall[Publication]:
    """Publish a document.

    `if_match`: an ETag, a digest, or `*`; `only_new`: fail if the name exists.
    """
    if if_match is not None and only_new:
        raise ValueError("if_match replaces an instrument and only_new makes one: give one of them")
    if isinstance(document, Mapping):
        text, media_type = msgspec.json.encode(document), JSON
    else:
        text = document.encode() if isinstance(document, str) else document
    headers = {"content-type": media_type}
    if if_match is not None:
        headers["if-match"] = (
            if_match if if_match == "*" or if_match.startswith('"') else f'"{if_match}"'
        )
    if only_new:
        headers["if-none-match"] = "*"
    return call(
        "PUT",
        _NAMED,
        reader(Publication),
        {"name": name},
        body=text,
        headers=headers,
        query=query(wait=wait or None),
        hold=wait,
    )


def read(name: str, revision: int | None, known: InstrumentText | None) -> ApiCall[InstrumentText]:
    """Read a document; return `known` if it is unchanged."""

    def decode(reply: Reply) -> InstrumentText:
        if reply.status == 304 and known is not None:
            return known
        try:
            numbers = int(reply.headers["stanine-revision"]), int(reply.headers["stanine-form"])
            return InstrumentText(_read_document(reply), *numbers, etag=reply.headers["etag"])
        except (KeyError, ValueError):
            raise UnexpectedAnswerError(
                "the answer with an instrument lacks ETag, Stanine-Revision or Stanine-Form"
            ) from None

    headers = {"if-none-match": known.etag} if known else {}
    return call(
        "GET",
        _NAMED,
        decode,
        {"name": name},
        query=query(revision=revision),
        headers=headers,
        also_good=frozenset({304}),
    )


def form(name: str, revision: int | None, language: str | None) -> ApiCall[FormInfo]:
    """Read what a participant may see."""
    return call(
        "GET",
        "/v1/instruments/{name}/form",
        reader(FormInfo),
        {"name": name},
        query=query(revision=revision, language=language),
    )


def scales(name: str, revision: int | None, language: str | None) -> ApiCall[ScalesInfo]:
    """Read what scores can be and mean."""
    return call(
        "GET",
        "/v1/instruments/{name}/scales",
        reader(ScalesInfo),
        {"name": name},
        query=query(revision=revision, language=language),
    )


def rescore(name: str, *, dry_run: bool, token: str | None) -> ApiCall[RescoringInfo]:
    """Score all attempts again, idempotently."""
    return json_call(
        "POST",
        "/v1/instruments/{name}:rescore",
        reader(RescoringInfo),
        {"name": name},
        body={"dryRun": dry_run, "token": token or uuid.uuid4().hex},
    )


def rescoring(name: str) -> ApiCall[RescoringInfo]:
    """Read the last re-scoring."""
    return call("GET", "/v1/instruments/{name}/rescoring", reader(RescoringInfo), {"name": name})


def page(after: str, limit: int) -> ApiCall[Page[InstrumentInfo]]:
    """Read a page of the instruments that the key can access, by name."""
    return call(
        "GET",
        "/v1/instruments",
        reader(Page[InstrumentInfo]),
        query=query(after=after, limit=limit),
    )


def ask_whether_indexed(
    published: ApiCall[Publication], digest: str, wait: float
) -> ApiCall[Publication]:
    """Return the call that publishes the same document if it is still the newest.

    It changes nothing.
    """
    headers = {
        name: value for name, value in published.headers.items() if name != "if-none-match"
    } | {"if-match": f'"{digest}"'}
    return replace(published, headers=headers, query=query(wait=wait or None), hold=wait)


def with_changed(published: Publication, changed: bool) -> Publication:
    """Return a publication with `changed` from the first of several calls."""
    return msgspec.structs.replace(published, changed=changed)

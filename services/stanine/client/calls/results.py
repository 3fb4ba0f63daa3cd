"""Calls that read results: of one attempt, of an instrument, of a participant. Used by the resource `results` and by `waiting`."""

from stanine.client.messages import ApiCall, Reply, call, query, reader
from stanine.client.records import (
    AttemptResult,
    ExportedResultInfo,
    Page,
    ResultExplanation,
    ResultHistoryInfo,
    ScalesInfo,
    StatisticsInfo,
)

#: Results per page: the API's maximum.
PAGE = 1_000
#: Results with their attempts per page: an attempt with texts has up to 100 times the size of a result.
EXPORT_PAGE = 200
#: Seconds without a byte until a computation of statistics counts as lost; the server sends one every few seconds.
_STATISTICS_SECONDS = 60.0

_read_result = reader(AttemptResult)
_read_explanation = reader(ResultExplanation)
_read_scales = reader(ScalesInfo)
_read_page = reader(Page[AttemptResult])
_read_exported = reader(Page[ExportedResultInfo])


def of_attempt(
    attempt: str, token: str | None, wait: float, *, quality: bool = False
) -> ApiCall[AttemptResult | None]:
    """Read an attempt's result; None: it is not scored yet."""

    def decode(reply: Reply) -> AttemptResult | None:
        return None if reply.status == 202 else _read_result(reply)

    return call(
        "GET",
        "/v1/attempts/{id}/result",
        decode,
        {"id": attempt},
        query=query(wait=wait or None, include=_include(quality)),
        token=token,
        hold=wait,
    )


def explanation(attempt: str) -> ApiCall[ResultExplanation | None]:
    """Read the steps of an attempt's scores; None: it is not scored yet."""

    def decode(reply: Reply) -> ResultExplanation | None:
        return None if reply.status == 202 else _read_explanation(reply)

    return call("GET", "/v1/attempts/{id}/result/explanation", decode, {"id": attempt})


def scales(attempt: str, token: str | None, language: str | None) -> ApiCall[ScalesInfo | None]:
    """Read what an attempt's scores can be and mean; None: it is not scored yet."""

    def decode(reply: Reply) -> ScalesInfo | None:
        return None if reply.status == 202 else _read_scales(reply)

    return call(
        "GET",
        "/v1/attempts/{id}/result/scales",
        decode,
        {"id": attempt},
        query=query(language=language),
        token=token,
    )


def history(attempt: str) -> ApiCall[ResultHistoryInfo]:
    """Read the earlier results of an attempt."""
    return call(
        "GET", "/v1/attempts/{id}/result/history", reader(ResultHistoryInfo), {"id": attempt}
    )


def of_instrument(
    name: str, after: str, limit: int, *, quality: bool = False
) -> ApiCall[Page[AttemptResult]]:
    """Read a page of an instrument's results, in the order of their commits."""
    return call(
        "GET",
        "/v1/instruments/{name}/results",
        _read_page,
        {"name": name},
        query=query(after=after, limit=limit, include=_include(quality)),
    )


def with_attempts(
    name: str, after: str, limit: int, include: tuple[str, ...], language: str | None
) -> ApiCall[Page[ExportedResultInfo]]:
    """Read a page of an instrument's results with parts of their attempts, in the order of their commits."""
    return call(
        "GET",
        "/v1/instruments/{name}/results",
        _read_exported,
        {"name": name},
        query=query(after=after, limit=limit, include=",".join(include), language=language),
    )


def of_participant(
    participant: str, after: str, limit: int, *, quality: bool = False
) -> ApiCall[Page[AttemptResult]]:
    """Read a page of a participant's results, of the instruments that the key reaches."""
    route = "/v1/participants/{id}/results"
    return call(
        "GET",
        route,
        _read_page,
        {"id": participant},
        query=query(after=after, limit=limit, include=_include(quality)),
    )


def _include(quality: bool) -> str | None:
    return "quality" if quality else None


def statistics(name: str, by: tuple[str, ...]) -> ApiCall[StatisticsInfo]:
    """Read the figures of an instrument's scales by groups. The server may compute for minutes."""
    return call(
        "GET",
        "/v1/instruments/{name}/statistics",
        reader(StatisticsInfo),
        {"name": name},
        query=query(by=",".join(by)),
        hold=_STATISTICS_SECONDS,
    )

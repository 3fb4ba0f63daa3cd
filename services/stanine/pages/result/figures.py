"""The figures of a result by scale: one record per scale, from the result and from what its scores mean. Pure.

Called by the routes of the result.
"""

from dataclasses import dataclass

from msgspec import UnsetType

from stanine.client.records import AttemptResult, BandInfo, ScaleInfo, ScaleScore, ScalesInfo


@dataclass(frozen=True)
class ShownScale:
    """One scale of one result. Numbers are unrounded; None: the scale does not have it, or it has no value."""

    id: str
    title: str
    #: The score that `value`, `low` and `high` are of: Raw, Score, Z, T, Sten, Stanine or Percentile.
    unit: str
    value: float | None
    low: float | None
    high: float | None
    #: The confidence level of the interval, such as 0.95; None: the instrument states the interval without it.
    level: float | None
    raw: float | None
    #: Lowest and highest raw score.
    reach: tuple[float, float] | None
    percentile: float | None
    norm: str | None
    band: str | None
    band_text: str | None
    valid: int
    items: int
    status: str


@dataclass(frozen=True)
class ShownProfile:
    """The highest of several scales. `texts`: label and text of each code; empty: there is no code."""

    title: str
    texts: tuple[tuple[str, str | None], ...]
    is_tied: bool


def scale_figures(result: AttemptResult, info: ScalesInfo) -> tuple[ShownScale, ...]:
    """Return the figures of the scales, in the order of the instrument."""
    scores = result.scales or {}
    return tuple(_figures(one, scores[one.id]) for one in info.scales if one.id in scores)


def profile_figures(result: AttemptResult, info: ScalesInfo) -> tuple[ShownProfile, ...]:
    """Return the profiles, in the order of the instrument."""
    titles = {one.id: one.title or one.id for one in info.scales}
    found = []
    for one in info.profiles:
        score = (result.profiles or {}).get(one.id)
        if score is None:
            continue
        texts = []
        for code in score.code or ():
            its = (one.texts or {}).get(code)
            label = its.label if its is not None else None
            texts.append((label or titles.get(code, code), its.text if its is not None else None))
        found.append(ShownProfile(one.title or one.id, tuple(texts), bool(score.tied)))
    return tuple(found)


def _figures(info: ScaleInfo, score: ScaleScore) -> ShownScale:
    values = {
        "Raw": score.raw,
        "Score": score.score,
        "Z": score.z,
        "T": score.t,
        "Sten": score.sten,
        "Stanine": score.stanine,
        "Percentile": score.percentile,
    }
    band = _band(info, score)
    reach = score.range
    return ShownScale(
        id=info.id,
        title=info.title or info.id,
        unit=info.report,
        value=_number(values.get(info.report)),
        low=_number(score.low),
        high=_number(score.high),
        level=None if info.interval is None else info.interval.level,
        raw=score.raw,
        reach=None if isinstance(reach, UnsetType) else reach,
        percentile=_number(score.percentile),
        norm=None if isinstance(score.norm, UnsetType) else score.norm,
        band=None if band is None else band.label or band.id,
        band_text=None if band is None else band.text,
        valid=score.valid,
        items=score.items,
        status=score.status,
    )


def _band(info: ScaleInfo, score: ScaleScore) -> BandInfo | None:
    if isinstance(score.band, UnsetType) or score.band is None:
        return None
    bands = info.bands or []
    if info.bands_by_group is not None and isinstance(score.band_group, str):
        bands = info.bands_by_group.get(score.band_group, [])
    return next((one for one in bands if one.id == score.band), BandInfo(score.band))


def _number(value: float | UnsetType | None) -> float | None:
    return None if isinstance(value, UnsetType) else value

"""The public scales of an instrument, for readers of results: titles, ranges, units, bands.

Served at `GET /v1/instruments/NAME/scales`. Without keys, points or formulas, and without internal scales.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from stanine.domain.instruments.formula_names import Formulas
from stanine.domain.instruments.records import Instrument, ScaleWords, Translation
from stanine.domain.instruments.scale_records import Band, Profile, Scale
from stanine.domain.scoring.derived import derive
from stanine.domain.scoring.scale_ranges import scale_ranges


def public_scales(instrument: Instrument, language: str | None = None) -> dict[str, Any]:
    """Return the scales and profiles as plain data in camelCase.

    Texts are translated where the document has translations.
    """
    spec = instrument.spec
    words = spec.translations.get(language or "") or Translation()
    ranges = scale_ranges(spec, Formulas(spec))
    return {
        "scales": [
            _scale(instrument, one, ranges[one.id], words.scales.get(one.id) or ScaleWords())
            for one in spec.scales
            if not one.internal
        ],
        "profiles": [_profile(one, words) for one in spec.profiles],
    }


def _scale(
    instrument: Instrument, scale: Scale, reached: tuple[float, float] | None, words: ScaleWords
) -> dict[str, Any]:
    found = derive(scale, instrument.spec.defaults)
    interval = found.computed_interval
    bands = scale.bands if scale.bands is not None else instrument.spec.defaults.bands or ()
    by_group = (
        {group: _bands(its, words) for group, its in bands.items()}
        if isinstance(bands, dict)
        else None
    )
    return _without_nothing(
        {
            "id": scale.id,
            "title": words.title or scale.title,
            "codes": [{"system": code.system, "code": code.code} for code in scale.codes] or None,
            "report": found.report,
            "standard": list(found.standard) or None,
            "norms": list(scale.norms) or None,
            "interval": None if interval is None else msgspec.structs.asdict(interval),
            "bands": (_bands(bands, words) or None) if not isinstance(bands, dict) else None,
            "bandsByGroup": by_group,
        }
    ) | {"range": None if reached is None else list(reached)}


def _bands(bands: Sequence[Band], words: ScaleWords) -> list[dict[str, Any]]:
    shown = []
    for band in bands:
        its = words.bands.get(band.id)
        shown.append(
            _without_nothing(
                {
                    "id": band.id,
                    "label": (its.label if its is not None else None) or band.label,
                    "text": (its.text if its is not None else None) or band.text,
                    "from": band.from_,
                    "above": band.above,
                }
            )
        )
    return shown


def _profile(profile: Profile, words: Translation) -> dict[str, Any]:
    its = words.profiles.get(profile.id)
    title = its.title if its is not None else None
    texts = {}
    for code, text in profile.texts.items():
        own = its.texts.get(code) if its is not None else None
        texts[code] = _without_nothing(
            {
                "label": (own.label if own is not None else None) or text.label,
                "text": (own.text if own is not None else None) or text.text,
            }
        )
    return _without_nothing(
        {
            "id": profile.id,
            "title": title or profile.title,
            "of": list(profile.of),
            "top": profile.top,
            "ties": profile.ties,
            "texts": texts or None,
        }
    )


def _without_nothing(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}

"""An instrument with norms, intervals, bands and a profile in three languages, for the tests of results."""

from typing import Any

#: Id, titles in English, German and Arabic, mean and standard deviation of the norm group.
_SCALES = [
    ("open", "Openness", "Offenheit", "الانفتاح", 3.4, 0.6),
    ("careful", "Conscientiousness", "Gewissenhaftigkeit", "الضمير الحي", 3.1, 0.7),
    ("outgoing", "Extraversion", "Extraversion", "الانبساط", 3.0, 0.8),
    ("kind", "Agreeableness", "Verträglichkeit", "الوفاق", 3.6, 0.5),
]
_BANDS = [
    ("low", "Below average", "Unter dem Durchschnitt", "دون المتوسط"),
    ("mid", "Average", "Durchschnitt", "متوسط"),
    ("high", "Above average", "Über dem Durchschnitt", "فوق المتوسط"),
]
_TEXT = (
    "Most people of the norm group have a similar score.",
    "Die meisten Personen der Normgruppe haben einen ähnlichen Wert.",
    "لدى معظم أفراد المجموعة المعيارية درجة مشابهة.",
)
#: Items of each scale.
ITEMS_PER_SCALE = 4


def _words(language: int) -> dict[str, Any]:
    bands = {band[0]: {"label": band[language]} for band in _BANDS}
    bands["mid"]["text"] = _TEXT[language - 1]
    return {scale[0]: {"title": scale[language], "bands": bands} for scale in _SCALES}


def item_ids() -> list[str]:
    """Return the ids of the items."""
    return [f"{scale[0]}{n}" for scale in _SCALES for n in range(1, ITEMS_PER_SCALE + 1)]


def traits(name: str = "traits") -> dict[str, Any]:
    """Return the document: the answers to the items of each scale are 1 to 5."""
    bands = [
        {"id": "low", "label": "Below average"},
        {"id": "mid", "label": "Average", "from": 40, "text": _TEXT[0]},
        {"id": "high", "label": "Above average", "above": 60},
    ]
    return {
        "apiVersion": "stanine.dev/v1alpha1",
        "kind": "Instrument",
        "metadata": {"name": name},
        "spec": {
            "title": "Four traits",
            "language": "en",
            "attributes": [{"id": "sex", "title": "Sex", "values": ["female", "male"]}],
            "responseSets": [{"name": "five", "options": [{"value": n} for n in range(1, 6)]}],
            "defaults": {
                "responses": "five",
                "score": "Mean",
                "standard": ["T", "Percentile"],
                "report": "T",
                "interval": {"kind": "Observed", "level": 0.95},
                "bands": bands,
            },
            "items": [{"id": item, "text": f"Statement {item}"} for item in item_ids()],
            "normGroups": [
                {"id": "women", "where": {"sex": "female"}, "size": 412},
                {"id": "everyone", "size": 900},
            ],
            "scales": [
                {
                    "id": scale,
                    "title": title,
                    "items": [f"{scale}{n}" for n in range(1, ITEMS_PER_SCALE + 1)],
                    "minValid": 3,
                    "reliability": 0.84,
                    "norms": {"everyone": {"mean": mean, "sd": sd}},
                }
                for scale, title, _, _, mean, sd in _SCALES
            ],
            "profiles": [
                {
                    "id": "strongest",
                    "title": "Your strongest trait",
                    "of": [f"{scale[0]}.t" for scale in _SCALES],
                    "top": 1,
                    "ties": "First",
                }
            ],
            "translations": {
                "de": {"title": "Vier Eigenschaften", "scales": _words(2)},
                "ar": {"title": "أربع سمات", "scales": _words(3)},
            },
        },
    }

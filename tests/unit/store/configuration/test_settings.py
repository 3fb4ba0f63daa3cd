import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stanine.store.settings.errors import SettingsInvalidError
from stanine.store.settings.model import NAMES, Settings, read_settings, write_settings

DOCUMENT = Path(__file__).parents[4] / "docs" / "reference" / "settings.md"
SCHEMA: dict[str, Any] = msgspec.json.schema_components([Settings])[1]["Settings"]["properties"]
ENUMS = {
    "durability": ["Everysec", "Fsync", "Replica"],
    "logLevel": ["Debug", "Info", "Warning", "Error"],
}
#: Settings that are texts: values, and how the page says what they may be.
TEXTS = {
    "publicUrl": (["", "https://a.example/x"], "an http or https address"),
    "returnUrls": (
        ["", "https://a.example", "https://a.example http://b.example:8080/x"],
        "http or https addresses",
    ),
}
VALUES = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from(ENUMS[name] if name in ENUMS else TEXTS[name][0])
        if name in ENUMS or name in TEXTS
        else st.integers(SCHEMA[name]["minimum"], SCHEMA[name]["maximum"])
        for name in NAMES
    },
)


@given(VALUES)
def test_written_settings_are_read_back_with_defaults(values: dict[str, Any]) -> None:
    read = read_settings(write_settings(values))
    assert read.stated == values.keys()
    assert not read.faults
    assert msgspec.to_builtins(read.settings) == msgspec.to_builtins(Settings()) | values


def test_the_documentation_lists_all_settings() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    defaults = msgspec.to_builtins(Settings())
    for (name, default, allowed, sentence), (known, schema) in zip(
        rows, SCHEMA.items(), strict=True
    ):
        assert (name, default, sentence) == (
            known,
            str(defaults[name]) or "empty",
            schema["description"],
        )
        if name in TEXTS:
            assert allowed == TEXTS[name][1]
        else:
            assert allowed == (
                ", ".join(ENUMS[name])
                if name in ENUMS
                else f"{schema['minimum']} to {schema['maximum']}"
            )


def test_every_setting_has_a_description_and_every_number_a_range() -> None:
    assert SCHEMA.keys() == set(NAMES)
    for name, schema in SCHEMA.items():
        assert schema["description"].endswith("."), name
        assert (
            name in ENUMS
            or {"minimum", "maximum"} <= schema.keys()
            or {"pattern", "maxLength"} <= schema.keys()
        ), name


@pytest.mark.parametrize(
    "text", ["", "x", "0", "3601", "1.5", "true", "null", "9" * 400, "1e400", "\udc80"]
)
def test_an_invalid_value_is_reported_and_the_previous_one_kept(text: str) -> None:
    read = read_settings({"sweepSeconds": text, "durability": "Fsync"}, Settings(sweep_seconds=7))
    assert (read.settings.sweep_seconds, read.settings.durability) == (7, "Fsync")
    assert [name for name, _ in read.faults] == ["sweepSeconds"]


def test_all_invalid_values_are_reported_together() -> None:
    with pytest.raises(SettingsInvalidError) as caught:
        write_settings(
            {
                "sweepSeconds": "5",
                "admissionPercent": 96,
                "durability": "Never",
                "colour": 1,
                "maxRequeues": True,
            }
        )
    assert [name for name, _ in caught.value.faults] == [
        "sweepSeconds",
        "admissionPercent",
        "durability",
        "colour",
        "maxRequeues",
    ]

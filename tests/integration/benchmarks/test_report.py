"""The report writes the documents of the benchmarks into their page."""

import json
import shutil
from pathlib import Path

import pytest
from benchmarks import plots, report


def test_the_report_fills_every_section_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = report.PAGE.read_text()
    shutil.copytree(plots.DOCS, tmp_path / "benchmarks")
    measured = {
        "machine": "a machine",
        "pages_per_second": 1234.5,
        "bars": [{"bar": "pages a second of one process", "figure": 1234.5, "met": True}],
    }
    (tmp_path / "benchmarks/pages.json").write_text(json.dumps(measured))
    (tmp_path / "page.md").write_text(before)
    monkeypatch.setattr(plots, "DOCS", tmp_path / "benchmarks")
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    report.main()
    after = (tmp_path / "page.md").read_text()
    assert (
        "a machine.\n\n|  | figure |\n| --- | --- |\n| pages/s of one process | 1,234.5 |" in after
    )
    assert (
        "| met | pages a second of one process | 1,234.5 | `python -m benchmarks.pages` |" in after
    )
    prose = [line for line in after.splitlines() if not line.startswith(("|", "#", "!"))]
    assert [line for line in prose if len(line) > 120] == []
    written_by_hand = [line for line in before.splitlines() if line.startswith(("#", "!", "**"))]
    assert written_by_hand == [
        line for line in after.splitlines() if line.startswith(("#", "!", "**"))
    ]

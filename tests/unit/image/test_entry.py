"""The image's entry point: which processes there are, and what becomes of a wrong name or an early stop."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ENTRY = Path(__file__).parents[3] / "image/entry.py"


def start(*arguments: str, path: str = "") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(ENTRY), *arguments],
        text=True,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_a_wrong_name_is_answered_with_those_that_there_are() -> None:
    for arguments in ([], ["apy"]):
        process = start(*arguments)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 2
        assert "api, pages, index-watcher, result-watcher, operator, cli" in said


def test_every_process_that_is_named_has_a_main() -> None:
    spec = importlib.util.spec_from_file_location("entry", ENTRY)
    assert spec
    assert spec.loader
    entry = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(entry)
    for name, module in entry.PROCESSES.items():
        beside = ENTRY.with_name(f"{module}.py")
        found = (
            importlib.util.spec_from_file_location(module, beside)
            if beside.exists()
            else importlib.util.find_spec(module)
        )
        assert found, name
        assert found.origin, name
        assert "\ndef main(" in Path(found.origin).read_text(), name


def test_a_stop_while_it_still_imports_is_obeyed(tmp_path: Path) -> None:
    package = tmp_path / "stanine"
    (package / "api").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "api/__init__.py").touch()
    (package / "api/main.py").write_text(
        "import pathlib, time\npathlib.Path(__file__).with_name('here').touch()\ntime.sleep(30)\n"
    )
    process = start("api", path=str(tmp_path))
    deadline = time.monotonic() + 20
    while not (package / "api/here").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGTERM

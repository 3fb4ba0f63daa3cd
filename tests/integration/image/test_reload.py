"""The development loop's reloading, with a process of the test's own in place of the image's."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

RELOAD = Path(__file__).parents[3] / "image" / "reload.py"
#: Writes its version and arguments, and on SIGTERM that it was told.
PROCESS = """
import signal, sys, time
from pathlib import Path
book = Path({book!r})
def note(line):
    with book.open("a") as file:
        file.write(line + "\\n")
def stop(number, frame):
    note("told")
    sys.exit(3)
signal.signal(signal.SIGTERM, stop)
note("{version} " + " ".join(sys.argv[1:]))
time.sleep(60)
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Path, Path]]:
    """Start reload.py over an entry.py; return the process, its folder, and the book that the entry writes to."""
    folder, book = tmp_path / "app", tmp_path / "book"
    folder.mkdir()
    shutil.copy(RELOAD, folder)
    (folder / "entry.py").write_text(PROCESS.format(book=str(book), version="first"))
    process = subprocess.Popen([sys.executable, str(folder / "reload.py"), "api", "--port=1"], stderr=subprocess.PIPE)
    yield process, folder, book
    if process.poll() is None:
        process.kill()
    process.communicate()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lines(book: Path) -> list[str]:
    return book.read_text().splitlines() if book.exists() else []


def put(path: Path, text: str) -> None:
    """Write a file whole, with a time of its own: two writes may fall into one tick of the clock."""
    path.write_text(text)
    os.utime(path, (time.time() + 5, time.time() + 5))


def test_a_changed_file_starts_the_process_again_and_a_signal_ends_both(app: tuple["subprocess.Popen[bytes]", Path, Path]) -> None:
    process, folder, book = app
    until(lambda: lines(book) == ["first api --port=1"])
    put(folder / "entry.py", PROCESS.format(book=str(book), version="second"))
    until(lambda: lines(book)[1:] == ["told", "second api --port=1"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 3
    assert lines(book)[3:] == ["told"]


def test_a_file_that_is_no_python_yet_starts_nothing(app: tuple["subprocess.Popen[bytes]", Path, Path]) -> None:
    _, folder, book = app
    until(lambda: lines(book) == ["first api --port=1"])
    put(folder / "entry.py", "def half(")
    time.sleep(1.5)
    assert lines(book) == ["first api --port=1"]
    (folder / "functions.lua").write_text("-- new")
    until(lambda: "told" in lines(book))

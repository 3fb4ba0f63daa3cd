"""The development loop's reloading, with a process of the test's own in place of the image's."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conftest import free_port

RELOAD = Path(__file__).parents[3] / "image" / "reload.py"
#: Writes its version and arguments, and on SIGTERM that it was told.
PROCESS = """
import os, signal, sys, time
from pathlib import Path
book = Path({book!r})
book.with_suffix(".pid").write_text(str(os.getpid()))
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


class App(NamedTuple):
    process: "subprocess.Popen[bytes]"
    folder: Path
    book: Path
    port: int


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """Start reload.py over an entry.py that writes to a book."""
    folder, book, port = tmp_path / "app", tmp_path / "book", free_port()
    folder.mkdir()
    shutil.copy(RELOAD, folder)
    (folder / "entry.py").write_text(PROCESS.format(book=str(book), version="first"))
    arguments = ["api", "--host=127.0.0.1", f"--port={port}", "--drain-seconds=0"]
    process = subprocess.Popen(
        [sys.executable, str(folder / "reload.py"), *arguments], stderr=subprocess.PIPE
    )
    yield App(process, folder, book, port)
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=20)


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


def versions(book: Path) -> list[str]:
    return [line.split()[0] for line in lines(book)]


def status(port: int, path: str) -> int:
    """Return what a GET is answered, 0 if by nobody."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionRefusedError:
        return 0
    finally:
        connection.close()


def test_a_changed_file_starts_the_process_again_and_a_signal_ends_both(app: App) -> None:
    until(
        lambda: (
            lines(app.book) == [f"first api --host=127.0.0.1 --port={app.port} --drain-seconds=0"]
        )
    )
    put(app.folder / "entry.py", PROCESS.format(book=str(app.book), version="second"))
    until(
        lambda: (
            lines(app.book)[1:]
            == ["told", f"second api --host=127.0.0.1 --port={app.port} --drain-seconds=0"]
        )
    )
    app.process.send_signal(signal.SIGTERM)
    assert app.process.wait(20) == 3
    assert lines(app.book)[3:] == ["told"]


def test_a_file_that_is_no_python_yet_starts_nothing(app: App) -> None:
    until(lambda: versions(app.book) == ["first"])
    put(app.folder / "entry.py", "def half(")
    time.sleep(1.5)
    assert versions(app.book) == ["first"]
    (app.folder / "functions.lua").write_text("-- new")
    until(lambda: "told" in lines(app.book))


def test_while_a_changed_process_has_ended_its_probes_say_alive_and_not_ready(app: App) -> None:
    until(lambda: versions(app.book) == ["first"])
    put(app.folder / "entry.py", "import a_module_that_is_not_there")
    until(lambda: status(app.port, "/healthz") == 200)
    assert status(app.port, "/readyz") == 503
    put(app.folder / "entry.py", PROCESS.format(book=str(app.book), version="third"))
    until(lambda: versions(app.book)[-1] == "third")
    assert status(app.port, "/healthz") == 0


def test_with_the_files_of_the_image_the_container_ends_when_the_process_does(app: App) -> None:
    until(lambda: versions(app.book) == ["first"])
    os.kill(int(app.book.with_suffix(".pid").read_text()), signal.SIGTERM)
    assert app.process.wait(20) == 3

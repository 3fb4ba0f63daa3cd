"""Scripts of the Valkey pod on real files.

The check of the append-only file and the readiness probe.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from tests.chart.rendering import CHART, of_kind, render
from tests.conftest import Server, free_port, need, start_server, valkey_binary

CHECK, READY = CHART / "files/valkey/check-aof.sh", CHART / "files/valkey/ready.sh"
#: A transaction in the file, as scripts and functions write it as well.
WHOLE = b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$12\r\nb0123456789*\r\n*2\r\n$4\r\nINCR\r\n$1\r\nc\r\n*1\r\n$4\r\nEXEC\r\n"
SET = b"*3\r\n$3\r\nSET\r\n$1\r\nz\r\n$1\r\n1\r\n"


@pytest.fixture(params=["valkey", "redis"])
def binary(request: pytest.FixtureRequest) -> str:
    if request.param == "redis":
        need("redis-server", found=shutil.which("redis-server") is not None)
        return str(shutil.which("redis-server"))
    return valkey_binary()


@pytest.fixture(params=["sh", "busybox"])
def shell(request: pytest.FixtureRequest) -> list[str]:
    """The shell of a Debian image, and that of an Alpine image with its programs."""
    if request.param == "busybox":
        need("busybox", found=shutil.which("busybox") is not None)
        return ["busybox", "sh"]
    return ["sh"]


def kill(server: Server) -> None:
    assert server.process is not None
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait(timeout=20)


@dataclass
class Data:
    """The data directory of a killed server, written by that server."""

    folder: Path
    binary: str
    programs: Path
    shell: list[str]

    @property
    def last(self) -> Path:
        return self.folder / "appendonlydir/appendonly.aof.1.incr.aof"

    @property
    def base(self) -> Path:
        return self.folder / "appendonlydir/appendonly.aof.1.base.rdb"

    @property
    def copies(self) -> list[Path]:
        return sorted((self.folder / "damaged").glob("*"))

    def check(self) -> tuple[int, str]:
        """Run the script as the init container does, with the server's checker first in the PATH."""
        command = [*self.shell, str(CHECK), str(self.folder), "appendonlydir", "appendonly.aof"]
        path = f"{self.programs}:{os.environ['PATH']}"
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
        )
        assert not list(self.folder.glob(".check*")), "it leaves nothing behind"
        return done.returncode, done.stdout + done.stderr

    def refused(self) -> str:
        """Assert that the script fails and changes nothing; return its last line."""
        before = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        code, said = self.check()
        assert code == 1, said
        assert {
            path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()
        } == before
        assert "docs/howto/runbooks/append-only-file.md" in said
        return said.splitlines()[-1]

    def serves(self) -> dict[str, object]:
        """Start the server on the directory; return its data."""
        server = start_server(self.folder, binary=self.binary)
        try:
            client = redis.Redis(port=server.port, decode_responses=True)
            return {key: client.get(key) for key in client.scan_iter()}
        finally:
            kill(server)


@pytest.fixture
def data(tmp_path: Path, binary: str, shell: list[str]) -> Data:
    folder, programs = tmp_path / "data", tmp_path / "programs"
    folder.mkdir()
    programs.mkdir()
    name = Path(binary).name
    (programs / name).symlink_to(binary)
    if name == "valkey-server":  # as in images
        (programs / "valkey-check-aof").symlink_to(binary)
    server = start_server(folder, "--appendfsync", "always", binary=binary)
    client = redis.Redis(port=server.port)
    client.set("kept", "yes")
    client.eval("redis.call('set','both','1'); redis.call('set','halves','2')", 0)
    kill(server)
    return Data(folder, binary, programs, shell)


KEPT = {"kept": "yes", "both": "1", "halves": "2"}


def test_valid_files_and_an_empty_folder_are_not_changed(data: Data, tmp_path: Path) -> None:
    before = data.last.read_bytes()
    assert data.check() == (0, "append-only file: valid\n")
    assert data.last.read_bytes() == before
    assert not (data.folder / "damaged").exists()
    empty = Data(tmp_path / "new", data.binary, data.programs, data.shell)
    empty.folder.mkdir()
    assert empty.check() == (0, "append-only file: there is none yet\n")


@pytest.mark.parametrize("zeros", [1, 100_000])
def test_trailing_zeros_are_truncated_after_a_copy(data: Data, zeros: int) -> None:
    sound = data.last.read_bytes()
    damaged = sound + bytes(zeros)
    data.last.write_bytes(damaged)
    code, said = data.check()
    assert (code, data.last.read_bytes()) == (0, sound)
    assert [copy.read_bytes() for copy in data.copies] == [damaged]
    assert f"to {len(sound)} of {len(damaged)} bytes: the rest was zeros" in said
    assert str(data.copies[0]) in said
    assert data.serves() == KEPT
    assert data.check()[0] == 0
    assert len(data.copies) == 1


def test_a_file_of_zeros_is_truncated_to_zero_bytes(data: Data) -> None:
    data.last.write_bytes(bytes(5000))
    assert data.check()[0] == 0
    assert data.last.read_bytes() == b""
    assert data.serves() == {}


@pytest.mark.parametrize("zeros", [0, 1, 4096])
def test_truncation_at_any_byte_keeps_all_complete_commands(data: Data, zeros: int) -> None:
    sound = data.last.read_bytes() + WHOLE
    for length in range(
        1, len(WHOLE), 1 if data.shell == ["sh"] and zeros == 0 and "valkey" in data.binary else 11
    ):
        data.last.write_bytes(sound + WHOLE[:length] + bytes(zeros))
        code, said = data.check()
        assert (code, data.last.read_bytes()) == (0, sound), f"{length} bytes: {said}"
    assert data.serves() == KEPT | {"a": "b0123456789*", "c": "1"}


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        pytest.param(
            lambda sound: sound.replace(b"$4\r\nkept", b"$4\0\0kept"),
            "damaged, not cut off",
            id="zeros in the middle",
        ),
        pytest.param(
            lambda sound: sound[:30] + bytes(40) + sound[70:],
            "damaged, not cut off",
            id="a page of zeros in the middle",
        ),
        pytest.param(
            lambda sound: sound + bytes(512) + SET, "it is no command", id="zeros, then commands"
        ),
        pytest.param(
            lambda sound: sound + b"\x8fgarbage", "it is no command", id="something else at the end"
        ),
        pytest.param(
            lambda sound: sound + SET[:-8] + bytes(100) + SET,
            "damaged, not cut off",
            id="cut, zeros, commands",
        ),
        pytest.param(
            lambda sound: sound.replace(b"$4\r\nkept", b"$400000\r\nkept"),
            "whose length is damaged",
            id="a length that is too long",
        ),
        pytest.param(
            lambda sound: sound + WHOLE.replace(b"$12", b"$999") + SET,
            "whose length is damaged",
            id="a length in a transaction",
        ),
        pytest.param(
            lambda sound: sound.replace(b"*3\r\n$3\r\nset\r\n$4", b"*2\r\n$3\r\nset\r\n$4"),
            "no command",
            id="a count that is too small",
        ),
        pytest.param(
            lambda sound: sound + WHOLE.replace(b"EXEC", b"EXEB") + SET,
            "transaction's end is damaged",
            id="a damaged EXEC",
        ),
        pytest.param(
            lambda sound: sound + WHOLE.replace(b"EXEC", b"EXEB") + WHOLE,
            "damaged, not cut off",
            id="a damaged EXEC, then MULTI",
        ),
    ],
)
def test_damage_before_complete_commands_stops_with_the_reason(
    data: Data, damage: Callable[[bytes], bytes], why: str
) -> None:
    sound = data.last.read_bytes()
    damaged = damage(sound)
    assert damaged != sound
    data.last.write_bytes(damaged)
    said = data.refused()
    assert why in said
    assert "appendonly.aof.1.incr.aof is damaged at byte" in said
    assert "kept" not in said, "no content of the file is shown"


def test_files_before_the_last_one_are_never_truncated(data: Data) -> None:
    manifest = data.folder / "appendonlydir/appendonly.aof.manifest"
    manifest.write_text(manifest.read_text() + "file appendonly.aof.2.incr.aof seq 2 type i\n")
    (data.folder / "appendonlydir/appendonly.aof.2.incr.aof").write_bytes(SET)
    assert data.check()[0] == 0
    data.last.write_bytes(data.last.read_bytes() + bytes(100))
    assert "and appendonly.aof.2.incr.aof follows it" in data.refused()


def test_a_missing_file_and_a_damaged_manifest_stop_with_the_reason(data: Data) -> None:
    data.last.unlink()
    assert "appendonly.aof.1.incr.aof is not there, but" in data.refused()
    manifest = data.folder / "appendonlydir/appendonly.aof.manifest"
    sound = manifest.read_bytes()
    for damaged, why in (
        (b"", "names no file"),
        (bytes(88), "bytes that are no text"),
        (sound + bytes(8), "bytes that are no text"),
    ):
        manifest.write_bytes(damaged)
        assert why in data.refused()


def test_the_server_binary_replaces_a_missing_checker(data: Data) -> None:
    # another product's checker later in the PATH would not support this file
    (data.programs / "valkey-check-aof").unlink(missing_ok=True)
    sound = data.last.read_bytes()
    data.last.write_bytes(sound + bytes(100))
    assert data.check()[0] == 0
    assert data.last.read_bytes() == sound


def test_the_single_file_of_an_old_redis_is_truncated_as_well(data: Data) -> None:
    old = data.folder / "appendonly.aof"
    sound = data.last.read_bytes()
    shutil.rmtree(data.folder / "appendonlydir")
    old.write_bytes(sound + bytes(700))
    assert data.check()[0] == 0
    assert old.read_bytes() == sound
    assert data.serves() == KEPT


def test_an_incomplete_timestamp_line_is_truncated(data: Data) -> None:
    sound = data.last.read_bytes()
    for end in (b"#TS:1764", b"#TS:1764" + bytes(600)):
        data.last.write_bytes(sound + end)
        assert data.check()[0] == 0
        assert data.last.read_bytes() == sound
    assert data.serves() == KEPT


def test_nothing_is_truncated_without_space_for_a_copy(data: Data) -> None:
    data.last.write_bytes(data.last.read_bytes() + bytes(100))
    (data.folder / "damaged").write_text("a file where the folder would be")
    assert "the folder for a copy cannot be made" in data.refused()


def test_a_crash_between_copy_and_truncation_does_not_change_the_result(data: Data) -> None:
    sound = data.last.read_bytes()
    data.last.write_bytes(sound + bytes(100))
    assert data.check()[0] == 0
    (copy,) = data.copies
    shutil.copyfile(
        copy, data.last
    )  # as after a crash before the truncation, and after one during the copy
    (data.folder / "damaged/appendonly.aof.1.incr.aof.part").write_bytes(b"half")
    assert data.check()[0] == 0
    assert data.last.read_bytes() == sound
    assert copy in data.copies


def test_the_server_alone_would_not_have_started(data: Data) -> None:
    # if this fails, servers handle it themselves and the check can be removed
    data.last.write_bytes(data.last.read_bytes() + bytes(100))
    with pytest.raises(RuntimeError, match="Bad file format"):
        data.serves()


def test_the_init_container_receives_the_paths_of_the_configuration_file() -> None:
    def command(values: dict[str, object]) -> list[str] | None:
        (pod,) = (
            each["spec"]["template"]["spec"]
            for each in of_kind(render({"valkey": values}), "StatefulSet").values()
        )
        return (
            next(each["command"] for each in pod["initContainers"])
            if "initContainers" in pod
            else None
        )

    script = ["sh", "/etc/valkey/scripts/check-aof.sh"]
    assert command({}) == [*script, "/data", "appendonlydir", "appendonly.aof"]
    assert command({"config": {"appenddirname": '"aof"', "appendfilename": "a.aof"}}) == [
        *script,
        "/data",
        "aof",
        "a.aof",
    ]
    assert command({"config": {"appendonly": "no"}}) is None
    assert command({"checkAppendOnlyFile": False}) is None
    assert command({"imageHasShell": False}) is None


@pytest.fixture
def loading(tmp_path: Path, binary: str) -> Iterator[tuple[int, Path]]:
    """A server that takes seconds to load its data, with the chart's unprivileged users."""
    first = start_server(tmp_path, "--appendfsync", "always", binary=binary)
    client = redis.Redis(port=first.port)
    for _ in range(5):
        pipeline = client.pipeline(transaction=False)
        for number in range(2000):  # clients are handled once per 1,024 commands
            pipeline.set(f"key{number}", "x")
        pipeline.execute()
    kill(first)
    users = tmp_path / "users.acl"
    users.write_text(
        "user default off resetpass resetkeys resetchannels -@all\nuser health on nopass resetkeys resetchannels -@all +ping\n"
    )
    port = free_port()
    options = ["--appendonly", "yes", "--save", "", "--dir", str(tmp_path), "--aclfile", str(users), "--key-load-delay", "300",
               "--loading-process-events-interval-bytes", "1024"]  # fmt: skip
    process = subprocess.Popen([binary, "--port", str(port), *options], stdout=subprocess.DEVNULL)
    yield port, users
    process.kill()
    process.wait(timeout=20)


def test_the_server_is_ready_only_after_loading_its_data(
    loading: tuple[int, Path],
) -> None:
    need("redis-cli", found=shutil.which("redis-cli") is not None)
    port, _ = loading
    answers: list[str] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = subprocess.run(
            ["sh", str(READY), str(port)], capture_output=True, text=True, check=False
        )
        answers.append(done.stdout)
        if done.returncode == 0:
            break
        time.sleep(0.1)
    assert any("LOADING" in answer for answer in answers)
    assert answers[-1] == ""
    assert redis.Redis(port=port, username="health", password="-").ping()


def test_a_server_without_the_user_is_ready_and_a_missing_server_is_not(
    redis_server_port: int,
) -> None:
    need("redis-cli", found=shutil.which("redis-cli") is not None)
    assert (
        subprocess.run(
            ["sh", str(READY), str(redis_server_port)], capture_output=True, check=False
        ).returncode
        == 0
    )
    assert (
        subprocess.run(
            ["sh", str(READY), str(free_port())], capture_output=True, check=False
        ).returncode
        == 1
    )


@pytest.fixture
def redis_server_port(tmp_path: Path) -> Iterator[int]:
    server = start_server(tmp_path, "--requirepass", "word")
    yield server.port
    kill(server)

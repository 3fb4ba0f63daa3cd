"""Changes of the keys file by the command line."""

import json
import threading
from pathlib import Path

import pytest

from stanine.api.web.auth import Keyring, Scope, read_entries
from stanine.cli.commands.keys import new
from stanine.cli.exits import CliError, InvalidInputError
from stanine.cli.io.terminal import View
from stanine.cli.local import key_file


def make(
    capsys: pytest.CaptureFixture[str],
    name: str = "one",
    file: Path | None = None,
    **options: object,
) -> dict[str, object]:
    new(name, file=file, view=View.JSON, **options)  # type: ignore[arg-type]
    made: dict[str, object] = json.loads(capsys.readouterr().out)
    return made


def test_the_scopes_are_those_of_the_api() -> None:
    assert set(key_file.SCOPES) == {scope.value for scope in Scope}


def test_the_api_accepts_a_new_key_and_the_file_does_not_contain_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    made = make(
        capsys, file=path, scopes=["results:read"], instruments=["mood-*"], key_space="shared"
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(made["key"]) not in path.read_text()
    keyring = Keyring(path)
    assert keyring.load() == 1
    caller = keyring.find(str(made["key"]).encode())
    assert caller is not None
    assert (caller.name, set(caller.scopes), caller.sees("mood-1"), caller.sees("other")) == (
        "one",
        {Scope.RESULTS_READ},
        True,
        False,
    )
    assert keyring.find(str(make(capsys, file=path, name="two")["key"]).encode()) is None
    assert keyring.load() == 2


def test_without_a_file_the_entry_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    made = make(capsys)
    (entry,) = read_entries(json.dumps([made["entry"]]).encode(), "shown")
    assert entry.scopes == ("instruments:read", "attempts:write", "results:read")


@pytest.mark.parametrize("name", ["one", "development", "", "n" * 65, "a\nb"])
def test_an_invalid_name_is_rejected_and_the_file_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    path = tmp_path / "keys.json"
    make(capsys, file=path)
    before = path.read_bytes()
    with pytest.raises(InvalidInputError):
        make(capsys, name=name, file=path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"{}", b"[1]", b"[", b"key: value", b"\xff", b""])
def test_an_invalid_keys_file_is_rejected_and_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError):
        make(capsys, file=path)
    assert path.read_bytes() == content


def test_concurrent_writers_both_succeed(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"

    def add(name: str) -> None:
        with key_file.changing(path) as entries:
            entries.append(key_file.make_entry(name, name, ["operate"], ["*"]))

    threads = [threading.Thread(target=add, args=(f"k{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_entries(path.read_bytes(), "keys")) == 8


def test_leftovers_of_a_killed_writer_are_reported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_file, "_WAIT", 0.0)
    (tmp_path / "keys.json.new").touch()
    with pytest.raises(CliError, match="delete the file"):
        make(capsys, file=tmp_path / "keys.json")

"""The file of the erasure journal: entries that a backup needs are kept, with several writers and after a kill."""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stanine.store.journal import JournalEntry
from stanine.store.journal_file import MARGIN_MS, append_new, prune, read_journal

DAY = 86_400_000
#: Runs `prune` and dies by SIGKILL before or after the call of a function of `os`, or of Path.replace.
DOOMED = """
import os, signal, sys
from pathlib import Path
from stanine.store.journal_file import prune, read_journal
path, when, name, nth, position = Path(sys.argv[1]), *sys.argv[2:]
owner, call, left = (Path if name == "replace" else os), None, int(nth)
call = getattr(owner, name)
def doomed(*args):
    global left
    left -= 1
    if not left and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    done = call(*args)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
entries = read_journal(path).entries
setattr(owner, name, doomed)
prune(path, [position], entries)
"""


def entry(day: float, number: int = 0) -> JournalEntry:
    return JournalEntry(f"{int(day * DAY)}-{number}", (f"{number:032x}",))


def day_of(each: JournalEntry) -> float:
    return int(each.id.split("-")[0]) / DAY


@settings(deadline=None, max_examples=200)
@given(
    days=st.lists(st.integers(1, 99), max_size=20, unique=True).map(sorted),
    trimmed=st.integers(0, 20),
    lost=st.sets(st.integers(1, 99)),
    backups=st.lists(st.one_of(st.none(), st.just("0-0"), st.integers(1, 99)), max_size=4),
)
def test_exactly_the_entries_that_the_server_has_and_no_backup_needs_are_removed(
    days: list[int], trimmed: int, lost: set[int], backups: list[int | str | None]
) -> None:
    entries = [*map(entry, days), entry(99.5)]
    on_server = [each for each in entries[trimmed:-1] if day_of(each) not in lost] + entries[-1:]
    newest = [f"{each * DAY}-7" if isinstance(each, int) else each for each in backups]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "erasures.ndjson"
        append_new(path, entries)
        assert prune(path, newest, []) == 0, "a server without a journal has lost it"
        removed = prune(path, newest, on_server)
        kept, start = read_journal(path).entries, 0
        if newest and None not in backups:
            start = min(int(str(each).split("-")[0]) for each in backups) - MARGIN_MS // DAY
        expected = [
            each
            for each in entries
            if day_of(each) >= start
            or (each not in on_server and day_of(each) > day_of(on_server[0]))
        ]
        assert kept == expected
        assert removed == len(entries) - len(kept)
        assert read_journal(path).complete_from == (start * DAY if removed else 0)
        assert prune(path, newest, on_server) == 0, "a repetition removes nothing"
        assert append_new(path, on_server) == 0, "what was removed does not return"
        assert append_new(path, [*on_server, entry(100)]) == 1
        assert read_journal(path).entries == [*expected, entry(100)]


def test_entries_of_a_server_with_older_data_are_appended_although_they_are_before_the_mark(
    tmp_path: Path,
) -> None:
    path, entries = tmp_path / "erasures.ndjson", [entry(10), entry(90)]
    append_new(path, entries)
    assert prune(path, [entries[1].id], entries) == 1
    assert append_new(path, [entry(20, 5)]) == 1
    assert append_new(path, entries) == 0


def test_a_damaged_line_survives_and_an_incomplete_one_does_not(tmp_path: Path) -> None:
    path, entries = tmp_path / "erasures.ndjson", [entry(10), entry(90)]
    append_new(path, entries)
    with path.open("ab") as file:
        file.write(b'{"ids": 1}\n{"id": "1')
    assert prune(path, [entries[1].id], entries) == 1
    lines = path.read_bytes().splitlines()
    assert lines[0] == msgspec.json.encode(JournalEntry(f"{90 * DAY - MARGIN_MS}-0", pruned=True))
    assert lines[1:] == [msgspec.json.encode(entries[1]), b'{"ids": 1}']
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "step",
    ["before fsync 1", "after fsync 1", "before replace 1", "after replace 1", "after fsync 2"],
)
def test_a_process_that_dies_leaves_the_old_or_the_new_file_and_the_next_one_completes_it(
    tmp_path: Path, step: str
) -> None:
    path, entries = tmp_path / "erasures.ndjson", [entry(10), entry(80), entry(90)]
    append_new(path, entries)
    words = [sys.executable, "-c", DOOMED, str(path), *step.split(), entries[2].id]
    assert subprocess.run(words, env=dict(os.environ), check=False).returncode == -9
    replaced = step not in ("before fsync 1", "after fsync 1", "before replace 1")
    assert read_journal(path).entries == ([entries[2]] if replaced else entries)
    append_new(path, [*entries, entry(91)])
    prune(path, [entries[2].id], entries)
    assert read_journal(path).entries == [entries[2], entry(91)]


def test_entries_that_are_appended_while_others_prune_are_in_the_file_once(tmp_path: Path) -> None:
    path, old = tmp_path / "erasures.ndjson", [entry(10, number) for number in range(100)]
    append_new(path, old)
    newest = entry(90)
    fresh = [entry(91, number) for number in range(200)]

    def append(part: int) -> None:
        for place in range(part, 200, 2):
            append_new(path, [newest, fresh[place]])

    def prune_all() -> None:
        for count in range(1, 101):
            prune(path, [newest.id], [*old[:count], newest])

    writers = [threading.Thread(target=append, args=(part,)) for part in (0, 1)]
    writers += [threading.Thread(target=prune_all) for _ in range(2)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
    found = [each.id for each in read_journal(path).entries]
    assert sorted(found) == sorted(each.id for each in [newest, *fresh])

"""Erasures and restores that die at a step: `python -m tests.integration.store.doomed_erasure`.

Reads an order a line from standard input, does it in a forked process, which may die, and writes its exit status and
its calls. One process that has loaded everything replaces hundreds that would load it.
"""

import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import redis
from tests.integration.failpoints import Doom, Step
from tests.integration.store.test_erasure import eraser
from tests.integration.stores import AsyncStore, make_store

import stanine.store.backup.verification
from stanine.broker.connection.functions import Library
from stanine.cli.commands.restore import restore
from stanine.cli.io.terminal import View
from stanine.store import load_library
from stanine.store.backup.erasing_again import erase_again
from stanine.store.journal_file import read_journal

assert stanine.store.backup.verification, "loaded, so that no forked process loads it"


def arm(doom: Doom) -> None:
    """Make every call of a function and every change of files or of a server's configuration a step."""
    library: Any = Library
    library.call_async = doom.wrap_async(lambda _l, _c, name, *_: name, library.call_async)
    for owner, name in (
        (shutil, "copyfile"), (shutil, "rmtree"), (Path, "rename"), (Path, "unlink"),
        (redis.Redis, "config_set"), (redis.Redis, "shutdown"),
    ):  # fmt: skip
        call = getattr(owner, name)
        setattr(owner, name, doom.wrap(lambda *_a, _name=name, **_m: _name, call))


def erase(url: str, kind: str, name: str) -> None:
    """Erase an attempt or participant, or again what a journal names."""
    store = make_store(url)

    async def work(made: AsyncStore) -> object:
        if kind == "attempt":
            return await eraser(store, made).attempt(bytes.fromhex(name))
        if kind == "participant":
            return await eraser(store, made).participant(name)
        journal = read_journal(Path(name))
        return await erase_again(made.client, load_library(), store.keys, journal)

    store.run(work)


def do(order: dict[str, str]) -> None:
    """Do an order in this process and end it."""
    doom, status = Doom(Step.read(order["step"])), 1
    try:
        arm(doom)
        if order["kind"] == "restore":
            backup, to, journal = map(Path, (order["url"], order["to"], order["name"]))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            restore(backup, to, journal, None, None, None, View.JSON)
        else:
            erase(order["url"], order["kind"], order["name"])
        doom.write_calls(Path(order["calls"]))
        status = 0
    except BaseException:  # noqa: BLE001 - the forked process must end here
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            do(json.loads(line))
        _, ended = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)  # noqa: T201 - the answer

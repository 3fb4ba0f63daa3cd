"""`stanine up`: start, service, restarts, and a stop without leftovers."""

import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.store.result_layout import COMMIT_BYTES, failure_record

from .conftest import INSTRUMENT, Run, Up, running_up
from .test_outside_truth import table
from .test_processes import wait_until_gone


def wait_for(holds: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


def is_ready(up: Up) -> bool:
    try:
        with urllib.request.urlopen(
            up.variables["STANINE_API_URL"] + "/readyz", timeout=5
        ) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def running(up: Up, program: str) -> int:
    """Return the id of the process that runs a program; wait until it has started again."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for pid in up.family():
            with suppress(OSError):  # it has ended
                if program in Path(f"/proc/{pid}/cmdline").read_text():
                    return pid
        time.sleep(0.05)
    pytest.fail(f"{program} does not run")


def test_signals_stop_all_processes(tmp_path: Path) -> None:
    with running_up(tmp_path / "data") as up:
        family = up.family()
        assert len(family) == 5  # itself, Valkey, API, two watchers
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(60) == 0
        assert all(wait_until_gone(pid) for pid in family)
    assert "stopped; nothing is left running" in (tmp_path / "data.stderr").read_text()


def test_keys_that_were_added_survive_the_next_up(stanine: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    first = json.loads(
        stanine("keys", "new", "before", "--file", data / "keys.json", "-o", "json").out
    )["key"]
    with running_up(data) as up:
        second = json.loads(
            stanine("keys", "new", "meanwhile", "--file", data / "keys.json", "-o", "json").out
        )["key"]
        former = up.variables["STANINE_KEY"]
        for key in (first, second):
            assert wait_for(
                lambda key=key: stanine("instruments", "--key", key, **up.variables).status == 0  # type: ignore[misc]
            )
    with running_up(data) as up:
        for key in (first, second, up.variables["STANINE_KEY"]):
            assert stanine("instruments", "--key", key, **up.variables).status == 0
        assert stanine("instruments", "--key", former, **up.variables).status == 6
    names = [entry["name"] for entry in json.loads((data / "keys.json").read_text())]
    assert names == ["before", "meanwhile", "development"]


def test_an_unreadable_keys_file_is_reported_and_kept(stanine: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "keys.json").write_text('[{"name": "mine",')
    ran = stanine("up", "--port", "0", "--data", data)
    assert ran.status == 2
    assert ran.err.startswith(f"{data / 'keys.json'}:1:")
    assert (data / "keys.json").read_text() == '[{"name": "mine",'
    ran = stanine("up", "--port", "0", "--data", data, STANINE_KEYS_FILE="nowhere.json")
    assert (ran.status, ran.err.partition(";")[0]) == (
        2,
        "STANINE_KEYS_FILE: nowhere.json does not exist",
    )


def test_the_key_of_the_environment_may_be_listed_already(stanine: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    key = json.loads(
        stanine("keys", "new", "mine", "--file", data / "keys.json", "-o", "json").out
    )["key"]
    with running_up(data, STANINE_KEY=key) as up:
        assert up.variables["STANINE_KEY"] == key
        assert stanine("instruments", **up.variables).status == 0


def test_only_the_api_listens_on_the_given_host(stanine: Run, tmp_path: Path) -> None:
    with running_up(tmp_path / "data", "--host", "0.0.0.0") as up:
        port = int(up.variables["STANINE_API_URL"].rsplit(":", 1)[1])
        assert up.variables["STANINE_API_URL"] == f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"http://127.0.0.2:{port}/readyz", timeout=30) as answer:
            assert answer.status == 200
        redis_port = int(up.variables["STANINE_REDIS_URL"].rsplit(":", 1)[1].split("/")[0])
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", redis_port), 30)
    for host in ("no-such-host.invalid", "192.0.2.1"):
        ran = stanine("up", "--port", "0", "--host", host)
        assert (ran.status, ran.err.partition(":")[0]) == (2, f"--host {host}")


def test_no_process_outlives_a_killed_parent(tmp_path: Path) -> None:
    with running_up(tmp_path / "data") as up:
        family = up.family()
        up.process.kill()
        up.process.wait()
        assert all(wait_until_gone(pid) for pid in family)


def test_published_instruments_survive_a_restart(stanine: Run, small: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("A1,A2,q1\n1,1,a\n")
    with running_up(tmp_path / "data") as up:
        assert stanine("publish", small, "--wait", **up.variables).status == 0
        assert stanine("submit", "small", "r.csv", "--wait", **up.variables).status == 0
        up.process.kill()  # cannot be handled
    with running_up(tmp_path / "data") as up:
        assert (
            len(stanine("results", "small", "-o", "ndjson", **up.variables).out.splitlines()) == 1
        )


def test_a_dead_process_is_restarted(tmp_path: Path) -> None:
    with running_up(tmp_path / "data") as up:
        server = redis.Redis.from_url(up.variables["STANINE_REDIS_URL"])
        valkey = int(server.info("server")["process_id"])
        server.close()
        dead = [pid for pid in up.family() if pid != up.process.pid]
        for pid in dead:
            os.kill(pid, signal.SIGKILL)
        assert wait_for(lambda: len(set(up.family()) - set(dead)) == 5)
        assert wait_for(lambda: is_ready(up))
        assert valkey in dead
    said = (tmp_path / "data.stderr").read_text()
    for name in ("valkey", "api", "index-watcher", "result-watcher"):
        assert f"{name} has ended (killed by SIGKILL); restarting in 0.2 s" in said


def test_the_development_key_is_stored_as_its_digest_for_its_owner_only(tmp_path: Path) -> None:
    with running_up(tmp_path / "data", STANINE_KEY="a key of my own") as up:
        assert up.variables["STANINE_KEY"] == "a key of my own"
        path = tmp_path / "data" / "keys.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        (entry,) = json.loads(path.read_text())
        assert entry["sha256"] == hashlib.sha256(b"a key of my own").hexdigest()
        assert not any(
            b"a key of my own" in file.read_bytes()
            for file in path.parent.rglob("*")
            if file.is_file()
        )


def test_two_cannot_share_a_directory(stanine: Run, up: Up) -> None:
    ran = stanine("up", "--port", "0", "--data", up.data)
    assert ran.status == 1
    assert f"another `stanine up` uses {up.data}" in ran.err


def test_a_port_in_use_is_reported_before_the_start(stanine: Run, up: Up, tmp_path: Path) -> None:
    port = up.variables["STANINE_API_URL"].rsplit(":", 1)[1]
    ran = stanine("up", "--port", port, "--data", "other")
    assert ran.status == 1
    assert f"port {port} cannot be used" in ran.err
    assert not list((tmp_path / "other").rglob("*.log"))


def test_a_failed_start_shows_the_end_of_the_log(stanine: Run, tmp_path: Path) -> None:
    ran = stanine(
        "up", "--port", "0", STANINE_REDIS_URL="redis://127.0.0.1:1/0", STANINE_NAMESPACE="a b"
    )
    assert ran.status == 1
    assert "index-watcher has ended" in ran.err or "result-watcher has ended" in ran.err
    assert "STANINE_NAMESPACE" in ran.err
    assert "Traceback" not in ran.err


def test_another_redis_is_used_and_left_running(redis_url: str, tmp_path: Path) -> None:
    with running_up(
        tmp_path / "data", STANINE_REDIS_URL=redis_url, STANINE_NAMESPACE="up-test"
    ) as up:
        assert up.variables["STANINE_REDIS_URL"] == redis_url
        assert not (tmp_path / "data" / "valkey").exists()
        client = redis.Redis.from_url(redis_url)
        assert client.keys("up-test:*")
    assert client.ping()
    client.close()


def test_check_reports_sound_records_and_errors(stanine: Run, up: Up, tmp_path: Path) -> None:
    (tmp_path / "i.yaml").write_text(INSTRUMENT.replace("name: small", "name: checked"))
    assert stanine("publish", "i.yaml", "--wait", **up.variables).status == 0
    ran = stanine("check", "-o", "json", **up.variables)
    assert (ran.status, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert found["instruments"] >= 1
    assert (found["unscored"], found["missing"]) == (0, [])
    (tmp_path / "r.csv").write_text("A1,A2,q1\n" + "1,2,a\n" * 50)
    assert stanine("submit", "checked", "r.csv", "--wait", **up.variables).status == 0
    ran = stanine("check", "--scores", "-o", "json", **up.variables)
    assert (ran.status, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert found["scores"]["equal"] == found["results"] - found["scores"]["failed"] >= 50
    assert stanine("check", STANINE_REDIS_URL="redis://127.0.0.1:1/0").status == 5
    assert stanine("check", STANINE_REDIS_URL="http://x").status == 2


def test_check_reports_a_result_that_differs_from_a_fresh_scoring(
    stanine: Run, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text("A1,A2,q1\n1,2,a\n")
    with running_up(tmp_path / "data") as up:
        assert stanine("publish", small, "--wait", **up.variables).status == 0
        assert stanine("submit", "small", "r.csv", "--wait", **up.variables).status == 0
        with redis.Redis.from_url(up.variables["STANINE_REDIS_URL"]) as client:
            record = client.hget("stanine:{p0}:r:0", "0")
            client.hset(
                "stanine:{p0}:r:0", "0", record[:11] + bytes(8) + record[19:]
            )  # the raw score of the first scale becomes 0
        ran = stanine("check", "--scores", **up.variables)
        assert ran.status == 1
        assert ran.err.startswith("1 attempts have a result that differs from a fresh scoring: ")


def test_check_reports_a_failed_attempt_that_can_be_scored(
    stanine: Run, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text("A1,A2,q1\n1,2,a\n")
    with running_up(tmp_path / "data") as up:
        assert stanine("publish", small, "--wait", **up.variables).status == 0
        assert stanine("submit", "small", "r.csv", "--wait", **up.variables).status == 0
        with redis.Redis.from_url(up.variables["STANINE_REDIS_URL"]) as client:
            client.hset(
                "stanine:{p0}:r:0",
                "0",
                failure_record(ENGINE_VERSION, "CorruptAttempt", bytes(COMMIT_BYTES)),
            )
        ran = stanine("check", "--scores", "-o", "json", **up.variables)
        assert ran.status == 1
        found = json.loads(ran.out)["scores"]
        (attempt,) = found["failedThoughSound"]["attempts"]
        assert (found["failed"], found["failedThoughSound"]["count"]) == (1, 1)
        assert ran.err == f"1 attempts have failed, but can be scored: {attempt}\n"
        assert stanine("result", attempt, **up.variables).status == 1


def test_keys_of_one_key_space_see_the_same_attempt_keys(
    stanine: Run, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text("key,A1,A2,q1\nk,1,2,a\n")
    scopes = ["instruments:read", "instruments:write", "attempts:write"]
    entries = [
        {
            "name": name,
            "sha256": hashlib.sha256(name.encode()).hexdigest(),
            "scopes": scopes,
            "instruments": ["*"],
            **space,
        }
        for name, space in (
            ("one", {"keySpace": "shared"}),
            ("two", {"keySpace": "shared"}),
            ("other", {}),
        )
    ]
    (tmp_path / "keys.json").write_text(json.dumps(entries))
    with running_up(tmp_path / "data", STANINE_KEYS_FILE=str(tmp_path / "keys.json")) as up:
        assert "STANINE_KEY" not in up.variables
        assert stanine("publish", small, "--wait", "--key", "one", **up.variables).status == 0
        for key, repeated in (("one", 0), ("two", 1), ("other", 0)):
            ran = stanine("submit", "small", "r.csv", "-o", "json", "--key", key, **up.variables)
            assert (ran.status, json.loads(ran.out)["repeated"]) == (0, repeated)


def test_check_reports_a_missing_index_entry(stanine: Run, small: Path, tmp_path: Path) -> None:
    with running_up(tmp_path / "data") as up:
        assert stanine("publish", small, "--wait", **up.variables).status == 0
        pids = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in up.family()}
        (watcher,) = [pid for pid, words in pids.items() if "stanine.index_watcher" in words]
        os.kill(watcher, signal.SIGSTOP)  # or it would repair it
        client = redis.Redis.from_url(up.variables["STANINE_REDIS_URL"])
        client.delete("stanine:{p0}:index")
        client.close()
        ran = stanine("check", **up.variables)
        assert (ran.status, ran.err) == (1, "index entries missing: small/1\n")
        os.kill(watcher, signal.SIGCONT)


def test_a_submission_survives_restarts_of_api_and_valkey(
    stanine: Run, small: Path, tmp_path: Path
) -> None:
    rows = 40_000
    (tmp_path / "r.csv").write_text("A1,A2,q1\n" + "1,2,a\n" * rows)
    with running_up(tmp_path / "data") as up:
        assert stanine("publish", small, "--wait", **up.variables).status == 0
        words = [
            sys.executable,
            "-m",
            "stanine.cli.main",
            "submit",
            "small",
            str(tmp_path / "r.csv"),
            "-o",
            "json",
        ]
        submitting = subprocess.Popen(
            words,
            env=os.environ | up.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        client = redis.Redis.from_url(up.variables["STANINE_REDIS_URL"])

        def arrived() -> int:
            try:
                return int(client.get("stanine:{p0}:arrivals") or 0)
            except redis.RedisError:
                return -1  # it is starting again

        for victim, when in (
            ("stanine.combined", rows // 10),
            ("valkey-server", rows // 3),
            ("stanine.combined", rows // 2),
        ):
            assert wait_for(lambda when=when: arrived() >= when, 120)  # type: ignore[misc]
            os.kill(running(up, victim), signal.SIGKILL)
            assert submitting.poll() is None
            assert wait_for(lambda: is_ready(up), 60)
            assert wait_for(lambda: arrived() >= 0, 60)
        out, err = submitting.communicate(timeout=300)
        assert (submitting.returncode, json.loads(out)["taken"]) == (0, rows), err
        assert arrived() == rows
        client.close()


def test_signals_stop_the_demo_without_leftovers(tmp_path: Path) -> None:
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("STANINE_")
    } | {"TMPDIR": str(tmp_path)}
    demo = subprocess.Popen(
        [sys.executable, "-m", "stanine.cli.commands.demo"],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stderr is not None
    assert demo.stderr.readline().startswith("started in")
    demo.send_signal(signal.SIGTERM)
    _, err = demo.communicate(timeout=60)
    assert (demo.returncode, err.splitlines()[-1]) == (130, "stopped; nothing is left running")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_demo_reproduces_the_published_figures_without_leftovers(tmp_path: Path) -> None:
    table("bfi")  # skips where the data are not installed
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("STANINE_")
    } | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "stanine.cli.commands.demo"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("4.652095") == 2
    assert "attempts/s" in done.stdout
    assert list(tmp_path.iterdir()) == []
    listed = subprocess.run(
        ["ps", "-eo", "args"], capture_output=True, text=True, check=True
    ).stdout
    assert str(tmp_path) not in listed

"""What the commands for operators print about a running stack: `status`, `audit`, `keys list`."""

import json
import time

from stanine.client import Stanine

from .conftest import INSTRUMENT, Run, Up


def test_status_lists_each_service_each_queue_and_the_work_done(stanine: Run, up: Up) -> None:
    ran = stanine("status", **up.variables)
    assert ran.status == 0, ran.err
    processes, queues, work = (
        [line.split() for line in table.splitlines()] for table in ran.out.split("\n\n")
    )
    assert processes[0] == ["SERVICE", "HOST", "VERSION", "STARTEDAT", "FAILING"]
    assert {"api", "index-watcher", "result-watcher"} <= {row[0] for row in processes[1:]}
    assert {row[-1] for row in processes[1:]} == {"0"}
    assert queues[0] == ["QUEUE", "READY", "INFLIGHT", "DELAYED", "DEAD", "OLDESTSECONDS"]
    assert {"index", "results"} <= {row[0] for row in queues[1:]}
    whole = json.loads(stanine("status", "-o", "json", **up.variables).out)
    assert dict(zip(work[0], work[1], strict=True))["INSTRUMENTS"] == str(
        whole["index"]["instruments"]
    )


def test_audit_lists_the_newest_changes_with_key_action_resource_and_status(
    stanine: Run, up: Up
) -> None:
    names = ("audited-first", "audited-second")
    with Stanine(up.variables["STANINE_API_URL"], up.variables["STANINE_KEY"]) as client:
        by = {each.name for each in client.keys.list()}
        for name in names:
            document = INSTRUMENT.replace("name: small", f"name: {name}")
            client.instruments.publish(name, document, media_type="application/yaml")
    ran = stanine("audit", "--last", "2", "-o", "json", **up.variables)
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert [each["resource"] for each in found] == [f"/v1/instruments/{name}" for name in names]
    assert {each["action"] for each in found} == {"publishInstrument"}
    assert all(each["status"] in {200, 201} and each["by"] in by for each in found)
    table = stanine("audit", "--last", "1", **up.variables).out.splitlines()
    assert len(table) == 2
    assert table[0].split()[:4] == ["AT", "BY", "ACTION", "RESOURCE"]
    assert "/v1/instruments/audited-second" in table[1]


def test_keys_list_shows_names_scopes_and_instruments_but_no_key(stanine: Run, up: Up) -> None:
    created = json.loads(
        stanine(
            "keys", "new", "listed", "--scope", "operate:read", "--key-space", "of-the-test",
            "--file", up.data / "keys.json", "-o", "json",
        ).out
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while True:  # the API reads the file every second
        listed = stanine("keys", "list", **(up.variables | {"STANINE_KEY": created["key"]}))
        if listed.status == 0 or time.monotonic() > deadline:
            break
    assert listed.status == 0, listed.err
    header, *rows = (line.split() for line in listed.out.splitlines())
    assert header == ["NAME", "SCOPES", "INSTRUMENTS", "KEYSPACE"]
    assert ["listed", "operate:read", "*", "of-the-test"] in rows
    assert created["key"] not in listed.out
    assert created["entry"]["sha256"] not in listed.out

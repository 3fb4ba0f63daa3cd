"""The three kinds on a real API server: examples, defaults, the largest document, kubectl."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.kube_api import ApiServer

from stanine.crds.kinds import KINDS
from stanine.crds.reading import instrument_document, read_instrument
from stanine.domain.instruments.document import canonical
from stanine.domain.limits import MAX_DOCUMENT_BYTES, MAX_ITEMS

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples/resources").glob("*.yaml"))
INSTRUMENTS = sorted((ROOT / "examples/instruments").glob("*.yaml"))
#: Seconds that applying the greatest document may take on a busy machine; it takes about one.
PATIENCE = 30


def test_the_examples_exist() -> None:
    assert {"redisconfig.yaml", "queue.yaml", "instrument.yaml", "everything.yaml"} <= {
        path.name for path in EXAMPLES
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_stored_as_it_was_applied(api: ApiServer, path: Path) -> None:
    try:
        api.kubectl("apply", "--server-side", "-f", str(path))
        for sent in yaml.safe_load_all(path.read_text()):
            found = json.loads(
                api.kubectl("get", sent["kind"], sent["metadata"]["name"], "-o", "json").stdout
            )
            assert found["spec"] == sent["spec"]  # no default is written into it
        assert api.kubectl("diff", "--server-side", "-f", str(path), check=False).stdout == ""
    finally:
        api.kubectl("delete", "-f", str(path), check=False)


@pytest.mark.parametrize("path", INSTRUMENTS, ids=lambda path: path.name)
def test_an_instrument_is_stored_without_loss(api: ApiServer, path: Path) -> None:
    sent = yaml.safe_load(path.read_text())
    api.kubectl("apply", "--server-side", "-f", str(path))
    found = json.loads(
        api.kubectl("get", "instrument", sent["metadata"]["name"], "-o", "json").stdout
    )
    api.kubectl("delete", "-f", str(path))
    assert read_instrument(found["metadata"]["name"], found["spec"]).document == canonical(sent)


def test_the_largest_document_is_applied_and_updated(api: ApiServer, tmp_path: Path) -> None:
    for title in ("first", "second"):
        plain = greatest_instrument(title)
        path = tmp_path / "instrument.json"
        path.write_text(json.dumps(plain))
        began = time.monotonic()
        api.kubectl("apply", "--server-side", "-f", str(path))
        assert time.monotonic() - began < PATIENCE
        found = json.loads(api.kubectl("get", "instrument", "greatest", "-o", "json").stdout)
        assert canonical(instrument_document("greatest", found["spec"])) == canonical(plain)
    status = {"conditions": [{"type": "Ready", "status": "True", "reason": "Indexed", "message": "m" * 32_000, "observedGeneration": 2,
                              "lastTransitionTime": "2026-11-23T09:00:00Z"}]}  # fmt: skip
    done = api.kubectl(
        "patch",
        "instrument",
        "greatest",
        "--subresource=status",
        "--type=merge",
        "-p",
        json.dumps({"status": status}),
    )
    assert "patched" in done.stdout
    api.kubectl("delete", "instrument", "greatest")


def greatest_instrument(title: str) -> dict[str, Any]:
    """Return an instrument of 2,000 items and 1 MiB, to the byte."""
    items = [{"id": f"i{number}", "text": "x", "responses": "r"} for number in range(MAX_ITEMS)]
    spec = {
        "title": title,
        "responseSets": [
            {"name": "r", "options": [{"value": value, "label": str(value)} for value in range(5)]}
        ],
        "items": items,
        "scales": [
            {
                "id": f"s{number}",
                "score": "Sum",
                "items": [item["id"] for item in items[number::20]],
            }
            for number in range(20)
        ],
    }
    plain = instrument_document("greatest", spec)
    missing = MAX_DOCUMENT_BYTES - len(canonical(plain))
    for index, item in enumerate(items):
        item["text"] += "x" * (missing // MAX_ITEMS + (index < missing % MAX_ITEMS))
    assert len(canonical(plain)) == MAX_DOCUMENT_BYTES
    return plain


def test_kubectl_explains_every_field(api: ApiServer) -> None:
    for kind in KINDS.values():
        for part in ("spec", "status"):
            explained = api.kubectl("explain", f"{kind.plural}.{part}").stdout
            assert "no description" not in explained, explained
            assert "required-" in explained or part == "status"


def test_kubectl_knows_short_names_category_and_columns(api: ApiServer) -> None:
    api.kubectl("apply", "--server-side", "-f", str(ROOT / "examples/resources/queue.yaml"))
    status = {
        "ready": 120,
        "inFlight": 3,
        "dead": 1,
        "state": "Running",
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "ConnectionRefused",
                "message": "m",
                "lastTransitionTime": "2026-11-23T09:00:00Z",
            }
        ],
    }
    api.kubectl(
        "patch",
        "sq",
        "results",
        "--subresource=status",
        "--type=merge",
        "-p",
        json.dumps({"status": status}),
    )
    shown = api.kubectl("get", "sq").stdout.splitlines()
    everything = api.kubectl("get", "stanine").stdout
    api.kubectl("delete", "sq", "results")
    assert shown[0].split() == [
        "NAME",
        "READY",
        "REASON",
        "STATE",
        "DEPTH",
        "IN",
        "FLIGHT",
        "DEAD",
        "AGE",
    ]
    assert shown[1].split()[:7] == [
        "results",
        "False",
        "ConnectionRefused",
        "Running",
        "120",
        "3",
        "1",
    ]
    assert "queue.stanine.dev/results" in everything


def test_unsupported_fields_reach_the_operator(api: ApiServer) -> None:
    """A non-strict client would drop it, and the instrument would be scored without it."""
    plain = instrument_document("later", {
        "title": "T",
        "items": [{"id": "q", "text": "How?", "options": [{"value": 1}, {"value": 2}]}],
        "scales": [{"id": "s", "items": ["q"], "score": "Sum", "lookup": [{"raw": 1, "score": 2.5}], "round": "Up"}],
    })  # fmt: skip
    api.kubectl("apply", "--server-side", "--validate=false", "-f", "-", text=json.dumps(plain))
    found = json.loads(api.kubectl("get", "instrument", "later", "-o", "json").stdout)
    api.kubectl("delete", "instrument", "later")
    assert found["spec"] == plain["spec"]

"""`stanine check` on records without running watchers."""

from pathlib import Path

from tests.integration.stores import Store

from stanine.domain.instruments.document import canonical, digest, read_yaml
from stanine.domain.instruments.instrument import form_digest, parse_instrument
from stanine.messages import split_names
from stanine.store.keys import Keys

from .conftest import Run

EXAMPLES = Path(__file__).parents[3] / "examples" / "instruments"


def publish(store: Store, name: str) -> None:
    plain = read_yaml((EXAMPLES / f"{name}.yaml").read_bytes())
    data = canonical(plain)
    store.run(
        lambda s: s.instruments.publish(
            name, data, digest(data), form_digest(parse_instrument(plain))
        )
    )


def test_rebuild_index_enqueues_every_instrument(stanine: Run, store: Store) -> None:
    for name in ("gad-7", "phq-9"):
        publish(store, name)
    stream = Keys("test").partition + ":q:index:ready"
    store.client.delete(stream)
    ran = stanine("check", "--rebuild-index", STANINE_REDIS_URL=store.url, STANINE_NAMESPACE="test")
    assert ran.status == 1, "the entries are missing, and it says so"
    assert "gad-7/1, phq-9/1" in ran.err
    assert split_names(b"".join(fields[b"i"] for _, fields in store.client.xrange(stream))) == [
        "gad-7",
        "phq-9",
    ]


def test_an_unreachable_server_is_reported_in_one_line(stanine: Run) -> None:
    ran = stanine("check", "--rebuild-index", STANINE_REDIS_URL="redis://127.0.0.1:1/0")
    assert ran.status == 5
    assert len(ran.err.strip().splitlines()) == 1

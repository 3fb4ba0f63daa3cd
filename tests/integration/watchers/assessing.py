"""Publishing, indexing and submitting with the store only.

Used by the tests of scoring and its audit.
"""

import secrets
from pathlib import Path
from typing import Any

from tests.integration.stores import Store

from stanine.domain.instruments.document import canonical, digest, read_yaml
from stanine.domain.instruments.instrument import form_digest, parse_instrument
from stanine.domain.scoring.result import ENGINE_VERSION
from stanine.index_watcher.index_builder import IndexBuilder
from stanine.store.attempts import Submission
from stanine.store.records import RANDOM_BYTES

EXAMPLES = Path(__file__).parents[3] / "examples" / "instruments"
GAD_7: Any = read_yaml((EXAMPLES / "gad-7.yaml").read_bytes())
#: The same items with a different scoring.
GAD_7_DOUBLED: Any = {
    **GAD_7,
    "spec": {
        **GAD_7["spec"],
        "scales": [{**GAD_7["spec"]["scales"][0], "multiply": 2, "bands": []}],
    },
}


def publish(store: Store, plain: Any = GAD_7, *, index: bool = True) -> None:
    data = canonical(plain)
    instrument = parse_instrument(plain)
    store.run(
        lambda s: s.instruments.publish(
            plain["metadata"]["name"], data, digest(data), form_digest(instrument)
        )
    )
    if index:
        IndexBuilder(store.history, store.index, ENGINE_VERSION).build(store.history.names())


def attempt(
    codes: bytes = b"\x01" * 7,
    *,
    number: int = 1,
    revision: int = 1,
    participant: str | None = None,
) -> Submission:
    return Submission(
        number,
        revision,
        codes,
        secrets.token_bytes(16),
        secrets.token_bytes(RANDOM_BYTES),
        participant=participant,
    )


def submit(store: Store, *attempts: Submission) -> list[bytes]:
    return [each.id for each in store.submit(*attempts)]

"""Publish, submit and score on the oldest supported server: Debian's redis-server 7.0."""

import json
import shutil
from pathlib import Path

from tests.conftest import need
from tests.integration.whole.invariants import Records, assert_invariants
from tests.integration.whole.services import Services, eventually

GAD_7 = (Path(__file__).parents[3] / "examples" / "instruments" / "gad-7.yaml").read_bytes()


def test_everything_works_on_redis_7_0(tmp_path: Path) -> None:
    binary = shutil.which("redis-server")
    need("redis-server", found=binary is not None)
    services = Services(tmp_path, server_options=(), server_binary=binary)
    try:
        services.start()
        services.await_ready()
        sent = {f"k{n}": {f"g{item}": (n + item) % 4 for item in range(1, 8)} for n in range(500)}
        with services.client() as client:
            headers = {"Content-Type": "application/yaml"}
            assert (
                client.put(
                    "/v1/instruments/gad-7?wait=20", content=GAD_7, headers=headers
                ).status_code
                == 201
            )
            body = b"".join(
                json.dumps({"key": key, "answers": answers}).encode() + b"\n"
                for key, answers in sent.items()
            )
            lines = client.post(
                "/v1/instruments/gad-7/attempts:bulk", content=body
            ).text.splitlines()
        acknowledged = {line["key"]: line["attempt"] for line in map(json.loads, lines)}
        records = Records(services.redis_url, services.namespace)
        eventually(lambda: records.sweep.committed() == len(sent) and records.queues_at_rest(), 30)
        assert records.client.info("server")["redis_version"].startswith("7.0")
        assert_invariants(records, sent, acknowledged)
    finally:
        services.stop()

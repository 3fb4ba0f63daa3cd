"""Services wait for the operator to load the function libraries, log it, and continue."""

from pathlib import Path

from tests.integration.acl.conftest import guarded
from tests.integration.whole.services import eventually


def test_a_service_without_load_permission_waits_for_the_operator(tmp_path: Path) -> None:
    made = guarded(tmp_path, with_operator=True)
    try:
        made.services.start("api", "result-watcher")
        for name in ("api", "result-watcher"):
            eventually(
                lambda name=name: "FunctionsMissing" in made.services.health(name, "/readyz").text,  # type: ignore[misc]
                20,
            )
        made.load_functions()
        for name in ("api", "result-watcher"):
            eventually(
                lambda name=name: made.services.health(name, "/readyz").status_code == 200,  # type: ignore[misc]
                10,
            )
        denied = made.denied()
        assert denied
        assert all(line.endswith("function|load") for line in denied), denied
    finally:
        made.admin.close()
        made.services.stop()

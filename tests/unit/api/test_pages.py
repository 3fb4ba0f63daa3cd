import hashlib
import json
from importlib.resources import files

PAGES = files("stanine.api").joinpath("pages")


def test_the_vendored_files_match_the_manifest() -> None:
    folder = PAGES.joinpath("swagger-ui")
    manifest = json.loads(folder.joinpath("manifest.json").read_text())
    assert {file.name for file in folder.iterdir()} == {"manifest.json", *manifest["files"]}
    for name, described in manifest["files"].items():
        assert hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() == described["sha256"]
    assert manifest["licence"] == "Apache-2.0"


def test_the_page_uses_no_other_server() -> None:
    for name in ("index.html", "docs.html", "docs.js"):
        assert "//" not in PAGES.joinpath(name).read_text().replace("// ", "")

"""Shows a local document as a participant would see it: `python -m stanine.pages.preview FILE`. Run by `stanine preview`.

There is no API and no Redis; the sessions are in this process's memory.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stanine.domain.errors import InvalidDocument
from stanine.domain.instruments.document import read_json, read_yaml
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import IndexEntry, build_entry
from stanine.pages.app import make_pages
from stanine.pages.links import Links
from stanine.pages.serving import listen, serve
from stanine.pages.settings import PagesSettings
from stanine.pages.survey.local_sessions import CODE, LocalSessions
from stanine.telemetry.logs import configure_logs

HOST = "127.0.0.1"
_BANNER = {
    "en": "Preview: nothing is stored",
    "de": "Vorschau: nichts wird gespeichert",
    "ar": "معاينة: لا يُحفظ شيء",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the preview until Ctrl-C; return the exit status. Prints the address when it can be opened."""
    parser = argparse.ArgumentParser(prog="python -m stanine.pages.preview")
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(arguments)
    configure_logs("preview", "WARNING")
    try:
        entry = read_entry(options.file)
        listener = listen(HOST, options.port)
    except (InvalidDocument, OSError) as error:
        print(f"{options.file}: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 2
    address = f"http://{HOST}:{listener.getsockname()[1]}{Links().welcome(CODE)}"
    app = make_pages(PagesSettings(banner=_BANNER), LocalSessions(entry), no_connections)
    serve(app, listener, lambda: print(address, flush=True))  # noqa: T201 - the command's output
    return 0


def read_entry(path: Path) -> IndexEntry:
    """Return the index entry of a document's file. Raises InvalidDocument, OSError."""
    text = path.read_bytes()
    plain = read_json(text) if path.suffix.lower() == ".json" else read_yaml(text)
    return build_entry(parse_instrument(plain), number=0, revision=1, form=1, digest="")


async def no_connections() -> None:
    """Close nothing: a preview has no connections."""


if __name__ == "__main__":
    raise SystemExit(main())

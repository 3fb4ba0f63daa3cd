"""Static files of the pages: one folder under an address with their common digest. Made by the composition root.

Their address changes with their content, so that browsers keep them for a year. During a rollout a process may be asked
for files of another version; it answers with its own, which browsers do not keep then.
"""

import gzip
import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_DIGEST_BYTES = 6
_KEPT = "public, max-age=31536000, immutable"


class Assets:
    """The files, read once."""

    def __init__(self) -> None:
        self._files = {
            path.name: _without_comments(path)
            for path in sorted(_FOLDER.iterdir())
            if path.suffix in _TYPES
        }
        digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        for name, content in self._files.items():
            digest.update(name.encode() + b"\0" + content + b"\0")
        #: Part of the address of every file.
        self.digest = digest.hexdigest()
        self._packed = {
            name: gzip.compress(content, 9, mtime=0) for name, content in self._files.items()
        }

    async def serve(self, request: Request) -> Response:
        """Answer with a file."""
        name = request.path_params["name"]
        if name not in self._files:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        is_current = request.path_params["digest"] == self.digest
        headers = {"cache-control": _KEPT if is_current else "no-cache", "vary": "Accept-Encoding"}
        content = self._files[name]
        if "gzip" in request.headers.get("accept-encoding", ""):
            content, headers["content-encoding"] = self._packed[name], "gzip"
        return Response(content, media_type=_TYPES[Path(name).suffix], headers=headers)


def _without_comments(path: Path) -> bytes:
    """Return a file without indentation and lines that are comments: a third of the bytes of a script."""
    if path.suffix != ".js":
        return path.read_bytes()
    lines = [line.strip() for line in path.read_text().splitlines()]
    kept = [line for line in lines if line and not line.startswith(("//", "/*", "*"))]
    return "\n".join([*kept, ""]).encode()

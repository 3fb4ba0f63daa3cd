"""Routes that take lines of JSON and answer each line. Declared in `attempts` and `invitations`, used by `bulk`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from stanine.client.messages import NDJSON, ApiCall, Reply, call
from stanine.client.records import AttemptOutcome, ClientRecord, InvitationOutcome

Answer = TypeVar("Answer", AttemptOutcome, InvitationOutcome)

#: A line: a record, a mapping, or JSON.
AnyLine = ClientRecord | Mapping[str, object] | bytes | str

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class BulkRoute(Generic[Answer]):
    """A route of an instrument that takes lines."""

    #: The path's template with `{name}`.
    path: str
    #: Parses the answer to a line. Raises msgspec.MsgspecError or UnicodeDecodeError.
    decode: Callable[[bytes], Answer]
    #: Whether the answer to an accepted line has all its members.
    is_complete: Callable[[Answer], bool]

    def request(self, instrument: str, body: bytes) -> ApiCall[None]:
        """Return the call that sends lines; its answer is read as a stream, not by `decode` of the call."""
        return call(
            "POST",
            self.path,
            _ignore,
            {"name": instrument},
            body=body,
            headers={"content-type": NDJSON},
        )


def encode_line(line: AnyLine) -> bytes:
    """Return a line without line break.

    Text is used as given, with its line breaks (never part of a value) replaced by spaces. Raises TypeError for values
    that JSON cannot represent.
    """
    if isinstance(line, str):
        line = line.encode()
    if isinstance(line, bytes):
        return line.replace(b"\r", b" ").replace(b"\n", b" ").strip()
    return _encode(line)


def _ignore(reply: Reply) -> None:
    """Return nothing."""

"""Strict reading of the JSON bodies of sessions and invitations.

Used by the routes of people's data. Every error has its place, and no message quotes the input. Valid bodies are
read by a compiled decoder; invalid ones are read again by a slower reader that locates the errors.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from stanine.api.people.decoder_errors import fault_of
from stanine.api.web.problems import Kind, Problem, ProblemError, from_faults
from stanine.domain.attempts.explain import judge, pointer
from stanine.domain.errors import Faults, InvalidAttempt
from stanine.domain.instruments.strict_json import locate

T = TypeVar("T")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class BodyReader(Generic[T]):
    """Reads bodies of one record type; `kind`: the problem of an invalid body."""

    def __init__(
        self, record: type[T], kind: Kind, count_names: Callable[[T], int] | None = None
    ) -> None:
        """`count_names` returns the number of names in the objects within a record.

        With it, most bodies need no search for repeated names.
        """
        self._count_names = count_names
        self._record = record
        self._decode = msgspec.json.Decoder(record).decode
        self._kind = kind

    def read(self, text: bytes) -> T:
        """Return the record of a JSON object. Raises a Problem."""
        try:
            record = self._decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self._explain(text, error) from None
        if not self._has_plain_names(text, record):
            self.check_names(text)
        return record

    def _has_plain_names(self, text: bytes, record: T) -> bool:
        """Return whether the number of colons proves that no name is repeated.

        Every name has a colon, so a repeated name leaves more colons than names, as does a colon within a text. A text
        with escapes may be invalid, which the decoder accepts.
        """
        return (
            self._count_names is not None
            and b"\\u" not in text
            and text.count(b":") == len(_members(text)) + self._count_names(record)
        )

    def check_names(self, text: bytes) -> None:
        """Refuse repeated names in an object, and texts that are not valid UTF-8."""
        faults = _faults(text)
        if faults.count:
            raise from_faults(self._kind, InvalidAttempt(faults.kept, faults.count))

    def _explain(self, text: bytes, error: Exception) -> Problem:
        faults = _faults(text, judge)
        if faults.count:
            return from_faults(self._kind, InvalidAttempt(faults.kept, faults.count))
        fault = fault_of(str(error), self._record)
        return refused(self._kind, fault.place, fault.code, fault.detail)


def refused(kind: Kind, place: str, code: str, detail: str) -> Problem:
    """Return the problem of a single error."""
    return Problem(
        kind,
        "1 thing is wrong; see errors",
        errors=[ProblemError(place, code, detail)],
        error_count=1,
    )


def _faults(
    text: bytes, judged: Callable[[dict[str, Any], Faults], None] = lambda _plain, _faults: None
) -> Faults:
    faults = Faults()
    plain: Any = locate(
        text, faults, max(len(text), 1), pointer, lambda place, index: f"{place}/{index}"
    )
    if not faults.count and not isinstance(plain, dict):
        faults.add("", "WrongType", "a JSON object is required")
    elif not faults.count:
        judged(plain, faults)
    return faults

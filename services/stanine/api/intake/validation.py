"""Converts the bytes of an attempt to a submission: read, checked against its form, packed.

Called by the routes and `bulk`.
"""

import msgspec

from stanine.api.intake.fast_path import FormReader
from stanine.api.intake.id_entropy import IdEntropy
from stanine.api.web.deadlines import within
from stanine.api.web.problems import (
    INVALID_ATTEMPT,
    NOT_INDEXED,
    NotFound,
    Problem,
    ProblemError,
    from_faults,
)
from stanine.domain.attempts.attempt import Attempt
from stanine.domain.attempts.response import Packer, decode_attempt, meaning
from stanine.domain.errors import InvalidAttempt
from stanine.domain.scoring.index import IndexEntry
from stanine.store.attempts import Attempts, Submission, Submitted
from stanine.store.index import EntryCache
from stanine.store.instruments import Instruments


class UnknownRevision(Problem):
    """Raised for an attempt of a revision that does not exist."""

    def __init__(self, newest: int) -> None:
        fault = ProblemError("/revision", "UnknownReference", f"the newest revision is {newest}")
        super().__init__(
            INVALID_ATTEMPT, "1 thing is wrong; see errors", errors=[fault], error_count=1
        )
        self.newest = newest


class _Form(msgspec.Struct, frozen=True):
    """An index entry with its compiled packer and reader."""

    entry: IndexEntry
    packer: Packer
    reader: FormReader | None


class Checker:
    """Checks attempts; I/O only if the process's index lacks the entry."""

    def __init__(self, attempts: Attempts, instruments: Instruments, entries: EntryCache) -> None:
        self._attempts = attempts
        self._instruments = instruments
        self._entries = entries
        self._forms: dict[tuple[int, int], _Form] = {}
        self._randoms = IdEntropy()

    async def entry(self, name: str, revision: int | None) -> IndexEntry:
        """Return the index entry of an attempt's form.

        Raises a Problem: not-found for an unknown instrument, UnknownRevision, not-indexed while the entry is being
        built.
        """
        entry = (
            self._entries.newest(name)
            if revision is None
            else self._entries.answered(name, revision)
        )
        if entry is not None:
            return entry
        stored = await within(self._instruments.read(name))
        if stored is None:
            raise NotFound("Instrument", name)
        if revision is not None and revision > stored.revision:
            raise UnknownRevision(stored.revision)
        raise Problem(NOT_INDEXED, f"The indexWatcher is building the entry of {name!r}.")

    def name_of(self, number: int) -> str | None:
        """Return the name of the instrument with a number, if this process's index has it."""
        return self._entries.now.names.get(number)

    def check_usual(
        self, name: str, text: bytes, key_space: bytes, header_key: str | None = None
    ) -> Submission | None:
        """Check a usual attempt of the newest form by the fast path.

        None for any other attempt, valid or not, which `check` handles. `key_space`: the digest of the caller's key
        space; `header_key`: the key from the Idempotency-Key header.
        """
        newest = self._entries.newest(name)
        if newest is None:
            return None
        form = self._form(newest)
        packed = form.reader.read(text, header_key) if form.reader is not None else None
        if packed is None:
            return None
        revision = packed.revision or newest.revision
        return Submission(
            newest.number,
            revision,
            packed.codes,
            packed.meaning,
            self._randoms.take(),
            self._entries.now.view,
            key_space,
            packed.key,
            packed.participant,
        )

    async def check(
        self, name: str, text: bytes, key_space: bytes, header_key: str | None = None
    ) -> Submission | Submitted:
        """Check any attempt. Raises a Problem.

        A repeat that no longer fits the newest form gives the attempt that has its key.
        """
        try:
            attempt = decode_attempt(text)
        except InvalidAttempt as error:
            raise from_faults(INVALID_ATTEMPT, error) from None
        attempt = _with_key(attempt, header_key)
        entry = await self.entry(name, attempt.revision)
        view = self._entries.now.view
        digest = meaning(attempt)
        try:
            codes = self._form(entry).packer.pack(attempt)
        except InvalidAttempt as error:
            # An attempt that names its revision, or of an instrument with one form ever, was checked against this
            # form before.
            had_another_form = entry.spans != ((1, entry.revision),)
            if attempt.key is not None and attempt.revision is None and had_another_form:
                known = await within(
                    self._attempts.known(entry.number, key_space, attempt.key, digest)
                )
                if known is not None:
                    return known
            raise from_faults(INVALID_ATTEMPT, error) from None
        return Submission(
            number=entry.number,
            revision=attempt.revision or entry.revision,
            codes=codes,
            content=digest,
            id_random=self._randoms.take(),
            view=view,
            key_space=key_space,
            key=attempt.key,
            participant=attempt.participant,
            attributes=attempt.attributes,
            language=attempt.language,
            seconds=attempt.seconds,
        )

    def _form(self, entry: IndexEntry) -> _Form:
        form = self._forms.get((entry.number, entry.form))
        if form is None or form.entry is not entry:
            try:
                reader = FormReader(entry)
            except ValueError:
                reader = None
            form = self._forms[entry.number, entry.form] = _Form(entry, Packer(entry), reader)
        return form


def _with_key(attempt: Attempt, header_key: str | None) -> Attempt:
    """Return an attempt with the key from the header. Raises a Problem if its own key differs."""
    if header_key is None or attempt.key == header_key:
        return attempt
    if attempt.key is not None:
        fault = ProblemError(
            "/key",
            "KeyConflict",
            "it differs from Idempotency-Key; give one of the two, or the same twice",
        )
        raise Problem(
            INVALID_ATTEMPT, "1 thing is wrong; see errors", errors=[fault], error_count=1
        )
    return msgspec.structs.replace(attempt, key=header_key)

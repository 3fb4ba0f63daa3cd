"""Score stored attempts from the published documents, not from the index. Used by the audit and by re-scoring.

Wrong index entries therefore have no influence, and a scoring older than the index's can be used.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from stanine.domain.errors import InvalidDocument
from stanine.domain.instruments.document import read_json
from stanine.domain.instruments.instrument import parse_instrument
from stanine.domain.scoring.index import build_entry
from stanine.domain.scoring.kernel import Kernel
from stanine.store.instruments import InstrumentHistory
from stanine.store.records import StoredAttempt


class _Key(msgspec.Struct, frozen=True):
    """An instrument's number, the revision that was answered, and the one that scores it."""

    number: int
    answered: int
    scored_by: int
    #: Digest of the scoring document; None: whichever the revision has.
    digest: str | None


class FreshScoring:
    """Compiles scorings of documents, and keeps them: at most MAX_KERNELS."""

    #: A kernel takes a few hundred kilobytes at most.
    MAX_KERNELS = 512

    def __init__(self, instruments: InstrumentHistory) -> None:
        self._instruments = instruments
        self._kernels: dict[_Key, Kernel] = {}

    def kernel(
        self, number: int, answered: int, scored_by: int, digest: str | None = None
    ) -> Kernel | None:
        """Return the scoring of a revision, for attempts that answered another one of its form.

        None if the document is missing, invalid, of another form, or has another digest than `digest`.
        """
        which = _Key(number, answered, scored_by, digest)
        known = self._kernels.get(which) or self._compile(which)
        if known is not None and which not in self._kernels:
            if len(self._kernels) >= self.MAX_KERNELS:
                self._kernels.clear()
            self._kernels[which] = known
        return known

    def _compile(self, which: _Key) -> Kernel | None:
        name = self._instruments.name(which.number)
        history = self._instruments.history(name) if name is not None else None
        if (
            name is None
            or history is None
            or not 0 < which.answered <= which.scored_by <= history.revision
        ):
            return None
        form = history.forms[which.scored_by - 1]
        stored = self._instruments.document(name, which.scored_by)
        if stored is None or history.forms[which.answered - 1] != form:
            return None
        if which.digest not in (None, stored[1]):
            return None
        try:
            instrument = parse_instrument(read_json(stored[0]), name=name)
        except InvalidDocument:
            return None
        return Kernel(
            build_entry(
                instrument,
                number=which.number,
                revision=which.scored_by,
                form=form,
                digest=stored[1],
            ).plan
        )


def score_bodies(kernel: Kernel, attempts: Sequence[StoredAttempt]) -> list[bytes | None]:
    """Return the body of each attempt's result; None for each that cannot be scored.

    All are scored at once; if that fails, each alone, to isolate those that cannot be scored.
    """
    try:
        return _bodies(kernel, attempts)
    except (ValueError, ArithmeticError, IndexError, TypeError):
        if len(attempts) == 1:
            return [None]
        return [score_bodies(kernel, [each])[0] for each in attempts]


def _bodies(kernel: Kernel, attempts: Sequence[StoredAttempt]) -> list[bytes | None]:
    width, has_texts = kernel.plan.row_bytes, kernel.plan.has_texts
    fits = [
        len(each.codes) == width or (has_texts and len(each.codes) > width) for each in attempts
    ]
    rows = b"".join(
        each.codes[:width] if fit else bytes(width)
        for each, fit in zip(attempts, fits, strict=True)
    )
    codes = np.frombuffer(rows, np.uint8).reshape(-1, width)
    unfit = {row for row, fit in enumerate(fits) if not fit}.union(kernel.unreadable(codes))
    sound = np.array([row for row in range(len(attempts)) if row not in unfit], np.intp)
    people = (
        kernel.columns([attempts[row].attributes for row in sound])
        if kernel.plan.needs_attributes
        else None
    )
    bodies: list[bytes | None] = [None] * len(attempts)
    for row, body in zip(sound, kernel.score(codes[sound], people).packed(), strict=True):
        bodies[row] = body
    return bodies

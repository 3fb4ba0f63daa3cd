"""The answers of open sessions that this process has read or saved. Used by saves, which then need not read them.

Other processes save as well, so they may be outdated. A save that is validated with them names their mark, and the store
refuses it if the session has other answers. They are bounded in number and size, and only in memory.
"""

from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from stanine.store.sessions import AnswersMark, SaveOutcome, StoredSession

#: Maximum sessions, and bytes of the answers of each: 20 MB at most. A session with longer texts is read for each save
#: that depends on other answers.
MAX_SESSIONS, MAX_BYTES = 5_000, 4_096


class SavedAnswers(msgspec.Struct, frozen=True):
    """The answers of a session as stored, by item or attribute, and their mark."""

    at: AnswersMark
    fields: Mapping[str, bytes]


def answers_of(session: StoredSession) -> SavedAnswers:
    """Return the answers of a session that was read."""
    return SavedAnswers(AnswersMark(session.seq, session.mark), session.answers)


class KnownAnswers:
    """The answers by session, the least recently used ones removed first."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, SavedAnswers] = OrderedDict()

    def of(self, session_id: bytes) -> SavedAnswers | None:
        """Return what is known; None for most sessions."""
        return self._known.get(session_id)

    def note(
        self,
        session_id: bytes,
        merged_into: SavedAnswers | None,
        saved: Mapping[str, bytes],
        outcome: SaveOutcome,
    ) -> None:
        """Note a save (empty values remove answers) and what it was merged into, as far as that was known."""
        if outcome.outcome == "Repeated":
            return
        self._known.pop(session_id, None)
        if outcome.outcome != "Saved" or merged_into is None or merged_into.at != outcome.before:
            return
        fields = {name: text for name, text in {**merged_into.fields, **saved}.items() if text}
        if sum(map(len, fields)) + sum(map(len, fields.values())) <= MAX_BYTES:
            self._known[session_id] = SavedAnswers(outcome.after, fields)
            while len(self._known) > MAX_SESSIONS:
                self._known.popitem(last=False)

    def forget(self, session_id: bytes) -> None:
        """Forget a session that was closed."""
        self._known.pop(session_id, None)

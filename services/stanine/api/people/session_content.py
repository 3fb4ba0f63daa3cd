"""The answers of a session, and the attempt that it becomes. Used by the operations, routes and sweep of sessions."""

from collections.abc import Mapping
from typing import Any

import msgspec

from stanine.domain.attempts.attempt import Attempt
from stanine.domain.attempts.response import meaning
from stanine.domain.instruments.public_form import language_of
from stanine.domain.scoring.index import IndexEntry
from stanine.store.attempts import Submission
from stanine.store.index import IndexView
from stanine.store.records import RANDOM_BYTES
from stanine.store.sessions import StoredSession

#: Prefix of the attributes that a participant states, among the stored answers of a session; no item id begins with
#: it.
ATTRIBUTE = "@"


def submission_of(
    session: StoredSession,
    view: IndexView,
    pack: Any,
    answers: dict[str, Any],
    attributes: dict[str, Any],
) -> Submission:
    """Return the attempt of a session. Raises InvalidAttempt."""
    its = session.given
    attempt = Attempt(answers, its.key, session.revision, its.participant, attributes)
    return Submission(
        number=session.number,
        revision=session.revision,
        codes=pack(attempt),
        # like a submission of the same attempt that does not name its revision
        content=meaning(msgspec.structs.replace(attempt, revision=None)),
        id_random=session.id[:RANDOM_BYTES],
        view=view.view,
        key_space=its.key_space,
        key=its.key,
        participant=its.participant,
        attributes=attributes,
    )


def held(stored: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the answers of a session, and the attributes that the participant stated, from the stored ones."""
    answers: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for name, text in stored.items():
        value = msgspec.json.decode(text)
        if name.startswith(ATTRIBUTE):
            attributes[name.removeprefix(ATTRIBUTE)] = value
        else:
            answers[name] = value
    return answers, attributes


def language(entry: IndexEntry, session: StoredSession) -> str | None:
    """Return the language of a session's form; None: the document's own language."""
    wanted = session.language or session.given.language
    return None if wanted is None else language_of(entry, wanted)

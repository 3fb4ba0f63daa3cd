"""Sessions and invitations on a real server: open, save, submit once, sweep, with retries."""

import secrets
from typing import Any

import pytest
from tests.integration.store.attempting import CONTENT, OTHER_SPACE, SPACE, everything, submission
from tests.integration.stores import Store

from stanine.store.invitations import Given, Invitations, NewInvitation
from stanine.store.keys import INVITATION_BYTES
from stanine.store.sessions import (
    SESSION_BYTES,
    AnswersMark,
    NewSession,
    SaveOutcome,
    SectionUse,
    Sessions,
)

HOUR = 3_600_000


def invitation(key: str | None = None, **options: Any) -> NewInvitation:
    options.setdefault("given", Given(participant="p-1", language="en"))
    return NewInvitation(
        secrets.token_bytes(INVITATION_BYTES),
        options.pop("content", CONTENT),
        key=key,
        key_space=SPACE,
        **options,
    )


def session(
    *, limit: int = 0, grace: int = 0, lifetime: int = HOUR, invited: bytes = b"", **given: Any
) -> NewSession:
    return NewSession(
        secrets.token_bytes(SESSION_BYTES),
        1,
        1,
        "",
        Given(time_limit_ms=limit, **given),
        lifetime,
        grace,
        invited,
    )


def with_sessions(store: Store, name: str, *args: Any, **options: Any) -> Any:
    """Call a method of the sessions; of a save return the outcome alone."""
    done = store.run(
        lambda made: getattr(Sessions(made.client, made.writer, store.keys, store.outbox), name)(
            *args, **options
        )
    )
    return done.outcome if name == "save" else done


def with_invitations(store: Store, name: str, *args: Any) -> Any:
    return store.run(
        lambda made: getattr(Invitations(made.client, made.writer, store.keys), name)(*args)
    )


def opened(store: Store, **options: Any) -> bytes:
    new = session(**options)
    assert with_sessions(store, "open", new) == "Opened"
    return new.id


def test_answers_are_merged_by_saves_in_the_order_of_their_seq(store: Store) -> None:
    one = opened(store, participant="p-1", attributes={"sex": "female"})
    assert with_sessions(store, "save", one, 1, b"a", 1, {"q1": b"2", "q2": b"3"}) == "Saved"
    assert with_sessions(store, "save", one, 2, b"b", 2, {"q2": b"", "q3": b'"x"'}) == "Saved"
    found = with_sessions(store, "read", one)
    assert (found.answers, found.seq, found.page, found.state) == (
        {"q1": b"2", "q3": b'"x"'},
        2,
        2,
        "Open",
    )
    assert found.given == Given(participant="p-1", attributes={"sex": "female"})


def test_a_repeated_save_is_recognised_and_an_older_one_ignored(store: Store) -> None:
    one = opened(store)
    with_sessions(store, "save", one, 2, b"b", 1, {"q1": b"2"})
    before = everything(store)
    assert with_sessions(store, "save", one, 2, b"b", 1, {"q1": b"2"}) == "Repeated"
    assert with_sessions(store, "save", one, 2, b"other", 1, {"q1": b"9"}) == "Older"
    assert with_sessions(store, "save", one, 1, b"a", 1, {"q1": b"9"}) == "Older"
    assert everything(store) == before


def test_a_save_that_expects_other_answers_saves_nothing_and_returns_those_that_are_there(
    store: Store,
) -> None:
    one = opened(store)

    def save(seq: int, expected: AnswersMark | None, content: bytes = b"c") -> SaveOutcome:
        done: SaveOutcome = store.run(
            lambda made: Sessions(made.client, made.writer, store.keys, store.outbox).save(
                one, seq, content, 1, {f"q{seq}": b"1"}, expected=expected
            )
        )
        return done

    first = save(1, AnswersMark())
    assert (first.outcome, first.before) == ("Saved", AnswersMark())
    second = save(2, None)
    assert second.before == first.after
    for wrong in (AnswersMark(), first.after, AnswersMark(2, first.after.mark)):
        changed = save(3, wrong)
        assert changed.outcome == "Changed"
        assert changed.session is not None
        assert changed.session.answers == {"q1": b"1", "q2": b"1"}
        assert AnswersMark(changed.session.seq, changed.session.mark) == second.after
    assert save(3, second.after).outcome == "Saved"
    assert save(3, second.after).outcome == "Repeated", "its reply was lost"
    with_sessions(store, "withdraw", one)
    assert save(4, second.after).outcome == "Withdrawn"


def test_submitting_a_session_is_idempotent(store: Store) -> None:
    one = opened(store)
    with_sessions(store, "save", one, 1, b"a", 1, {"q1": b"2"})
    first = with_sessions(store, "submit", one, 1, submission())
    again = with_sessions(store, "submit", one, 1, submission())
    assert (first.outcome, first.repeated, again.outcome, again.repeated) == (
        "Submitted",
        False,
        "Submitted",
        True,
    )
    assert first.attempt == again.attempt
    assert store.sweep.arrivals() == store.client.xlen(store.outbox.stream) == 1
    found = with_sessions(store, "read", one)
    assert (found.state, found.attempt, found.answers) == ("Submitted", first.attempt, {})
    assert store.read(first.attempt) is not None
    assert with_sessions(store, "save", one, 2, b"b", 1, {"q1": b"3"}) == "Submitted"
    assert with_sessions(store, "withdraw", one) == "Submitted"


def test_a_session_that_was_saved_after_its_answers_were_read_is_not_submitted(
    store: Store,
) -> None:
    one = opened(store)
    with_sessions(store, "save", one, 1, b"a", 1, {"q1": b"2"})
    with_sessions(store, "save", one, 2, b"b", 1, {"q1": b"3"})
    assert with_sessions(store, "submit", one, 1, submission()).outcome == "Changed"
    assert store.sweep.arrivals() == 0


def test_a_session_with_a_key_conflict_stays_open(store: Store) -> None:
    (there,) = store.submit(submission("k"))
    one = opened(store)
    found = with_sessions(store, "submit", one, 0, submission("k", content=b"other content 16"))
    assert (found.outcome, found.attempt) == ("Conflict", there.id)
    assert with_sessions(store, "read", one).state == "Open"


def test_withdrawing_a_session_removes_its_answers(store: Store) -> None:
    one = opened(store)
    with_sessions(store, "save", one, 1, b"a", 1, {"q1": b"canary-answer"})
    assert with_sessions(store, "withdraw", one) == "Withdrawn"
    assert not any(b"canary" in value for value in everything(store).values())
    assert with_sessions(store, "submit", one, 1, submission()).outcome == "Withdrawn"
    assert with_sessions(store, "withdraw", one) == "Withdrawn"


def test_after_its_deadline_only_the_sweep_submits_a_session(store: Store) -> None:
    late, in_grace = opened(store, limit=1, grace=0), opened(store, limit=1, grace=HOUR // 2)
    now = store.client.time()[0] * 1000 + 2000
    assert with_sessions(store, "due", now, 10) == [late]
    assert with_sessions(store, "save", late, 1, b"a", 1, {"q1": b"2"}) == "Late"
    assert with_sessions(store, "save", in_grace, 1, b"a", 1, {"q1": b"2"}) == "Saved"
    assert with_sessions(store, "submit", late, 0, submission()).outcome == "Late"
    assert with_sessions(store, "submit", late, 0, submission(), swept=True).outcome == "Submitted"
    assert with_sessions(store, "due", now, 10) == []
    assert (longer := with_sessions(store, "extend", in_grace, HOUR, HOUR)) > now
    assert (
        with_sessions(store, "extend", in_grace, HOUR, HOUR)
        == with_sessions(store, "extend", in_grace, 1, 1)
        == longer
    )
    assert with_sessions(store, "read", in_grace).expires_at > longer + HOUR
    assert with_sessions(store, "extend", late, HOUR, HOUR) == 0


def test_an_expired_session_is_removed_and_counted(store: Store) -> None:
    one, other = opened(store, lifetime=1, participant="p"), opened(store)
    now = store.client.time()[0] * 1000 + 2000
    assert with_sessions(store, "due", now, 10) == [one]
    assert with_sessions(store, "save", one, 1, b"a", 1, {"q1": b"2"}) == "Unknown"
    assert with_sessions(store, "drop", one)
    assert not with_sessions(store, "drop", one)
    assert not with_sessions(store, "drop", other)
    assert with_sessions(store, "read", one) is None
    assert with_sessions(store, "counts") == {"opened": 2, "expired": 1}
    assert list(store.client.scan_iter("*:o:*")) == []


def test_an_invitation_limits_sessions_and_retries_are_idempotent(
    store: Store,
) -> None:
    ((invited),) = with_invitations(store, "create", 1, [invitation(most_uses=2)])
    first, second, third = (session(invited=invited.id) for _ in range(3))
    assert [with_sessions(store, "open", each) for each in (first, first, second, third)] == [
        "Opened",
        "Repeated",
        "Opened",
        "Used",
    ]
    assert with_invitations(store, "read", invited.id).uses == 2


@pytest.mark.parametrize("way", ["revoked", "expired", "of another instrument", "unknown"])
def test_an_invalid_invitation_opens_no_session(store: Store, way: str) -> None:
    (invited,) = with_invitations(
        store, "create", 2 if way == "of another instrument" else 1, [invitation(expires_at=0)]
    )
    if way == "revoked":
        assert with_invitations(store, "revoke", invited.id)
    if way == "expired":
        assert with_invitations(store, "extend", invited.id, 1)
    new = session(invited=b"u" * INVITATION_BYTES if way == "unknown" else invited.id)
    expected = {"revoked": "Revoked", "expired": "Expired"}.get(way, "Unknown")
    before = everything(store)
    assert with_sessions(store, "open", new) == expected
    assert everything(store) == before


def test_creating_invitations_is_idempotent_by_key_and_key_space(store: Store) -> None:
    one = invitation("k")
    other_space = NewInvitation(
        secrets.token_bytes(INVITATION_BYTES), CONTENT, Given(), "k", OTHER_SPACE
    )
    made = with_invitations(
        store,
        "create",
        1,
        [
            one,
            invitation("k"),
            invitation("k", content=b"other content 16"),
            other_space,
            invitation(),
        ],
    )
    assert [each.outcome for each in made] == ["new", "repeated", "conflict", "new", "new"]
    assert [each.id for each in made[:3]] == [one.id] * 3
    again = with_invitations(store, "create", 1, [one])
    assert (again[0].id, again[0].outcome) == (one.id, "repeated")
    listed = with_invitations(store, "page", 1, 0, 10)
    assert [name for name, _ in listed] == [one.id, other_space.id, made[4].id]
    assert listed[0][1].given == one.given
    assert [name for name, _ in with_invitations(store, "page", 1, 2, 10)] == [made[4].id]


def test_a_removed_instrument_has_no_new_sessions_or_invitations(
    store: Store,
) -> None:
    store.client.hset(store.keys.numbers, 1, "")
    assert with_invitations(store, "create", 1, [invitation()])[0].outcome == "gone"
    assert with_sessions(store, "open", session()) == "Gone"


@pytest.mark.parametrize("key", ["arrivals", "stream", "due", "counts"])
def test_a_key_of_a_wrong_type_fails_the_submission_of_a_session_completely(
    store: Store, key: str
) -> None:
    one = opened(store)
    with_sessions(store, "save", one, 1, b"a", 1, {"q1": b"2"})
    keys = {
        "arrivals": store.keys.arrivals,
        "stream": store.outbox.stream,
        "due": store.keys.sessions_due,
        "counts": store.keys.sessions,
    }
    store.client.delete(keys[key])
    store.client.set(keys[key], "x") if key != "arrivals" else store.client.lpush(keys[key], "x")
    before = everything(store)
    with pytest.raises(Exception, match=r"WRONGTYPE|holds a"):
        with_sessions(store, "submit", one, 1, submission())
    assert everything(store) == before


def test_the_time_of_a_section_runs_from_the_first_save_that_names_it(store: Store) -> None:
    one = opened(store)
    first, again = SectionUse("tasks", HOUR, False), SectionUse("tasks", 9 * HOUR, True)
    assert with_sessions(store, "save", one, 1, b"a", 1, {}, sections=[first]) == "Saved"
    before = with_sessions(store, "read", one)
    assert 0 < before.sections["tasks"] - before.read_at <= HOUR
    assert with_sessions(store, "save", one, 2, b"b", 1, {"q": b"1"}, sections=[again]) == "Saved"
    after = with_sessions(store, "read", one)
    assert (after.sections, after.answers) == (before.sections, {"q": b"1"})


def test_an_answer_after_the_end_of_its_section_and_the_grace_changes_nothing(
    store: Store,
) -> None:
    ended, running = SectionUse("tasks", -HOUR, True), SectionUse("rest", HOUR, True)
    for grace, outcome in ((0, "Over"), (2 * HOUR, "Saved")):
        one = opened(store, grace=grace)
        save = (one, 1, b"a", 1, {"q": b"1"})
        assert with_sessions(store, "save", *save, sections=[ended]) == "Saved"
        before = with_sessions(store, "read", one)
        late = (one, 2, b"b", 1, {"q": b"2"})
        assert with_sessions(store, "save", *late, sections=[running, ended]) == outcome
        if outcome == "Over":
            after = with_sessions(store, "read", one)
            assert (after.answers, after.seq, after.sections) == ({"q": b"1"}, 1, before.sections)
            assert with_sessions(store, "save", *save, sections=[ended]) == "Repeated"


def test_the_language_is_kept_until_another_one_is_saved(store: Store) -> None:
    one = opened(store, language="en")
    found = []
    for seq, language in enumerate([None, "de", None, "ar"], 1):
        with_sessions(store, "save", one, seq, b"%d" % seq, 1, {}, language=language)
        found.append(with_sessions(store, "read", one).language)
    assert found == [None, "de", "de", "ar"]
    assert with_sessions(store, "read", one).given.language == "en"

"""Compare stored results with a fresh scoring of their attempts. Pure; called by `rescorer`.

An attempt gets a new result only if that result means something else than its present one: other scores, bands, norm
groups, ranges or statuses. A result of a newer scoring or engine stays. An attempt that failed and can be scored now
gets a result; one that has scores is never replaced by a failure.
"""

from collections.abc import Sequence

import msgspec

from stanine.domain.scoring.kernel import Kernel
from stanine.domain.scoring.result import ENGINE_VERSION, Result, decode_result
from stanine.domain.statistics.rescoring import ResultChanges, changes_of, merge_changes
from stanine.store.fresh_scoring import score_bodies
from stanine.store.records import StoredAttempt
from stanine.store.rescoring import Replacement
from stanine.store.result_layout import FAILED, StoredResult, result_start

_NO_SCALES = Result({})


class Scored(msgspec.Struct, frozen=True):
    """An attempt with its present result, as read and as stored."""

    attempt: StoredAttempt
    result: StoredResult
    record: bytes


class NewScoring(msgspec.Struct, frozen=True):
    """The scoring to compare with: its revision and its kernel."""

    revision: int
    kernel: Kernel


def compare(
    group: Sequence[Scored], scoring: NewScoring, before: Kernel | None, commit: bytes
) -> tuple[list[Replacement], ResultChanges]:
    """Return the new results of the attempts whose result changes, and the summary of the group.

    `group`: attempts at one revision whose results were made by one scoring; `before`: that scoring, None if its
    document is missing or they failed; `commit`: the random bytes of the new records.
    """
    due = [each for each in group if not _is_newer(each.result, scoring.revision)]
    head = result_start(ENGINE_VERSION, scoring.revision, commit)
    replacements: list[Replacement] = []
    measured: list[tuple[Result, Result]] = []
    had_failed = not_measured = still_failed = kept = 0
    bodies = score_bodies(scoring.kernel, [each.attempt for each in due])
    for each, body in zip(due, bodies, strict=True):
        failed = each.result.kind == FAILED
        if body is None:
            still_failed += failed
            kept += not failed
            continue
        if not failed and _is_same(each.result, body, scoring, before):
            continue
        after = decode_result(body, scoring.kernel.plan)
        earlier = _NO_SCALES if failed else _decoded(each.result, before)
        if earlier == after:
            continue
        if earlier is None:
            not_measured += 1
        else:
            measured.append((earlier, after))
        had_failed += failed
        replacements.append(
            Replacement(each.attempt.id, each.record, head + body, each.attempt.participant)
        )
    counts = ResultChanges(
        attempts=len(group) - len(measured),
        changed=not_measured,
        had_failed=had_failed,
        not_measured=not_measured,
        still_failed=still_failed,
        kept=kept,
        newer=len(group) - len(due),
    )
    return replacements, merge_changes(changes_of(measured), counts)


def _is_newer(result: StoredResult, revision: int) -> bool:
    return result.engine > ENGINE_VERSION or result.scoring_revision > revision


def _is_same(result: StoredResult, body: bytes, scoring: NewScoring, before: Kernel | None) -> bool:
    """Return whether equal bytes have one meaning: both are of one scoring, or of equal ones."""
    return body == result.body and (
        result.scoring_revision == scoring.revision
        or (before is not None and before.plan == scoring.kernel.plan)
    )


def _decoded(result: StoredResult, before: Kernel | None) -> Result | None:
    try:
        return None if before is None else decode_result(result.body, before.plan)
    except ValueError:
        return None

"""The client's records have every member of the server's bodies: nothing that the server says is dropped."""

import msgspec
import pytest

from stanine.api import bodies, export_bodies
from stanine.api.admin import access_bodies, queue_bodies, settings_bodies, status_bodies
from stanine.api.people import session_bodies
from stanine.api.statistics import StatisticsBody
from stanine.api.web import problems
from stanine.client import errors, records
from stanine.domain.scoring import explanation_records
from stanine.domain.scoring.result_records import ProfileResult, ScaleResult
from stanine.domain.statistics.group_figures import GroupFigures, HistogramBar, ScaleFigures
from stanine.domain.tables.variables import ValueLabel, Variable

#: Members that the client gives in another record.
ELSEWHERE: dict[type[msgspec.Struct], set[str]] = {
    bodies.ResultBody: {"token", "repeated"},
    export_bodies.ExportedResult: {"token", "repeated"},
}


@pytest.mark.parametrize(
    ("record", "body"),
    [
        (records.AttemptRequest, bodies.AttemptBody),
        (records.AttemptReceipt, bodies.Receipt),
        (records.AttemptOutcome, bodies.LineAnswer),
        (records.AttemptInfo, bodies.StoredAnswers),
        (records.AttemptResult, bodies.ResultBody),
        (records.ListedAttemptInfo, export_bodies.ListedAttempt),
        (records.ExportedResultInfo, export_bodies.ExportedResult),
        (records.CodebookInfo, export_bodies.Codebook),
        (records.StatisticsInfo, StatisticsBody),
        (records.GroupInfo, GroupFigures),
        (records.ScaleStatisticsInfo, ScaleFigures),
        (records.BarInfo, HistogramBar),
        (records.VariableInfo, Variable),
        (records.ValueLabelInfo, ValueLabel),
        (records.AttemptLabelsInfo, export_bodies.AttemptLabels),
        (records.ListPositionInfo, export_bodies.ListPosition),
        (records.ScaleScore, ScaleResult),
        (records.ProfileScore, ProfileResult),
        (records.InstrumentInfo, bodies.InstrumentItem),
        (records.Publication, bodies.PublishedInstrument),
        (records.ScaleInfo, bodies.ScaleBody),
        (records.IntervalInfo, bodies.IntervalBody),
        (records.FormInfo, bodies.FormBody),
        (records.ItemInfo, bodies.FormItemBody),
        (records.OptionInfo, bodies.FormOptionBody),
        (records.AttributeInfo, bodies.FormAttributeBody),
        (records.SectionInfo, bodies.FormSectionBody),
        (records.LayoutInfo, bodies.FormLayoutBody),
        (errors.ProblemInfo, problems.ProblemDocument),
        (errors.SavedState, problems.Saved),
        (records.SessionRequest, session_bodies.SessionOrder),
        (records.SessionInfo, session_bodies.SessionBody),
        (records.SessionSaved, session_bodies.SavedSession),
        (records.SessionSubmitted, session_bodies.SubmittedBody),
        (records.SessionWithdrawn, session_bodies.WithdrawnSession),
        (records.SessionExtended, session_bodies.ExtendedSession),
        (records.ErasedCounts, session_bodies.ErasedBody),
        (records.InvitationRequest, session_bodies.InvitationOrder),
        (records.InvitationInfo, session_bodies.InvitationBody),
        (records.InvitationOutcome, session_bodies.InvitationLine),
        (records.InvitationPreview, session_bodies.Welcome),
        (records.ResultsRelease, session_bodies.Release),
        (records.ResultExplanation, bodies.ExplanationBody),
        (records.ExplainedScale, explanation_records.ScaleExplanation),
        (records.ExplainedTerm, explanation_records.TermStep),
        (records.ExplainedPart, explanation_records.PartStep),
        (records.ExplainedFormula, explanation_records.FormulaStep),
        (records.ExplainedName, explanation_records.NameStep),
        (records.ExplainedSum, explanation_records.SumStep),
        (records.ExplainedNorm, explanation_records.NormStep),
        (records.ExplainedGroup, explanation_records.GroupStep),
        (records.ExplainedClause, explanation_records.ClauseStep),
        (records.ExplainedLookup, explanation_records.LookupStep),
        (records.ExplainedError, explanation_records.ErrorStep),
        (records.ExplainedBand, explanation_records.BandStep),
        (records.ExplainedProfile, explanation_records.ProfileExplanation),
        (records.ExplainedValue, explanation_records.ProfileValue),
        (records.QueueInfo, queue_bodies.QueueBody),
        (records.DeadLetterInfo, queue_bodies.DeadLetterBody),
        (records.OrderDone, queue_bodies.Done),
        (records.SettingInfo, settings_bodies.SettingBody),
        (records.ConfigInfo, settings_bodies.ConfigBody),
        (records.ConfigRevision, settings_bodies.RevisionBody),
        (records.ConfigChange, settings_bodies.ConfigChanged),
        (records.TokensRotated, bodies.RotatedTokens),
        (records.LoginInfo, access_bodies.LoginBody),
        (records.KeyInfo, access_bodies.KeyBody),
        (records.ServiceStatus, status_bodies.StatusBody),
        (records.ProcessInfo, status_bodies.ProcessBody),
        (records.LoopInfo, status_bodies.LoopBody),
        (records.Moment, status_bodies.SampleBody),
        (records.QueueMoment, status_bodies.QueueSampleBody),
        (records.IndexStatus, status_bodies.IndexBody),
        (records.BehindInfo, status_bodies.BehindBody),
        (records.SweepStatus, status_bodies.SweepBody),
        (records.ChangeInfo, access_bodies.ChangeBody),
    ],
)
def test_a_record_has_every_member_of_the_body(
    record: type[msgspec.Struct], body: type[msgspec.Struct]
) -> None:
    sent = {each.encode_name for each in msgspec.structs.fields(body)} - ELSEWHERE.get(body, set())
    assert sent <= {each.encode_name for each in msgspec.structs.fields(record)}

"""The time left of a session is counted by the server's clock."""

from pathlib import Path

from tests.unit.pages.test_prepared import entry_of, form_of

from stanine.client.records import SessionInfo
from stanine.pages.survey.prepared import Prepared
from stanine.pages.survey.visits import Visit
from stanine.pages.survey.wording import Wording

GAD_7 = Path(__file__).parents[3] / "examples/instruments/gad-7.yaml"


def test_the_time_left_does_not_depend_on_the_clock_of_the_pages() -> None:
    session = SessionInfo(
        session="0" * 32,
        instrument="gad-7",
        revision=1,
        state="Open",
        opened_at="1970-01-01T00:00:00Z",
        read_at="1970-01-01T00:01:00Z",
        deadline_at="1970-01-01T00:10:00Z",
        expires_at="1970-01-02T00:00:00Z",
        seq=0,
        page=0,
        answers={},
        attributes={},
        show="None",
    )
    prepared = Prepared(form_of(entry_of(GAD_7)))
    visit = Visit(session, "", prepared, "en", Wording("en"), (), frozenset(), found_at=100.0)
    assert visit.seconds_left(now=130.0) == 540 - 30

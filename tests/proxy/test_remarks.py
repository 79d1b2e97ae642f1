"""Comments and markers on flows."""

from mitmproxy.flow import Flow
from mitmproxy.test import tflow
from mitmproxy.utils import emoji

from inspector.model import Closed, Event, Finding, Kind, Plane, Severity, Verdict
from inspector.proxy.remarks import MARKERS, remark


def close(severity: Severity = Severity.ERROR, cause: str = "It broke.", advice: str = "Mend it.") -> Event:
    event = Event(9, 1, 0, Plane.GATEWAY, Kind.CLOSE, closed=Closed(1, 0, 4004, "", "server"))
    event.verdict = Verdict(9, cause, advice=advice)
    event.findings = (Finding("close-4004", severity, cause, 9), Finding("heartbeat-late", Severity.ERROR, "", 9))
    return event


def flow(comment: str = "", marked: str = "") -> Flow:
    made = tflow.twebsocketflow()
    made.comment, made.marked = comment, marked
    return made


def test_mitmproxy_knows_the_markers() -> None:
    assert set(MARKERS.values()) <= set(emoji.emoji)
    assert all(len(emoji.emoji[name]) == 1 for name in MARKERS.values())


def test_the_verdict_is_the_comment_and_its_severity_the_marker() -> None:
    one = flow()
    assert remark(one, close(Severity.WARN))
    assert (one.comment, one.marked) == ("gwinspect: It broke. Mend it.", ":orange_circle:")


def test_a_close_without_a_finding_is_a_note() -> None:
    one, event = flow(), close()
    event.findings = ()
    remark(one, event)
    assert one.marked == ":large_blue_circle:"


def test_the_plain_end_of_a_conversation_needs_no_word() -> None:
    one, event = flow(), close()
    event.verdict = None
    assert not remark(one, event)
    assert (one.comment, one.marked) == ("", "")


def test_what_a_person_wrote_stays() -> None:
    one = flow("look at this\nagain", ":grapes:")
    remark(one, close())
    assert (one.comment, one.marked) == ("look at this\nagain\ngwinspect: It broke. Mend it.", ":grapes:")


def test_a_newer_verdict_takes_the_place_of_ours() -> None:
    one = flow("mine")
    remark(one, close(Severity.INFO))
    assert not remark(one, close(Severity.INFO))
    assert remark(one, close(cause="It was cut."))
    assert (one.comment, one.marked) == ("mine\ngwinspect: It was cut. Mend it.", ":red_circle:")


def test_what_came_over_the_wire_is_inert() -> None:
    one = flow()
    remark(one, close(cause="The reason was \x1b[31m\n\u202e."))
    assert one.comment == r"gwinspect: The reason was \x1b[31m\n\u202e. Mend it."

import json

import pytest

from inspector.model import REACHED_AT, Mark, Severity, Side
from tests.conversation import HELLO, Conversation, dispatch, identify
from tests.diagnose.finding import found, ids, one

READY = dispatch("READY", {"session_id": "5e55" * 8, "resume_gateway_url": "wss://gateway-us-east1-b.discord.gg"}, 1)
REVERSE = {REACHED_AT: "ws://127.0.0.1:8080"}


def _login(marks: Mark = Mark.NONE, headers: dict[str, str] = REVERSE) -> Conversation:
    talk = Conversation().opens(headers=headers).server(HELLO).client(identify())
    return talk.frame(json.dumps(READY).encode(), is_text=True, marks=marks)


def test_a_ready_that_leads_past_the_proxy_is_said() -> None:
    finding = one(found(_login()), "resume-past-proxy")
    assert (finding.event, finding.severity) == (4, Severity.WARN)
    assert "'gateway-us-east1-b.discord.gg', past this proxy" in finding.text


def test_a_rewritten_ready_is_a_note_that_says_where_it_leads() -> None:
    talk = _login(Mark.CHANGED)
    assert ids(talk) == ["changed-by-proxy"]
    finding = one(found(talk), "changed-by-proxy")
    assert finding.severity is Severity.INFO
    assert "resume_gateway_url was rewritten to ws://127.0.0.1:8080" in finding.text


def test_in_other_modes_nothing_is_said() -> None:
    assert ids(_login(headers={}).closes(1006, by="server")) == []
    assert one(found(_login(Mark.CHANGED, {})), "changed-by-proxy").severity is Severity.WARN


def test_a_url_that_leads_to_the_proxy_is_fine() -> None:
    """A flow file of mitmproxy's has what the client got."""
    talk = _login(headers={REACHED_AT: "ws://gateway-us-east1-b.discord.gg"})
    assert ids(talk.closes(1006, by="server")) == []


def test_a_session_that_can_go_on_elsewhere_has_probably_left() -> None:
    finding = one(found(_login().closes(1006, by="server")), "session-left-proxy")
    assert (finding.event, finding.severity, finding.evidence) == (5, Severity.INFO, (4,))


@pytest.mark.parametrize(("code", "by"), [(1000, "client"), (4004, "server"), (4009, "server")])
def test_a_session_that_is_over_goes_nowhere(code: int, by: Side) -> None:
    assert "session-left-proxy" not in ids(_login().closes(code, by=by))


def test_a_session_that_stays_has_not_left() -> None:
    assert "session-left-proxy" not in ids(_login(Mark.CHANGED).closes(1006, by="server"))

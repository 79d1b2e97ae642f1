"""What is said of ends with WebSocket's own codes, with none, and by the proxy."""

import pytest

from inspector.model import Mark, Plane, Severity, Side
from tests.conversation import (
    ACK,
    HEARTBEAT,
    HELLO,
    NOON,
    Conversation,
    Payload,
    identify,
    message,
    resume,
)
from tests.diagnose.judged import RECONNECT, SECOND, Judged, begun, by_server, online


def test_a_restart_of_the_server_is_routine() -> None:
    judged = Judged(by_server(online().server(RECONNECT), 1001))
    assert "it had asked for a reconnect (op 7) 10 ms before" in judged.verdict().cause
    assert (judged.verdict().reconnect, judged.verdict().resume) == (True, True)
    assert (judged.finding().rule, judged.finding().severity) == ("close-1001", Severity.INFO)


def test_1000_by_the_server_is_worth_knowing() -> None:
    assert Judged(by_server(online(), 1000)).finding().severity is Severity.INFO


@pytest.mark.parametrize(
    ("by", "who"),
    [
        ("client", "The client dropped the connection"),
        ("server", "The server dropped the connection"),
        (None, "The connection dropped"),
    ],
)
def test_1006_says_which_side_dropped_the_connection_and_the_silence_before(by: Side | None, who: str) -> None:
    judged = Judged(online().client(HEARTBEAT).server(ACK).waits(9_990).closes(1006, "", by))
    assert judged.verdict().cause.startswith(f"{who} without a close frame (1006): ")
    assert "the last message, of the server, came 10 s before" in judged.verdict().cause
    assert judged.verdict().evidence == (judged.row(11),)
    assert (judged.verdict().reconnect, judged.verdict().resume) == (True, True)
    assert judged.finding().severity is Severity.INFO


def test_1006_of_several_connections_at_once_is_the_network() -> None:
    other = online(connection=2).closes(1006, "", None)
    judged = Judged(online().waits(100).closes(1006, "", None), other)
    assert "1 other connection had dropped within the second before" in judged.verdict().cause
    assert judged.close(2).n in judged.verdict().evidence


def test_what_breaks_off_before_ready_leaves_nothing_to_resume() -> None:
    verdict = Judged(begun().client(identify()).closes(1006, "", None)).verdict()
    assert (verdict.reconnect, verdict.resume) == (True, False)
    assert verdict.advice == "Connect again and identify: there was no session yet."


def test_nobody_knows_whether_a_recording_that_begins_late_leaves_something_to_resume() -> None:
    verdict = Judged(Conversation().opens(joined_late=True).closes(1006, "", None)).verdict()
    assert (verdict.reconnect, verdict.resume) == (True, None)


def test_1009_by_the_client_is_its_own_limit() -> None:
    judged = Judged(online().server(message("x" * 3000)).closes(1009))
    assert "its own limit for received messages is too low; the last it was sent, 10 ms before, had 3," in (
        judged.verdict().cause
    )


def test_1011_by_the_client_is_not_discords_fault() -> None:
    verdict = Judged(online().closes(1011)).verdict()
    assert verdict.cause.startswith("The client closed with 1011 Internal Error: ")
    assert "Discord" not in verdict.cause
    assert verdict.advice.startswith("Look in the client's own log")


def test_a_code_that_no_table_has_is_said_with_its_reason() -> None:
    judged = Judged(by_server(online(), 4999, "strange \x1b[31m weather"))
    assert "The server closed with 4999: this code is in no table; the reason given is 'strange \\x1b" in (
        judged.verdict().cause
    )
    assert (judged.verdict().reconnect, judged.finding().severity) == (None, Severity.WARN)


def test_an_end_without_a_recorded_code_is_no_finding() -> None:
    close = Judged(online().closes(None, "", None)).close()
    assert close.verdict is not None
    assert close.verdict.cause.startswith("How the connection ended was not recorded: ")
    assert not close.findings


TOLD = Mark.TOLD_1000


def _came_back(first: Conversation, with_: Payload) -> Judged:
    return Judged(first, Conversation(connection=2, at_ns=NOON + SECOND).opens().server(HELLO).client(with_))


def test_a_client_is_not_blamed_for_what_the_proxy_told_it() -> None:
    """Identifying anew after 1000 is what discord.js does; the 1000 was mitmproxy's."""
    judged = _came_back(online().closes(1006, "", "server", TOLD), identify())
    verdict = judged.verdict()
    assert "The proxy sent 1000 to the client instead; what the client does next answers that." in verdict.cause
    assert verdict.right is None
    assert "the proxy had sent 1000 to the client" in verdict.then
    assert "identify-instead-of-resume" not in {each.rule for event in judged.events for each in event.findings}


def test_a_client_that_resumes_although_it_was_told_1000_does_right() -> None:
    judged = _came_back(online().closes(1006, "", "server", TOLD), resume())
    assert judged.verdict().right is True


def test_a_server_that_was_told_1000_may_refuse_the_resume() -> None:
    first = online().closes(1006, "", "client", TOLD)
    second = Conversation(connection=2, at_ns=NOON + SECOND).opens().server(HELLO).client(resume())
    judged = Judged(first, second.server({"op": 9, "d": False}))
    assert "The proxy sent 1000 to the server instead, which ends the session there" in judged.verdict().cause
    refused = next(each for event in judged.events for each in event.findings if each.rule == "invalid-session")
    assert "when connection 1 was lost, the proxy sent 1000 to the server" in refused.text


def test_a_bad_frame_is_the_senders_and_its_close_the_proxys() -> None:
    verdict = Judged(online().closes(1002, "the client sent a bad frame: Invalid opcode 0x3", "proxy")).verdict()
    assert verdict.cause.startswith(
        "The proxy closed with 1002 Protocol Error: the client sent a bad frame: Invalid opcode 0x3. mitmproxy"
    )


def test_a_client_is_not_blamed_for_a_close_of_the_proxys() -> None:
    reason = "no traffic for 600 s, so mitmproxy closed the connection"
    judged = _came_back(online().closes(1006, reason, "proxy"), identify())
    assert judged.verdict().right is None
    assert "identify-instead-of-resume" not in {each.rule for event in judged.events for each in event.findings}


def test_a_code_that_must_not_be_sent_is_said_to_be_one() -> None:
    verdict = Judged(online().closes(1006, "really", "server", Mark.FORBIDDEN)).verdict()
    assert verdict.cause.startswith("The server closed with 1006, a code that WebSocket does not allow in a close")
    assert "'really'" in verdict.cause


def test_the_proxy_may_end_it() -> None:
    verdict = Judged(online().closes(1001, "stopped", "proxy")).verdict()
    assert verdict.cause.startswith("The proxy closed with 1001 Going Away: neither the client nor Discord")
    assert verdict.reconnect is True


@pytest.mark.parametrize("plane", [Plane.REMOTE_AUTH, Plane.RPC])
def test_other_planes_have_verdicts_too(plane: Plane) -> None:
    judged = Judged(by_server(Conversation(plane=plane).opens(), 4001))
    assert judged.finding().rule == f"{plane.value}-close-4001"
    assert Judged(by_server(Conversation(plane=plane).opens(), 1000)).close().verdict is None

"""What is noticed about clients that come back, or try to."""

import pytest

from inspector.model import Plane, Severity
from tests.conversation import ACK, HEARTBEAT, HELLO, NOON, Conversation, dispatch, identify, ready, resume
from tests.diagnose.finding import found, ids, one

SECOND = 1_000_000_000
RULES = {"heartbeat-before-hello", "resumed-and-left", "invalid-session-not-resumed", "resume-url-dead"}
HOST = "gateway-us-east1-b.discord.gg"
RESUMED = dispatch("RESUMED", {}, 4)


def noticed(*talks: Conversation) -> list[str]:
    return [rule for rule in ids(*talks) if rule in RULES]


def talk(connection: int, at_s: float, url: str | None = None) -> Conversation:
    return Conversation(connection=connection, at_ns=NOON + int(at_s * SECOND), url=url)


def first(**more: str) -> Conversation:
    hello = talk(1, 0).opens().server(HELLO).client(identify())
    d = {"v": 10, "session_id": "5e55", "user": {"id": "1180000000000000001"}, **more}
    return hello.server(dispatch("READY", d, 1)).client({**HEARTBEAT, "d": 1}).server(ACK)


def test_heartbeat_before_hello() -> None:
    finding = one(found(talk(1, 0).opens().client(HEARTBEAT).client(HEARTBEAT).server(HELLO)), "heartbeat-before-hello")
    assert finding.severity is Severity.WARN
    assert finding.text == "A heartbeat was sent 10 ms after the connection opened, and Hello had not come."
    voice = Conversation(plane=Plane.VOICE, url="wss://x.discord.media/?v=8").opens().client({"op": 3, "d": {"t": 1}})
    assert noticed(voice) == ["heartbeat-before-hello"]


def test_a_heartbeat_after_hello_or_on_a_connection_that_was_joined_late() -> None:
    assert noticed(first(), talk(2, 1).opens(joined_late=True).client(HEARTBEAT)) == []


def returns(count: int, *, code: int = 4000, stay_s: float = 0.5, beat: bool = False) -> list[Conversation]:
    talks = [first().closes(1001, by="server")]
    for number in range(count):
        again = talk(number + 2, 10 + 60 * number).opens().server(HELLO).client(resume("5e55")).server(RESUMED)
        if beat:
            again.client(HEARTBEAT).server(ACK)
        talks.append(again.waits(stay_s * 1000).closes(code))
    return talks


def test_resumed_and_left() -> None:
    findings = found(*returns(4))
    finding = one(findings, "resumed-and-left")
    assert finding.severity is Severity.ERROR
    assert finding.text.startswith(
        "This is number 3 in a row that was resumed and that the client closed 510 ms later, "
    )
    assert len(finding.evidence) == 2
    assert noticed(*returns(6)) == ["resumed-and-left"] * 2


@pytest.mark.parametrize("talks", [returns(2), returns(4, code=1000), returns(4, stay_s=50), returns(4, beat=True)])
def test_clients_that_leave_for_another_reason(talks: list[Conversation]) -> None:
    assert noticed(*talks) == []


INVALID = {"op": 9, "d": True}


def test_invalid_session_not_resumed() -> None:
    finding = one(found(first().server(INVALID).waits(2000).client(identify())), "invalid-session-not-resumed")
    assert finding.severity is Severity.WARN
    assert finding.text.startswith("2 s after Invalid Session with true the client identified; its session ••••")
    assert finding.evidence == (7,)


def test_invalid_session_not_resumed_on_another_connection() -> None:
    talks = first().server(INVALID).closes(4000), talk(2, 3).opens().server(HELLO).client(identify())
    assert noticed(*talks) == ["invalid-session-not-resumed"]


def test_sessions_that_could_not_be_resumed_or_were() -> None:
    refused = first().server({"op": 9, "d": False}).client(identify())
    resumed = first().server(INVALID).client(resume("5e55")).server(RESUMED)
    again = first().server(INVALID).client(resume("5e55")).server(INVALID).client(identify())
    late = first().server(INVALID).closes(4000), talk(2, 1000).opens().server(HELLO).client(identify())
    none = talk(1, 0).opens().server(HELLO).client(identify()).server(INVALID).client(identify()).server(ready())
    for talks in ((refused,), (resumed,), (again,), late, (none,)):
        assert noticed(*talks) == []


def refused(count: int, host: str = HOST, begin: int = 2) -> list[Conversation]:
    return [
        talk(begin + number, 10 + 5 * (begin + number), f"wss://{host}/?v=10&encoding=json").opens(
            status=None, refusal="the server could not be reached"
        )
        for number in range(count)
    ]


def test_resume_url_dead() -> None:
    begun = first(resume_gateway_url=f"wss://{HOST}").closes(1001, by="server")
    finding = one(found(begun, *refused(6)), "resume-url-dead")
    assert finding.severity is Severity.ERROR
    assert finding.text == (
        f"5 attempts in a row at '{HOST}' failed within 20 s. READY had named it for a resume; no other host was tried "
        "meanwhile."
    )
    assert len(finding.evidence) == 5


def test_resume_urls_that_are_not_the_only_ones_tried() -> None:
    begun = first(resume_gateway_url=f"wss://{HOST}").closes(1001, by="server")
    main = refused(1, "gateway.discord.gg", begin=6)
    assert noticed(begun, *refused(4), *main, *refused(4, begin=7)) == []
    assert noticed(begun, *refused(8, "gateway.discord.gg")) == []
    assert noticed(begun, *refused(4)) == []

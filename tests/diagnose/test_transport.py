from inspector.model import Mark, Severity
from tests.conversation import HELLO, Conversation, identify, ready
from tests.diagnose.finding import found, ids, one


def test_what_cannot_be_decoded_is_an_error() -> None:
    finding = one(found(Conversation().opens().server(HELLO).junk(b"\x1b[2Jnonsense")), "undecodable")
    assert (finding.event, finding.severity) == (3, Severity.ERROR)
    assert "\x1b" not in finding.text


def test_a_refused_connection_says_why() -> None:
    refused = Conversation().opens(status=403, refusal="HTTP 403\u202e Forbidden")
    finding = one(found(refused), "connection-refused")
    assert (finding.event, finding.severity) == (1, Severity.ERROR)
    assert "HTTP 403\\u202e Forbidden" in finding.text


def test_what_the_proxy_did_is_said() -> None:
    talk = Conversation().opens().server(HELLO).injected(ready())
    assert "injected" in one(found(talk), "changed-by-proxy").text
    talk = Conversation().opens().frame(b'{"op":11}', is_text=True, marks=Mark.DROPPED | Mark.CHANGED)
    assert "dropped, changed" in one(found(talk), "changed-by-proxy").text


def test_masking_secrets_is_no_change_on_the_wire() -> None:
    talk = (
        Conversation()
        .opens()
        .server(HELLO)
        .frame(b'{"op":1,"d":null}', from_client=True, is_text=True, marks=Mark.REDACTED)
    )
    assert ids(talk) == []


def test_a_recording_that_begins_late_says_so() -> None:
    assert ids(Conversation().opens(joined_late=True).server(HELLO)) == ["joined-late"]
    assert ids(Conversation().opens().server(HELLO).client(identify())) == []

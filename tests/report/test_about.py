"""What the explanation of a row says."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.inert import inert
from inspector.model import Mark, Opened, Plane
from inspector.pipeline import Pipeline
from inspector.protocol import registry
from inspector.report import about as module
from inspector.report.about import about
from inspector.report.explain import render
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.session.state import Connection
from inspector.store.reader import Reader
from inspector.wire import decoder
from tests.conversation import HELLO, NOON, Conversation, dispatch, identify, message, usual
from tests.fed import fed

TABLES = registry.default()
SAMPLES = sorted(Path("sample_captures").glob("*.gwcap"))


class Talk:
    """The rows of a conversation, as `Rows`."""

    def __init__(self, *talks: Conversation) -> None:
        self.notes: list[str] = []
        happenings = (happening for talk in talks for happening in talk.happenings)
        made = fed(happenings, Pipeline(TABLES), finish=True)
        self.names, self.events, self._connections = made.names, made.rows, made.changed

    def __iter__(self):
        return iter(self.events)

    def connection(self, number: int) -> Connection:
        return self._connections.get(number) or Connection.of(Opened(number, 0, Plane.GATEWAY, ""))

    def raw(self, event) -> bytes:
        return b""


def told(talk: Conversation, row: int = -1) -> str:
    rows = Talk(talk)
    return render(about(Presenter(TABLES).show(rows.events[row], rows), rows, TABLES), 10_000)


def test_an_event_is_explained_and_then_the_opcode_that_carried_it() -> None:
    text = told(Conversation().opens().server(HELLO).server(message("hi")))
    assert text.startswith("MESSAGE_CREATE  (event, Messages)")
    assert "Intents" in text
    assert "0 Dispatch  (opcode of the gateway, from server to client)" in text
    assert "https://docs.discord.com/developers/events/gateway-events" in text


def test_an_event_in_no_table_is_nothing_unusual() -> None:
    text = told(Conversation().opens().server(dispatch("BRAND_NEW", {}, 1)))
    assert text.startswith("BRAND_NEW  (event in no table)")
    assert "0 Dispatch" in text


def test_identify_spells_out_intents_and_tells_its_limits() -> None:
    text = told(Conversation().opens().client(identify(intents=33281, capabilities=3)))
    assert text.startswith("2 Identify  (opcode of the gateway, from client to server)")
    assert "1000 in 24 hours" in text
    assert "120 messages in 60 seconds" in text
    assert "intents 33281" in text
    assert "MESSAGE_CONTENT (privileged)" in text
    assert "capabilities 3" in text


TRACE = '["gateway-1",{"micros":9400.5,"calls":["sessions-1",{"micros":800,"calls":[]},"wait",{"micros":8000}]}]'


@pytest.mark.parametrize("event", ["READY", "RESUMED"])
def test_the_server_s_trace_names_what_took_longest_first(event: str) -> None:
    text = told(Conversation().opens().server(HELLO).server(dispatch(event, {"_trace": [TRACE]}, 1)))
    lines = [line.strip() for line in text.splitlines()]
    at = next(number for number, line in enumerate(lines) if line.startswith("Server's time"))
    assert lines[at].endswith("9.4 ms  gateway-1")
    assert lines[at + 1 : at + 3] == ["8.0 ms  wait, called by gateway-1", "0.8 ms  sessions-1, called by gateway-1"]


def test_a_hostile_trace_is_bounded_and_inert() -> None:
    calls = ",".join(f'"\\u001b[31mhop{number}",{{"micros":{number}}}' for number in range(500))
    text = told(Conversation().opens().server(dispatch("READY", {"_trace": [f"[{calls}]"]}, 1)))
    assert "and 492 more, none longer" in text
    assert "\x1b" not in text


def test_other_events_have_no_server_s_time() -> None:
    text = told(Conversation().opens().server(dispatch("BRAND_NEW", {"_trace": [TRACE]}, 1)))
    assert "Server's time" not in text


@pytest.mark.parametrize("intents", ["513", -1, 2**70, None, True])
def test_intents_that_are_no_number_of_theirs_are_left_alone(intents: object) -> None:
    assert "what Identify asks for" not in told(Conversation().opens().client(identify(intents=intents)))


def test_an_opcode_in_no_table_and_a_payload_without_one_are_explained() -> None:
    assert told(Conversation().opens().server({"op": 97, "d": 1})).startswith("op 97  (opcode in no table)")
    assert told(Conversation().opens().server({"d": 1})).startswith("no op  (not a valid payload)")


def test_a_message_from_the_wrong_end_says_so() -> None:
    text = told(Conversation().opens().client(HELLO))
    assert "The client sent it, though this is for the server to send." in text
    assert "for the server to send" not in told(Conversation().opens().server(HELLO))


def test_what_the_proxy_did_is_said() -> None:
    talk = Conversation().opens().server(HELLO, marks=Mark.CHANGED, forwarded=b"{}")
    assert "forwarded something else" in told(talk)
    assert "created it" in told(Conversation().opens().injected(HELLO))


def test_what_the_state_of_the_session_says_comes_with_it() -> None:
    assert "after 10 ms" in told(usual(), -5)


def test_a_close_is_told_from_the_side_that_closed() -> None:
    by_server = told(Conversation().opens().closes(1000, by="server"))
    by_client = told(Conversation().opens().closes(1000, by="client"))
    assert "Resume         no" in by_client
    assert "By the server" not in by_client
    assert by_server != by_client
    assert "Closed by   the client" in by_client


def test_a_close_says_what_to_do_and_what_led_to_it() -> None:
    text = told(usual())
    assert text.startswith("What ended it  (verdict)")
    assert "The server closed with 4004 Authentication failed: the Identify had the token ••••" in text
    assert "4004 Authentication failed  (close code of the gateway)" in text
    assert "What to do" in text
    assert "Reconnect      no" in text
    assert "Reason given  Authentication failed." in text
    assert "Connection    1, open for 100 ms" in text
    assert "shard 1/2" in text


@pytest.mark.parametrize(
    ("code", "title"),
    [(4999, "4999  (close code in no table)"), (None, "end not recorded  (end of what is known about a connection)")],
)
def test_a_close_without_a_known_code_is_explained(code: int | None, title: str) -> None:
    assert title in told(Conversation().opens().closes(code, by=None)).splitlines()


def test_an_open_says_what_its_url_asks_for() -> None:
    url = "wss://me:secret@gateway.discord.gg/?v=10&encoding=etf&compress=zstd-stream&ticket=hush"
    text = told(Conversation(url=url).opens())
    assert "gateway.discord.gg" in text
    assert "10: the version" in text
    assert "etf: payloads are terms" in text
    assert "zstd-stream: all that the server sends" in text
    assert "101 Switching Protocols" in text
    assert "ticket" in text
    assert "secret" not in text
    assert "hush" not in text


def test_an_open_says_what_is_missing_or_strange() -> None:
    text = told(Conversation(url="wss://gateway.discord.gg/?encoding=yaml&compress=brotli").opens())
    assert "missing: the server chooses a version" in text
    assert "yaml: unknown" in text
    assert "unknown; gwinspect knows zlib-stream" in text
    assert "missing: the server uses json" in told(Conversation(url="wss://gateway.discord.gg").opens())


def test_a_refused_connection_says_why() -> None:
    text = told(Conversation().opens(status=403, refusal="the server answered 403 Forbidden"))
    assert text.startswith("Connection refused")
    assert "the server answered 403 Forbidden" in text
    assert "403: anything but 101" in text


def test_bytes_that_cannot_be_read_say_why_and_what_to_do() -> None:
    text = told(Conversation("json", "zlib-stream").opens().server(HELLO).frame(b"\x00garbage"))
    assert text.startswith("corrupt  (bytes that could not be read)")
    assert "What to do" in text
    late = Conversation("json", "zlib-stream").opens(joined_late=True).frame(b"\x00\x01\x02\x03\x00\x00\xff\xff")
    assert told(late).startswith("joined-late")


def test_every_reason_of_the_decoder_is_explained() -> None:
    """Those that it makes up itself, and the pipeline's own; the slugs are the contract with the rest."""
    named = {"joined-late", "corrupt", "limit", "not-json", "bad-etf", "truncated", "empty", "fault"}
    assert named | set(decoder._LOST) == set(module._REASONS)


@pytest.mark.parametrize("from_client", [True, False])
def test_a_ping_is_explained(from_client: bool) -> None:
    text = told(Conversation().opens().pings(from_client=from_client))
    assert text.startswith(f"ping  (control frame of WebSocket, from the {'client' if from_client else 'server'})")
    assert "1 B" in text


def test_texts_of_the_wire_are_inert_and_short() -> None:
    evil = "\x1b[2J\u202e" * 1000
    talk = Conversation(url=f"wss://{evil}/?{evil}=1&encoding={evil}").opens(refusal=evil, headers={evil: evil})
    for text in (
        told(talk),
        told(Conversation().opens().closes(4000, evil)),
        told(Conversation().opens().server(dispatch(evil, {}, 1))),
        told(Conversation(plane=Plane.RPC).opens().server({"cmd": evil, "evt": evil})),
        told(Conversation().opens().server({"op": 10, evil: 1})),
    ):
        assert text.replace("\n", "") == inert(text.replace("\n", ""))
        assert len(text) < 20_000


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_row_of_the_samples_has_something_to_say(path: Path) -> None:
    rows = CaptureRows(Reader(path))
    presenter = Presenter(TABLES)
    for event in rows:
        explanation = about(presenter.show(event, rows), rows, TABLES)
        assert explanation.topic
        assert all(entry.title and entry.sections for entry in explanation.entries)


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["op", "d", "t", "s", "cmd"]), inner),
    max_leaves=8,
)


@given(st.lists(any_json, min_size=1, max_size=3), st.sampled_from(Plane), st.booleans())
def test_whatever_is_said_can_be_explained(payloads: Iterable[object], plane: Plane, from_client: bool) -> None:
    talk = Conversation(plane=plane, at_ns=NOON).opens()
    for payload in payloads:
        talk.frame(talk.encoded(payload), from_client=from_client, is_text=True)  # type: ignore[arg-type]
    rows = Talk(talk)
    for event in rows:
        assert about(Presenter(TABLES).show(event, rows), rows, TABLES).entries

"""From a message of a flow to what it says, whatever the order in which mitmproxy asks."""

import random
from collections.abc import Callable

import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.test import tflow
from mitmproxy.websocket import WebSocketMessage

from inspector.model import Event, Mark
from inspector.pipeline import Outcome, Pipeline
from inspector.protocol.registry import default
from inspector.proxy.contentviews import lookup, transcript
from inspector.proxy.contentviews.lookup import MAX_FLOWS, Transcripts
from tests.conversation import ACK, DIALECTS, HEARTBEAT, HELLO, TOKEN, Conversation, identify, message, ready, usual
from tests.proxy.flows import flow_of, go_on

pytestmark = pytest.mark.compat


def shelf(**more: object) -> Transcripts:
    return Transcripts(default(), **more)  # type: ignore[arg-type]


def lines(transcripts: Transcripts, flow: HTTPFlow, of: WebSocketMessage) -> list[str]:
    return [text for _, text in transcripts.page(flow, of)]


def pages(transcripts: Transcripts, flow: HTTPFlow) -> list[str]:
    assert flow.websocket is not None
    return ["\n".join(lines(transcripts, flow, each)) for each in flow.websocket.messages]


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """All that any pipeline of a transcript is fed."""
    seen: list[object] = []

    class Watched(Pipeline):
        def feed(self, happening: object) -> Outcome:
            seen.append(happening)
            return super().feed(happening)  # type: ignore[arg-type]

    monkeypatch.setattr(transcript, "Pipeline", Watched)
    return seen


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_a_message_reads_as_its_row_and_its_payload(encoding: str, compression: str) -> None:
    flow = flow_of(usual(encoding, compression))
    found = pages(shelf(), flow)
    assert "◀ receive  0 MESSAGE_CREATE" in found[-2]
    assert "good morning" in found[-2].split("\n")[0]
    assert '  "content": "good morning",' in found[-2].split("\n")
    assert "▶ send     2 Identify" in found[1]
    assert found[4].endswith("▶ send     1 Heartbeat                last seq 2\n2")


def test_the_first_message_says_how_the_connection_began_and_the_last_how_it_ended() -> None:
    found = pages(shelf(), flow_of(usual()))
    assert "● open       gateway                  wss://gateway.discord.gg  v10 json" in found[0]
    assert "✕ server     close 4004               4004 Authentication failed" in found[-1]
    assert "Do: Stop reconnecting." in found[-1]
    assert not any("close 4004" in page or "● open" in page for page in found[1:-1])


@pytest.mark.parametrize("compression", ["none", "zlib-stream", "zstd-stream"])
def test_the_order_in_which_messages_are_asked_for_changes_nothing(compression: str) -> None:
    flow = flow_of(usual(compression=compression))
    assert flow.websocket is not None
    in_order = pages(shelf(), flow)
    transcripts = shelf()
    places = list(range(len(in_order))) * 3
    random.Random(1).shuffle(places)
    for place in places:
        assert "\n".join(lines(transcripts, flow, flow.websocket.messages[place])) == in_order[place]


def test_no_message_is_decoded_twice(fed: list[object]) -> None:
    flow = flow_of(usual(compression="zlib-stream"))
    transcripts = shelf()
    for _ in range(3):
        pages(transcripts, flow)
    assert flow.websocket is not None
    # The opening, the messages, the close.
    assert len(fed) == len(flow.websocket.messages) + 2


def test_a_flow_is_read_no_further_than_somebody_has_looked(fed: list[object]) -> None:
    flow = flow_of(usual())
    assert flow.websocket is not None
    shelf().page(flow, flow.websocket.messages[2])
    assert len(fed) == 4


def test_a_flow_that_goes_on_is_read_on(fed: list[object]) -> None:
    talk = Conversation(compression="zlib-stream").opens().server(HELLO)
    flow = flow_of(talk)
    transcripts = shelf()
    assert "Hello" in pages(transcripts, flow)[0]
    talk.client(identify()).server(ready())
    go_on(flow, talk)
    assert "READY" in pages(transcripts, flow)[2]
    talk.server(ACK).closes(1001, by="server")
    go_on(flow, talk)
    assert "close 1001" in pages(transcripts, flow)[3]
    assert len(fed) == 6


def test_the_same_bytes_twice_are_two_messages() -> None:
    talk = Conversation().opens().server(HELLO).client(HEARTBEAT).server(ACK).waits(1000).client(HEARTBEAT).server(ACK)
    found = pages(shelf(), flow_of(talk))
    assert found[1].split()[0] != found[3].split()[0]


def test_findings_stand_below_their_row() -> None:
    talk = Conversation().opens().server(HELLO).client({"op": 97, "d": None})
    talk.server(ready())
    found = "\n".join(pages(shelf(), flow_of(talk)))
    assert "! " in found
    assert "(row" not in found


def test_secrets_are_masked() -> None:
    found = "\n".join(pages(shelf(), flow_of(usual())))
    assert TOKEN not in found
    assert '"token": "••••' in found


def test_hostile_text_is_inert() -> None:
    bad = Conversation().opens().server(HELLO).server(message("\x1b[31m\u202e\x9b red\x00\n"))
    found = pages(shelf(), flow_of(bad))[1]
    assert not any(char in found for char in "\x1b\u202e\x9b\x00")


def test_parts_of_a_payload_say_so_and_the_last_part_has_it() -> None:
    talk = Conversation(compression="zlib-stream").opens().server(HELLO).server(ready(), pieces=3)
    found = pages(shelf(), flow_of(talk))
    assert "part of a payload that a later message completes" in found[1]
    assert "part of a payload" in found[2]
    assert "READY" in found[3]


def test_what_cannot_be_read_says_why_and_what_follows_says_that_too() -> None:
    talk = Conversation(compression="zlib-stream").opens().server(HELLO)
    talk.frame(b"\xff" * 20 + b"\x00\x00\xff\xff").server(ready()).client(HEARTBEAT)
    found = pages(shelf(), flow_of(talk))
    assert "undecoded" in found[1]
    assert "not decoded, because the stream before it could not be" in found[2]
    assert "Heartbeat" in found[3]


def test_a_beginning_that_is_missing_is_not_guessed() -> None:
    talk = usual(compression="zlib-stream")
    flow = flow_of(talk)
    assert flow.websocket is not None
    del flow.websocket.messages[:3]
    assert "undecoded" in pages(shelf(), flow)[0]


def test_an_empty_message_is_a_row() -> None:
    talk = Conversation().opens().server(HELLO).frame(b"")
    assert "the message has no bytes" in pages(shelf(), flow_of(talk))[1]


def test_trimmed_messages_do_not_hinder_those_to_come(fed: list[object]) -> None:
    """gwinspect_trim keeps the last message."""
    talk = Conversation(compression="zlib-stream").opens().server(HELLO)
    flow = flow_of(talk)
    transcripts = shelf()
    assert flow.websocket is not None
    for number in range(5):
        talk.server(message(f"number {number}", number + 1))
        new = go_on_trimmed(flow, talk)
        assert f"number {number}" in "\n".join(lines(transcripts, flow, new))
        del flow.websocket.messages[:-1]
    assert len(fed) == 7


def go_on_trimmed(flow: HTTPFlow, talk: Conversation) -> WebSocketMessage:
    whole = flow_of(talk)
    assert whole.websocket is not None
    assert flow.websocket is not None
    flow.websocket.messages.append(whole.websocket.messages[-1])
    return flow.websocket.messages[-1]


def test_a_flow_that_is_reverted_is_read_anew() -> None:
    flow = flow_of(usual(compression="zlib-stream"))
    transcripts = shelf()
    before = pages(transcripts, flow)
    flow.backup()
    flow.revert()
    assert pages(transcripts, flow) == before


def test_a_flow_that_is_loaded_while_somebody_looks_is_whole_in_the_end() -> None:
    """mitmproxy takes the messages of a flow it loads away, and gives them back one at a time."""
    flow = flow_of(usual(compression="zlib-stream"))
    transcripts = shelf()
    whole = pages(shelf(), flow)
    assert flow.websocket is not None
    messages, flow.websocket.messages = flow.websocket.messages, []
    for each in messages:
        flow.websocket.messages.append(each)
        transcripts.page(flow, each)
    assert pages(transcripts, flow) == whole


def test_a_message_that_was_changed_afterwards_shows_what_was_sent() -> None:
    flow = flow_of(usual())
    transcripts = shelf()
    pages(transcripts, flow)
    assert flow.websocket is not None
    changed = flow.websocket.messages[2]
    changed.content = b'{"op":7}'
    found = lines(transcripts, flow, changed)
    assert "READY" in found[0]
    assert "The proxy has changed this message since. This is what was sent." in found[1]


def test_what_the_proxy_did_to_a_message_is_said() -> None:
    talk = Conversation().opens().server(HELLO).injected(ACK).server(ACK, marks=Mark.DROPPED)
    found = pages(shelf(), flow_of(talk))
    assert "[injected by the proxy]" in found[1]
    assert "[dropped by the proxy]" in found[2]


def test_other_websockets_are_not_ours() -> None:
    transcripts = shelf()
    chat = flow_of(Conversation(url="wss://chat.example.org/").opens().frame(b"hi", is_text=True))
    assert chat.websocket is not None
    assert transcripts.priority(chat, chat.websocket.messages[0]) < 0
    with pytest.raises(ValueError, match="not a message of a Discord gateway"):
        transcripts.page(chat, chat.websocket.messages[0])


def test_what_is_not_a_websocket_message_is_not_ours() -> None:
    transcripts = shelf()
    gateway = flow_of(usual())
    assert transcripts.priority(gateway, None) < 0
    for flow in (None, tflow.tflow(resp=True), tflow.ttcpflow(), tflow.tdnsflow()):
        assert transcripts.priority(flow, object()) < 0


def test_a_server_of_ones_own_is_ours_from_its_hello_on() -> None:
    talk = Conversation(url="wss://chat.example.org/?v=9&encoding=json").opens().client(HEARTBEAT)
    flow = flow_of(talk)
    transcripts = shelf()
    assert flow.websocket is not None
    assert transcripts.priority(flow, flow.websocket.messages[0]) < 0
    talk.server(HELLO)
    go_on(flow, talk)
    assert transcripts.priority(flow, flow.websocket.messages[0]) > 2
    assert "Heartbeat" in pages(transcripts, flow)[0]


def test_hosts_that_the_user_names_are_ours() -> None:
    flow = flow_of(Conversation(url="wss://chat.example.org/ws").opens().server(HELLO))
    assert "Hello" in pages(shelf(hosts=lambda: ["chat.example.org"]), flow)[0]


def test_a_message_of_another_flow_is_refused() -> None:
    one, other = flow_of(usual()), flow_of(usual())
    assert other.websocket is not None
    with pytest.raises(ValueError, match="not, or no longer, in its flow"):
        shelf().page(one, other.websocket.messages[0])


def test_the_number_is_that_of_the_capture() -> None:
    assert " #7 " in pages(shelf(number=lambda flow: 7), flow_of(usual()))[1]


def long_talk(messages: int) -> Conversation:
    rng = random.Random(5)
    talk = Conversation(compression="zlib-stream").opens().server(HELLO)
    for number in range(messages):
        talk.server(message(f"{number} {rng.randbytes(100).hex()}", number + 1))
    return talk


def test_memory_stays_within_the_budget_and_the_newest_messages_can_be_read() -> None:
    flow = flow_of(long_talk(1000))
    transcripts = shelf(budget=30_000)
    for _ in range(2):
        found = pages(transcripts, flow)
        assert "999 " in found[-1]
        kept = transcripts.of(flow)
        assert kept is not None
        assert kept.size < 60_000
    assert found[1] == "… no longer in memory; gwinspect.open shows the recording"


def test_a_long_flow_holds_the_loop_up_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """All traffic waits while mitmproxy draws, and a bot's heartbeats with it."""
    monkeypatch.setattr(lookup, "TURN", 0.01)
    flow = flow_of(long_talk(1000))
    turns: list[Callable[[], None]] = []
    late: list[HTTPFlow] = []
    transcripts = shelf(soon=lambda action: not turns.append(action), later=late.append)
    found = pages(transcripts, flow)
    assert "Hello" in found[0]
    assert found[-1] == "… not read yet, because much comes before it"
    assert late[0] is flow
    (turn,) = turns
    turn()
    while transcripts.read_on(flow):
        pass
    assert "999 " in pages(transcripts, flow)[-1]


def test_the_account_of_a_long_flow_says_that_it_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "TURN", 0.01)
    flow = flow_of(long_talk(1000))
    account = shelf(soon=lambda action: True).account(flow)
    assert account[-1] == "… the rest of this long connection is being read; ask again in a moment"


def test_what_was_not_looked_at_for_longest_goes_first(fed: list[object]) -> None:
    flows = [flow_of(long_talk(200)) for _ in range(3)]
    transcripts = shelf(budget=70_000)
    for flow in flows:
        pages(transcripts, flow)
    before = len(fed)
    pages(transcripts, flows[2])
    assert len(fed) == before
    pages(transcripts, flows[0])
    assert len(fed) > before


def test_flows_beyond_number_are_forgotten() -> None:
    transcripts = shelf()
    for _ in range(MAX_FLOWS + 10):
        assert transcripts.of(flow_of(Conversation(url="wss://chat.example.org/").opens())) is None
    assert len(transcripts._flows) == MAX_FLOWS


def test_a_payload_of_megabytes_is_cut() -> None:
    flow = flow_of(Conversation().opens().server(HELLO).server(message("x" * 3_000_000)))
    found = pages(shelf(), flow)[1]
    assert len(found) < 1_000_000
    assert found.split("\n")[-1].startswith("… 2,6")


def test_the_account_names_the_beginning_what_was_noticed_and_the_end() -> None:
    talk = Conversation().opens().server(HELLO).client({"op": 97}).server(ready()).closes(4002, by="server")
    account = shelf().account(flow_of(talk))
    assert "● open" in account[1]
    assert any("! " in line for line in account)
    assert any("close 4002" in line for line in account)
    assert not any("READY" in line for line in account)


def test_a_flow_with_many_findings_is_summed_up() -> None:
    talk = Conversation().opens().server(HELLO)
    for number in range(400):
        talk.client({"op": 3, "d": {"x": number}}).frame(b"x", is_text=True)
    account = shelf().account(flow_of(talk))
    assert len(account) < 1000


def test_the_end_is_told_once_it_is_read() -> None:
    told: list[tuple[HTTPFlow, Event]] = []
    flow = flow_of(usual())
    transcripts = shelf(ended=lambda *what: told.append(what))
    assert flow.websocket is not None
    transcripts.page(flow, flow.websocket.messages[0])
    assert told == []
    pages(transcripts, flow)
    pages(transcripts, flow)
    ((ended, close),) = told
    assert ended is flow
    assert close.verdict is not None


def test_the_verdict_of_who_knows_more_is_the_one_that_is_shown() -> None:
    told: list[Event] = []
    flow = flow_of(usual())
    transcripts = shelf(ended=lambda flow, close: told.append(close))
    pages(transcripts, flow)
    (close,) = told
    assert close.verdict is not None
    close.verdict = type(close.verdict)(close.n, "Something else.", advice="Do nothing.")
    transcripts.learn(flow, close)
    assert "Here: Something else." in pages(transcripts, flow)[-1]


def test_a_view_that_was_withdrawn_claims_nothing() -> None:
    flow = flow_of(usual())
    transcripts = shelf()
    transcripts.clear()
    assert flow.websocket is not None
    assert transcripts.priority(flow, flow.websocket.messages[0]) < 0


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize(
    "place", ["inspector.report.present.summarize", "inspector.proxy.contentviews.transcript.text_of"]
)
def test_a_message_that_cannot_be_shown_says_so(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> str:
        raise OverflowError("s3cret")

    monkeypatch.setattr(place, broken)
    found = pages(shelf(), flow_of(usual()))
    payloads = [page for page in found if "▶ send" in page or "◀ receive" in page]
    marked = [page for page in payloads if "this row could not be shown (bug in gwinspect: OverflowError in" in page]
    # A heartbeat and its ACK may have no body.
    assert len(payloads) == len(found)
    assert len(marked) >= 6
    assert not any("s3cret" in page for page in found)

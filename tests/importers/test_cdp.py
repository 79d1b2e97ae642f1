"""Events of the Chrome DevTools Protocol."""

import base64
import json
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.importers import cdp
from inspector.importers.cdp import CdpFile
from inspector.importers.formats import open_source
from inspector.importers.hints import Hints
from inspector.model import Closed, Control, Frame, Happening, Knows, Opened, Plane

MAIN = "wss://gateway.discord.gg/?v=9&encoding=json"
HELLO = '{"op":10,"d":{"heartbeat_interval":41250}}'
IDENTIFY = '{"op":2,"d":{"token":"not-a-real-token"}}'
READY = '{"op":0,"s":1,"t":"READY","d":{"user":{"username":"zo\u00eb \U0001f98a"}}}'
# The browser's clock began to run so many seconds after the epoch.
BOOTED = 1_799_990_000
START_NS = 1_800_000_000 * 1_000_000_000
KNOWN = Knows.TIMES | Knows.BOTH_SIDES | Knows.WIRE

Record = dict[str, Any]


def event(name: str, after: float, of: str = "1.2", **params: Any) -> Record:
    params = {"requestId": of, "timestamp": 10_000 + after} | params
    return {"method": f"Network.webSocket{name}", "params": params}


def opens(url: str = MAIN, request: str = "1.2", after: float = 0, status: int = 101) -> list[Record]:
    headers = {"Upgrade": "websocket", "User-Agent": "Browser/1.0", "Cookie": "secret=1"}
    response = {"status": status, "statusText": "Switching Protocols", "headers": {"CF-RAY": "8f-XYZ"}}
    created = event("Created", after, request, url=url)
    del created["params"]["timestamp"]
    return [
        created,
        event(
            "WillSendHandshakeRequest",
            after,
            request,
            wallTime=BOOTED + 10_000 + after,
            request={"headers": headers},
        ),
        event("HandshakeResponseReceived", after + 0.1, request, response=response),
    ]


def said(data: str | bytes, after: float, request: str = "1.2", *, send: bool = False, opcode: Any = None) -> Record:
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    response = {"opcode": opcode or (1 if isinstance(data, str) else 2), "mask": send, "payloadData": text}
    return event("FrameSent" if send else "FrameReceived", after, request, response=response)


TALK = [*opens(), said(HELLO, 0.5), said(IDENTIFY, 0.75, send=True), said(READY, 1), event("Closed", 3)]


def lines(records: Sequence[Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in records)


def read(tmp_path: Path, data: str | bytes | Sequence[Any], *hosts: str) -> tuple[list[Happening], list[str]]:
    path = tmp_path / "day.jsonl"
    if not isinstance(data, str | bytes):
        data = lines(data)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    source = open_source(path, Hints(hosts))
    assert isinstance(source, CdpFile)
    happenings = list(source)
    assert source.progress == (path.stat().st_size, path.stat().st_size)
    return happenings, [note.replace(str(path), "day.jsonl") for note in source.notes]


def opening(happenings: list[Happening]) -> Opened:
    assert isinstance(happenings[0], Opened)
    return happenings[0]


def messages_of(happenings: list[Happening]) -> list[bytes]:
    return [each.data for each in happenings if isinstance(each, Frame)]


def at(after: float) -> int:
    return START_NS + round(after * 1e9)


def test_a_connection_is_read_with_its_times_and_without_the_way_it_ended(tmp_path: Path) -> None:
    assert read(tmp_path, TALK) == (
        [
            Opened(
                1,
                at(0),
                Plane.GATEWAY,
                MAIN,
                headers={"user-agent": "Browser/1.0", "response-cf-ray": "8f-XYZ"},
                knows=KNOWN,
            ),
            Frame(1, at(0.5), False, True, HELLO.encode()),
            Frame(1, at(0.75), True, True, IDENTIFY.encode()),
            Frame(1, at(1), False, True, READY.encode()),
            Closed(1, at(3), None),
        ],
        [],
    )


def recorded(name: str) -> list[Happening]:
    return list(open_source(Path(__file__).parent / "browser" / name, Hints(("127.0.0.1",))))


def test_events_and_hars_of_the_same_run_tell_the_same() -> None:
    """But for when a connection ended, which a HAR does not have."""
    ours, hars = recorded("events.cdp.jsonl"), recorded("embed.har")
    for one, other in zip(ours, hars, strict=True):
        assert timeless(one) == timeless(other)
        assert isinstance(one, Closed) or abs(one.at_ns - other.at_ns) < 1_000_000


def timeless(happening: Happening) -> Happening:
    if isinstance(happening, Opened) and happening.refusal is not None:
        happening = replace(happening, knows=Knows.NOTHING)
    return replace(happening, at_ns=0)


def performance_log(records: Sequence[Record]) -> list[Record]:
    """As Selenium hands it out."""
    return [
        {
            "level": "INFO",
            "message": json.dumps({"message": each, "webview": "0A33F09B"}),
            "timestamp": 1_800_000_005_000,
        }
        for each in records
    ]


def monitored(records: Sequence[Record]) -> list[Record]:
    """As DevTools' Protocol Monitor saves it."""
    sent = {"id": 7, "domain": "Network", "method": "Network.enable", "params": {}, "type": "send"}
    return [sent, *({**each, "type": "recv", "domain": "-"} for each in records)]


@pytest.mark.parametrize(
    "written",
    [
        lambda records: "\ufeff" + lines(records),
        lambda records: "\r\n\r\n".join(json.dumps(each) for each in records),
        lambda records: lines([{"id": 1, "result": {"ok": True}}, *records]),
        lambda records: lines([{**each, "sessionId": "0A33"} for each in records]),
        lambda records: lines([{"method": "Page.frameNavigated", "params": {"frame": {}}}, *records]),
        lambda records: json.dumps(records),
        lambda records: json.dumps(monitored(records), indent="  "),
        lambda records: json.dumps(performance_log(records)),
        lambda records: lines(performance_log(records)),
        lambda records: lines([json.loads(each["message"]) for each in performance_log(records)]),
    ],
)
def test_events_are_read_however_they_were_written_down(tmp_path: Path, written: Any) -> None:
    assert read(tmp_path, written(TALK)) == read(tmp_path, TALK)


@pytest.mark.parametrize("after", [b'{"method":"x"}', b"{}", b'{"jsonrpc":"2.0","method":"Tools.list","params":{}}'])
def test_other_json_is_not_taken_for_events(after: bytes) -> None:
    assert not CdpFile.recognizes(after)
    assert not CdpFile.recognizes(b'{"log":{"entries":[' + lines(TALK).encode())


def test_binary_messages_are_base64(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, [*opens(), said(b"\xfb\xff\xbf\x83m", 1), event("Closed", 2)])
    assert happenings[1] == Frame(1, at(1), False, False, b"\xfb\xff\xbf\x83m")


def test_a_close_frame_says_how_it_ended(tmp_path: Path) -> None:
    """Chrome shows none to anyone; the protocol has an opcode for it all the same."""
    frame = (4014).to_bytes(2, "big") + b"no"
    answer = said(frame, 2.1, send=True, opcode=8)
    happenings, notes = read(tmp_path, [*TALK[:-1], said(frame, 2, opcode=8), answer, event("Closed", 3)])
    assert happenings[-1] == Closed(1, at(2), 4014, "no", "server")
    assert opening(happenings).knows == KNOWN | Knows.END | Knows.CLOSER
    assert notes == []


def test_pings_are_control_frames(tmp_path: Path) -> None:
    ping, pong = said(b"hi", 2, opcode=9), said(b"", 2.5, send=True, opcode=10)
    happenings, _ = read(tmp_path, [*TALK[:-1], ping, pong, event("Closed", 3)])
    assert happenings[4:-1] == [Control(1, at(2), False, "ping", b"hi"), Control(1, at(2.5), True, "pong", b"")]
    assert Knows.PINGS in opening(happenings).knows


def test_a_refused_upgrade_says_why(tmp_path: Path) -> None:
    """Chrome has the status in words only; there is no answer among its events."""
    error = event("FrameError", 0.2, errorMessage="Error during WebSocket handshake: Unexpected response code: 403")
    happenings, notes = read(tmp_path, [*opens()[:2], error, event("Closed", 0.3), *other_gateway()])
    assert opening(happenings).refusal == "Error during WebSocket handshake: Unexpected response code: 403"
    assert [type(each) for each in happenings if each.connection == 1] == [Opened]
    assert notes == []


def other_gateway() -> list[Record]:
    return [*opens(request="9", after=5), said(HELLO, 5.5, "9"), said(IDENTIFY, 6, "9", send=True)]


def test_an_answer_other_than_101_is_a_refusal(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, [*opens(status=403), event("Closed", 1), *other_gateway()])
    assert (opening(happenings).status, opening(happenings).refusal) == (
        403,
        "HTTP 403 Switching Protocols (cf-ray 8f-XYZ)",
    )


def test_a_refusal_elsewhere_is_no_ones_business(tmp_path: Path) -> None:
    refused = [*opens("wss://ws.example.org/", status=403), event("Closed", 1)]
    happenings, notes = read(tmp_path, [*refused, *other_gateway()])
    assert len({each.connection for each in happenings}) == 1
    assert notes == []


def test_an_error_of_an_open_connection_is_told(tmp_path: Path) -> None:
    error = event("FrameError", 2, errorMessage="Could not decode a text frame as UTF-8.\x1b[2J")
    happenings, notes = read(tmp_path, [*TALK[:-1], error, TALK[-1]])
    assert happenings == read(tmp_path, TALK)[0]
    assert notes == ["errors that the browser recorded: 1, the first: Could not decode a text frame as UTF-8.\\x1b[2J"]


def test_connections_of_several_pages_are_told_apart_and_put_in_order(tmp_path: Path) -> None:
    """Two pages may give the same name, and their events may be a little out of order."""
    first = [{**each, "sessionId": "A"} for each in TALK]
    second = [{**each, "sessionId": "B"} for each in [*opens(after=0.6), said(HELLO, 0.7), said(READY, 0.8)]]
    happenings, notes = read(tmp_path, [*first[:5], first[5], *second, *first[6:]])
    assert notes == []
    assert [each.at_ns for each in happenings] == sorted(each.at_ns for each in happenings)
    assert [(each.connection, each.data) for each in happenings if isinstance(each, Frame)] == [
        (1, HELLO.encode()),
        (2, HELLO.encode()),
        (1, IDENTIFY.encode()),
        (2, READY.encode()),
        (1, READY.encode()),
    ]


def test_a_name_that_is_used_again_is_another_connection(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, [*TALK[:-1], *opens(after=10), said(HELLO, 11)])
    assert [type(each) for each in happenings] == [Opened, Frame, Frame, Frame, Closed, Opened, Frame, Closed]


def test_a_connection_without_an_end_counts_as_ended_with_its_last_event(tmp_path: Path) -> None:
    """Its page may have gone, and others go on for hours."""
    happenings, _ = read(tmp_path, [*TALK[:-1], *other_gateway()])
    assert [(each.connection, each.at_ns) for each in happenings if isinstance(each, Closed)] == [
        (1, at(1)),
        (2, at(6)),
    ]
    assert [each.at_ns for each in happenings] == sorted(each.at_ns for each in happenings)


def test_a_gateway_without_messages_is_told(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, opens())
    assert [type(each) for each in happenings] == [Opened, Closed]
    assert notes == ["1 gateway connection was opened, but without messages in the file"]


def test_each_connection_has_the_date_that_the_browser_gave_it(tmp_path: Path) -> None:
    """The browser's clock stands still while the machine sleeps."""
    later = [*opens(request="2", after=5), said(HELLO, 6, "2")]
    later[1]["params"]["wallTime"] += 3600
    happenings, _ = read(tmp_path, [*TALK, *later])
    assert [each.at_ns for each in happenings if each.connection == 2][:2] == [at(3605), at(3606)]


def without(records: Sequence[Record], *names: str) -> list[Record]:
    return [each for each in records if each["method"].removeprefix("Network.webSocket") not in names]


def test_without_a_date_the_times_between_messages_are_right_and_a_note_says_so(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, without(TALK, "WillSendHandshakeRequest"))
    assert [each.at_ns for each in happenings] == [(10_000 + after) * 10**9 for after in (0.1, 0.5, 0.75, 1, 3)]
    assert notes == [
        "there is no event with a wallTime, so the date is unknown: times count from when the machine was started; "
        "write Network.webSocketWillSendHandshakeRequest down, too"
    ]


def test_any_event_may_have_the_date(tmp_path: Path) -> None:
    page = {"method": "Network.requestWillBeSent", "params": {"timestamp": 9_999, "wallTime": BOOTED + 9_999}}
    happenings, notes = read(tmp_path, [*without(TALK, "WillSendHandshakeRequest"), page])
    assert happenings[1].at_ns == at(0.5)
    assert notes == []


def test_a_performance_log_has_a_date_of_its_own(tmp_path: Path) -> None:
    """It is when an event was taken down, which is after it: the least of all is the nearest."""
    log = performance_log(without(TALK, "WillSendHandshakeRequest"))
    log[-1]["timestamp"] = 1_800_000_003_001
    happenings, notes = read(tmp_path, log)
    assert happenings[-1].at_ns == at(3.001)
    assert notes == ["there is no event with a wallTime: the date is by when events were written down"]


@pytest.mark.parametrize(("missing", "left"), [("FrameSent", 2), ("FrameReceived", 1)])
def test_a_script_that_listens_to_one_side_knows_nothing_of_the_other(tmp_path: Path, missing: str, left: int) -> None:
    happenings, notes = read(tmp_path, without(TALK, missing))
    assert opening(happenings).knows == Knows.TIMES | Knows.WIRE
    assert len(messages_of(happenings)) == left
    assert notes == [
        f"there is no Network.webSocket{missing} in the file, so only one side is known; write it down, too"
    ]


def test_a_script_that_listens_to_messages_alone_is_read_by_its_hello(tmp_path: Path) -> None:
    happenings, notes = read(
        tmp_path, without(TALK, "Created", "WillSendHandshakeRequest", "HandshakeResponseReceived")
    )
    assert (opening(happenings).url, opening(happenings).joined_late) == ("", False)
    assert len(messages_of(happenings)) == 3
    assert len(notes) == 1


def test_a_script_that_listens_to_no_answers_does_not_know_of_refusals(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, without([*opens(), event("Closed", 3)], "HandshakeResponseReceived"))
    assert opening(happenings).refusal is None


def test_what_was_open_before_is_left_out_with_a_word_on_what_to_do(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, [said(READY, 1, "7"), said(b"\xff" * 9, 1, "8"), *other_gateway()])
    assert len({each.connection for each in happenings}) == 1
    assert notes == [
        "2 WebSockets were left out, as the file does not have the beginning (Network.webSocketCreated): start "
        "listening, with Network.enable, before the page is opened"
    ]


def test_a_self_hosted_server_is_known_by_its_hello(tmp_path: Path) -> None:
    elsewhere = "wss://chat.example/?v=9&encoding=json"
    happenings, notes = read(tmp_path, [*opens(elsewhere), *TALK[3:]])
    assert opening(happenings).url == elsewhere
    assert messages_of(happenings) == [HELLO.encode(), IDENTIFY.encode(), READY.encode()]
    assert notes == []
    happenings, notes = read(tmp_path, [*opens(elsewhere), *TALK[4:]])
    assert happenings == []
    assert notes[0] == "1 WebSocket was not a Discord gateway: chat.example"


def test_events_without_websockets_say_what_to_do(tmp_path: Path) -> None:
    assert read(tmp_path, [{"method": "Network.dataReceived", "params": {}}]) == (
        [],
        [
            "day.jsonl has no gateway WebSocket in it: no event in it is of a WebSocket; start listening, with "
            "Network.enable, before the page is opened"
        ],
    )


def test_what_cannot_be_read_costs_no_other_event(tmp_path: Path) -> None:
    odd: list[Any] = [
        event("FrameSent", 2, response=None),
        event("FrameSent", 2, response={"opcode": 0, "payloadData": ""}),
        event("FrameSent", 2, response={"opcode": 1, "payloadData": 7}),
        event("FrameSent", 2, requestId=7),
        {"method": "Network.webSocketFrameSent", "params": []},
        {"method": ["Network.webSocketFrameSent"], "params": {}},
        "Network.webSocketFrameSent",
        {"message": {"message": {"message": {"message": "Network.webSocket"}}}},
    ]
    data = lines([*TALK[:-1], *odd]) + '{"Network.webSocket": [\n' + lines(TALK[-1:])
    happenings, notes = read(tmp_path, data)
    assert happenings == read(tmp_path, TALK)[0]
    assert notes == [
        "lines of day.jsonl that are not JSON and were skipped: 1, the first: 15",
        "skipped, because they are not events of a WebSocket that can be read: 4",
    ]


def test_a_file_that_breaks_off_gives_what_is_whole(tmp_path: Path) -> None:
    whole = read(tmp_path, TALK[:-2])[0]
    assert read(tmp_path, lines(TALK[:-2]) + json.dumps(TALK[-2])[:40]) == (
        whole,
        ["day.jsonl ends in the middle of line 6: it is being written, or was cut off"],
    )
    happenings, notes = read(tmp_path, json.dumps(TALK)[: -len(json.dumps(TALK[-2:])) + 40])
    assert happenings == whole
    assert notes[0].startswith("day.jsonl ends early or is damaged at character ")


def test_what_is_written_while_the_file_is_read_is_left_for_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text(lines(TALK[:-2]), "utf-8")
    source = open_source(path)
    reading = iter(source)
    happenings = [next(reading)]
    with path.open("a", encoding="utf-8") as file:
        file.write(lines(TALK[-2:]))
    happenings += reading
    assert (happenings, source.notes) == read(tmp_path, TALK[:-2])


@pytest.mark.parametrize("time", [None, "soon", True, 10**30, -(10**30), float("nan"), float("inf")])
def test_a_message_without_a_time_has_that_of_the_one_before(tmp_path: Path, time: Any) -> None:
    odd = said(READY, 1)
    odd["params"]["timestamp"] = time
    happenings, _ = read(tmp_path, [*TALK[:-2], odd])
    assert happenings[3].at_ns == at(0.75)


def test_a_file_without_times_says_so(tmp_path: Path) -> None:
    records = json.loads(json.dumps(TALK))
    for each in records[3:]:
        del each["params"]["timestamp"]
    assert opening(read(tmp_path, records)[0]).knows == Knows.BOTH_SIDES | Knows.WIRE


def test_lone_surrogates_do_no_harm(tmp_path: Path) -> None:
    records = [*opens(MAIN + "#HERE"), said("HERE", 1), said(HELLO, 2)]
    happenings, _ = read(tmp_path, lines(records).replace("HERE", "\\ud800"))
    opening(happenings).url.encode()
    assert messages_of(happenings)[0] == b"\xed\xa0\x80"


def test_any_number_of_connections_is_followed_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdp, "_MOST_OPEN", 3)
    records = [each for n in range(5) for each in opens(request=str(n), after=n)]
    more = [said(IDENTIFY, 9, str(n), send=True) for n in range(5)]
    happenings, notes = read(tmp_path, [*records, *more])
    assert len([each for each in happenings if isinstance(each, Opened)]) == 5
    assert len(messages_of(happenings)) < 5
    assert any(note.startswith("more than 3 WebSockets were open at once; the end of ") for note in notes)


def test_messages_of_no_one_knows_whom_are_held_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdp, "_MOST_BYTES", 100_000)
    elsewhere = opens("wss://chat.example/?v=9&encoding=json")
    frames = [said("x" * 50_000, 1, send=True) for _ in range(100)]
    path = tmp_path / "day.jsonl"
    path.write_text(lines([*elsewhere, *frames]), "utf-8")
    tracemalloc.start()
    try:
        assert list(open_source(path)) == []
        assert tracemalloc.get_traced_memory()[1] < 15_000_000
    finally:
        tracemalloc.stop()


def test_a_file_nested_without_end_is_read_to_there(tmp_path: Path) -> None:
    deep = '{"method":"Network.webSocketCreated","params":' + "[" * 200_000
    assert "lines of day.jsonl that are not JSON" in read(tmp_path, lines(TALK) + deep + "\n")[1][0]
    assert "nested too deeply" in read(tmp_path, f"[{json.dumps(TALK[0])}," + deep)[1][0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["requestId", "timestamp", "wallTime", "response", "request", "url", "errorMessage"])
RESPONSE_FIELDS = st.sampled_from(["opcode", "payloadData", "status", "statusText", "headers"])


@given(st.integers(0, len(TALK) - 1), st.dictionaries(FIELDS, JSON), st.dictionaries(RESPONSE_FIELDS, JSON))
def test_any_json_in_any_place_is_read(tmp_path: Path, place: int, odd: Any, response: Any) -> None:
    records = json.loads(json.dumps(TALK))
    params = records[place]["params"]
    if isinstance(params.get("response"), dict):
        params["response"] |= response
    params |= odd
    for data in (lines(records), json.dumps(records)):
        path = tmp_path / "day.jsonl"
        path.write_text(data, "utf-8")
        for happening in open_source(path):
            assert 0 <= happening.at_ns < 2**63

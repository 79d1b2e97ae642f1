"""mitmproxy's flow files."""

import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.flow import Error
from mitmproxy.http import Headers, HTTPFlow
from mitmproxy.io import FlowWriter, tnetstring
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow
from mitmproxy.udp import UDPFlow, UDPMessage
from mitmproxy.websocket import WebSocketMessage

from inspector.importers.formats import open_source
from inspector.importers.hints import Hints
from inspector.importers.mitm import ENDED_BECAUSE, FlowFile
from inspector.model import REACHED_AT, Closed, Frame, Happening, Knows, Mark, Opened, Plane, StartLimit
from inspector.session.redact import digest
from inspector.simulator.server.media import discovery_request
from tests.conversation import TOKEN

pytestmark = pytest.mark.compat

MAIN = "https://gateway.discord.gg/?v=10&encoding=json"
START = 1_800_000_000.0
START_NS = 1_800_000_000_000_000_000
HELLO = b'{"op":10,"d":{"heartbeat_interval":41250}}'
IDENTIFY = b'{"op":2,"d":{"token":"not-a-real-token"}}'
READY = b'{"op":0,"s":1,"t":"READY","d":{}}'


def message(
    data: bytes, after: float, *, from_client: bool = False, text: bool = True, **marks: bool
) -> WebSocketMessage:
    return WebSocketMessage(1 if text else 2, from_client, data, START + after, **marks)


def websocket(url: str = MAIN, messages: Sequence[WebSocketMessage] | None = None) -> HTTPFlow:
    """A WebSocket that the client closed after ten seconds."""
    flow = tflow.twebsocketflow()
    flow.request.headers["host"] = "will be set"
    flow.request.url = url
    flow.request.timestamp_start = START
    flow.response.timestamp_start = START + 0.25
    flow.websocket.messages = (
        list(messages)
        if messages is not None
        else [
            message(HELLO, 0.5),
            message(IDENTIFY, 0.75, from_client=True),
            message(READY, 1),
        ]
    )
    flow.websocket.close_code = 1001
    flow.websocket.close_reason = "bye"
    flow.websocket.closed_by_client = True
    flow.websocket.timestamp_end = START + 10
    return flow


def dump(*flows: Any) -> bytes:
    file = io.BytesIO()
    for flow in flows:
        FlowWriter(file).add(flow)
    return file.getvalue()


def read(path: Path, data: bytes, extra_hosts: Sequence[str] = ()) -> tuple[list[Happening], list[str]]:
    path = path / "day.mitm"
    path.write_bytes(data)
    source = open_source(path, Hints(tuple(extra_hosts)))
    assert isinstance(source, FlowFile)
    happenings = list(source)
    return happenings, [note.replace(str(path), "day.mitm") for note in source.notes]


def of_connection(number: int, happenings: Sequence[Happening]) -> list[Happening]:
    return [happening for happening in happenings if happening.connection == number]


def test_a_connection_is_given_from_its_opening_to_its_close(tmp_path: Path) -> None:
    flow = websocket()
    flow.request.headers["user-agent"] = "Bot/1.0"
    flow.request.headers["cookie"] = "secret=1"
    flow.request.headers["authorization"] = "secret"
    flow.request.headers["Origin"] = "https://discord.com"
    flow.response.headers["CF-Ray"] = "8f00000000000000-XYZ"
    flow.response.headers["set-cookie"] = "secret=2"
    happenings, notes = read(tmp_path, dump(flow))
    assert happenings == [
        Opened(
            1,
            START_NS + 250_000_000,
            Plane.GATEWAY,
            "wss://gateway.discord.gg/?v=10&encoding=json",
            "127.0.0.1:22",
            101,
            None,
            {"user-agent": "Bot/1.0", "origin": "https://discord.com", "response-cf-ray": "8f00000000000000-XYZ"},
            knows=Knows.ALL & ~Knows.PINGS,
        ),
        Frame(1, START_NS + 500_000_000, False, True, HELLO),
        Frame(1, START_NS + 750_000_000, True, True, IDENTIFY),
        Frame(1, START_NS + 1_000_000_000, False, True, READY),
        Closed(1, START_NS + 10_000_000_000, 1001, "bye", "client"),
    ]
    assert notes == []


def test_reverse_mode_leaves_its_marks(tmp_path: Path) -> None:
    """Where the client came to, a piece that went on with the next message, and who ended it."""
    held = message(b"", 0.6)
    held.drop()
    flow = websocket(messages=[message(HELLO, 0.5), held, message(READY, 1)])
    flow.client_conn.proxy_mode = ProxyMode.parse("reverse:https://gateway.discord.gg@8080")
    flow.client_conn.sockname = ("127.0.0.1", 8080)
    flow.metadata[ENDED_BECAUSE] = "the stream broke"
    opened, *frames, closed = read(tmp_path, dump(flow))[0]
    assert isinstance(opened, Opened)
    assert opened.headers[REACHED_AT] in ("ws://127.0.0.1:8080", "wss://127.0.0.1:8080")
    assert [frame.data for frame in frames if isinstance(frame, Frame)] == [HELLO, READY]
    assert isinstance(closed, Closed)
    assert (closed.reason, closed.by) == ("the stream broke", "proxy")


def test_more_messages_than_are_looked_at_first_all_come_in_order(tmp_path: Path) -> None:
    messages = [message(HELLO, 0), *(message(b"%d" % n, n) for n in range(1, 50))]
    happenings, _ = read(tmp_path, dump(websocket(messages=messages)))
    frames = [happening for happening in happenings if isinstance(happening, Frame)]
    assert [frame.data for frame in frames] == [message.content for message in messages]


def test_binary_messages_stay_binary(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, dump(websocket(messages=[message(b"\x83m\0\0\0\0", 1, text=False)])))
    assert isinstance(happenings[1], Frame)
    assert (happenings[1].is_text, happenings[1].data) == (False, b"\x83m\0\0\0\0")


@pytest.mark.parametrize(
    ("url", "plane"),
    [
        ("https://us-east1.discord.media:2053/?v=8", Plane.VOICE),
        ("https://remote-auth-gateway.discord.gg/?v=2", Plane.REMOTE_AUTH),
        ("http://127.0.0.1:6463/?v=1&client_id=200000000000000001", Plane.RPC),
    ],
)
def test_each_plane_is_known_by_its_host(tmp_path: Path, url: str, plane: Plane) -> None:
    opened = read(tmp_path, dump(websocket(url)))[0][0]
    assert isinstance(opened, Opened)
    assert opened.plane is plane
    assert opened.url == url.replace("http", "ws", 1)


def test_look_alikes_are_left_out_and_named(tmp_path: Path) -> None:
    urls = ["https://gateway.discord.gg.example.org/?v=10", *["https://ws.example.org/x"] * 2]
    happenings, notes = read(tmp_path, dump(*map(websocket, urls)))
    assert happenings == []
    assert notes == [
        "3 WebSockets were not Discord gateways: gateway.discord.gg.example.org, ws.example.org",
        "day.mitm has no gateway WebSocket in it: none of its 3 WebSockets went to a gateway",
    ]


def test_a_long_list_of_foreign_hosts_is_cut(tmp_path: Path) -> None:
    _, notes = read(tmp_path, dump(*(websocket(f"https://{n}.example.org/") for n in range(9)), websocket()))
    names = ", ".join(f"{n}.example.org" for n in range(5))
    assert notes == [f"9 WebSockets were not Discord gateways: {names}, …"]


def test_a_self_hosted_server_is_known_by_its_hello(tmp_path: Path) -> None:
    url = "https://chat.example/?v=9&encoding=json"
    happenings, _ = read(tmp_path, dump(websocket(url), websocket(url, [message(b'{"op":"subscribe"}', 1)])))
    assert [type(happening) for happening in happenings] == [Opened, Frame, Frame, Frame, Closed]


def test_a_host_of_the_user_needs_no_hello(tmp_path: Path) -> None:
    flow = websocket("https://chat.example/socket", [])
    assert read(tmp_path, dump(flow))[0] == []
    opened = read(tmp_path, dump(flow), ["chat.example"])[0][0]
    assert isinstance(opened, Opened)
    assert (opened.connection, opened.plane) == (1, Plane.GATEWAY)


def test_messages_that_an_addon_trimmed_show_as_a_late_start(tmp_path: Path) -> None:
    opened = read(tmp_path, dump(websocket(messages=[message(READY, 5)])))[0][0]
    assert isinstance(opened, Opened)
    assert opened.joined_late


def test_marks_tell_what_the_proxy_did(tmp_path: Path) -> None:
    flow = websocket(messages=[message(HELLO, 1), message(READY, 2), message(READY, 3), message(READY, 4)])
    flow.backup()
    flow.websocket.messages[1].content = b"{}"
    flow.websocket.messages[2].content = b"[]"
    flow.websocket.messages[2].dropped = True
    flow.websocket.messages.append(message(b"x", 5, injected=True))
    frames = [happening for happening in read(tmp_path, dump(flow))[0] if isinstance(happening, Frame)]
    assert [(frame.data, frame.marks, frame.forwarded) for frame in frames] == [
        (HELLO, Mark.NONE, None),
        (READY, Mark.CHANGED, b"{}"),
        (READY, Mark.CHANGED | Mark.DROPPED, None),
        (READY, Mark.NONE, None),
        (b"x", Mark.INJECTED, None),
    ]


def test_a_backup_whose_messages_were_trimmed_since_is_not_mistaken(tmp_path: Path) -> None:
    flow = websocket(messages=[message(HELLO, 1), message(READY, 2)])
    flow.backup()
    del flow.websocket.messages[0]
    frames = [happening for happening in read(tmp_path, dump(flow))[0] if isinstance(happening, Frame)]
    assert [(frame.data, frame.marks) for frame in frames] == [(READY, Mark.NONE)]


def test_a_flow_saved_while_open_ends_with_its_last_message(tmp_path: Path) -> None:
    """Nobody knows what came after; and that it has no end is said."""
    flow = websocket()
    flow.websocket.close_code = flow.websocket.close_reason = None
    flow.websocket.closed_by_client = flow.websocket.timestamp_end = None
    happenings, _ = read(tmp_path, dump(flow))
    assert [type(happening) for happening in happenings] == [Opened, Frame, Frame, Frame, Closed]
    assert happenings[-1] == Closed(1, START_NS + 1_000_000_000, None)
    assert isinstance(happenings[0], Opened)
    assert happenings[0].knows == Knows.ALL & ~Knows.PINGS & ~Knows.END


def test_a_flow_that_failed_while_open_ends_without_a_code(tmp_path: Path) -> None:
    flow = websocket()
    flow.websocket.close_code = flow.websocket.timestamp_end = None
    flow.error = Error("Connection killed.", START + 3)
    assert read(tmp_path, dump(flow))[0][-1] == Closed(1, START_NS + 3_000_000_000, None)


def refused(status: int | None = 403, url: str = MAIN) -> HTTPFlow:
    flow = tflow.tflow(resp=status is not None, err=False)
    flow.request.url = url
    flow.request.headers = Headers(upgrade="WebSocket", connection="upgrade")
    flow.request.timestamp_start = START
    if flow.response is not None:
        flow.response.status_code = status
        flow.response.reason = "Forbidden"
        flow.response.headers["cf-ray"] = "8f00000000000000-XYZ"
        flow.response.timestamp_start = START + 1
    return flow


def test_a_refused_upgrade_is_an_opening_that_says_why(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, dump(refused(), refused(url="https://ws.example.org/"), tflow.tflow(resp=True)))
    assert len(happenings) == 1
    opened = happenings[0]
    assert isinstance(opened, Opened)
    assert (opened.status, opened.refusal) == (403, "HTTP 403 Forbidden (cf-ray 8f00000000000000-XYZ)")
    assert opened.at_ns == START_NS + 1_000_000_000
    assert notes == []


def test_an_upgrade_without_an_answer_says_why(tmp_path: Path) -> None:
    failed = refused(None)
    failed.error = Error("Client TLS handshake failed.", START)
    happenings, _ = read(tmp_path, dump(failed, refused(None)))
    assert [(opened.status, opened.refusal) for opened in happenings if isinstance(opened, Opened)] == [
        (None, "Client TLS handshake failed"),
        (None, "no answer was recorded"),
    ]


def test_an_upgrade_whose_messages_were_not_recorded_is_told(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, dump(refused(101)))
    assert [happening.refusal for happening in happenings if isinstance(happening, Opened)] == [None]
    assert notes == ["1 gateway connection was opened, but without messages in the file"]


def test_a_file_of_plain_http_says_why_it_is_empty(tmp_path: Path) -> None:
    flows = [tflow.tflow(resp=True), tflow.ttcpflow(), tflow.tdnsflow(resp=True)]
    assert read(tmp_path, dump(*flows)) == (
        [],
        [
            "day.mitm has no gateway WebSocket in it: none of its 3 flows is a WebSocket; mitmproxy saves one "
            "when it ends, or when mitmproxy itself exits normally"
        ],
    )


def test_files_in_a_row_are_one_file(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, dump(websocket()) + dump(tflow.tflow(resp=True)) + dump(websocket()))
    assert [opened.connection for opened in happenings if isinstance(opened, Opened)] == [1, 2]
    assert notes == []


def test_a_source_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "day.mitm"
    path.write_bytes(dump(websocket("https://ws.example.org/"), websocket()))
    source = open_source(path)
    assert source.progress == (0, path.stat().st_size)
    first = list(source), list(source.notes)
    assert source.progress == (path.stat().st_size, path.stat().st_size)
    assert (list(source), source.notes) == first


def test_a_flow_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    newer = tnetstring.dumps({"version": 9999, "type": "http"})
    whole = dump(websocket())
    happenings, notes = read(tmp_path, whole + newer + tnetstring.dumps([1]) + whole)
    assert [opened.connection for opened in happenings if isinstance(opened, Opened)] == [1, 2]
    assert len(notes) == 2
    assert notes[0].startswith(f"the flow at byte {len(whole):,} of day.mitm could not be read (")
    assert "flow format version 9999, please update mitmproxy" in notes[0]
    assert notes[1] == "2 flows could not be read in total"


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ({"client_conn": {"tls": 3}}, "Invalid value for tls"),
        ({"version": 7, "client_conn": {"address": 3}}, "its parts are not in mitmproxy's form"),
        ({"type": "\x1b[2J"}, "Unknown flow type"),
        ({"websocket": {"close_reason": [1]}}, "Invalid value for close_reason"),
    ],
)
def test_why_a_flow_cannot_be_read_is_said_without_python(tmp_path: Path, damage: dict[str, Any], why: str) -> None:
    state = websocket().get_state()
    for key, value in damage.items():
        state[key] = state[key] | value if isinstance(value, dict) else value
    notes = read(tmp_path, tnetstring.dumps(state))[1]
    assert notes[0].startswith("the flow at byte 0 of day.mitm could not be read (")
    assert why in notes[0]
    for word in ("Exception", "Error", "<class", "Expected"):
        assert word not in notes[0]


def test_a_flow_with_nonsense_inside_is_told(tmp_path: Path) -> None:
    state = websocket().get_state()
    state["websocket"]["messages"][1] = (1, True, "text, not bytes", START, False, False)
    happenings, notes = read(tmp_path, tnetstring.dumps(state))
    assert [happening.is_recorded for happening in happenings if isinstance(happening, Closed)] == [False]
    assert "the data of a message is not bytes" in notes[0]


def test_a_connection_is_read_up_to_a_damaged_message(tmp_path: Path) -> None:
    state = websocket(messages=[message(HELLO, 1), *(message(READY, n) for n in range(2, 40))]).get_state()
    data = tnetstring.dumps(state)
    at = data.index(b"12:1800000030.0^")
    happenings, notes = read(tmp_path, data[:at] + b"99" + data[at + 2 :] + dump(websocket()))
    first = of_connection(1, happenings)
    assert [type(each) for each in first] == [Opened, *[Frame] * 29, Closed]
    assert [type(each) for each in of_connection(2, happenings)] == [Opened, Frame, Frame, Frame, Closed]
    assert notes == ["the flow at byte 0 of day.mitm could not be read to its end (a value is too long)"]


def test_damage_where_nobody_looks_costs_nothing(tmp_path: Path) -> None:
    """mitmproxy refuses a flow whose certificate is none."""
    data = dump(websocket())
    broken = data.replace(b"7:TLSv1.2;", b"7:TLSv0.0;").replace(b"certificate_list;0:]", b"certificate_list;0:}")
    assert read(tmp_path, broken) == read(tmp_path, data)


def test_a_damaged_file_gives_what_stands_before(tmp_path: Path) -> None:
    whole = dump(websocket())
    happenings, notes = read(tmp_path, whole + b"garbage" + whole)
    assert len(happenings) == 5
    assert notes == [f"day.mitm is damaged at byte {len(whole):,}, and what follows was not read"]


def test_a_torn_file_gives_the_messages_that_were_written(tmp_path: Path) -> None:
    """A flow's address is written behind its messages, so a torn one is known by its Hello."""
    whole = dump(websocket())
    before = whole + dump(tflow.tflow(resp=True))
    happenings, notes = read(tmp_path, before + whole[: whole.index(READY) + 5])
    assert of_connection(2, happenings) == [
        Opened(2, START_NS + 500_000_000, Plane.GATEWAY, "", None, None, knows=Knows.ALL & ~Knows.PINGS),
        Frame(2, START_NS + 500_000_000, False, True, HELLO),
        Frame(2, START_NS + 750_000_000, True, True, IDENTIFY),
        Closed(2, START_NS + 10_000_000_000, 1001, "bye", "client"),
    ]
    assert notes == [
        f"day.mitm is cut off at byte {len(before):,}: 1 connection before that was read, "
        "and 2 messages of the one that is cut off"
    ]


def test_a_file_may_be_torn_anywhere(tmp_path: Path) -> None:
    first, second = dump(websocket()), dump(websocket())
    data = first + second
    path = tmp_path / "day.mitm"
    cuts = [*random.Random(1).sample(range(30, len(data)), 60), len(first) + 1, len(first) + 2, len(data) - 1]
    for cut in cuts:
        path.write_bytes(data[:cut])
        source = open_source(path)
        happenings = list(source)
        whole = cut >= len(first)
        if whole:
            types = [type(happening) for happening in of_connection(1, happenings)]
            assert types == [Opened, Frame, Frame, Frame, Closed]
        torn = of_connection(1 + whole, happenings)
        frames = [happening.data for happening in torn if isinstance(happening, Frame)]
        given = sum(cut > len(first) * whole + first.index(data) + len(data) + 80 for data in (HELLO, IDENTIFY, READY))
        assert frames == [HELLO, IDENTIFY, READY][: len(frames)]
        assert len(frames) >= given
        opened = [happening for happening in torn if isinstance(happening, Opened)]
        assert all(one.url in ("", "wss://gateway.discord.gg/?v=10&encoding=json") for one in opened)
        if cut != len(first):
            assert source.notes[0].startswith(f"{path} is cut off at byte {len(first) * whole:,}: ")


def test_a_torn_flow_of_something_else_gives_nothing(tmp_path: Path) -> None:
    for flow in (tflow.tflow(resp=True), websocket("https://ws.example.org/", [message(b"tick", 1)] * 3)):
        data = dump(flow)
        happenings, notes = read(tmp_path, data[: len(data) // 2])
        assert happenings == []
        assert notes[0] == "day.mitm is cut off at byte 0: 0 connections before that were read"


def test_flows_nested_without_end_do_no_harm(tmp_path: Path) -> None:
    nested = b"0:~"
    for _ in range(3000):
        nested = b"%d:%s]" % (len(nested), nested)
    body = b"7:version;" + nested
    data = b"%d:%s}" % (len(body), body)
    happenings, notes = read(tmp_path, data + dump(websocket()))
    assert len(happenings) == 5
    assert "could not be read" in notes[0]
    assert read(tmp_path, data[:-2])[0] == []


def version_14(flow: HTTPFlow) -> dict[str, Any]:
    """The state of `flow` as mitmproxy 7 wrote it, the first version with messages inside the flow of the upgrade."""
    state = flow.get_state()
    state |= {"version": 14, "mode": "regular"}
    del state["timestamp_created"]
    state["websocket"]["messages"] = [list(message[:5]) for message in state["websocket"]["messages"]]
    for name, address, source in (
        ("client_conn", "address", "sockname"),
        ("server_conn", "ip_address", "source_address"),
    ):
        connection = state[name]
        for gone in ("transport_protocol", "proxy_mode"):
            connection.pop(gone, None)
        connection[address] = connection.pop("peername")
        connection[source] = connection.pop("sockname")
        connection |= {"state": 3, "tls_established": True, "cipher_name": connection.pop("cipher")}
    state["client_conn"]["tls_extensions"] = []
    state["server_conn"]["via2"] = state["server_conn"].pop("via")
    return state


def version_11(flow: HTTPFlow) -> list[dict[str, Any]]:
    """The same as mitmproxy 6 wrote it: one flow for the upgrade, one for the messages."""
    upgrade = version_14(flow) | {"version": 11, "marked": False}
    websocket = upgrade.pop("websocket")
    del upgrade["comment"]
    messages = {
        **{key: value for key, value in upgrade.items() if key not in ("request", "response")},
        "type": "websocket",
        "id": "another",
        "metadata": {"websocket_handshake": upgrade["id"]},
        "messages": websocket["messages"],
        "close_sender": "client",
        "close_code": websocket["close_code"],
        "close_reason": websocket["close_reason"],
    }
    return [upgrade | {"metadata": {"websocket": True}}, messages]


def test_flows_of_mitmproxy_7_are_read(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, tnetstring.dumps(version_14(websocket())))
    assert (happenings, notes) == read(tmp_path, dump(websocket()))


def test_upgrade_and_messages_of_mitmproxy_6_are_one_connection(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, b"".join(map(tnetstring.dumps, version_11(websocket()))))
    assert [type(happening) for happening in happenings] == [Opened, Frame, Frame, Frame, Closed]
    assert notes == []


def test_text_that_is_no_utf8_is_made_clean(tmp_path: Path) -> None:
    flow = websocket()
    flow.request.path = b"/?v=10&x=\xff"
    flow.request.headers = Headers([(b"user-agent", b"Bot \xff")])
    opened = read(tmp_path, dump(flow))[0][0]
    assert isinstance(opened, Opened)
    f"{opened.url}{opened.headers}".encode()
    assert opened.headers == {"user-agent": "Bot ?"}


def test_addresses_of_ipv6_are_bracketed(tmp_path: Path) -> None:
    flow = websocket()
    flow.client_conn.peername = ("::1", 50000, 0, 0)
    opened = read(tmp_path, dump(flow))[0][0]
    assert isinstance(opened, Opened)
    assert opened.client == "[::1]:50000"


def path_of_packets(*packets: tuple[bool, bytes], port: int = 50_001) -> UDPFlow:
    """A UDP path to a voice server."""
    flow = tflow.tudpflow(messages=[])
    flow.client_conn.timestamp_start = START
    flow.server_conn.address = ("203.0.113.5", port)
    flow.messages = [UDPMessage(side, data, START + 1 + at) for at, (side, data) in enumerate(packets)]
    return flow


def test_the_path_to_a_voice_server_is_told_by_ip_discovery(tmp_path: Path) -> None:
    request, voice = discovery_request(1001), b"\x80\x78" + bytes(60)
    flow, other = path_of_packets((True, request), (False, voice)), path_of_packets((True, voice), (False, voice))
    happenings, notes = read(tmp_path, dump(other, flow))
    assert happenings == [
        Opened(1, START_NS, Plane.MEDIA, "udp://203.0.113.5:50001", "127.0.0.1:22", None),
        Frame(1, START_NS + 1_000_000_000, True, False, request),
        Frame(1, START_NS + 2_000_000_000, False, False, voice),
        Closed(1, START_NS + 2_000_000_000, None),
    ]
    assert notes == []


def test_a_path_that_is_torn_off_costs_no_other_flow(tmp_path: Path) -> None:
    packets = dump(path_of_packets((True, discovery_request(1001)), (False, bytes(200))))
    happenings, notes = read(tmp_path, dump(websocket()) + packets[: len(packets) // 2])
    assert len(happenings) == 5
    assert len(notes) == 1


def lasting(begins: float, ends: float, *times: float, url: str = MAIN) -> HTTPFlow:
    """A WebSocket with a message at each of `times`; all of them in seconds after `START`."""
    flow = websocket(url, [message(HELLO, time) for time in times])
    flow.request.timestamp_start = flow.response.timestamp_start = START + begins
    flow.websocket.timestamp_end = START + ends
    return flow


def summed_up(happenings: Sequence[Happening]) -> list[tuple[str, int, float]]:
    return [(type(each).__name__, each.connection, round((each.at_ns - START_NS) / 1e9, 6)) for each in happenings]


VOICE = "https://us-east1.discord.media:2053/?v=8"


def test_connections_that_overlap_come_in_the_order_of_time(tmp_path: Path) -> None:
    """mitmproxy writes a flow when it ends: the voice server's before the main connection that led to it."""
    packets = path_of_packets((True, discovery_request(1001)), (False, b"\x80\x78" + bytes(60)))
    packets.client_conn.timestamp_start = START + 3.5
    for number, packet in enumerate(packets.messages):
        packet.timestamp = START + 4 + number
    voice, main, next_main = lasting(3, 7, 3.25, 6, url=VOICE), lasting(1, 9, 2, 5, 6, 8), lasting(10, 12, 11)
    happenings, notes = read(tmp_path, dump(packets, voice, main, next_main))
    assert summed_up(happenings) == [
        ("Opened", 1, 1),
        ("Frame", 1, 2),
        ("Opened", 2, 3),
        ("Frame", 2, 3.25),
        ("Opened", 3, 3.5),
        ("Frame", 3, 4),
        ("Frame", 1, 5),
        ("Frame", 3, 5),
        ("Closed", 3, 5),
        ("Frame", 1, 6),
        ("Frame", 2, 6),
        ("Closed", 2, 7),
        ("Frame", 1, 8),
        ("Closed", 1, 9),
        ("Opened", 4, 10),
        ("Frame", 4, 11),
        ("Closed", 4, 12),
    ]
    planes = {each.connection: each.plane for each in happenings if isinstance(each, Opened)}
    assert planes == {1: Plane.GATEWAY, 2: Plane.VOICE, 3: Plane.MEDIA, 4: Plane.GATEWAY}
    assert notes == []


def test_a_clock_that_runs_backwards_within_a_connection_is_told(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, dump(lasting(0, 4, 1, 3, 2, 2.5), lasting(2, 5, 4)))
    assert [at for _, connection, at in summed_up(happenings) if connection == 1] == [0, 1, 3, 3, 3, 4]
    assert [each.at_ns for each in happenings] == sorted(each.at_ns for each in happenings)
    assert notes == [
        "the clock ran backwards on 1 connection, by up to 1.000 s; 2 times were set to the time of the message before"
    ]


def test_foreign_connections_and_refused_ones_have_their_place_in_time(tmp_path: Path) -> None:
    other, failed = lasting(0, 9, 1, url="https://ws.example.org/"), refused()
    assert failed.response is not None
    failed.response.timestamp_start = START + 2
    happenings, _ = read(tmp_path, dump(other, lasting(1, 8, 2, 3), failed))
    assert summed_up(happenings) == [
        ("Opened", 1, 1),
        ("Frame", 1, 2),
        ("Opened", 2, 2),
        ("Frame", 1, 3),
        ("Closed", 1, 8),
    ]


def test_the_first_happening_comes_before_the_file_is_read(tmp_path: Path) -> None:
    """A connection's messages are read one by one from their place, and progress goes with them."""
    path = tmp_path / "day.mitm"
    path.write_bytes(dump(lasting(0, 9000, *range(1, 5000)), lasting(10, 20, 11), tflow.tflow(resp=True)))
    source = open_source(path)
    seen = [(type(each).__name__, each.connection, source.progress[0]) for each in source]
    total = path.stat().st_size
    assert seen[0][2] < total / 10
    assert seen[-1][2] <= total == source.progress[0]
    assert [read for _, _, read in seen] == sorted(read for _, _, read in seen)
    assert len({read for _, _, read in seen}) > 10


def test_flows_of_older_versions_come_in_the_order_of_time(tmp_path: Path) -> None:
    late, early = lasting(2, 3, 2.5), lasting(0, 9, 1, 8)
    old = [*version_11(late), version_14(lasting(1, 6, 5)), *version_11(early)]
    happenings, notes = read(tmp_path, b"".join(map(tnetstring.dumps, old)))
    assert [at for _, _, at in summed_up(happenings)] == [0, 1, 1, 2, 2.5, 2.5, 5, 6, 8, 8]
    assert [connection for _, connection, _ in summed_up(happenings)] == [1, 1, 2, 3, 3, 3, 2, 2, 1, 1]
    assert notes == []


def test_a_torn_connection_comes_in_the_order_of_time(tmp_path: Path) -> None:
    torn = dump(lasting(0, 9, 1, 2, 6))
    happenings, notes = read(tmp_path, dump(lasting(1.5, 4, 3)) + torn[: torn.index(b"8:response;")])
    assert summed_up(happenings) == [
        ("Opened", 1, 1),
        ("Frame", 1, 1),
        ("Opened", 2, 1.5),
        ("Frame", 1, 2),
        ("Frame", 2, 3),
        ("Closed", 2, 4),
        ("Frame", 1, 6),
        ("Closed", 1, 9),
    ]
    assert notes[0].endswith("1 connection before that was read, and 3 messages of the one that is cut off")


def asked(path: str = "/api/v10/gateway/bot", host: str = "discord.com", **more: Any) -> HTTPFlow:
    """GET /gateway/bot, answered three tenths of a second after the start."""
    flow = tflow.tflow(resp=True)
    flow.request.method = "GET"
    flow.request.headers = Headers(host=host, authorization=f"Bot {TOKEN}")
    flow.request.url = f"https://{host}{path}"
    flow.request.http_version = "HTTP/1.1"
    flow.request.timestamp_start = START
    flow.response.timestamp_start = START + 0.3
    limit = {"total": 1000, "remaining": 23, "reset_after": 5_000_000, "max_concurrency": 16}
    flow.response.text = json.dumps({"shards": 9, "session_start_limit": limit} | more)
    return flow


LIMIT = StartLimit(START_NS + 300_000_000, digest(TOKEN), 9, 1000, 23, 5_000_000, 16)


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2.0"])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "br", "zstd"])
def test_what_discord_told_of_session_starts_is_given_in_its_time(version: str, encoding: str, tmp_path: Path) -> None:
    flow = asked()
    flow.request.http_version = version
    flow.response.encode(encoding)
    happenings, notes = read(tmp_path, dump(websocket(), flow))
    assert [type(each) for each in happenings[:3]] == [Opened, StartLimit, Frame]
    assert happenings[1] == LIMIT
    assert [each.connection for each in happenings if each is not happenings[1]] == [1] * 5
    assert notes == []


def test_no_other_answer_is_looked_at(tmp_path: Path) -> None:
    failed, posted, cut = asked(), asked(), asked()
    failed.response.status_code = 429
    posted.request.method = "POST"
    cut.response = None
    others = [asked("/api/v10/gateway"), asked(host="discord.invented.example"), failed, posted, cut]
    happenings, _ = read(tmp_path, dump(websocket(), *others, asked(shards="x")))
    assert not any(isinstance(each, StartLimit) for each in happenings)


def test_a_server_of_the_users_own_is_asked_too(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, dump(asked(host="own.invented.example")), ["own.invented.example:3002"])
    assert happenings == [LIMIT]


def test_one_that_was_edited_is_read_as_well(tmp_path: Path) -> None:
    flow = asked()
    flow.backup()
    flow.request.headers["x-edited"] = "1"
    assert read(tmp_path, dump(flow))[0] == [LIMIT]


def test_an_answer_without_end_is_not_loaded(tmp_path: Path) -> None:
    flow = asked()
    flow.response.content = flow.response.content + b" " * 20_000
    assert read(tmp_path, dump(flow))[0] == []

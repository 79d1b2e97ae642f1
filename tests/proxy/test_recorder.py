"""The recorder under mitmproxy's own test aids. What it wrote is read back from the finished capture."""

import io
import json
import logging
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
from mitmproxy import exceptions, flow, http, optmanager, udp, websocket
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import layers, server
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.events import DataReceived
from mitmproxy.proxy.layer import Layer, NextLayer
from mitmproxy.test import taddons, tflow
from mitmproxy.tls import TlsData
from wsproto.frame_protocol import FrameProtocol, Opcode

from inspector.importers.mitm import HOW_CLOSED, IN_FRAME
from inspector.model import Closed, Control, Frame, Gap, Happening, Kind, Mark, Opened, Plane, StartLimit
from inspector.pipeline import Outcome, Pipeline
from inspector.proxy import intake, scribe
from inspector.proxy.recorder import Recorder
from inspector.report.rows import CaptureRows
from inspector.session.redact import digest
from inspector.simulator.server.media import discovery_request
from inspector.store.lock import Lock
from inspector.store.reader import Reader, stored_happenings
from tests.conversation import TOKEN, dispatch, identify, ready, resume
from tests.proxy.scribes import in_this_process

pytestmark = pytest.mark.compat

GATEWAY = "https://gateway.discord.gg/?v=10&encoding=json"
HELLO = b'{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}'


class Stand:
    """A recorder in a mitmproxy that never leaves its test: the hooks are called as mitmproxy calls them."""

    def __init__(self, capture: Path) -> None:
        self.capture = capture
        self.recorder = Recorder(in_this_process)
        self.context = taddons.context(self.recorder)
        self.context.configure(self.recorder, gwinspect_capture=str(capture))

    def open(self, url: str = GATEWAY) -> http.HTTPFlow:
        connection = _upgrade(url)
        self.recorder.websocket_start(connection)
        return connection

    def say(
        self,
        connection: http.HTTPFlow,
        data: bytes,
        *,
        from_client: bool = False,
        injected: bool = False,
        is_text: bool = True,
    ) -> websocket.WebSocketMessage:
        message = _message(data, from_client=from_client, injected=injected, is_text=is_text)
        assert connection.websocket is not None
        connection.websocket.messages.append(message)
        self.recorder.websocket_message(connection)
        return message

    def close(self, connection: http.HTTPFlow, code: int, *, by_client: bool = False, reason: str = "") -> None:
        ended = connection.websocket
        assert ended is not None
        ended.close_code, ended.close_reason, ended.closed_by_client = code, reason, by_client
        ended.timestamp_end = time.time()
        self.recorder.websocket_end(connection)

    def recorded(self) -> list[Happening]:
        """End the recorder and return what is in the capture."""
        self.recorder.done()
        reader = Reader(self.capture)
        happenings = [each for batch in stored_happenings(reader.db) for each in batch]
        reader.close()
        return happenings


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(tmp_path / "bot.gwcap")
    stand.recorder.running()
    with stand.context:
        yield stand
        stand.recorder.done()


def _upgrade(url: str, status: int = 101) -> http.HTTPFlow:
    connection = tflow.twebsocketflow(messages=False)
    connection.request.url = url
    connection.request.headers["host"] = urlsplit(url).netloc
    now = time.time()
    connection.request.timestamp_start = connection.response.timestamp_start = now
    connection.websocket = websocket.WebSocketData()
    connection.response.status_code = status
    if status != 101:
        connection.websocket = None
    return connection


def _message(
    data: bytes, *, from_client: bool = False, injected: bool = False, is_text: bool = True
) -> websocket.WebSocketMessage:
    return websocket.WebSocketMessage(Opcode.TEXT if is_text else Opcode.BINARY, from_client, data, injected=injected)


def _frames(happenings: list[Happening]) -> list[tuple[bytes, Mark]]:
    return [(each.data, each.marks) for each in happenings if isinstance(each, Frame)]


@pytest.mark.parametrize(
    ("url", "plane"),
    [
        (GATEWAY, Plane.GATEWAY),
        ("https://gateway-us-east1-b.discord.gg/?encoding=json&v=10&compress=zlib-stream", Plane.GATEWAY),
        ("https://invented1.discord.media:2048/?v=8", Plane.VOICE),
        ("https://remote-auth-gateway.discord.gg/?v=2", Plane.REMOTE_AUTH),
        ("http://127.0.0.1:6463/?v=1&client_id=1", Plane.RPC),
    ],
)
def test_discords_hosts_are_recorded(stand: Stand, url: str, plane: Plane) -> None:
    connection = stand.open(url)
    stand.say(connection, b"{}")
    stand.close(connection, 1000)
    opened, frame, closed = stand.recorded()
    assert isinstance(opened, Opened)
    assert isinstance(frame, Frame)
    assert isinstance(closed, Closed)
    assert (opened.plane, opened.status, opened.client) == (plane, 101, "127.0.0.1:22")
    assert opened.url == url.replace("http", "ws", 1)


@pytest.mark.parametrize(
    "url",
    [
        "https://gateway.discord.gg.example.org/",
        "https://evilgateway.discord.gg/",
        "https://example.org/?next=gateway.discord.gg",
        "https://discord.com/?v=10",
        "http://127.0.0.1:6463/other",
    ],
)
def test_look_alikes_are_left_alone(stand: Stand, url: str) -> None:
    connection = stand.open(url)
    for _ in range(20):
        stand.say(connection, HELLO)
    stand.close(connection, 1000)
    assert stand.recorded() == []


@pytest.mark.parametrize(
    ("url", "hello", "plane"),
    [
        ("https://chat.example.org/?v=9&encoding=json", HELLO, Plane.GATEWAY),
        ("https://voice.example.org/?v=8", b'{"op":8,"d":{"v":8,"heartbeat_interval":13750}}', Plane.VOICE),
    ],
)
def test_a_server_of_ones_own_is_known_by_its_hello(stand: Stand, url: str, hello: bytes, plane: Plane) -> None:
    connection = stand.open(url)
    stand.say(connection, b'{"op":1,"d":null}', from_client=True)
    stand.say(connection, hello)
    stand.say(connection, b'{"op":11}')
    stand.close(connection, 4000, reason="enough")
    opened, *frames, closed = stand.recorded()
    assert isinstance(opened, Opened)
    assert opened.plane is plane
    assert [data for data, _ in _frames(frames)] == [b'{"op":1,"d":null}', hello, b'{"op":11}']
    assert closed == Closed(1, closed.at_ns, 4000, "enough", "server")


def test_what_never_says_hello_is_not_kept(stand: Stand) -> None:
    connection = stand.open("https://chat.example.org/?v=9&encoding=json")
    for number in range(100):
        stand.say(connection, b'{"op":%d}' % number)
    gateway = stand.open()
    stand.close(connection, 1000)
    stand.close(gateway, 1000)
    opened, closed = stand.recorded()
    assert isinstance(opened, Opened)
    assert (opened.connection, opened.url) == (1, "wss://gateway.discord.gg/?v=10&encoding=json")
    assert isinstance(closed, Closed)


def test_hosts_that_the_user_names_are_believed(stand: Stand) -> None:
    stand.context.configure(stand.recorder, gwinspect_hosts=["*.example.org"])
    stand.say(stand.open("https://chat.example.org/ws"), b'"no hello"')
    assert _frames(stand.recorded()) == [(b'"no hello"', Mark.NONE)]


def test_tokens_of_clients_are_masked_unless_kept(tmp_path: Path) -> None:
    identify = b'{"op":2,"d":{"token":"invented.token.value"}}'
    for keep in (True, False):
        stand = Stand(tmp_path / f"{keep}.gwcap")
        stand.context.configure(stand.recorder, gwinspect_keep_secrets=keep)
        stand.recorder.running()
        stand.say(stand.open(), identify, from_client=True)
        ((data, marks),) = _frames(stand.recorded())
        assert (data == identify) is keep
        assert marks == (Mark.NONE if keep else Mark.REDACTED)


def test_a_refused_upgrade_is_a_row_with_its_status_and_ray(stand: Stand) -> None:
    refused = _upgrade(GATEWAY, 403)
    refused.response.reason = "Forbidden"
    refused.response.headers["cf-ray"] = "8f00ba4-INV"
    stand.recorder.response(refused)
    (opened,) = stand.recorded()
    assert isinstance(opened, Opened)
    assert (opened.status, opened.refusal) == (403, "HTTP 403 Forbidden (cf-ray 8f00ba4-INV)")


def test_an_upgrade_without_an_answer_is_a_row(stand: Stand) -> None:
    unanswered = _upgrade(GATEWAY, 502)
    unanswered.response = None
    unanswered.error = flow.Error("Name or service not known")
    stand.recorder.error(unanswered)
    (opened,) = stand.recorded()
    assert isinstance(opened, Opened)
    assert (opened.status, opened.refusal) == (None, "Name or service not known")


def test_a_tunnel_that_the_proxy_refuses_is_its_own_doing(stand: Stand) -> None:
    tunnel = tflow.tflow(req=http.Request.make("CONNECT", "https://gateway.discord.gg:443/"))
    tunnel.response = http.Response.make(407, "<html>")
    stand.recorder.http_connect_error(tunnel)
    (opened,) = stand.recorded()
    assert isinstance(opened, Opened)
    assert opened.refusal == "the proxy refused the client's CONNECT: HTTP 407 Proxy Authentication Required"


def test_requests_that_are_no_upgrades_are_left_alone(stand: Stand) -> None:
    plain = _upgrade(GATEWAY, 404)
    del plain.request.headers["upgrade"]
    stand.recorder.response(plain)
    assert stand.recorded() == []


@pytest.mark.parametrize(
    ("side", "refusal"),
    [
        ("client", "TLS with the client failed: unknown ca"),
        ("server", "TLS with the server failed: unknown ca"),
    ],
)
def test_a_tls_handshake_that_failed_is_a_row(stand: Stand, side: str, refusal: str) -> None:
    for host in ("gateway.discord.gg", "example.org"):
        context = Context(tflow.tclient_conn(), stand.context.options)
        context.server = tflow.tserver_conn()
        context.server.address = (host, 443)
        context.client.sni = context.server.sni = host
        end = context.client if side == "client" else context.server
        end.error = "unknown ca"
        hook = stand.recorder.tls_failed_client if side == "client" else stand.recorder.tls_failed_server
        hook(TlsData(end, context))
    (opened,) = stand.recorded()
    assert isinstance(opened, Opened)
    assert (opened.url, opened.status, opened.refusal) == ("wss://gateway.discord.gg/", None, refusal)


def test_pings_come_through_mitmproxys_log(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mitmproxy.proxy.server")
    server = logging.getLogger("mitmproxy.proxy.server")
    connection = stand.open()
    mine = {"client": connection.client_conn.peername}
    server.info("Received WebSocket ping from client (payload: %r)", b"\x00'", extra=mine)
    server.info("Received WebSocket pong from server (payload: %r)", b"\x00'", extra=mine)
    server.info("Received WebSocket ping from client (payload: %r)", b"", extra={"client": ("127.0.0.1", 9)})
    server.info("Received something else", extra=mine)
    controls = [(c.name, c.from_client, c.data) for c in stand.recorded() if isinstance(c, Control)]
    assert controls == [("ping", True, b"\x00'"), ("pong", False, b"\x00'")]


def test_what_the_proxy_injected_or_dropped_is_marked(stand: Stand) -> None:
    connection = stand.open()
    stand.say(connection, b"{}", injected=True)
    dropped = _message(b"[]")
    dropped.drop()
    connection.websocket.messages.append(dropped)
    stand.recorder.websocket_message(connection)
    assert _frames(stand.recorded()) == [(b"{}", Mark.INJECTED), (b"[]", Mark.DROPPED)]


@pytest.mark.parametrize("settled", [False, True], ids=["at once", "after it was written"])
@pytest.mark.parametrize("url", [GATEWAY, "https://chat.example.org/?v=9&encoding=json"])
def test_what_addons_after_ours_did_is_marked(stand: Stand, url: str, settled: bool) -> None:
    connection = stand.open(url)
    stand.say(connection, HELLO)
    changed = stand.say(connection, b'{"op":11}')
    if settled:
        _await(lambda: Reader(stand.capture).last() == 3)
    changed.content = b'{"op":7}'
    stand.say(connection, b'{"op":1}').drop()
    stand.say(connection, b'{"op":9}').content = b'{"op":99}'
    stand.close(connection, 1000)
    frames = [each for each in stand.recorded() if isinstance(each, Frame)]
    assert [(f.data, f.marks, f.forwarded) for f in frames] == [
        (HELLO, Mark.NONE, None),
        (b'{"op":11}', Mark.CHANGED, b'{"op":7}'),
        (b'{"op":1}', Mark.DROPPED, None),
        (b'{"op":9}', Mark.CHANGED, b'{"op":99}'),
    ]
    reader = Reader(stand.capture)
    assert [event.marks for event in reader.events()][1:-1] == [frame.marks for frame in frames]
    reader.close()


def test_trimming_keeps_the_last_message(stand: Stand) -> None:
    stand.context.configure(stand.recorder, gwinspect_trim=True)
    connection = stand.open()
    for number in range(5):
        stand.say(connection, b"%d" % number)
        assert connection.websocket.messages[-1].content == b"%d" % number
    assert len(connection.websocket.messages) == 1
    assert [data for data, _ in _frames(stand.recorded())] == [b"0", b"1", b"2", b"3", b"4"]


def test_without_trimming_mitmproxy_keeps_everything(stand: Stand) -> None:
    connection = stand.open()
    for _ in range(5):
        stand.say(connection, b"{}")
    assert len(connection.websocket.messages) == 5


def test_stopping_mitmproxy_closes_what_is_open(stand: Stand) -> None:
    stand.open()
    _, closed = stand.recorded()
    assert closed == Closed(1, closed.at_ns, None, "mitmproxy was stopped", "proxy")
    reader = Reader(stand.capture)
    assert "finished_at" in reader.meta()
    reader.close()
    assert [path.name for path in stand.capture.parent.iterdir()] == ["bot.gwcap"]


def test_messages_after_the_end_do_no_harm(stand: Stand) -> None:
    connection = stand.open()
    stand.recorder.done()
    stand.say(connection, b"{}")
    stand.close(connection, 1000)
    stand.open()


def test_a_short_session_id_is_the_same_after_it_was_masked(stand: Stand) -> None:
    """Servers other than Discord's have some. Of what is so short no digest is kept that would tell it again."""
    talks = (identify(), ready(session="abc123")), (resume(session="abc123"), dispatch("RESUMED", {}, 4))
    for asked, answer in talks:
        connection = stand.open()
        stand.say(connection, HELLO)
        stand.say(connection, json.dumps(asked).encode(), from_client=True)
        stand.say(connection, json.dumps(answer).encode())
        stand.close(connection, 4000)
    stand.recorder.done()
    reader = Reader(stand.capture)
    rules = {finding.rule for event in reader.all_events() for finding in event.findings}
    sessions = {connection.session for connection in reader.connections()}
    reader.close()
    assert "resume-unknown-session" not in rules
    assert len(sessions) == 1


def _says_goodbye(stand: Stand, connection: http.HTTPFlow) -> None:
    """Let the client's close frame pass; the server has not answered."""
    ended = connection.websocket
    assert ended is not None
    ended.close_code, ended.close_reason, ended.closed_by_client, ended.timestamp_end = 4000, "", True, time.time()
    connection.metadata[HOW_CLOSED] = IN_FRAME
    stand.recorder._closed(connection)


def test_what_was_on_its_way_at_a_close_is_recorded_after_it(stand: Stand) -> None:
    """It did not lead to the close: its sender did not know of that, nor did who closed know of it."""
    connection = stand.open()
    stand.say(connection, HELLO)
    _says_goodbye(stand, connection)
    stand.say(connection, HELLO)
    stand.recorder.websocket_end(connection)
    happenings = stand.recorded()
    assert [(type(each), each.connection) for each in happenings] == [(Opened, 1), (Frame, 1), (Closed, 1), (Frame, 1)]
    assert happenings[2] == Closed(1, happenings[2].at_ns, 4000, "", "client")
    reader = Reader(stand.capture)
    events = list(reader.all_events())
    reader.close()
    assert [(each.op, each.note) for each in events if each.op is not None] == [(10, None), (10, "after the close")]


def test_closes_are_mitmproxys_again_when_the_recorder_ends(stand: Stand) -> None:
    ours = layers.WebsocketLayer.relay_messages
    stand.recorder.done()
    assert layers.WebsocketLayer.relay_messages is not ours


def test_an_option_leaves_closes_to_mitmproxy(stand: Stand) -> None:
    ours = layers.WebsocketLayer.relay_messages
    stand.context.configure(stand.recorder, gwinspect_closes=False)
    assert layers.WebsocketLayer.relay_messages is not ours


def test_a_mitmproxy_that_is_built_otherwise_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(FrameProtocol, "_parse_more_gen", lambda self: iter(()))
    before = layers.WebsocketLayer.relay_messages
    stand = Stand(tmp_path / "bot.gwcap")
    with stand.context:
        stand.recorder.running()
        assert layers.WebsocketLayer.relay_messages is before
        stand.recorder.done()
    said = [record for record in caplog.records if "rows of such closes say so" in record.getMessage()]
    assert [record.levelno for record in said] == [scribe.ALERT]


def test_a_connection_that_mitmproxy_gave_up_is_closed_by_the_proxy(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = stand.open()
    now = time.time()
    stand.say(connection, b"{}").timestamp = now
    monkeypatch.setattr(time, "time", lambda: now + 601)
    stand.close(connection, 1006)
    monkeypatch.undo()
    closed = stand.recorded()[-1]
    reason = "no traffic for 600 s, so mitmproxy closed the connection"
    assert closed == Closed(1, closed.at_ns, 1006, reason, "proxy", Mark.TOLD_1000)


def test_a_lost_connection_is_not_blamed_on_the_proxy(stand: Stand) -> None:
    connection = stand.open()
    stand.say(connection, b"{}")
    stand.close(connection, 1006)
    closed = stand.recorded()[-1]
    # The flow has no sign that the close was passed on as it was.
    assert closed == Closed(1, closed.at_ns, 1006, "", "server", Mark.TOLD_1000)


def test_loading_into_a_running_mitmproxy_takes_what_it_still_has(stand: Stand) -> None:
    connection = _upgrade(GATEWAY)
    connection.websocket.messages += [_message(HELLO), _message(b'{"op":1,"d":null}', from_client=True)]
    stand.say(connection, b'{"op":11}')
    opened, *frames = stand.recorded()[:-1]
    assert isinstance(opened, Opened)
    assert not opened.joined_late
    assert [data for data, _ in _frames(frames)] == [HELLO, b'{"op":1,"d":null}', b'{"op":11}']


def test_what_is_said_before_mitmproxy_is_running_is_not_lost(tmp_path: Path) -> None:
    """It listens a moment earlier, and a client that waits for the port is quick."""
    stand = Stand(tmp_path / "bot.gwcap")
    connection = stand.open()
    stand.say(connection, HELLO)
    stand.recorder.running()
    stand.say(connection, b'{"op":1,"d":null}', from_client=True)
    assert [data for data, _ in _frames(stand.recorded())] == [HELLO, b'{"op":1,"d":null}']


def test_another_capture_can_be_chosen_while_it_runs(stand: Stand) -> None:
    connection = stand.open()
    stand.say(connection, HELLO)
    first, second = stand.capture, stand.capture.with_name("second.gwcap")
    stand.context.configure(stand.recorder, gwinspect_capture=str(second))
    stand.say(connection, b'{"op":11}')
    stand.capture = second
    assert [data for data, _ in _frames(stand.recorded())] == [HELLO, b'{"op":11}']
    stand.capture = first
    assert [data for data, _ in _frames(stand.recorded())] == [HELLO]


def test_a_capture_that_exists_is_continued(tmp_path: Path) -> None:
    for _ in range(2):
        stand = Stand(tmp_path / "bot.gwcap")
        stand.recorder.running()
        stand.say(stand.open(), HELLO)
        happenings = stand.recorded()
    assert [each.connection for each in happenings] == [1, 1, 1, 2, 2, 2]


def test_a_file_that_is_no_capture_is_refused_in_our_words(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    stand = Stand(tmp_path / "bot.gwcap")
    with pytest.raises(exceptions.OptionsError, match=r"notes.txt is not a gwinspect capture; not overwriting it"):
        stand.context.configure(stand.recorder, gwinspect_capture=str(tmp_path / "notes.txt"))


def test_a_capture_that_somebody_else_records_is_refused_at_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Lock(tmp_path / "bot.gwcap"):
        Stand(tmp_path / "bot.gwcap").recorder.running()
    assert "nothing is recorded: " in caplog.text
    assert "bot.gwcap is being written by another gwinspect" in caplog.text
    assert not (tmp_path / "bot.gwcap").exists()


def test_a_capture_that_somebody_else_records_cannot_be_changed_to(stand: Stand, tmp_path: Path) -> None:
    with (
        Lock(tmp_path / "taken.gwcap"),
        pytest.raises(exceptions.OptionsError, match=r"taken.gwcap is being written by another gwinspect"),
    ):
        stand.context.configure(stand.recorder, gwinspect_capture=str(tmp_path / "taken.gwcap"))


def test_the_capture_that_is_recorded_may_be_chosen_again(stand: Stand) -> None:
    stand.say(stand.open(), HELLO)
    stand.context.configure(stand.recorder, gwinspect_capture=f"{stand.capture.parent}/./bot.gwcap")
    assert _frames(stand.recorded()) == [(HELLO, Mark.NONE)]


def test_where_nothing_can_be_written_traffic_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stand = Stand(tmp_path / "bot.gwcap")
    stand.capture.mkdir()
    stand.recorder.running()
    assert "nothing is recorded" in caplog.text
    connection = stand.open()
    stand.say(connection, HELLO)
    stand.close(connection, 1000)
    stand.recorder.done()


@contextmanager
def _full_disk(path: Path) -> Iterator[None]:
    """Let no file grow beyond the size of the capture: writing fails as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("count", [30, 3000])
def test_a_full_disk_costs_no_message_and_disturbs_no_traffic(
    stand: Stand, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    connection = stand.open()
    caplog.set_level(logging.INFO, "gwinspect")
    _await(lambda: Reader(stand.capture).last() == 1)
    said = [b'{"op":0,"t":"INVENTED","s":%d,"d":"%s"}' % (number, b"x" * 4000) for number in range(count)]
    with _full_disk(stand.capture):
        for data in said:
            stand.say(connection, data)
        _await(lambda: "cannot be written" in caplog.text)
    _await(lambda: "can be written again" in caplog.text)
    assert Reader(stand.capture).last() == count + 1
    assert [data for data, _ in _frames(stand.recorded())] == said
    reader = Reader(stand.capture)
    assert [event.seq for event in reader.all_events()][1:-1] == list(range(count))
    reader.close()


# It can be read: nothing is kept of what cannot.
_LARGE = b'"' + b"x" * 4000 + b'"'


def test_what_a_full_disk_costs_is_a_row_of_each_connection(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gwinspect")
    monkeypatch.setattr(scribe, "MAX_UNSAVED", 10)
    first, second, third = stand.open(), stand.open(), stand.open()
    _await(lambda: Reader(stand.capture).last() == 3)
    with _full_disk(stand.capture):
        for _ in range(20):
            stand.say(first, _LARGE)
        _await(lambda: "cannot be written" in caplog.text)
        stand.say(first, _LARGE)
        _await(lambda: "no memory left to hold messages" in caplog.text)
        for number in range(5):
            stand.say(second, b'{"op":11}', from_client=number < 2)
        stand.close(second, 1000, by_client=True)
        fourth = stand.open()
        stand.say(fourth, HELLO)
        _await(lambda: not stand.recorder._scribe._intake)
    _await(lambda: "can be written again" in caplog.text)
    stand.say(first, HELLO)
    stand.say(third, HELLO)
    happenings = stand.recorded()
    gaps = {each.connection: each for each in happenings if isinstance(each, Gap)}
    kept = sum(isinstance(each, Frame) and each.data == _LARGE for each in happenings)
    counts = {number: (gap.sent, gap.received) for number, gap in gaps.items()}
    assert counts == {1: (0, 21 - kept), 2: (2, 3), 4: (0, 1)}
    assert [type(each) for each in happenings if each.connection == 2] == [Opened, Gap, Closed]
    assert [type(each) for each in happenings if each.connection == 4] == [Opened, Gap, Closed]
    assert [each.at_ns for each in happenings] == sorted(each.at_ns for each in happenings)
    assert _frames(happenings)[-2:] == [(HELLO, Mark.NONE)] * 2
    reader = Reader(stand.capture)
    rows = [event for event in reader.all_events() if event.kind is Kind.GAP]
    assert [event.gap for event in rows] == sorted(gaps.values(), key=lambda gap: gap.at_ns)
    assert {finding.event for finding in reader.findings() if finding.rule == "recording-gap"} == {e.n for e in rows}
    assert int(reader.meta()["missing"]) == sum(gap.missing for gap in gaps.values())
    assert "finished_at" in reader.meta()
    reader.close()


def test_a_disk_that_stays_full_to_the_end_is_said(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scribe, "MAX_UNSAVED", 10)
    connection = stand.open()
    _await(lambda: Reader(stand.capture).last() == 1)
    with _full_disk(stand.capture):
        for _ in range(200):
            stand.say(connection, b"x" * 4000)
        _await(lambda: "cannot be written" in caplog.text)
        for _ in range(3):
            stand.say(connection, b"x" * 4000)
        _await(lambda: "no memory left to hold messages" in caplog.text)
        stand.close(connection, 1000)
        stand.recorder.done()
    assert "the recording could not be continued" in caplog.text
    assert caplog.text.count("no memory left") == 1
    reader = Reader(stand.capture)
    assert "finished_at" not in reader.meta()
    reader.close()
    assert not stand.capture.with_name("bot.gwcap.lock").exists()


@pytest.mark.parametrize("more", [0, 5])
def test_a_bug_of_ours_costs_no_message(
    stand: Stand, more: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    feed = Pipeline.feed

    def trip(pipeline: Pipeline, happening: Happening) -> Outcome:
        outcome = feed(pipeline, happening)
        if isinstance(happening, Frame) and happening.data == HELLO:
            raise RuntimeError("a bug")
        return outcome

    monkeypatch.setattr(Pipeline, "feed", trip)
    connection = stand.open()
    stand.say(connection, b'{"op":0}')
    stand.say(connection, HELLO)
    _await(lambda: "bug in gwinspect" in caplog.text)
    for _ in range(more):
        stand.say(connection, b'{"op":11}')
    assert [data for data, _ in _frames(stand.recorded())] == [b'{"op":0}', HELLO] + [b'{"op":11}'] * more
    reader = Reader(stand.capture)
    assert [event.op for event in reader.events()] == [None, 0] + [11] * more + [None]
    reader.close()


def test_what_a_full_queue_refuses_is_a_row(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway, other = stand.open(), stand.open("https://chat.example.org/?v=9&encoding=json")
    stand.say(gateway, b'{"op":1}', from_client=True)
    stand.say(other, HELLO)
    _await(lambda: not stand.recorder._scribe._intake)
    monkeypatch.setattr(intake, "MAX_QUEUED", 0)
    monkeypatch.setattr(scribe.Scribe, "_drain", lambda self: None)
    changed = stand.say(gateway, b'{"op":11}')
    changed.content = b"changed"
    for _ in range(3):
        stand.say(gateway, b'{"op":11}')
        stand.say(other, b'{"op":11}')
    stand.close(other, 1000)
    late = stand.open()
    monkeypatch.undo()
    stand.say(gateway, HELLO)
    stand.say(late, HELLO)
    happenings = stand.recorded()
    said = [(each.connection, each.missing, each.reason) for each in happenings if isinstance(each, Gap)]
    assert sorted(said) == [(1, 4, "queue"), (2, 3, "queue")]
    assert [type(each) for each in happenings if each.connection == 1] == [Opened, Frame, Gap, Frame, Closed]
    assert [type(each) for each in happenings if each.connection == 2] == [Opened, Frame, Gap, Closed]
    assert [mark for _, mark in _frames(happenings)] == [Mark.NONE] * 4
    assert "messages are lost: the disk is too slow" in caplog.text


def test_hosts_are_named_when_no_gateway_comes(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gwinspect")
    stand.open("https://chat.example.org/ws")
    with_a_bidi_mark = _upgrade("https://other.example.org/ws")
    with_a_bidi_mark.request.headers["host"] = "\u202eother.example.org"
    stand.recorder.websocket_start(with_a_bidi_mark)
    monkeypatch.setattr(scribe, "PATIENCE", 0)
    _await(lambda: "no Discord gateway yet" in caplog.text)
    text = next(record.getMessage() for record in caplog.records if "no Discord gateway" in record.getMessage())
    assert r"to chat.example.org, \u202eother.example.org; a server of your own" in text
    assert "--set gwinspect_hosts=HOST" in text
    assert "\u202e" not in text


def test_no_hosts_are_named_once_a_gateway_came(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gwinspect")
    stand.open("https://chat.example.org/ws")
    stand.open()
    monkeypatch.setattr(scribe, "PATIENCE", 0)
    time.sleep(0.1)
    assert "no Discord gateway" not in caplog.text


def test_a_close_is_told_with_its_meaning(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gwinspect")
    stand.close(stand.open(), 4004)
    stand.recorded()
    assert "#1 gateway wss://gateway.discord.gg/?v=10&encoding=json" in caplog.text
    assert "#1 closed by server, 4004 Authentication failed" in caplog.text


def test_silence_is_noticed_while_it_lasts_though_another_connection_is_busy(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gwinspect")
    stand.say(stand.open(), HELLO)
    busy = stand.open()
    later = time.time_ns() + 3600 * 10**9
    monkeypatch.setattr(scribe, "TICK", 0)
    monkeypatch.setattr(scribe.Clock, "now", lambda self: later)

    def noticed() -> bool:
        stand.say(busy, b'{"op":11}')
        return "row 2 heartbeat-never-began: No heartbeat came within" in caplog.text

    _await(noticed)
    reader = Reader(stand.capture)
    assert 2 in [finding.event for finding in reader.findings() if finding.rule == "heartbeat-never-began"]
    reader.close()


@pytest.mark.parametrize(("by_ns", "way"), [(-3600 * 10**9, "back"), (3600 * 10**9, "forward")])
def test_a_clock_that_is_set_keeps_rows_in_order_and_leaves_a_note(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, by_ns: int, way: str
) -> None:
    connection = stand.open()
    stand.say(connection, HELLO)
    stand.say(connection, b'{"op":1,"d":null}', from_client=True)
    _await(lambda: Reader(stand.capture).last() == 3)
    real, real_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: real() + by_ns / 1e9)
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + by_ns)
    stand.say(connection, b'{"op":11}')
    _await(lambda: f"the clock was set {way} by 60 min" in caplog.text)
    stand.say(connection, b'{"op":1,"d":null}', from_client=True)
    stand.close(connection, 1000)
    times = [each.at_ns for each in stand.recorded()]
    assert times == sorted(times)
    assert times[-1] - times[0] < 60 * 10**9
    rows = CaptureRows(Reader(stand.capture))
    assert not [finding for event in rows for finding in event.findings if finding.rule.startswith("heartbeat")]
    (note,) = [note for note in rows.notes if "clock" in note]
    assert f"the machine's clock was set {way} by 1 h 00 min at 20" in note
    rows.reader.close()


def test_a_rule_does_not_flood_the_log(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gwinspect")
    connection = stand.open()
    for _ in range(scribe.MOST_LOGGED + 5):
        stand.say(connection, b'{"op":11}', injected=True)
    stand.recorded()
    assert caplog.text.count("changed-by-proxy") == scribe.MOST_LOGGED
    assert "ack-without-heartbeat" not in caplog.text


def test_mitmproxy_lists_the_options_with_what_they_do(stand: Stand) -> None:
    listed = io.StringIO()
    optmanager.dump_defaults(stand.context.options, listed)
    for name in ("gwinspect_capture", "gwinspect_hosts", "gwinspect_keep_secrets", "gwinspect_trim"):
        assert f"\n{name}: " in listed.getvalue()
    assert "WebSockets are Discord gateways" in " ".join(listed.getvalue().replace("#", "").split())


def _await(condition: object) -> None:
    """Wait for the recorder's thread, which works on a beat."""
    deadline = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)


REQUEST = discovery_request(1001)
VOICE_PACKET = b"\x80\x78" + bytes(60)


def _path(port: int = 50_001) -> udp.UDPFlow:
    path = tflow.tudpflow(messages=[])
    path.server_conn.address = ("203.0.113.5", port)
    return path


def _send(stand: Stand, path: udp.UDPFlow, *packets: bytes, from_client: bool = True) -> None:
    for data in packets:
        path.messages.append(udp.UDPMessage(from_client, data))
        stand.recorder.udp_message(path)


def test_the_udp_of_a_call_is_recorded_from_ip_discovery_on(stand: Stand) -> None:
    path = _path()
    _send(stand, path, REQUEST, VOICE_PACKET)
    stand.recorder.udp_end(path)
    opened, *frames, closed = stand.recorded()
    assert isinstance(opened, Opened)
    assert (opened.plane, opened.url) == (Plane.MEDIA, "udp://203.0.113.5:50001")
    assert _frames(frames) == [(REQUEST, Mark.NONE), (VOICE_PACKET, Mark.NONE)]
    assert isinstance(closed, Closed)
    assert closed.code is None


def test_other_udp_is_nobodys_business(stand: Stand) -> None:
    path = _path()
    _send(stand, path, b"\x01\x02 a game", VOICE_PACKET)
    stand.recorder.udp_end(path)
    assert stand.recorded() == []


def test_an_address_that_ready_has_named_is_known_whatever_goes_there(stand: Stand) -> None:
    voice = stand.open("https://invented1.discord.media/?v=8")
    stand.say(voice, b'{"op":2,"d":{"ssrc":1001,"ip":"203.0.113.5","port":50001,"modes":[]}}')
    path = _path()
    _send(stand, path, VOICE_PACKET)
    deadline = time.monotonic() + 5
    while not stand.recorder._scribe.media and time.monotonic() < deadline:
        time.sleep(0.01)
    _send(stand, path, VOICE_PACKET, from_client=False)
    packets = [each for each in stand.recorded() if isinstance(each, Frame) and each.connection == 2]
    assert [frame.from_client for frame in packets] == [True, False]


def test_an_address_that_was_discovered_is_known_on_the_next_path_too(stand: Stand) -> None:
    """mitmproxy ends a path after a minute of silence; what comes then begins another, in the middle of the call."""
    first, second, elsewhere = _path(), _path(), _path(port=50_002)
    _send(stand, first, REQUEST)
    stand.recorder.udp_end(first)
    _send(stand, second, VOICE_PACKET)
    _send(stand, elsewhere, VOICE_PACKET)
    happenings = stand.recorded()
    assert [each.url for each in happenings if isinstance(each, Opened)] == ["udp://203.0.113.5:50001"] * 2
    assert [data for data, _ in _frames(happenings)] == [REQUEST, VOICE_PACKET]


def test_media_are_left_out_where_nobody_wants_them(stand: Stand) -> None:
    stand.context.configure(stand.recorder, gwinspect_media=False)
    _send(stand, _path(), REQUEST, VOICE_PACKET)
    assert stand.recorded() == []


def test_trimming_lets_go_of_packets(stand: Stand) -> None:
    stand.context.configure(stand.recorder, gwinspect_trim=True)
    path = _path()
    _send(stand, path, REQUEST, VOICE_PACKET, VOICE_PACKET)
    assert len(path.messages) == 1
    assert len(_frames(stand.recorded())) == 3


def test_mitmproxy_ends_no_path_before_its_network_stack_does(stand: Stand) -> None:
    """In between, it would swallow what a call still has to say."""
    assert server.UDP_TIMEOUT > 60


@pytest.mark.parametrize(("data", "relayed"), [(REQUEST, True), (b"\x16\xfe\xfd" + bytes(60), False)])
def test_media_are_relayed_whatever_mitmproxy_would_make_of_them(stand: Stand, data: bytes, relayed: bool) -> None:
    """Else `allow_hosts` would keep them from us, as no name of ours leads to a voice server's address."""
    assert isinstance(_layer(stand, data), layers.UDPLayer) is relayed


@pytest.mark.parametrize(
    ("data", "allowed", "relayed"),
    [
        (b"short", ["gateway"], True),
        (b"short", [], False),
        (b"short", [r"^203\.0\.113\.5:"], False),
        (b"\x16\xfe\xfd", ["gateway"], False),
        (bytes(13), ["gateway"], False),
    ],
)
def test_what_passes_by_is_not_held_back(stand: Stand, data: bytes, allowed: list[str], relayed: bool) -> None:
    stand.context.options.update(allow_hosts=allowed)
    chosen = _layer(stand, data)
    assert (chosen is not None) is relayed
    assert getattr(chosen, "flow", None) is None


def _layer(stand: Stand, data: bytes) -> Layer | None:
    """Return the layer that the recorder chooses where UDP begins with `data`."""
    context = Context(tflow.tclient_conn(), stand.context.options)
    context.client.transport_protocol = "udp"
    context.client.sni = None
    context.server.address = ("203.0.113.5", 50_001)
    question = NextLayer(context)
    question.events.append(DataReceived(context.client, data))
    stand.recorder.next_layer(question)
    return question.layer


def test_an_option_that_mitmproxy_does_not_have_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(in_this_process)
    with taddons.context(recorder) as mitmproxy:
        mitmproxy.options.update(gwinspect_capture=str(tmp_path / "bot.gwcap"))
        mitmproxy.options.update_defer(no_such_option="1")
        recorder.running()
        recorder.done()
    assert "mitmproxy has no option no_such_option; check --set" in caplog.text


@pytest.mark.usefixtures("lenient")
def test_a_bug_in_telling_connections_apart_leaves_the_others(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> None:
        raise KeyError("s3cret")

    monkeypatch.setattr(scribe, "confirm", broken)
    unknown = stand.open("https://gateway.example.org/?v=10&encoding=json")
    connection = stand.open()
    for _ in range(3):
        stand.say(unknown, HELLO)
        stand.say(connection, HELLO)
    _await(lambda: "a message could not be stored (bug in gwinspect: KeyError in" in caplog.text)
    assert [data for data, _ in _frames(stand.recorded())] == [HELLO] * 3
    assert caplog.text.count("bug in gwinspect") == 1
    assert "s3cret" not in caplog.text


@pytest.mark.usefixtures("lenient")
def test_a_bug_in_telling_of_rows_costs_none(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> None:
        raise KeyError("s3cret")

    monkeypatch.setattr(scribe.Scribe, "_tell", broken)
    connection = stand.open()
    stand.say(connection, HELLO)
    _await(lambda: "a row could not be printed here" in caplog.text)
    stand.say(connection, b'{"op":11}')
    assert [data for data, _ in _frames(stand.recorded())] == [HELLO, b'{"op":11}']


def test_a_gateway_is_known_by_its_address_whatever_the_client_calls_it(stand: Stand) -> None:
    connection = _upgrade(GATEWAY)
    connection.request.host = "gateway.discord.gg"
    connection.request.headers["host"] = "\x1b[31m[::1"
    stand.recorder.websocket_start(connection)
    stand.say(connection, HELLO)
    opened, frame, _ = stand.recorded()
    assert isinstance(opened, Opened)
    assert isinstance(frame, Frame)
    assert (opened.plane, opened.url) == (Plane.GATEWAY, GATEWAY.replace("http", "ws"))


def test_a_url_of_very_many_fields_is_a_gateways_too(stand: Stand) -> None:
    stand.say(stand.open(GATEWAY + "&a=b" * 5000), HELLO)
    assert len(stand.recorded()) == 3


def test_an_answer_that_breaks_off_is_one_row(stand: Stand) -> None:
    """mitmproxy has a hook for what there is of it, and then one for the error."""
    refused = _upgrade(GATEWAY)
    refused.websocket = None
    refused.response.status_code = 403
    stand.recorder.response(refused)
    refused.error = flow.Error("peer closed connection")
    stand.recorder.error(refused)
    assert len(stand.recorded()) == 1


def test_an_upgrade_that_mitmproxy_takes_for_something_else_is_a_row(stand: Stand) -> None:
    other = _upgrade(GATEWAY)
    other.websocket = None
    other.request.headers["upgrade"] = "websocket"
    other.response.headers["upgrade"] = "tls"
    stand.recorder.response(other)
    [opened] = stand.recorded()
    assert isinstance(opened, Opened)
    assert "mitmproxy does not accept the answer as a WebSocket's" in (opened.refusal or "")


def test_an_upgrade_that_mitmproxy_would_fail_over_is_ended_and_a_row(stand: Stand) -> None:
    broken = _upgrade(GATEWAY)
    broken.live = True
    broken.response.headers["sec-websocket-extensions"] = "permessage-deflate; server_max_window_bits=x"
    stand.recorder.response(broken)
    assert not broken.killable
    [opened] = stand.recorded()
    assert isinstance(opened, Opened)
    assert "the proxy ended it" in (opened.refusal or "")


def test_a_connection_over_which_mitmproxy_fails_is_ended(stand: Stand) -> None:
    stand.recorder.running()
    connection, other = stand.open(), stand.open()
    connection.client_conn.peername, other.client_conn.peername = ("127.0.0.1", 1), ("127.0.0.1", 2)
    stand.recorder._streams[connection.id].client = connection.client_conn.peername
    stand.recorder._streams[other.id].client = other.client_conn.peername
    log = logging.getLogger("mitmproxy.proxy.server")
    log.error("mitmproxy has crashed!", extra={"client": ("127.0.0.1", 1)})
    closed = [(each.connection, each.by, each.reason) for each in stand.recorded() if isinstance(each, Closed)]
    failed, stopped = sorted(closed)
    assert failed[:2] == (1, "proxy")
    assert failed[2].startswith("mitmproxy failed on this connection")
    assert stopped == (2, "proxy", "mitmproxy was stopped")


def test_a_client_that_left_before_the_upgrade_was_answered_leaves_no_open_connection(stand: Stand) -> None:
    connection = _upgrade(GATEWAY)
    connection.client_conn.state = ConnectionState.CLOSED
    stand.recorder.websocket_start(connection)
    assert stand.recorder._streams == {}
    _, closed = stand.recorded()
    assert isinstance(closed, Closed)
    assert (closed.code, closed.by) == (1006, "client")


@pytest.mark.parametrize("data", [b"G", b"GET /" + b"x" * 70_000])
def test_a_request_whose_first_line_is_not_whole_is_taken_for_one(stand: Stand, data: bytes) -> None:
    """mitmproxy would pass it by, and the WebSocket unseen with it."""

    def decide(host: str, data: bytes) -> Layer | None:
        context = Context(tflow.tclient_conn(), stand.context.options)
        context.server.address = (host, 443)
        wanted = NextLayer(context)
        wanted.events.append(DataReceived(context.client, data))
        stand.recorder.next_layer(wanted)
        return wanted.layer

    assert isinstance(decide("gateway.discord.gg", data), layers.HttpLayer)
    assert decide("example.org", data) is None
    assert decide("gateway.discord.gg", b"\x16\x03\x01") is None
    assert decide("gateway.discord.gg", data + b" HTTP/1.1\r\n") is None


def test_headers_of_any_length_leave_a_capture_that_can_be_read(stand: Stand) -> None:
    connection = _upgrade(GATEWAY)
    connection.response.headers["server"] = "s" * (1 << 20)
    connection.request.headers["user-agent"] = "u" * (1 << 20)
    stand.recorder.websocket_start(connection)
    opened, _ = stand.recorded()
    assert isinstance(opened, Opened)
    assert opened.headers["response-server"] == "s" * 8000 + "…"


def _asked(host: str = "discord.com", status: int = 200) -> http.HTTPFlow:
    asked = tflow.tflow(resp=True)
    asked.request.method = "GET"
    asked.request.headers = http.Headers(host=host, authorization=f"Bot {TOKEN}")
    asked.request.url = f"https://{host}/api/v10/gateway/bot"
    limit = {"total": 1000, "remaining": 23, "reset_after": 5_000_000, "max_concurrency": 16}
    asked.response.status_code = status
    asked.response.text = json.dumps({"shards": 9, "session_start_limit": limit})
    asked.response.encode("gzip")
    asked.response.timestamp_start = time.time()
    return asked


def test_what_discord_tells_of_session_starts_is_recorded_between_what_is_said(stand: Stand) -> None:
    connection = stand.open()
    first = stand.say(connection, HELLO)
    stand.recorder.response(_asked())
    # What is done to a message is noted on that one, whatever came in between.
    first.content = b"{}"
    stand.say(connection, orjson.dumps(identify()), from_client=True)
    stand.close(connection, 1000)
    happenings = stand.recorded()
    assert [type(each) for each in happenings] == [Opened, Frame, StartLimit, Frame, Closed]
    assert [each.marks for each in happenings if isinstance(each, Frame)] == [Mark.CHANGED, Mark.REDACTED]
    limit = happenings[2]
    assert isinstance(limit, StartLimit)
    assert (limit.token, limit.shards, limit.remaining, limit.max_concurrency) == (digest(TOKEN), 9, 23, 16)
    assert TOKEN.encode() not in stand.capture.read_bytes()


def test_of_other_answers_nothing_is_recorded(stand: Stand) -> None:
    streamed = _asked()
    streamed.response.data.content = None
    for asked in (_asked("invented.example"), _asked(status=401), streamed, tflow.tflow(resp=True)):
        stand.recorder.response(asked)
    assert stand.recorded() == []


def test_what_a_server_of_the_users_own_tells_is_recorded(stand: Stand) -> None:
    stand.context.configure(stand.recorder, gwinspect_hosts=["own.invented.example:3002"])
    stand.recorder.response(_asked("own.invented.example"))
    assert [type(each) for each in stand.recorded()] == [StartLimit]

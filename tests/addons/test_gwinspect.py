"""The addon's own small recorder, under mitmproxy's test aids. What it wrote is read by the importer."""

import ast
import importlib.util
import json
import logging
import os
import resource
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
from mitmproxy import flow, http, websocket
from mitmproxy.test import taddons, tflow
from wsproto.frame_protocol import Opcode

from inspector.importers.formats import open_source
from inspector.importers.frames import FramesFile
from inspector.importers.frames.writing import record_of
from inspector.model import Closed, Control, Frame, Gap, Happening, Mark, Opened, Plane, StartLimit, Undecoded
from inspector.protocol.hosts import plane_of
from inspector.protocol.registry import default
from inspector.proxy.mitmdump import addon_path
from inspector.proxy.recorder import Recorder
from inspector.session.redact import Redactor, digest
from inspector.wire.decoder import Decoder
from tests.canaries import Detector, canaries, recorded
from tests.conversation import TOKEN, Conversation, identify

pytestmark = pytest.mark.compat

GATEWAY = "https://gateway.discord.gg/?v=10&encoding=json"
SENT, RECEIVED = canaries("sent"), canaries("received")
DETECTOR = Detector([*SENT, *RECEIVED])
HELLO = b'{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}'


def load() -> ModuleType:
    """Return the addon's module, as mitmproxy loads it."""
    spec = importlib.util.spec_from_file_location("addon_of_gwinspect", addon_path())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


addon = load()


class Stand:
    """The recorder in a mitmproxy that never leaves its test: the hooks are called as mitmproxy calls them."""

    def __init__(self, folder: Path) -> None:
        self.frames = folder / "bot.frames.jsonl"
        self.recorder = addon.FrameRecorder("this is a test")
        self.context = taddons.context(self.recorder)
        self.context.configure(self.recorder, gwinspect_capture=str(folder / "bot.gwcap"))

    def open(self, url: str = GATEWAY, *, status: int = 101) -> http.HTTPFlow:
        connection = tflow.twebsocketflow(messages=False)
        connection.request.url = url
        connection.request.headers["host"] = urlsplit(url).netloc
        connection.request.timestamp_start = connection.response.timestamp_start = time.time()
        connection.response.status_code = status
        connection.websocket = websocket.WebSocketData() if status == 101 else None
        if status == 101:
            self.recorder.websocket_start(connection)
        else:
            self.recorder.response(connection)
        return connection

    def say(
        self, connection: http.HTTPFlow, data: bytes, *, from_client: bool = False, text: bool = True, **more: Any
    ) -> websocket.WebSocketMessage:
        kind = Opcode.TEXT if text else Opcode.BINARY
        message = websocket.WebSocketMessage(kind, from_client, data, **more)
        connection.websocket.messages.append(message)
        self.recorder.websocket_message(connection)
        return message

    def close(self, connection: http.HTTPFlow, code: int | None, reason: str = "", *, by_client: bool = False) -> None:
        ended = connection.websocket
        ended.close_code, ended.close_reason, ended.closed_by_client = code, reason, by_client
        ended.timestamp_end = time.time()
        self.recorder.websocket_end(connection)

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.frames.read_bytes().splitlines()]

    def recorded(self) -> list[Happening]:
        """End the recorder and return what the importer makes of the file."""
        self.recorder.done()
        source = open_source(self.frames)
        assert isinstance(source, FramesFile)
        happenings = list(source)
        assert [note for note in source.notes if "no gateway WebSocket" not in note] == []
        return happenings


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(tmp_path)
    stand.recorder.running()
    with stand.context:
        yield stand
        stand.recorder.done()


def test_a_conversation_is_recorded(stand: Stand) -> None:
    connection = stand.open()
    stand.say(connection, HELLO)
    stand.say(connection, b"\x83t\x00\x00\x00\x00", from_client=True, text=False)
    stand.say(connection, '{"d":"wörter \u2028 \x9b"}'.encode())
    stand.close(connection, 4004, "Authentication failed.")
    opened, *frames, closed = stand.recorded()
    assert isinstance(opened, Opened)
    assert (opened.plane, opened.url, opened.client) == (Plane.GATEWAY, GATEWAY.replace("https", "wss"), "127.0.0.1:22")
    assert [(f.data, f.is_text, f.from_client) for f in frames if isinstance(f, Frame)] == [
        (HELLO, True, False),
        (b"\x83t\x00\x00\x00\x00", False, True),
        ('{"d":"wörter \u2028 \x9b"}'.encode(), True, False),
    ]
    assert isinstance(closed, Closed)
    assert (closed.code, closed.reason, closed.by) == (4004, "Authentication failed.", "server")
    assert stand.frames.read_bytes().isascii()


def test_records_are_those_that_gwinspect_itself_writes(stand: Stand) -> None:
    connection = stand.open()
    stand.say(connection, HELLO)
    stand.say(connection, b"\x83t\x00\x00\x00\x00", from_client=True, text=False)
    stand.say(connection, b'{"op":2,"d":{"token":"%b"}}' % TOKEN.encode(), from_client=True)
    stand.say(connection, b"no JSON", from_client=True)
    stand.say(connection, b"{}", injected=True)
    stand.close(connection, 1006)
    happenings = stand.recorded()
    said = [record for record in stand.records() if record.get("kind") not in (None, "end")]
    # What is left out says the same as what is written out.
    plain = {"plane": "gateway", "is_text": False}
    for record, happening in zip(said, happenings, strict=True):
        assert plain | record == plain | record_of(happening)


def test_times_are_those_of_mitmproxy_to_the_microsecond(stand: Stand) -> None:
    connection = stand.open()
    message = stand.say(connection, HELLO)
    _, frame, _ = stand.recorded()
    assert frame.at_ns == round(message.timestamp * 1_000_000) * 1000


def test_each_message_is_in_the_file_at_once(stand: Stand) -> None:
    connection = stand.open()
    for number in range(3):
        stand.say(connection, HELLO)
        assert len(stand.records()) == number + 3


@pytest.mark.parametrize(
    "url",
    [
        "wss://gateway.discord.gg/?v=10",
        "wss://GATEWAY.discord.gg./",
        "https://gateway-us-east1-b.discord.gg/?encoding=json&v=10",
        "wss://us-east.gateway.discord.gg/",
        "https://invented1.discord.media:2048/?v=8",
        "https://remote-auth-gateway.discord.gg/?v=2",
        "http://127.0.0.1:6463/?v=1&client_id=1",
        "http://localhost:6472/?v=1",
        "http://localhost:6473/?v=1",
        "https://127.0.0.1:6463/other",
        "https://latency.discord.media/",
        "https://gateway.discord.gg.example.org/",
        "https://evilgateway.discord.gg/",
        "https://example.org/?next=gateway.discord.gg",
        "https://discord.com/?v=10",
        "wss://own.example/",
        "wss://below.other.example:99/",
        "wss://other.example/",
        "wss://ported.example:1234/",
        "wss://ported.example/",
        "wss://[::1/",
        "wss://x:port/",
    ],
)
def test_the_same_hosts_are_gateways_as_everywhere(stand: Stand, url: str) -> None:
    own = ["bad:port", " own.example ", "*.other.example", "ported.example:1234"]
    stand.context.configure(stand.recorder, gwinspect_hosts=own)
    assert addon.is_gateway(url) == (plane_of(url, own) is not None)


def test_hosts_of_the_users_own_are_read_as_gateways_without_being_named_again(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    with stand.context:
        stand.context.configure(stand.recorder, gwinspect_hosts=["own.example"])
        stand.recorder.running()
        stand.say(stand.open("https://own.example/chat"), HELLO)
        assert len(stand.recorded()) == 3


def test_other_websockets_are_left_alone(stand: Stand) -> None:
    connection = stand.open("https://chat.example/?v=10&encoding=json")
    stand.say(connection, HELLO)
    stand.close(connection, 1000)
    assert stand.recorded() == []


def test_a_refused_upgrade_is_recorded_as_such(stand: Stand) -> None:
    stand.open(status=429)
    [opened] = stand.recorded()
    assert isinstance(opened, Opened)
    assert (opened.status, opened.refusal) == (429, "HTTP 429 Switching Protocols")


def test_an_upgrade_without_an_answer_is_recorded_as_such(stand: Stand) -> None:
    connection = tflow.twebsocketflow(messages=False, err=True)
    connection.request.url, connection.request.headers["host"] = GATEWAY, "gateway.discord.gg"
    connection.websocket = connection.response = None
    connection.error = flow.Error("connection refused")
    stand.recorder.error(connection)
    [opened] = stand.recorded()
    assert isinstance(opened, Opened)
    assert (opened.status, opened.refusal) == (None, "connection refused")


@pytest.mark.parametrize("host", ["gateway.discord.gg", "discord.com"])
def test_a_client_that_does_not_trust_the_proxy_is_recorded(stand: Stand, host: str) -> None:
    class Data:
        context = tflow.tclient_conn()
        conn = tflow.tclient_conn()

    Data.context.server = tflow.tserver_conn()
    Data.context.server.address = (host, 443)
    Data.context.client = Data.conn
    Data.conn.sni, Data.conn.error = host, "unknown ca"
    stand.recorder.tls_failed_client(Data)
    [opened] = stand.recorded()
    assert isinstance(opened, Opened)
    assert (opened.url, opened.status) == (f"wss://{host}/", None)
    assert opened.refusal == "TLS failed, the client did not accept the proxy's certificate (unknown ca)"


def test_what_other_addons_do_to_messages_is_marked(stand: Stand) -> None:
    connection = stand.open()
    stand.say(connection, HELLO).drop()
    stand.say(connection, HELLO, from_client=True).content = b'"changed"'
    stand.say(connection, HELLO, injected=True)
    stand.close(connection, 1000)
    frames = [(each.marks, each.forwarded) for each in stand.recorded() if isinstance(each, Frame)]
    assert frames == [(Mark.DROPPED, None), (Mark.CHANGED, b'"changed"'), (Mark.INJECTED, None)]


def test_pings_are_taken_from_mitmproxys_log(stand: Stand) -> None:
    stand.open()
    log = logging.getLogger("mitmproxy.proxy.server")
    log.setLevel(logging.INFO)
    for client in (("127.0.0.1", 22), ("127.0.0.1", 23)):
        log.info("Received WebSocket ping from client (payload: b'\\x00a')", extra={"client": client})
    [ping] = [each for each in stand.recorded() if isinstance(each, Control)]
    assert (ping.name, ping.from_client, ping.data) == ("ping", True, b"\x00a")


def test_what_was_said_before_the_addon_was_there_is_recorded(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    with stand.context:
        connection = stand.open()
        stand.say(connection, HELLO)
        stand.recorder.running()
        stand.say(connection, b"{}", from_client=True)
        assert [f.data for f in stand.recorded() if isinstance(f, Frame)] == [HELLO, b"{}"]


def test_open_connections_end_with_the_recorder(stand: Stand) -> None:
    stand.open()
    closed = stand.recorded()[-1]
    assert isinstance(closed, Closed)
    assert (closed.code, closed.by, closed.reason) == (None, "proxy", "mitmproxy was stopped")
    assert stand.records()[-1]["kind"] == "end"


def test_a_connection_that_mitmproxy_gave_up_was_closed_by_the_proxy(stand: Stand) -> None:
    connection = stand.open()
    stand.say(connection, HELLO, timestamp=time.time() - 601)
    stand.close(connection, 1006, by_client=True)
    closed = stand.recorded()[-1]
    assert isinstance(closed, Closed)
    assert (closed.code, closed.by, closed.told) == (1006, "proxy", "server")
    assert closed.reason.startswith("no traffic for ")


def test_memory_is_let_go_of_where_asked(stand: Stand) -> None:
    stand.context.configure(stand.recorder, gwinspect_trim=True)
    connection = stand.open()
    for _ in range(5):
        stand.say(connection, HELLO)
    assert len(connection.websocket.messages) == 1
    assert sum(isinstance(each, Frame) for each in stand.recorded()) == 5


@pytest.mark.parametrize("name", ["bot", "bot.gwcap", "bot.frames.jsonl"])
def test_the_file_is_named_after_the_capture(tmp_path: Path, name: str) -> None:
    stand = Stand(tmp_path)
    with stand.context:
        stand.context.configure(stand.recorder, gwinspect_capture=str(tmp_path / name))
        stand.recorder.running()
        stand.recorder.done()
    assert [path.name for path in tmp_path.iterdir()] == ["bot.frames.jsonl"]


def test_another_name_while_it_runs_begins_another_file(stand: Stand, tmp_path: Path) -> None:
    connection = stand.open()
    stand.say(connection, HELLO)
    stand.context.configure(stand.recorder, gwinspect_capture=str(tmp_path / "next.gwcap"))
    stand.say(connection, b"{}")
    stand.frames = tmp_path / "next.frames.jsonl"
    assert [f.data for f in stand.recorded() if isinstance(f, Frame)] == [HELLO, b"{}"]


# Secrets


@pytest.mark.parametrize(("encoding", "token"), [("json", TOKEN), ("etf", TOKEN), ("json", "own"), ("etf", "own" * 9)])
def test_a_token_is_masked_as_gwinspect_itself_does(stand: Stand, encoding: str, token: str) -> None:
    said = Conversation(encoding)
    payload = identify(token=token, inner={"session_id": "5e55" * 8, "Token": "x" * 20})
    data = said.encoded(payload)
    ours = addon.masked(data, encoding == "json")
    assert token.encode() not in ours
    assert ours == Redactor(default()).mask_bytes("gateway", "Identify", encoding, data, payload["d"])


@pytest.mark.parametrize(
    "data",
    [
        b'{"op":2,"d":{"token" : "%b"' % TOKEN.encode(),
        b'{"op":2,"d":{"token":"%b' % TOKEN.encode(),
        b'{"op":2,"d":{"\\u0074oken":"%b"}}' % TOKEN.encode(),
        b'{"op":2,"d":{"token":"%b"}}' % TOKEN.replace("M", "\\u004d").encode(),
        b'["%b"]' % TOKEN.encode(),
        b"Bot %b" % TOKEN.encode(),
        b"\x1a" + TOKEN.encode(),
        b"\x83m\0\0\0H" + TOKEN.encode(),
        b"\x83P" + TOKEN.encode(),
        b"\x78\x9c" + TOKEN.encode(),
        b"\xff\xfe" + TOKEN.encode() + b"\xff",
    ],
)
@pytest.mark.parametrize("text", [True, False])
def test_no_token_passes_wherever_it_stands(data: bytes, text: bool) -> None:
    masked = masked_or_why(data, text)
    for part in TOKEN.encode().split(b"."):
        assert part not in masked
    if len(masked) == len(data):
        assert addon.masked(masked, text) == masked


def masked_or_why(data: bytes, text: bool) -> bytes:
    try:
        return bytes(addon.masked(data, text))
    except addon.Unreadable as why:
        return f"{why.reason}: {why}".encode()


def test_what_is_no_secret_stays_as_it_is() -> None:
    for data in (b'{"op":1,"d":251}', b'{"token":"","d":{"token":null}}', b"\x83a\x01", b"[]"):
        assert addon.masked(data, data[0] != 131) == data


def test_what_both_ends_send_is_kept_where_asked(stand: Stand) -> None:
    connection, data = stand.open(), b'{"token":"%b"}' % TOKEN.encode()
    stand.say(connection, data)
    stand.say(connection, data, from_client=True)
    stand.context.configure(stand.recorder, gwinspect_keep_secrets=True)
    stand.say(connection, data, from_client=True)
    frames = [(each.marks, each.data == data) for each in stand.recorded() if isinstance(each, Frame)]
    assert frames == [(Mark.REDACTED, False), (Mark.REDACTED, False), (Mark.NONE, True)]


def test_its_keys_are_those_of_the_table() -> None:
    rows = [row for row in default().secrets if not row.events and row.key not in ("nonce", "fingerprint")]
    assert set(addon._SECRETS) == {row.key for row in rows}


def test_no_canary_gets_into_the_file(stand: Stand) -> None:
    flows: dict[int, http.HTTPFlow] = {}
    for each in recorded(SENT, RECEIVED):
        match each:
            case Opened():
                status = 101 if each.refusal is None else 403
                url = each.url.replace("ws", "http", 1) if each.plane is Plane.GATEWAY else GATEWAY
                flows[each.connection] = stand.open(url, status=status)
            case Frame():
                stand.say(flows[each.connection], each.data, from_client=each.from_client, text=each.is_text)
            case Closed():
                stand.close(flows[each.connection], each.code, each.reason)
    found = stand.recorded()
    assert sum(isinstance(each, Frame) for each in found) > 4000
    assert sum(isinstance(each, Frame) and bool(each.marks & Mark.WITHHELD) for each in found) > 500
    assert DETECTOR.leaks(stand.frames.read_bytes()) == []


def test_why_a_message_was_withheld_is_shown(stand: Stand) -> None:
    stand.say(stand.open(), b'{"op":2,"d":{"token":"cut off', from_client=True)
    [frame] = [each for each in stand.recorded() if isinstance(each, Frame)]
    [reading] = Decoder(Plane.GATEWAY, GATEWAY).receive(frame)
    assert isinstance(reading.what, Undecoded)
    assert (reading.what.reason, reading.what.offset, reading.wire_bytes) == ("not-json", 21, 29)


# The file


def test_the_file_is_private(stand: Stand) -> None:
    assert stat.S_IMODE(stand.frames.stat().st_mode) == 0o600


def test_a_file_of_before_is_continued_with_a_header(tmp_path: Path) -> None:
    for _ in range(2):
        stand = Stand(tmp_path)
        with stand.context:
            stand.recorder.running()
            stand.say(stand.open(), HELLO)
            happenings = stand.recorded()
    assert [record["format"] for record in stand.records() if "format" in record] == ["gwinspect-frames"] * 2
    assert [each.connection for each in happenings] == [1, 1, 1, 2, 2, 2]


def test_a_line_that_broke_off_does_not_take_the_next_with_it(stand: Stand) -> None:
    stand.recorder.done()
    with stand.frames.open("ab") as file:
        file.write(b'{"kind":"open","conn')
    stand.recorder.running()
    stand.say(stand.open(), HELLO)
    stand.recorder.done()
    source = open_source(stand.frames)
    assert len(list(source)) == 3
    assert len(source.notes) == 1


def test_what_is_logged_is_inert(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    folder = tmp_path / "a\x1b]0;t\x07\x9b\u202e\u2028\n"
    folder.mkdir()
    stand = Stand(folder)
    with stand.context:
        stand.recorder.running()
        stand.recorder.done()
    assert r"a\x1b]0;t\x07\x9b\u202e\u2028\n" in caplog.text
    assert not set("\x1b\x07\x9b\u202e\u2028") & set(caplog.text)


@pytest.mark.parametrize("kind", ["symlink", "dangling", "folder", "fifo", "thesis"])
def test_what_is_not_frames_is_not_written_to(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    path, other = tmp_path / "bot.frames.jsonl", tmp_path / "other"
    if kind == "symlink":
        other.touch()
    match kind:
        case "symlink" | "dangling":
            path.symlink_to(other)
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case _:
            path.write_text("chapter one\n")
    stand = Stand(tmp_path)
    with stand.context:
        stand.recorder.running()
        connection = stand.open()
        stand.say(connection, HELLO)
        stand.close(connection, 1000)
        stand.recorder.done()
    assert "gwinspect: nothing is recorded: " in caplog.text
    assert str(path) in caplog.text
    if kind == "thesis":
        assert path.read_text() == "chapter one\n"
    assert not other.exists() or not other.stat().st_size


def test_two_do_not_write_into_one_file(stand: Stand, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    second = Stand(tmp_path)
    with second.context:
        second.recorder.running()
    assert "another mitmproxy records into" in caplog.text
    assert len(stand.records()) == 1


def test_a_full_disk_is_said_once_and_what_is_missing_is_counted(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gwinspect")
    connection = stand.open()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for the beginning of a record: files cannot be larger, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (stand.frames.stat().st_size + 9, hard))
    try:
        for _ in range(4):
            stand.say(connection, HELLO)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    stand.say(connection, b'{"op":11}')
    assert caplog.text.count("cannot be written") == 1
    assert "can be written again; 4 records are missing" in caplog.text
    stand.recorder.done()
    source = open_source(stand.frames)
    _, gap, frame, _ = source
    assert isinstance(gap, Gap)
    assert isinstance(frame, Frame)
    assert (gap.sent, gap.received, gap.reason, frame.data) == (0, 4, "disk", b'{"op":11}')
    assert gap.since_ns <= gap.until_ns <= gap.at_ns <= frame.at_ns + 10**9
    # What there was room for.
    assert [note.partition(" was skipped")[0] for note in source.notes] == ["line 3 of bot.frames.jsonl"]


def test_records_that_are_no_messages_are_missing_together(stand: Stand) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (stand.frames.stat().st_size, hard))
    try:
        stand.close(stand.open(), 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    stand.recorder.done()
    source = open_source(stand.frames)
    assert list(source) == []
    assert source.notes[0].startswith("2 records are missing from ")


def test_a_file_that_was_deleted_is_made_again_from_what_mitmproxy_has(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    connection = stand.open()
    stand.say(connection, HELLO)
    stand.frames.unlink()
    stand.recorder._file._looked -= 2
    stand.say(connection, b"{}")
    assert "was deleted or replaced" in caplog.text
    assert [f.data for f in stand.recorded() if isinstance(f, Frame)] == [HELLO, b"{}"]


# Loading


def test_with_gwinspect_there_it_is_its_recorder() -> None:
    assert Recorder in [type(each) for each in addon.addons]


def test_python_3_10_can_read_it() -> None:
    """mitmproxy 11.0.2 runs on it."""
    ast.parse(addon_path().read_text("utf-8"), feature_version=(3, 10))


def test_it_imports_nothing_but_the_standard_library_and_mitmproxy() -> None:
    tree = ast.parse(addon_path().read_text("utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    foreign = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"mitmproxy"}
    assert foreign == {"inspector"}


def _asked(host: str = "discord.com", encoding: str = "gzip", **more: Any) -> http.HTTPFlow:
    asked = tflow.tflow(resp=True)
    asked.request.method = "GET"
    asked.request.headers = http.Headers(host=host, authorization=f"Bot {TOKEN}")
    asked.request.url = f"https://{host}/api/v10/gateway/bot"
    limit = {"total": 1000, "remaining": 23, "reset_after": 5_000_000, "max_concurrency": 16, "other": "secret"}
    asked.response.text = json.dumps({"url": "x", "shards": 9, "session_start_limit": limit} | more)
    asked.response.encode(encoding)
    asked.response.timestamp_start = 1_800_000_000.25
    return asked


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_what_discord_tells_of_session_starts_is_recorded(encoding: str, stand: Stand) -> None:
    stand.recorder.response(_asked(encoding=encoding))
    [limit] = stand.recorded()
    assert limit == StartLimit(1_800_000_000_250_000_000, digest(TOKEN), 9, 1000, 23, 5_000_000, 16)
    assert TOKEN not in stand.frames.read_text()
    assert "secret" not in stand.frames.read_text()


def test_what_a_server_of_the_users_own_tells_is_recorded(stand: Stand) -> None:
    stand.context.configure(stand.recorder, gwinspect_hosts=["own.invented.example:3002"])
    stand.recorder.response(_asked("own.invented.example"))
    assert len(stand.recorded()) == 1


def test_of_other_answers_nothing_is_recorded(stand: Stand) -> None:
    posted, failed, large, streamed = _asked(), _asked(), _asked(encoding="identity"), _asked()
    posted.request.method = "POST"
    failed.response.status_code = 401
    large.response.raw_content += b" " * 20_000
    streamed.response.data.content = None
    for asked in (
        *(posted, failed, large, streamed, _asked("invented.example"), _asked(encoding="br"), tflow.tflow(resp=True)),
        *(_asked(shards=shards) for shards in (None, "9", True, [])),
        *(_asked(session_start_limit=limit) for limit in (None, 7, [], {"total": 1})),
    ):
        stand.recorder.response(asked)
    assert stand.recorded() == []

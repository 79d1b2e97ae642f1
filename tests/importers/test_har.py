"""HAR files."""

import base64
import json
import os
import random
import tracemalloc
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import CaptureError
from inspector.importers import har as har_module
from inspector.importers import harfiles
from inspector.importers.formats import open_source
from inspector.importers.har import HarFile
from inspector.importers.hints import Hints
from inspector.model import Closed, Control, Frame, Happening, Knows, Opened, Plane, StartLimit
from inspector.session.redact import digest
from tests.conversation import TOKEN

MAIN = "wss://gateway.discord.gg/?v=9&encoding=json"
START = 1_800_000_000
START_NS = START * 1_000_000_000
HELLO = '{"op":10,"d":{"heartbeat_interval":41250}}'
IDENTIFY = '{"op":2,"d":{"token":"not-a-real-token"}}'
READY = '{"op":0,"s":1,"t":"READY","d":{"user":{"username":"zo\u00eb \U0001f98a"}}}'


def message(data: str, after: float, *, send: bool = False, opcode: Any = 1, **more: Any) -> dict[str, Any]:
    return {"type": "send" if send else "receive", "time": START + after, "opcode": opcode, "data": data, **more}


TALK = (message(HELLO, 0.5), message(IDENTIFY, 0.75, send=True), message(READY, 1))


def entry(url: str = MAIN, messages: Sequence[Any] = TALK, *, status: int = 101, **more: Any) -> dict[str, Any]:
    """An entry as Chrome writes it, in its order of keys: the messages stand before the address."""
    return {
        "_initiator": {"type": "script"},
        "_priority": "High",
        "_resourceType": "websocket",
        "_webSocketMessages": list(messages),
        "cache": {},
        "request": {
            "method": "GET",
            "url": url,
            "headers": [
                {"name": "Upgrade", "value": "websocket"},
                {"name": "Cookie", "value": "secret=1"},
                {"name": "User-Agent", "value": "Browser/1.0"},
            ],
        },
        "response": {
            "status": status,
            "statusText": "Switching Protocols" if status == 101 else "Forbidden",
            "headers": [{"name": "CF-RAY", "value": "8f00000000000000-XYZ"}],
        },
        "startedDateTime": "2027-01-15T08:00:00.250Z",
        "time": 10_000.0,
        **more,
    }


def har(*entries: Any, creator: str = "WebInspector") -> str:
    log = {"version": "1.2", "creator": {"name": creator, "version": "537.36"}, "pages": [], "entries": entries}
    return json.dumps({"log": log}, ensure_ascii=False, indent=1)


def read(path: Path, data: str | bytes) -> tuple[list[Happening], list[str]]:
    path = path / "day.har"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    source = open_source(path)
    assert isinstance(source, HarFile)
    happenings = list(source)
    assert source.progress == (path.stat().st_size, path.stat().st_size)
    return happenings, [note.replace(str(path), "day.har") for note in source.notes]


def messages_of(happenings: list[Happening]) -> list[bytes]:
    return [happening.data for happening in happenings if isinstance(happening, Frame)]


def opening(happenings: list[Happening]) -> Opened:
    assert isinstance(happenings[0], Opened)
    return happenings[0]


def test_a_connection_of_chrome_counts_as_ended_with_its_last_message(tmp_path: Path) -> None:
    assert read(tmp_path, har({"_resourceType": "document", "request": {}, "response": {}}, entry())) == (
        [
            Opened(
                1,
                START_NS + 250_000_000,
                Plane.GATEWAY,
                MAIN,
                None,
                101,
                None,
                {"user-agent": "Browser/1.0", "response-cf-ray": "8f00000000000000-XYZ"},
                knows=Knows.TIMES | Knows.BOTH_SIDES | Knows.WIRE,
            ),
            Frame(1, START_NS + 500_000_000, False, True, HELLO.encode()),
            Frame(1, START_NS + 750_000_000, True, True, IDENTIFY.encode()),
            Frame(1, START_NS + 1_000_000_000, False, True, READY.encode()),
            Closed(1, START_NS + 1_000_000_000, None),
        ],
        [],
    )


def test_http_addresses_of_mitmproxys_hars_become_websockets(tmp_path: Path) -> None:
    assert opening(read(tmp_path, har(entry("https://gateway.discord.gg/?v=10")))[0]).url == (
        "wss://gateway.discord.gg/?v=10"
    )


@pytest.mark.parametrize(
    ("close", "closed"),
    [
        ({"code": 4014, "reason": "no", "timestamp": 12.5}, Closed(1, START_NS + 10_250_000_000, 4014, "no")),
        ({"reason": ""}, Closed(1, START_NS + 10_250_000_000, 1005, "")),
        ("aborted", Closed(1, START_NS + 10_250_000_000, 1006, "")),
    ],
)
def test_a_close_of_http_toolkit_is_kept(tmp_path: Path, close: Any, closed: Closed) -> None:
    happenings, _ = read(tmp_path, har(entry(_webSocketClose=close)))
    assert happenings[-1] == closed
    assert opening(happenings).knows == Knows.END | Knows.TIMES | Knows.BOTH_SIDES | Knows.WIRE


def test_a_close_is_never_before_the_last_message(tmp_path: Path) -> None:
    close = read(tmp_path, har(entry(_webSocketClose="aborted", time=-1)))[0][-1]
    assert close == Closed(1, START_NS + 1_000_000_000, 1006)


@pytest.mark.parametrize(
    "written",
    [
        lambda data: base64.b64encode(data).decode(),
        lambda data: base64.b64encode(data).decode().rstrip("="),
        lambda data: base64.urlsafe_b64encode(data).decode(),
        lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
        lambda data: base64.encodebytes(data).decode(),
    ],
)
@pytest.mark.parametrize("size", range(4))
def test_binary_messages_are_base64_of_any_kind(tmp_path: Path, written: Any, size: int) -> None:
    data = b"\xfb\xff\xbf\x83m\0\0\0\0"[: 9 - size] * 9
    happenings, _ = read(tmp_path, har(entry(messages=[message(written(data), 1, opcode=2)])))
    assert happenings[1] == Frame(1, START_NS + 1_000_000_000, False, False, data)


def test_binary_that_is_no_base64_is_kept_as_it_is(tmp_path: Path) -> None:
    assert messages_of(read(tmp_path, har(entry(messages=[message("{not base64}", 1, opcode=2)])))[0]) == [
        b"{not base64}"
    ]


def test_pings_are_control_frames_and_what_else_is_there_is_left_out(tmp_path: Path) -> None:
    odd = [message("aGk=", 2, send=True, opcode=9), message("", 3, opcode=10), message("", 4, opcode=8), {}, "x", None]
    happenings, notes = read(tmp_path, har(entry(messages=[*TALK, *odd])))
    assert Knows.PINGS in opening(happenings).knows
    assert happenings[4:-1] == [
        Control(1, START_NS + 2_000_000_000, True, "ping", b"hi"),
        Control(1, START_NS + 3_000_000_000, False, "pong", b""),
    ]
    assert notes == ["skipped in lists of messages, because they are not messages: 2"]


def test_errors_of_the_browser_are_told(tmp_path: Path) -> None:
    error = {"type": "error", "time": START + 3, "opcode": -1, "data": "Connection reset"}
    happenings, notes = read(tmp_path, har(entry(messages=[*TALK, error])))
    assert len(messages_of(happenings)) == 3
    assert notes == ["errors that the browser recorded: 1, the first: Connection reset"]


def test_connections_are_merged_by_time_and_numbered_by_their_start(tmp_path: Path) -> None:
    voice = entry(
        "wss://us-east1.discord.media/?v=8",
        [message('{"op":8,"d":{"v":8,"heartbeat_interval":13750}}', 0.6)],
        startedDateTime="2027-01-15T09:00:00.1+01:00",
    )
    happenings, _ = read(tmp_path, har(entry(), voice))
    assert [(happening.connection, (happening.at_ns - START_NS) // 1_000_000) for happening in happenings] == [
        (1, 100),
        (2, 250),
        (2, 500),
        (1, 600),
        (1, 600),
        (2, 750),
        (2, 1000),
        (2, 1000),
    ]


def test_messages_of_one_connection_keep_their_order(tmp_path: Path) -> None:
    """The clock may have been set back; the order in the list is that of the wire."""
    talk = [message(HELLO, 5), message(IDENTIFY, 3, send=True), message(READY, 4)]
    happenings, notes = read(tmp_path, har(entry(messages=talk)))
    assert messages_of(happenings) == [HELLO.encode(), IDENTIFY.encode(), READY.encode()]
    assert [happening.at_ns for happening in happenings][1:] == [START_NS + 5_000_000_000] * 4
    assert notes == [
        "the clock ran backwards on 1 connection, by up to 2.000 s; 2 times were set to the time of the message before"
    ]


def milliseconds(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same messages as Playwright writes them."""
    return [each | {"time": each["time"] * 1000} for each in messages]


def test_times_of_playwright_are_milliseconds(tmp_path: Path) -> None:
    assert read(tmp_path, har(entry(messages=milliseconds(TALK)), creator="Playwright")) == read(tmp_path, har(entry()))


def test_a_source_without_times_says_so(tmp_path: Path) -> None:
    """Playwright writes -1 for all of them where it was told to leave timing out."""
    happenings, _ = read(tmp_path, har(entry(messages=[each | {"time": -1} for each in TALK]), creator="Playwright"))
    assert {happening.at_ns for happening in happenings} == {START_NS + 250_000_000}
    assert opening(happenings).knows == Knows.BOTH_SIDES | Knows.WIRE


def test_one_message_without_a_time_is_enough(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, har(entry(messages=[*TALK, TALK[2] | {"time": -1}])))
    assert Knows.TIMES not in opening(happenings).knows


def attached(name: Any = "0123456789abcdef0123456789abcdef.jsonl", **more: Any) -> tuple[str, str]:
    """A HAR whose messages are in a file of their own, and that file."""
    apart = entry(**more)
    messages = milliseconds(apart.pop("_webSocketMessages"))
    apart["response"]["content"] = {"size": -1, "mimeType": "x-unknown", "_file": name}
    return har(apart, creator="Playwright"), "".join(json.dumps(each) + "\n" for each in messages)


def zipped(path: Path, files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    with zipfile.ZipFile(path / "made.zip", "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return (path / "made.zip").read_bytes()


NAME = "0123456789abcdef0123456789abcdef.jsonl"


@pytest.mark.parametrize("name", [NAME, f"said/{NAME}", f"what was said/v1.2/{NAME}"])
def test_messages_in_a_file_beside_it_or_below_are_read(tmp_path: Path, name: str) -> None:
    """Playwright's `resourcesDir` names a folder for them."""
    text, lines = attached(name)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(lines, "utf-8")
    assert read(tmp_path, text) == read(tmp_path, har(entry()))


def test_a_folder_is_read_as_the_har_in_it(tmp_path: Path) -> None:
    text, lines = attached()
    (tmp_path / NAME).write_text(lines, "utf-8")
    wanted = read(tmp_path, text)
    source = open_source(tmp_path)
    assert (list(source), source.notes) == wanted
    assert source.progress == ((tmp_path / "day.har").stat().st_size,) * 2


def test_a_folder_with_several_hars_is_not_read_as_one(tmp_path: Path) -> None:
    for name in ("a.har", "b.har"):
        (tmp_path / name).write_text(har(entry()), "utf-8")
    with pytest.raises(CaptureError, match="is a folder; give a file in it"):
        open_source(tmp_path)


def test_the_files_that_belong_to_a_har_are_those_it_names(tmp_path: Path) -> None:
    """The cache knows an import by them, so that one without messages is made again once they are there."""
    text, lines = attached(f"said/{NAME}")
    (tmp_path / "day.har").write_text(text, "utf-8")
    (tmp_path / "other.jsonl").write_text(lines, "utf-8")
    assert list(open_source(tmp_path / "day.har").files()) == [tmp_path / "day.har"]
    (tmp_path / "said").mkdir()
    (tmp_path / "said" / NAME).write_text(lines, "utf-8")
    for path in (tmp_path, tmp_path / "day.har"):
        assert list(open_source(path).files()) == [tmp_path / "day.har", tmp_path / "said" / NAME]


def test_a_name_across_two_pieces_of_the_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harfiles, "_PIECE", 7)
    text, lines = attached()
    (tmp_path / "day.har").write_text(text, "utf-8")
    (tmp_path / NAME).write_text(lines, "utf-8")
    assert harfiles.attached_files(tmp_path / "day.har") == [tmp_path / NAME]


def test_messages_in_the_same_zip_archive_are_read(tmp_path: Path) -> None:
    text, lines = attached()
    data = zipped(tmp_path, {"har.har": text, "page.html": "<p>", NAME: lines})
    assert read(tmp_path, data) == read(tmp_path, har(entry()))


@pytest.mark.parametrize(
    ("key", "value"),
    # Playwright 1.65's, and 1.61's.
    [("_file", f"resources/{NAME}"), ("_sha1", NAME)],
)
def test_a_trace_of_playwright_is_read_as_the_hars_in_it(tmp_path: Path, key: str, value: str) -> None:
    """It has one list of entries for each context, and other things in it."""
    text, lines = attached()
    apart = json.loads(text)["log"]["entries"][0]
    apart["response"]["content"] = {key: value}
    snapshot = json.dumps({"type": "resource-snapshot", "snapshot": apart}) + "\n"
    page = json.dumps({"type": "resource-snapshot", "snapshot": {"request": {}}}) + "\n"
    files = {
        "test.trace": '{"version":10}\n',
        "0-trace.network": page,
        "1-trace.network": page + snapshot + '{"x":1}\n',
    }
    assert read(tmp_path, zipped(tmp_path, {**files, f"resources/{NAME}": lines})) == read(tmp_path, har(entry()))


def test_a_trace_without_a_network_is_told(tmp_path: Path) -> None:
    _, notes = read(tmp_path, zipped(tmp_path, {"trace.trace": "{}"}))
    assert "there is neither a HAR nor a trace's network in its list of contents" in notes[0]


def test_a_file_of_messages_that_is_missing_is_named(tmp_path: Path) -> None:
    text, _ = attached()
    for data in (text, zipped(tmp_path, {"har.har": text})):
        happenings, notes = read(tmp_path, data)
        assert [type(each) for each in happenings] == [Opened, Closed]
        assert notes == [
            f"files of messages that belong to day.har and could not be read: 1 ({NAME}: no such file)",
            "1 gateway connection was opened, but without messages in the file",
        ]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="there are no links here")
def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    text, lines = attached()
    (tmp_path / "private.jsonl").write_text(lines, "utf-8")
    (tmp_path / "in" / NAME).symlink_to(tmp_path / "private.jsonl")
    happenings, notes = read(tmp_path / "in", text)
    assert messages_of(happenings) == []
    assert f"({NAME}: no such file)" in notes[0]


def test_a_file_elsewhere_is_named(tmp_path: Path) -> None:
    """As Playwright writes it where `resourcesDir` is outside of the HAR's folder."""
    assert "(../said/a.jsonl: not below the HAR's folder)" in read(tmp_path, attached("../said/a.jsonl")[0])[1][0]


@pytest.mark.parametrize(
    "name",
    ["../up.jsonl", "x/../../up.jsonl", ".x/up.jsonl", "/etc/passwd", "a/b.jsonl", "secret", "", "\x1b[2J.jsonl", 7],
)
def test_only_names_below_the_har_are_looked_for(tmp_path: Path, name: Any) -> None:
    (tmp_path / "in").mkdir()
    text, lines = attached(name)
    (tmp_path / "in" / "x").mkdir()
    (tmp_path / "in" / ".x").mkdir()
    for place in (tmp_path / "up.jsonl", tmp_path / "in" / "secret", tmp_path / "in" / ".x" / "up.jsonl"):
        place.write_text(lines, "utf-8")
    happenings, notes = read(tmp_path / "in", text)
    assert messages_of(happenings) == []
    assert not any("\x1b" in note for note in notes)


def test_a_file_of_messages_that_is_cut_gives_what_is_whole(tmp_path: Path) -> None:
    text, lines = attached()
    (tmp_path / NAME).write_text(lines[:-20], "utf-8")
    happenings, notes = read(tmp_path, text)
    assert messages_of(happenings) == [HELLO.encode(), IDENTIFY.encode()]
    assert notes == [
        f"files of messages that belong to day.har and could not be read: 1 ({NAME}: it ends early, after 2 messages)"
    ]


def test_a_zip_archive_may_be_cut_or_changed_anywhere(tmp_path: Path) -> None:
    text, lines = attached()
    data = zipped(tmp_path, {"har.har": text, NAME: lines})
    dice = random.Random(1)
    for _ in range(60):
        place = dice.randrange(40, len(data))
        for broken in (data[:place], data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :]):
            for happening in read_quietly(tmp_path, broken):
                assert 0 <= happening.at_ns < 2**63


def read_quietly(path: Path, data: bytes) -> list[Happening]:
    (path / "day.zip").write_bytes(data)
    return list(open_source(path / "day.zip"))


def test_an_archive_that_unpacks_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harfiles, "_ALWAYS", 1000)
    monkeypatch.setattr(harfiles, "_MOST_PACKED", 20)
    text, lines = attached()
    data = zipped(tmp_path, {"har.har": text, NAME: lines + " " * 1_000_000})
    happenings, notes = read(tmp_path, data)
    assert len(messages_of(happenings)) <= 3
    assert notes[0].endswith(f"({NAME}: it unpacks to more than 20 times its size)")


def test_an_archive_that_lists_too_much_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harfiles, "_MOST_LISTED", 1000)
    text, lines = attached()
    data = zipped(tmp_path, {"har.har": text, NAME: lines, **{f"{n}.html": "" for n in range(100)}})
    happenings, notes = read(tmp_path, data)
    assert happenings == []
    assert notes[0] == "day.har cannot be read to the end: it lists too many files; what came before that was read"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_what_unpacks_within_bounds_is_unpacked(tmp_path: Path, method: int) -> None:
    happenings, notes = read(tmp_path, zipped(tmp_path, {"har.har": attached()[0]}, method))
    assert happenings == []
    assert "is encrypted, or compressed with an unsupported method" in notes[0]


def test_a_file_that_playwright_wrote_is_read() -> None:
    happenings, notes = recorded("embed.har")
    assert notes == []
    opened = [each for each in happenings if isinstance(each, Opened)]
    assert [each.knows for each in opened if each.refusal is None] == [Knows.TIMES | Knows.BOTH_SIDES | Knows.WIRE] * 2
    assert [each.refusal for each in opened] == [
        None,
        "Error during WebSocket handshake: Unexpected response code: 403",
        None,
    ]
    said = [
        [each.from_client for each in happenings if isinstance(each, Frame) and each.connection == n] for n in (1, 3)
    ]
    # The first ends as its client asks for it.
    assert said == [[False, True, False, True, False, True], [False, True, False, True, False]]
    times = [each.at_ns for each in happenings]
    assert times == sorted(times)
    assert 50_000_000 < times[-1] - times[0] < 2_000_000_000


@pytest.mark.parametrize(
    "name", ["attach", "attach/har.har", "attach.zip", "resources", "resources/har.har", "trace.zip"]
)
def test_all_forms_of_playwright_read_the_same(name: str) -> None:
    assert recorded(name) == recorded("embed.har")


def test_devtools_and_playwright_tell_the_same_of_the_same_run() -> None:
    """Each asks the browser for the time on its own, and Playwright rounds when a connection was opened."""
    (theirs, _), (ours, notes) = recorded("embed.har"), recorded("devtools.har")
    assert notes == []
    assert [timeless(each) for each in theirs] == [timeless(each) for each in ours]
    for one, other in zip(theirs, ours, strict=True):
        assert abs(one.at_ns - other.at_ns) < 1_000_000


def timeless(happening: Happening) -> Happening:
    if isinstance(happening, Opened) and happening.refusal is not None:
        happening = replace(happening, knows=Knows.NOTHING)
    return replace(happening, at_ns=0)


def test_a_minimal_har_of_playwright_has_no_times_and_says_so() -> None:
    happenings, notes = recorded("minimal.har")
    assert notes == ["2 gateway connections have messages without times in the file; record with mode: 'full'"]
    whole = recorded("embed.har")[0]
    assert [each.data for each in happenings if isinstance(each, Frame)] == messages_of(whole)
    opened = [each for each in happenings if isinstance(each, Opened)]
    assert [each.knows for each in opened if each.refusal is None] == [Knows.BOTH_SIDES | Knows.WIRE] * 2


def test_a_har_of_playwright_without_content_says_how_to_get_it() -> None:
    happenings, notes = recorded("omit.har")
    assert messages_of(happenings) == []
    assert notes == [
        "2 gateway connections were opened, but without messages in the file: Playwright leaves WebSocket messages out "
        "before version 1.61 and with content: 'omit'; record with content: 'embed' or 'attach'"
    ]


def recorded(name: str) -> tuple[list[Happening], list[str]]:
    source = open_source(Path(__file__).parent / "browser" / name, Hints(("127.0.0.1",)))
    return list(source), source.notes


@pytest.mark.parametrize("time", [None, "soon", -1, 10**30, float("inf"), float("nan"), True])
def test_a_message_without_a_time_has_that_of_the_one_before(tmp_path: Path, time: Any) -> None:
    happenings, _ = read(tmp_path, har(entry(messages=[TALK[0], TALK[1] | {"time": time}])))
    assert happenings[2].at_ns == happenings[1].at_ns


def test_an_entry_without_a_start_begins_with_its_first_message(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, har(entry(startedDateTime="yesterday")))
    assert happenings[0].at_ns == happenings[1].at_ns == START_NS + 500_000_000


def zlib_stream(*payloads: str) -> list[dict[str, Any]]:
    stream = zlib.compressobj()
    whole = [stream.compress(payload.encode()) + stream.flush(zlib.Z_SYNC_FLUSH) for payload in payloads]
    return [message(base64.b64encode(data).decode(), n + 1, opcode=2) for n, data in enumerate(whole)]


@pytest.mark.parametrize(
    ("messages", "late"),
    [
        (TALK, False),
        (TALK[1:], True),
        (TALK[1:2], False),
        (zlib_stream(HELLO, READY), False),
        (zlib_stream(HELLO, READY)[1:], True),
    ],
)
def test_a_recording_that_begins_in_the_middle_is_known(tmp_path: Path, messages: list[Any], late: bool) -> None:
    opened = opening(read(tmp_path, har(entry(MAIN + "&compress=zlib-stream", messages, status=0)))[0])
    assert (opened.joined_late, opened.status, opened.refusal) == (late, None, None)


@pytest.mark.parametrize(
    ("status", "more", "refusal"),
    [
        (403, {}, "HTTP 403 Forbidden (cf-ray 8f00000000000000-XYZ)"),
        (0, {"_error": "net::ERR_CONNECTION_REFUSED"}, "net::ERR_CONNECTION_REFUSED"),
        (0, {}, "no answer was recorded"),
    ],
)
def test_a_refused_upgrade_says_why(tmp_path: Path, status: int, more: dict[str, Any], refusal: str) -> None:
    refused = entry(messages=[], status=status, _webSocketClose="aborted")
    refused["response"] |= more
    elsewhere = entry("wss://ws.example.org/", [], status=403)
    happenings, notes = read(tmp_path, har(refused, elsewhere))
    assert opening(happenings).refusal == refusal
    assert len(happenings) == 1
    assert notes == []


def test_an_error_of_chrome_is_the_refusal(tmp_path: Path) -> None:
    error = {"type": "error", "time": START + 1, "opcode": -1, "data": "Error during WebSocket handshake"}
    assert opening(read(tmp_path, har(entry(messages=[error], status=0)))[0]).refusal == (
        "Error during WebSocket handshake"
    )


def test_a_har_of_firefox_says_why_it_is_empty(tmp_path: Path) -> None:
    silent = entry()
    del silent["_webSocketMessages"], silent["_resourceType"]
    happenings, notes = read(tmp_path, har(silent, creator="Firefox"))
    assert [opening(happenings).url] == [MAIN]
    advice = "Firefox leaves WebSocket messages out of its HARs; record with Chrome or Edge, or with gwinspect itself"
    assert notes == [f"1 gateway connection was opened, but without messages in the file: {advice}"]
    assert read(tmp_path, har({"request": {"url": "https://discord.com/app"}}, creator="Firefox")) == (
        [],
        [f"day.har has no gateway WebSocket in it: Firefox 537.36 wrote it, and {advice}"],
    )


@pytest.mark.parametrize("name", [None, 7, [], {"name": "x"}])
def test_an_author_that_is_no_name_does_no_harm(tmp_path: Path, name: Any) -> None:
    assert "has no gateway WebSocket in it" in read(tmp_path, har({}, creator=name))[1][0]


def test_a_har_without_websockets_says_how_to_get_them(tmp_path: Path) -> None:
    assert read(tmp_path, har({"request": {"url": "https://discord.com/app"}})) == (
        [],
        [
            "day.har has no gateway WebSocket in it: WebInspector 537.36 wrote it, and none of its 1 entries holds "
            "WebSocket messages (_webSocketMessages); a browser lists only what begins while its DevTools are open, so "
            "open them, load the page again and then save"
        ],
    )


def test_look_alikes_are_left_out_and_named(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, har(entry("wss://evilgateway.discord.gg/?v=9")))
    assert happenings == []
    assert notes == [
        "1 WebSocket was not a Discord gateway: evilgateway.discord.gg",
        "day.har has no gateway WebSocket in it: none of its WebSockets went to a gateway",
    ]


def test_a_self_hosted_server_is_known_by_its_hello(tmp_path: Path) -> None:
    url = "wss://chat.example/?v=9&encoding=json"
    assert opening(read(tmp_path, har(entry(url)))[0]).url == url
    assert read(tmp_path, har(entry(url, TALK[1:])))[0] == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_encoding_of_json_is_read(tmp_path: Path, encoding: str) -> None:
    assert messages_of(read(tmp_path, har(entry()).encode(encoding))[0])[2] == READY.encode()


def test_lone_surrogates_do_no_harm(tmp_path: Path) -> None:
    text = har(entry(MAIN + "#HERE", [message("HERE", 1)])).replace("HERE", "\\ud800")
    happenings, _ = read(tmp_path, text)
    opening(happenings).url.encode()
    assert messages_of(happenings) == [b"\xed\xa0\x80"]


def test_a_torn_file_gives_the_messages_that_are_whole(tmp_path: Path) -> None:
    """In Chrome's files a torn entry has no address: it is known by its Hello."""
    text = har(entry(), entry())
    cut = text.rindex("READY")
    happenings, notes = read(tmp_path, text[:cut])
    assert [type(happening) for happening in happenings].count(Opened) == 2
    assert messages_of(happenings).count(IDENTIFY.encode()) == 2
    assert messages_of(happenings).count(READY.encode()) == 1
    assert len(notes) == 1
    assert notes[0].startswith("day.har ends early or is damaged at character ")
    assert notes[0].endswith(": what comes before that was read")


def test_a_file_damaged_in_the_middle_gives_what_stands_before(tmp_path: Path) -> None:
    text = har(entry(), entry())
    at = text.rindex('"cache"')
    assert len(messages_of(read(tmp_path, text[:at] + "\0" + text[at:])[0])) == 6


def test_a_file_may_be_torn_anywhere(tmp_path: Path) -> None:
    text = har(entry(), entry())
    for cut in random.Random(1).sample(range(20, len(text) - 1), 80):
        happenings, notes = read(tmp_path, text[:cut])
        assert "ends early" in notes[0]
        whole = text.count("}", 0, cut)
        assert len(messages_of(happenings)) <= whole
        if cut > text.index('"response"'):
            assert len(messages_of(happenings)) >= 3
        for happening in happenings:
            assert not isinstance(happening, Opened) or happening.refusal is None


def test_json_nested_without_end_is_told(tmp_path: Path) -> None:
    assert "cannot be read as JSON" in read(tmp_path, '{"log":{"entries":' + "[" * 200_000)[1][0]


@pytest.mark.parametrize(
    ("before", "count", "after"),
    [
        ('"pages": [', 1_500_000, "0], "),
        ('"entries": [', 300_000, "0], "),
        ('"entries": [{"response": {"content": {"text": [', 1_500_000, "0]}}}], "),
        ('"entries": [{"_webSocketMessages": [', 300_000, "0]}], "),
    ],
)
def test_a_file_full_of_nothing_takes_no_memory(tmp_path: Path, before: str, count: int, after: str) -> None:
    """As a list, every three bytes of it took sixty-four."""
    text = har(entry()).replace('"entries"', f'{before}{"[]," * count}{after}"entries"', 1).encode()
    tracemalloc.start()
    try:
        happenings, _ = read(tmp_path, text)
        assert len(messages_of(happenings)) == 3
        assert tracemalloc.get_traced_memory()[1] < max(15_000_000, 40 * count)
    finally:
        tracemalloc.stop()


def test_plain_http_takes_no_memory(tmp_path: Path) -> None:
    page = {"request": {"url": "https://discord.com/app"}, "response": {"content": {"text": "x" * 500_000}}}
    text = har(*[page] * 60, entry(), *[page] * 60).encode()
    tracemalloc.start()
    try:
        assert len(messages_of(read(tmp_path, text)[0])) == 3
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_messages_that_do_not_fit_into_memory_are_merged_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = har(*(entry(messages=[message(f"{n}.{i}", i + n / 10) for i in range(9)]) for n in range(5)))
    kept = read(tmp_path, text)
    monkeypatch.setattr(har_module, "_IN_MEMORY", 100)
    assert read(tmp_path, text) == kept
    assert [data.decode() for data in messages_of(kept[0])] == [f"{n}.{i}" for i in range(9) for n in range(5)]


def test_the_messages_may_come_before_or_behind_all_else(tmp_path: Path) -> None:
    rest = entry()
    messages = {"_webSocketMessages": rest.pop("_webSocketMessages")}
    assert read(tmp_path, har(messages | rest)) == read(tmp_path, har(rest | messages))


def test_a_message_larger_than_any_is_left_out(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, har(entry(messages=[*TALK, message("x" * 40_000_000, 9)])))
    assert len(messages_of(happenings)) == 3
    assert notes == ["left out of day.har, as they have more than 32 MB of text or 100,000 values: 1 of its parts"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["type", "time", "opcode", "data"])
ENTRY_FIELDS = st.sampled_from(
    ["_webSocketMessages", "_webSocketClose", "request", "response", "startedDateTime", "time"]
)


@given(st.dictionaries(ENTRY_FIELDS, JSON), st.dictionaries(FIELDS, JSON), st.dictionaries(FIELDS, JSON))
def test_any_json_in_any_place_is_read(tmp_path: Path, odd: Any, first: Any, second: Any) -> None:
    messages = [TALK[0] | first, TALK[1] | second, {"request": odd}]
    inside = entry(messages=messages)
    inside["request"] |= odd
    inside["response"] |= odd | {"status": odd.get("time")}
    path = tmp_path / "day.har"
    path.write_text(json.dumps({"log": {"entries": [entry(messages=messages) | odd, inside, odd]}}), "utf-8")
    for happening in open_source(path):
        assert 0 <= happening.at_ns < 2**63


def asked(url: str = "https://discord.com/api/v10/gateway/bot", text: str | None = None, **content: Any) -> Any:
    """GET /gateway/bot, as programs that write HARs have it."""
    limit = {"total": 1000, "remaining": 23, "reset_after": 5_000_000, "max_concurrency": 16}
    said = json.dumps({"shards": 9, "session_start_limit": limit}) if text is None else text
    return {
        "startedDateTime": "2027-01-15T08:00:00.250Z",
        "time": 100.0,
        "request": {"method": "GET", "url": url, "headers": [{"name": "authorization", "value": f"Bot {TOKEN}"}]},
        "response": {"status": 200, "headers": [], "content": {"text": said, **content}},
    }


LIMIT = StartLimit(START_NS + 350_000_000, digest(TOKEN), 9, 1000, 23, 5_000_000, 16)


def test_what_discord_told_of_session_starts_is_given_in_its_time(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, har(entry(), asked()))
    assert [type(each) for each in happenings[:3]] == [Opened, StartLimit, Frame]
    assert happenings[1] == LIMIT
    assert notes == []


def test_an_answer_in_base64_is_read(tmp_path: Path) -> None:
    text = base64.b64encode(asked()["response"]["content"]["text"].encode()).decode()
    assert LIMIT in read(tmp_path, har(entry(), asked(text=text, encoding="base64")))[0]


@pytest.mark.parametrize(
    "other",
    [
        asked("https://discord.com/api/v10/users/@me"),
        asked(text="{"),
        asked(text="[" * 3000),
        {**asked(), "response": {"status": 200}},
        {**asked(), "response": {"status": 200, "content": {"text": 7}}},
        {**asked(), "request": {"method": "GET", "url": 7}},
        {**asked(), "request": None},
    ],
)
def test_no_other_answer_gives_anything(other: Any, tmp_path: Path) -> None:
    assert not any(isinstance(each, StartLimit) for each in read(tmp_path, har(entry(), other))[0])

"""The exchange form, as docs/frames.md describes it: what is in a file is read, what is wrong with it is told."""

import base64
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.importers.formats import open_source
from inspector.importers.frames import FramesFile, records
from inspector.importers.frames.file import Amended
from inspector.importers.frames.records import Lines
from inspector.importers.hints import Hints
from inspector.model import Closed, Control, Frame, Gap, Happening, Mark, Opened, Plane, StartLimit
from tests.conversation import DIALECTS, HELLO, NOON, Conversation, usual

HEADER = {"format": "gwinspect-frames", "version": 1, "tool": "invented", "created_at": "2026-01-31T12:00:00Z"}
AT = "2026-01-31T12:00:00.000001Z"
OPEN = {"kind": "open", "connection": 1, "at": AT, "url": "wss://gateway.discord.gg/?v=10&encoding=json"}
SAID = {"kind": "message", "connection": 1, "at": AT, "direction": "receive", "text": '{"op":11}'}
OURS = {"kind": "open", "connection": 1, "at": AT, "url": "wss://chat.example/?v=10&encoding=json"}


def written(happening: Happening) -> dict[str, Any]:
    """Return the record of a happening, as any program would write it."""
    at = datetime.fromtimestamp(happening.at_ns // 1000 / 1e6, UTC).isoformat(timespec="microseconds")
    common = {"connection": happening.connection, "at": at.replace("+00:00", "Z")}
    match happening:
        case Opened():
            more = {"plane": happening.plane.value, "url": happening.url, "client": happening.client}
            return {"kind": "open", **common, **more, "headers": dict(happening.headers)}
        case Frame():
            direction = {"direction": "send" if happening.from_client else "receive"}
            data = {"text": happening.data.decode()} if happening.is_text else {"bytes": base64_of(happening.data)}
            return {"kind": "message", **common, **direction, **data}
        case Control():
            direction = {"direction": "send" if happening.from_client else "receive"}
            return {"kind": happening.name, **common, **direction, "bytes": base64_of(happening.data)}
        case Closed():
            return {"kind": "close", **common, "code": happening.code, "reason": happening.reason, "by": happening.by}


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def file_of(folder: Path, *lines: dict[str, Any] | bytes, end: bytes = b"\n") -> Path:
    path = folder / "bot.frames.jsonl"
    encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(encoded) + end)
    return path


def read(path: Path) -> tuple[list[Happening], list[str]]:
    source = open_source(path)
    assert isinstance(source, FramesFile)
    return list(source), source.notes


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_a_conversation_comes_back_as_it_was(tmp_path: Path, encoding: str, compression: str) -> None:
    talk = usual(encoding, compression)
    path = file_of(tmp_path, HEADER, *map(written, talk.happenings), {"kind": "end", "at": AT})
    assert read(path) == (talk.happenings, [])


def test_connections_may_interleave(tmp_path: Path) -> None:
    talks = [usual(connection=1), usual(connection=2, plane=Plane.VOICE, url="wss://x.discord.media/?v=8")]
    both = [each for pair in zip(*(talk.happenings for talk in talks), strict=True) for each in pair]
    assert read(file_of(tmp_path, HEADER, *map(written, both))) == (both, [])


def test_all_that_a_happening_can_say_is_read(tmp_path: Path) -> None:
    opened = OPEN | {
        "client": "127.0.0.1:1",
        "status": 403,
        "refusal": "HTTP 403",
        "headers": {"Origin": "x", "response-server": "y", "cookie": "secret", "response-set-cookie": "secret"},
        "joined_late": True,
    }
    message = SAID | {"direction": "send", "marks": ["changed", "redacted", "new"], "forwarded": {"bytes": "AQI="}}
    happenings, _ = read(file_of(tmp_path, HEADER, opened, OPEN | {"connection": 2}, message | {"connection": 2}))
    refused, _, frame = happenings
    assert isinstance(refused, Opened)
    assert isinstance(frame, Frame)
    assert (refused.status, refused.refusal, refused.joined_late) == (403, "HTTP 403", True)
    assert refused.headers == {"origin": "x", "response-server": "y"}
    assert (frame.marks, frame.forwarded) == (Mark.CHANGED | Mark.REDACTED, b"\x01\x02")


def test_text_that_is_not_utf_8_stays_text(tmp_path: Path) -> None:
    message = {**SAID, "bytes": base64_of(b"\xff"), "is_text": True}
    del message["text"]
    happenings, _ = read(file_of(tmp_path, HEADER, OPEN, message))
    assert isinstance(happenings[1], Frame)
    assert (happenings[1].is_text, happenings[1].data) == (True, b"\xff")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T12:00:00.123456Z", NOON + 123_456_000),
        ("2026-01-31T13:00:00.123456789+01:00", NOON + 123_456_789),
        ("2026-01-31t12:00:00.1234567891z", NOON + 123_456_789),
        ("2026-01-31 12:00:00.5Z", NOON + 500_000_000),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("2026-02-31T12:00:00Z", None),
        ("2026-01-31T12:00:00", None),
        ("noon", None),
        (1769860800, None),
        (None, None),
    ],
)
def test_times_are_rfc_3339(text: Any, ns: int | None) -> None:
    assert records.at_ns({"at": text}) == ns


def test_a_record_without_a_time_gets_that_of_the_one_before(tmp_path: Path) -> None:
    happenings, notes = read(file_of(tmp_path, HEADER, OPEN, SAID | {"at": "yesterday"}))
    assert happenings[1].at_ns == happenings[0].at_ns
    assert notes == ["line 3 has no time that can be read; it gets that of the record before"]


def test_numbers_start_over_with_each_header(tmp_path: Path) -> None:
    happenings, notes = read(file_of(tmp_path, HEADER, OPEN, SAID, HEADER, OPEN, SAID, {"kind": "end", "at": AT}))
    assert ([each.connection for each in happenings], notes) == ([1, 1, 2, 2], [])


def test_connections_may_have_names(tmp_path: Path) -> None:
    lines = [each | {"connection": name} for name in ("shard 0", "shard 1") for each in (OPEN, SAID)]
    assert [each.connection for each in read(file_of(tmp_path, HEADER, *lines))[0]] == [1, 1, 2, 2]


def test_what_became_of_a_message_is_read_before_it(tmp_path: Path) -> None:
    amend = {"kind": "amend", "connection": 1, "at": AT}
    lines = [
        SAID,
        amend | {"message": 1, "marks": ["dropped"]},
        SAID,
        SAID,
        amend | {"message": 3, "marks": ["changed"], "forwarded": {"text": "x"}},
    ]
    happenings, notes = read(file_of(tmp_path, HEADER, OPEN, *lines))
    fates = [(each.marks, each.forwarded) for each in happenings if isinstance(each, Frame)]
    assert (fates, notes) == ([(Mark.DROPPED, None), (Mark.NONE, None), (Mark.CHANGED, b"x")], [])


def test_line_by_line_what_became_of_a_message_comes_behind_it(tmp_path: Path) -> None:
    source = FramesFile(tmp_path / "none")
    amend = {"kind": "amend", "connection": 1, "at": AT, "message": 1, "marks": ["dropped"]}
    told = [each for line in (HEADER, OPEN, SAID, amend) for each in source.receive(json.dumps(line).encode())]
    assert told[-1] == Amended(1, Mark.DROPPED, None)


def test_messages_that_are_missing_have_numbers_too(tmp_path: Path) -> None:
    gap = {"kind": "gap", "connection": 1, "at": AT, "sent": 1, "received": 2, "reason": "disk"}
    amend = {"kind": "amend", "connection": 1, "at": AT, "message": 4, "marks": ["dropped"]}
    happenings, notes = read(file_of(tmp_path, HEADER, OPEN, gap, SAID, amend))
    assert isinstance(happenings[2], Frame)
    assert (happenings[2].marks, notes) == (Mark.DROPPED, [])


def test_a_capture_has_room_for_as_many_missing_messages_as_a_file_claims(tmp_path: Path) -> None:
    gap = {"kind": "gap", "connection": 1, "at": AT, "sent": 2**63, "received": 2**63 - 1, "reason": "disk"}
    found, _ = read(file_of(tmp_path, HEADER, OPEN, gap, gap))
    assert sum(each.missing for each in found if isinstance(each, Gap)) < 2**63


def test_unknown_kinds_and_keys_are_skipped_with_a_note(tmp_path: Path) -> None:
    lines = [HEADER | {"more": 1}, OPEN | {"log": {"x": 1}}, {"kind": "weather", "connection": 1}, SAID | {"new": []}]
    happenings, notes = read(file_of(tmp_path, *lines))
    assert len(happenings) == 2
    assert notes == ["records of unknown kinds were skipped: weather (1)"]


def test_a_newer_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    happenings, notes = read(file_of(tmp_path, HEADER | {"version": 2}, OPEN, SAID))
    assert len(happenings) == 2
    assert notes == [
        "bot.frames.jsonl is in version 2 of the format, this gwinspect reads version 1; "
        "what it does not know is skipped"
    ]


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    gap = {"kind": "gap", "at": AT, "until": "2026-01-31T12:00:09Z", "records": 12}
    _, notes = read(file_of(tmp_path, HEADER, OPEN, gap, SAID))
    assert notes == [f"12 records are missing from {AT} to 2026-01-31T12:00:09Z: the file could not be written"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"kind":"mess', "it is not JSON (Unterminated string starting at, character 9)"),
        (b"[1]", "it is not a JSON object"),
        (b'{"kind":"message\xff"}', "it is not UTF-8 (byte 17)"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"{}", "it has no kind"),
        (b'{"format":"other"}', "its format is not gwinspect-frames"),
        (b'{"kind":"message"}', "it has neither text nor bytes"),
        (b'{"kind":"message","text":""}', "its direction is neither send nor receive"),
        (b'{"kind":"message","text":"","direction":"send"}', "it names no connection"),
        (
            b'{"kind":"message","text":"","direction":["send"],"connection":1}',
            "its direction is neither send nor receive",
        ),
        (b'{"kind":"ping","bytes":"!","direction":"send","connection":1}', "its bytes are not base64"),
        (b'{"kind":"amend","connection":1,"message":[7]}', "it does not say which message it amends"),
        (
            b'{"kind":"amend","connection":1,"message":7}',
            "it amends a message that is not the newest of its connection",
        ),
    ],
)
def test_a_damaged_line_costs_no_other(tmp_path: Path, line: bytes, why: str) -> None:
    happenings, notes = read(file_of(tmp_path, HEADER, OPEN, line, SAID))
    assert len(happenings) == 2
    assert notes[:1] == [f"line 3 of bot.frames.jsonl was skipped: {why}"]


def test_many_damaged_lines_are_counted(tmp_path: Path) -> None:
    _, notes = read(file_of(tmp_path, HEADER, OPEN, *[b"{"] * 30, SAID))
    assert len(notes) == 6
    assert notes[-1] == "30 lines of bot.frames.jsonl are damaged and were skipped; the first are listed"


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_last_line_that_breaks_off_is_told(tmp_path: Path, cut: int) -> None:
    path = file_of(tmp_path, HEADER, OPEN, SAID, end=b"")
    path.write_bytes(path.read_bytes()[:-cut])
    happenings, notes = read(path)
    assert len(happenings) == 1
    assert notes == ["bot.frames.jsonl ends in the middle of line 3: it is being written, or was cut off"]


def test_a_last_line_needs_no_end(tmp_path: Path) -> None:
    happenings, notes = read(file_of(tmp_path, HEADER, OPEN, SAID, end=b""))
    assert (len(happenings), notes) == (2, [])


def test_a_line_that_is_too_long_is_skipped_without_being_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_LINE", 1000)
    happenings, notes = read(file_of(tmp_path, HEADER, OPEN, b"x" * 5000, SAID))
    assert len(happenings) == 2
    assert notes[0].startswith("line 3 of bot.frames.jsonl was skipped: it is longer than ")


def test_without_a_beginning_the_rest_is_read(tmp_path: Path) -> None:
    """As `tail -f` gives it."""
    happenings, notes = read(file_of(tmp_path, SAID, SAID))
    assert isinstance(happenings[0], Opened)
    assert (happenings[0].joined_late, len(happenings)) == (True, 3)
    assert notes == [
        "bot.frames.jsonl has no header: its beginning is missing (`tail -n +1 -f` has it)",
        "line 1: the opening of connection 1 is missing; it is read from here on",
    ]


def test_line_ends_of_windows_and_its_mark_of_order_are_no_matter(tmp_path: Path) -> None:
    path = file_of(tmp_path, HEADER, OPEN, SAID)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    happenings, notes = read(path)
    assert (len(happenings), notes) == (2, [])


# Which WebSockets are gateways


def test_another_host_is_a_gateway_once_it_says_hello(tmp_path: Path) -> None:
    hello = SAID | {"text": json.dumps(HELLO)}
    happenings, notes = read(file_of(tmp_path, HEADER, OURS, SAID | {"direction": "send"}, hello, SAID))
    assert ([type(each) for each in happenings], notes) == ([Opened, Frame, Frame, Frame], [])


def test_what_does_not_say_hello_is_left_out_with_a_note(tmp_path: Path) -> None:
    close = {"kind": "close", "connection": 1, "at": AT, "code": 1000}
    happenings, notes = read(file_of(tmp_path, HEADER, OURS, SAID, SAID, close))
    assert happenings == []
    assert notes[0] == "1 WebSocket was not a Discord gateway: chat.example"


@pytest.mark.parametrize("more", [{"plane": "voice"}, {}])
def test_what_the_file_names_is_a_gateway(tmp_path: Path, more: dict[str, str]) -> None:
    header = HEADER if more else HEADER | {"hosts": ["chat.example"]}
    happenings, _ = read(file_of(tmp_path, header, OURS | more))
    assert [each.plane for each in happenings if isinstance(each, Opened)] == [Plane(more.get("plane", "gateway"))]


def test_hosts_that_are_named_by_hand_are_gateways(tmp_path: Path) -> None:
    assert (
        len(
            list(
                open_source(file_of(tmp_path, HEADER, OURS | {"url": "wss://chat.example/"}), Hints(("chat.example",)))
            )
        )
        == 1
    )


def test_nothing_in_it_is_told(tmp_path: Path) -> None:
    path = file_of(tmp_path, HEADER)
    _, notes = read(path)
    why = "no connection was recorded; make sure that the client goes through the proxy"
    assert notes == [f"{path} has no gateway WebSocket in it: {why}"]


# Any input


@given(st.binary(max_size=400), st.lists(st.integers(1, 60)))
def test_lines_are_the_same_however_the_bytes_come(data: bytes, sizes: list[int]) -> None:
    data = data.replace(b"\x00", b"\n")
    lines = Lines()
    given_lines: list[bytes | None] = []
    for size in [*sizes, 400]:
        given_lines += lines.take(data[:size])
        data_left = data[size:]
        data = data_left
    rest = lines.rest()
    joined = b"\n".join(line for line in [*given_lines, rest] if line is not None)
    assert b"\n" not in b"".join(line for line in given_lines if line)
    assert joined.count(b"\n") == len(given_lines)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9), st.lists, max_leaves=3
)
FIELDS = ("connection", "at", "direction", "text", "bytes", "marks", "forwarded", "message", "url", "plane", "headers")
FIELDS += ("status", "refusal", "code", "reason", "by", "hosts", "version", "records", "until", "is_text", "format")
KINDS = ("open", "message", "ping", "pong", "amend", "close", "gap", "end", "weather")
RECORDS = st.builds(
    lambda kind, base, odd: base | kind | odd,
    st.sampled_from(KINDS).map(lambda kind: {"kind": kind}),
    st.sampled_from([OPEN, SAID, OURS, {}]),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
)


@given(st.lists(RECORDS, max_size=8))
def test_any_records_are_read_or_skipped(tmp_path: Path, odd: Iterable[dict[str, Any]]) -> None:
    happenings, _ = read(file_of(tmp_path, HEADER, *odd))
    for happening in happenings:
        assert happening.connection > 0
        assert 0 <= happening.at_ns < 2**63


def test_conversations_of_many_make_no_trouble(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO)
    lines = [written(each) for each in talk.happenings]
    many = [line | {"connection": number} for number in range(300) for line in lines]
    happenings, notes = read(file_of(tmp_path, HEADER, *many))
    assert ({each.connection for each in happenings}, notes) == (set(range(1, 301)), [])


TOLD = {"total": 1000, "remaining": 23, "reset_after": 5_000_000, "max_concurrency": 16}
LIMIT = {"kind": "start-limit", "at": AT, "token": "0123abcd", "shards": 9, "session_start_limit": TOLD}


def test_what_discord_told_of_session_starts_is_read(tmp_path: Path) -> None:
    source = FramesFile(file_of(tmp_path, HEADER, OPEN, LIMIT, LIMIT | {"token": "a real token"}))
    _, first, second = source
    assert first == StartLimit(NOON + 1000, "0123abcd", 9, 1000, 23, 5_000_000, 16)
    assert second == replace(first, token=None)
    assert source.notes == []


@pytest.mark.parametrize(
    "odd", [{"shards": None}, {"session_start_limit": 7}, {"session_start_limit": TOLD | {"total": -1}}]
)
def test_what_says_something_else_of_them_is_named(odd: dict[str, Any], tmp_path: Path) -> None:
    source = FramesFile(file_of(tmp_path, HEADER, OPEN, LIMIT | odd))
    assert [type(each) for each in source] == [Opened]
    assert source.notes == ["line 3 of bot.frames.jsonl was skipped: it is not what GET /gateway/bot answers"]


def test_rows_that_show_printed_are_no_frames() -> None:
    """They are a log: `inspector.importers.logs` reads them."""
    row = b'{"n":1,"at":"2026-01-31T12:00:00Z","connection":1,"plane":"gateway","kind":"open","direction":null}\n'
    assert not FramesFile.recognizes(row)
    assert FramesFile.recognizes(row.replace(b'"n":1,', b""))

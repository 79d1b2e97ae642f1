"""Rows as text and as JSON lines."""

import json
import re
from datetime import UTC
from pathlib import Path

import pytest
from wcwidth import wcswidth

from inspector.model import Closed, Event, Kind, Mark, Opened, Plane, Undecoded
from inspector.protocol.registry import default
from inspector.report import jsonl
from inspector.report.present import Presenter
from inspector.report.rows import open_rows
from inspector.report.text import TextRows
from inspector.report.values import clock, day, duration, iso, size

NOON = 1_769_860_800_000_000_000  # 2026-01-31 12:00:00 UTC
SAMPLES = Path(__file__).parents[2] / "sample_captures"


class NoRows:
    """Stands for a recording of which nothing is needed but names."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.names: dict[int, str] = {}

    def connection(self, number: int):
        raise AssertionError("not needed")


def shown(event: Event, *, reveal: bool = False):
    return Presenter(default(), reveal=reveal).show(event, NoRows())


def message(text: str, **more) -> Event:
    body = {"op": 0, "t": "MESSAGE_CREATE", "s": 7, "d": {"content": text, "author": {"username": "ada"}}}
    data = json.dumps(body).encode()
    event = Event(3, 2, NOON, Plane.GATEWAY, Kind.PAYLOAD, False, op=0, event="MESSAGE_CREATE", seq=7)
    event.encoding, event.payload, event.wire_bytes, event.decoded_bytes = "json", data, 40, len(data)
    for name, value in more.items():
        setattr(event, name, value)
    return event


def lines(event: Event, **options) -> list[str]:
    return list(TextRows(zone=UTC, **options).lines(shown(event)))


def test_sizes_and_spans_have_units() -> None:
    assert [size(n) for n in (0, 999, 1000, 12_345, 3_100_000, 10**13)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "12 kB",
        "3.1 MB",
        "10 TB",
    ]
    assert [duration(n) for n in (7_000_000, 1_500_000_000, 245_000_000_000, 7_800_000_000_000)] == [
        "7 ms",
        "1.50 s",
        "4:05",
        "2 h 10 min",
    ]


def test_times_are_exact_and_hostile_ones_harmless() -> None:
    assert iso(NOON + 123_456_789) == "2026-01-31T12:00:00.123456Z"
    assert clock(NOON + 123_456_789, UTC) == "12:00:00.123"
    assert day(2**70, UTC) == "1970-01-01 UTC"


def test_a_day_is_said_once() -> None:
    rows = TextRows(zone=UTC)
    assert [len(list(rows.lines(shown(message(text))))) for text in "ab"] == [2, 1]


@pytest.mark.parametrize("width", [80, 95, 105, 120, 160])
def test_a_row_fits_the_terminal(width: int) -> None:
    row = lines(message("日本語 and more than would ever fit into one line of a terminal " * 3), width=width)[-1]
    assert wcswidth(row) <= width
    assert row.endswith("…")


def test_colour_is_an_extra() -> None:
    plain, coloured = lines(message("hi")), lines(message("hi"), colour=True)
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in coloured] == plain


def test_ascii_will_do() -> None:
    assert all(line.isascii() for line in lines(message("hi"), ascii_only=True))


def test_escapes_of_the_wire_never_reach_the_terminal() -> None:
    text = "\n".join(lines(message("\x1b[31m\u202e\x9b2J\x07", event="E\x1b[31mVIL")))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_what_the_proxy_did_is_said() -> None:
    assert "[dropped by the proxy] ada" in lines(message("hi", marks=Mark.DROPPED | Mark.REDACTED))[-1]


def test_json_lines_hold_the_contract() -> None:
    record = json.loads(jsonl.line(shown(message("hi"))))
    assert record["at"] == "2026-01-31T12:00:00.000000Z"
    assert (record["n"], record["connection"], record["plane"], record["kind"]) == (3, 2, "gateway", "payload")
    assert (record["direction"], record["op"], record["name"]) == ("receive", 0, "Dispatch")
    assert (record["event"], record["seq"], record["wire_bytes"], record["encoding"]) == (
        "MESSAGE_CREATE",
        7,
        40,
        "json",
    )
    assert record["d"] == {"content": "hi", "author": {"username": "ada"}}
    assert record["findings"] == []


def test_absent_and_null_bodies_differ() -> None:
    for data, has in ((b'{"op":11}', False), (b'{"op":11,"d":null}', True)):
        event = message("", payload=data, op=11, event=None)
        assert ("d" in json.loads(jsonl.line(shown(event)))) is has


def test_a_close_says_what_to_do() -> None:
    event = Event(1, 1, NOON, Plane.VOICE, Kind.CLOSE)
    event.closed = Closed(1, NOON, 4014, "Disconnected.", "server")
    close = json.loads(jsonl.line(shown(event)))["close"]
    assert (close["code"], close["name"], close["by"], close["reason"]) == (
        4014,
        "Disconnected",
        "server",
        "Disconnected.",
    )
    assert (close["reconnect"], close["resume"]) == (False, False)
    assert "moved" in close["meaning"]


def test_a_client_that_says_1000_ends_its_session() -> None:
    event = Event(1, 1, NOON, Plane.GATEWAY, Kind.CLOSE)
    event.closed = Closed(1, NOON, 1000, "", "client")
    assert json.loads(jsonl.line(shown(event)))["close"]["resume"] is False


def test_what_is_undecoded_says_why_and_keeps_its_bytes() -> None:
    event = Event(1, 1, NOON, Plane.GATEWAY, Kind.UNDECODED, False)
    event.undecoded = Undecoded("corrupt", "a message was lost", 17)
    record = json.loads(jsonl.line(shown(event), b"\xff\x00"))
    assert record["undecoded"] == {"reason": "corrupt", "offset": 17, "text": "a message was lost"}
    assert record["raw"] == "/wA="


def test_secrets_are_masked_unless_revealed() -> None:
    data = b'{"op":2,"d":{"token":"a-token-that-nobody-has-ever-had"}}'
    event = message("", payload=data, op=2, event=None, from_client=True)
    assert b"a-token" not in jsonl.line(shown(event))
    assert b"a-token-that-nobody" in jsonl.line(shown(event, reveal=True))


def test_every_digit_of_a_number_is_kept() -> None:
    data = b'{"op":0,"t":"X","s":1,"d":{"id":41771983423143937,"big":123456789012345678901234567890,"nan":NaN}}'
    line = jsonl.line(shown(message("", payload=data)))
    assert b'"id":41771983423143937' in line.replace(b": ", b":")
    assert b'"big":123456789012345678901234567890' in line.replace(b": ", b":")


def test_rows_of_a_foreign_file_are_those_of_a_capture(tmp_path: Path) -> None:
    from inspector.importers.source import Source
    from inspector.report.rows import ImportedRows
    from inspector.store.reader import Reader, stored_happenings

    class Replayed(Source):
        format = "a capture, read as if it were foreign"

        def _happenings(self):
            for batch in stored_happenings(Reader(self.path).db):
                yield from batch

        def _why_empty(self) -> str:
            return ""

        @classmethod
        def recognizes(cls, head: bytes) -> bool:
            return True

    capture = SAMPLES / "resume.gwcap"
    presenter = Presenter(default())
    ours, foreign = open_rows(capture, default()), ImportedRows(Replayed(capture), default())
    assert [jsonl.line(presenter.show(e, ours), ours.raw(e)) for e in ours] == [
        jsonl.line(presenter.show(e, foreign), foreign.raw(e)) for e in foreign
    ]


def test_an_opening_shows_plane_and_url() -> None:
    event = Event(1, 1, NOON, Plane.VOICE, Kind.OPEN)
    event.opened = Opened(1, NOON, Plane.VOICE, "wss://invented.discord.media:2048/?v=8")
    row = lines(event)[-1]
    assert row.split()[1:4] == ["#1", "●", "open"]
    assert row.split()[4] == "voice"
    assert "wss://invented.discord.media:2048" in row


def test_a_refusal_is_no_opening() -> None:
    event = Event(1, 1, NOON, Plane.GATEWAY, Kind.OPEN)
    event.opened = Opened(1, NOON, Plane.GATEWAY, "wss://gateway.discord.gg/", status=403, refusal="HTTP 403 Forbidden")
    row = lines(event)[-1]
    assert "✕ refused" in row
    assert "HTTP 403 Forbidden" in row

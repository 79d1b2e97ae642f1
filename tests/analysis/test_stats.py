"""The numbers of a recording: what rows say, counted, and nothing that a row may claim breaks them."""

import json
import sqlite3
from collections import Counter
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.analysis import stats as module
from inspector.analysis.stats import MediaStats, Stats, Survey
from inspector.errors import CaptureError
from inspector.model import Event, Kind, Plane, Severity, Side
from inspector.protocol.registry import default
from inspector.query.grammar import parse
from inspector.query.search import Search
from inspector.report.stats_jsonl import jsonl
from inspector.report.stats_text import lines
from inspector.session.redact import digest
from inspector.store.chunks import pack
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import ACK, HEARTBEAT, HELLO, NOON, TOKEN, Conversation, usual
from tests.diagnose.login_talk import told

SAMPLES = sorted(Path("sample_captures").glob("*.gwcap"))
MS = 1_000_000
USER = "80351110224678912"
HEARD = {
    "ssrc": 2001, "user_id": USER, "media": "audio", "payload_type": 120, "codec": "opus", "packets": 210,
    "bytes": 33120, "lost": 3, "duplicates": 1, "reordered": 2, "jitter_ms": 2.0, "duration_ms": 4200,
}  # fmt: skip


def written(path: Path, *talks: Conversation) -> Path:
    writer = Writer(path, default(), made_by="test")
    writer.write(sorted((h for talk in talks for h in talk.happenings), key=lambda happening: happening.at_ns))
    writer.finish()
    return path


def add_row(path: Path, d: Any = None, **row: Any) -> None:
    """Add a row that nobody would record, with a payload where `d` is given."""
    db = sqlite3.connect(path)
    usual = {
        "connection": 1, "at": NOON, "plane": "gateway", "kind": "payload", "from_client": 0, "first_frame": 1,
        "last_frame": 1, "wire_bytes": 10, "decoded_bytes": 20, "encoding": "json", "marks": 0, "severity": 0,
    }  # fmt: skip
    row = usual | row
    made = db.execute(f"insert into event ({', '.join(row)}) values ({', '.join('?' * len(row))})", [*row.values()])
    if d is not None:
        data = d if isinstance(d, bytes) else json.dumps({"op": "rtp", "d": d}).encode()
        db.execute("insert into payload_tail values (?, ?)", (made.lastrowid, data))
    db.commit()
    db.close()


def add_media(path: Path, d: Any, **row: Any) -> None:
    add_row(path, d, **{"connection": 9, "plane": "media", "op": "rtp"} | row)


def stats_of(path: Path, where: str = "", **more: Any) -> Stats:
    reader = Reader(path)
    try:
        return Survey(reader, default(), Search(parse(where, default()), default()) if where else None, **more).take()
    finally:
        reader.close()


@pytest.fixture
def talked(tmp_path: Path) -> Path:
    return written(tmp_path / "talk.gwcap", usual(compression="zlib-stream"))


@pytest.mark.parametrize(("by", "name"), [("server", "Unknown error"), ("client", "")])
def test_a_close_has_discords_name_only_where_the_server_closed(by: Side, name: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.gwcap", Conversation().opens().server(HELLO).closes(4000, by=by))
    assert [each.close_name for each in stats_of(path).connections] == [name]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_are_counted_exactly(path: Path) -> None:
    reader = Reader(path)
    events = [*reader.all_events()]
    reader.close()
    found = stats_of(path)
    messages = [event for event in events if event.kind not in (Kind.OPEN, Kind.CLOSE)]

    def key(event: Event) -> tuple[object, ...]:
        return event.plane, event.kind, event.op, event.event, event.from_client

    assert found.rows == len(events)
    assert (found.began_ns, found.ended_ns) == (events[0].at_ns, max(event.at_ns for event in events))
    named = {(name.plane, name.kind, name.op, name.event, name.from_client): name for name in found.names}
    assert {each: name.count for each, name in named.items()} == Counter(map(key, messages))
    for each, name in named.items():
        same = [event for event in messages if key(event) == each]
        assert name.wire_bytes == sum(event.wire_bytes for event in same)
        assert name.decoded_bytes == sum(event.decoded_bytes for event in same)
        assert name.largest_wire == max(event.wire_bytes for event in same)
    for connection in found.connections:
        own = [event for event in messages if event.connection == connection.id]
        assert connection.rows == sum(event.connection == connection.id for event in events)
        for traffic, side in ((connection.sent, True), (connection.received, False)):
            theirs = [event for event in own if bool(event.from_client) is side]
            assert traffic.messages == len(theirs)
            assert traffic.wire_bytes == sum(event.wire_bytes for event in theirs)
            assert traffic.decoded_bytes == sum(event.decoded_bytes for event in theirs)
    noticed = Counter((finding.rule, finding.severity) for event in events for finding in event.findings)
    assert {(rule.rule, rule.severity): rule.count for rule in found.rules} == noticed
    total = Counter(severity for (_, severity), count in noticed.items() for _ in range(count))
    assert total == sum((Counter(connection.findings) for connection in found.connections), Counter())


def test_the_largest_name_comes_first(talked: Path) -> None:
    counts = [name.count for name in stats_of(talked).names]
    assert counts == sorted(counts, reverse=True)
    sizes = [name.wire_bytes for name in stats_of(talked, by="bytes").names]
    assert sizes == sorted(sizes, reverse=True)


def test_names_beyond_the_bound_are_counted_together(talked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = stats_of(talked)
    monkeypatch.setattr(module, "MOST", 2)
    found = stats_of(talked)
    assert found.names == everything.names[:2]
    assert found.unnamed == sum(name.count for name in everything.names[2:])


def test_the_ratio_is_that_of_what_could_be_read(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).frame(b"{nonsense" * 100, is_text=True)
    received = stats_of(written(tmp_path / "a.gwcap", talk)).received
    assert received.wire_bytes > received.read_bytes
    assert received.ratio == 1.0
    assert stats_of(written(tmp_path / "b.gwcap", Conversation().opens())).received.ratio is None


def test_a_connection_that_was_too_short_has_no_rate(tmp_path: Path) -> None:
    short, long = usual(), Conversation(connection=2).opens().client(HEARTBEAT).waits(1980).closes()
    first, second = stats_of(written(tmp_path / "a.gwcap", short, long)).connections
    assert (first.per_second, second.per_second) == (None, 0.5)


def test_heartbeats_have_their_shortest_median_and_longest_trip(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO)
    for ms in range(1, 101):
        talk.client(HEARTBEAT).waits(ms - 10).server(ACK)
    talk.client(HEARTBEAT)
    (found,) = stats_of(written(tmp_path / "a.gwcap", talk)).heartbeats
    assert (found.sent, found.answered, found.unanswered) == (101, 100, 1)
    assert (found.shortest_ns, found.p95_ns, found.longest_ns) == (1 * MS, 95 * MS, 100 * MS)
    assert found.median_ns == int(50.5 * MS)


def test_heartbeats_that_nobody_answered_are_told(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(HEARTBEAT).client(HEARTBEAT)
    path = written(tmp_path / "a.gwcap", talk)
    for where in ("", "conn == 1", "dir == send"):
        (found,) = stats_of(path, where).heartbeats
        assert (found.sent, found.unanswered, found.median_ns, found.outline) == (2, 2, None, ())


def test_a_filter_that_hides_acks_does_not_make_heartbeats_unanswered(talked: Path) -> None:
    assert stats_of(talked).heartbeats
    assert stats_of(talked, "dir == send").heartbeats == ()


def test_only_rows_that_pass_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gwcap", usual(), Conversation(connection=2).opens().server(HELLO).client(HEARTBEAT))
    found = stats_of(path, "op == heartbeat and conn == 1")
    assert (found.rows, found.filtered, found.frames) == (1, True, None)
    assert [connection.id for connection in found.connections] == [1]
    assert [(name.name, name.count) for name in found.names] == [("Heartbeat", 1)]
    assert found.measured.total.sent == 1
    assert stats_of(path, "event == NOTHING").connections == ()


def test_findings_are_those_of_rows_that_pass(talked: Path) -> None:
    assert [rule.rule for rule in stats_of(talked).rules] == ["close-4004"]
    assert stats_of(talked, "kind == close").rules == stats_of(talked).rules
    assert stats_of(talked, "kind == close").connections[0].findings == {Severity.ERROR: 1}
    assert stats_of(talked, "op == hello").rules == ()


def test_a_payload_decides_where_the_filter_asks_for_one(talked: Path) -> None:
    (name,) = stats_of(talked, "d.content == 'good morning'").names
    assert (name.event, name.count) == ("MESSAGE_CREATE", 1)


def test_a_reader_is_as_before_once_it_was_counted(talked: Path) -> None:
    reader = Reader(talked)
    before = [event.n for event in reader.all_events()]
    survey = Survey(reader, default(), Search(parse("op == hello", default()), default()))
    assert survey.take() == survey.take()
    assert [event.n for event in reader.all_events()] == before
    reader.close()


def test_an_empty_capture_has_nothing(tmp_path: Path) -> None:
    found = stats_of(written(tmp_path / "empty.gwcap"))
    assert (found.rows, found.frames, found.began_ns, found.sessions) == (0, 0, 0, 0)
    assert found.connections == found.names == found.heartbeats == found.media == found.rules == ()


def test_refused_connections_are_connections(tmp_path: Path) -> None:
    talk = Conversation().opens(status=403, refusal="HTTP 403 Forbidden")
    found = stats_of(written(tmp_path / "a.gwcap", talk))
    (connection,) = found.connections
    assert (connection.refusal, connection.traffic.messages, connection.per_second) == ("HTTP 403 Forbidden", 0, None)
    assert found.names == ()


def test_progress_is_told_and_never_goes_back(talked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.analysis.measure.Measures.advance.__defaults__", (3,))
    told: list[tuple[int, int]] = []
    reader = Reader(talked)
    survey = Survey(reader, default(), Search(parse("dir == receive", default()), default()))
    survey.take(lambda done, total: told.append((done, total)))
    reader.close()
    assert len(told) > 2
    assert told == sorted(told)
    assert all(done <= total for done, total in told)


@pytest.mark.parametrize(
    "row",
    [
        {"connection": 77},
        {"op": "x" * 500, "plane": "remote-auth"},
        {"op": -(2**63)},
        {"event": "\x1b[31m" + "x" * 500},
        {"from_client": None},
        {"at": 2**62},
        {"decoded_bytes": 2**50},
        {"encoding": "klingon", "plane": "media", "op": "rtp"},
        {"plane": "media", "op": "rtp", "user_id": -1, "from_client": None},
    ],
)
def test_odd_rows_are_counted(talked: Path, row: dict[str, Any]) -> None:
    before = stats_of(talked).rows
    add_row(talked, **row)
    for where in ("", "n > 0"):
        found = stats_of(talked, where)
        assert found.rows == before + 1
        assert sum(name.count for name in found.names) + found.unnamed == found.sent.messages + found.received.messages


@pytest.mark.parametrize(
    "assignment",
    [
        "close_code = -7, close_reason = null",
        "opened_at = 2e18",
        "url = 'wss://['",
    ],
)
def test_odd_connections_are_counted(talked: Path, assignment: str) -> None:
    db = sqlite3.connect(talked)
    db.execute(f"update connection set {assignment}")
    db.commit()
    db.close()
    found = stats_of(talked)
    assert [connection.rows for connection in found.connections] == [found.rows]
    text = "".join(lines(found, "a")) + b"".join(jsonl(found, "a")).decode()
    assert "\x1b" not in text


def test_a_capture_that_still_grows_can_be_counted(tmp_path: Path) -> None:
    path = tmp_path / "live.gwcap"
    talk = usual()
    writer = Writer(path, default(), made_by="test")
    writer.write(talk.happenings[:5])
    first = stats_of(path)
    writer.write(talk.happenings[5:])
    writer.finish()
    assert (first.rows, first.connections[0].closed) == (5, None)
    assert stats_of(path).rows == 11


def test_what_cannot_be_counted_is_said_in_a_sentence(talked: Path) -> None:
    add_row(talked, wire_bytes="many")
    add_row(talked, wire_bytes=2**63 - 1)
    add_row(talked, wire_bytes=2**63 - 1)
    with pytest.raises(CaptureError, match="cannot be read"):
        stats_of(talked)


def test_media_is_told_by_connection_direction_and_ssrc(talked: Path) -> None:
    for more in ({}, {"from_client": 1}, {"connection": 10}):
        add_media(talked, HEARD, **more)
    add_media(talked, HEARD | {"ssrc": 7})
    add_media(talked, HEARD | {"packets": 90, "jitter_ms": 5.0, "bytes": 4680, "lost": 0, "duration_ms": 1800})
    found = stats_of(talked)
    assert [(each.connection, each.from_client, each.ssrc) for each in found.media] == [
        (9, False, 2001), (9, True, 2001), (10, False, 2001), (9, False, 7),
    ]  # fmt: skip
    assert found.media[0] == MediaStats(
        9, False, 2001, USER, "audio", "opus", rows=2, packets=300, bytes=37800, duration_ms=6000, kbit_per_s=50.4,
        lost=3, reordered=4, duplicates=2, jitter_ms=pytest.approx(2.9), largest_jitter_ms=5.0,
    )  # fmt: skip
    assert found.media[0].loss == 3 / 303


def test_packed_payloads_of_media_are_read_too(talked: Path) -> None:
    add_media(talked, HEARD)
    db = sqlite3.connect(talked)
    ((number, data),) = db.execute("select event, data from payload_tail where event = (select max(id) from event)")
    db.execute("delete from payload_tail")
    db.execute("insert into payload_chunk values (?, ?, ?)", (number, number, pack([(number, data)])))
    db.commit()
    db.close()
    assert stats_of(talked).media[0].packets == 210


def test_what_media_does_not_tell_is_unknown_and_not_nothing(talked: Path) -> None:
    add_media(talked, {"ssrc": 1, "packets": 0, "lost": 0}, user_id=int(USER))
    (found,) = stats_of(talked).media
    assert (found.packets, found.lost, found.loss, found.user_id) == (0, 0, None, USER)
    unknown = (found.bytes, found.reordered, found.duplicates, found.jitter_ms, found.duration_ms, found.kbit_per_s)
    assert unknown == (None,) * 6


def test_other_rows_of_media_are_no_streams(talked: Path) -> None:
    add_media(talked, {"ssrc": 1}, op="discovery")
    found = stats_of(talked)
    assert found.media == ()
    assert "discovery" in [name.op for name in found.names]


def test_streams_beyond_the_bound_are_counted_together(talked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    for ssrc in (1, 2, 3, 2, 4):
        add_media(talked, {"ssrc": ssrc})
    found = stats_of(talked)
    assert [(each.ssrc, each.rows) for each in found.media] == [(1, 1), (2, 2)]
    assert found.unheard == 2


def test_media_was_never_compressed_and_has_no_ratio(talked: Path) -> None:
    before = stats_of(talked).received.ratio
    add_media(talked, HEARD, wire_bytes=33120, decoded_bytes=300)
    assert stats_of(talked).received.ratio == before


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=100), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), st.just(10**400), st.just(-1), st.just(2**32),
)  # fmt: skip


@given(d=st.one_of(ODD, st.fixed_dictionaries({}, optional=dict.fromkeys(HEARD, ODD))))
def test_media_may_say_anything(d: Any) -> None:
    stream = module._Stream()
    stream.add(d if isinstance(d, dict) else {})
    view = stream.view(1, None, None)
    for number in (view.packets, view.bytes, view.duration_ms, view.lost, view.jitter_ms, view.kbit_per_s, view.loss):
        assert number is None or number >= 0
    assert view.user_id is None or len(view.user_id) <= 80


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"d":7}', b'{"d":[1]}', b'{"op":"rtp"}', b"\xff"])
def test_payloads_that_are_no_account_of_packets_leave_a_stream_unknown(talked: Path, data: bytes) -> None:
    add_media(talked, data)
    (found,) = stats_of(talked).media
    assert (found.rows, found.ssrc, found.packets, found.media) == (1, None, None, None)


def test_planes_are_those_of_the_model(talked: Path) -> None:
    add_media(talked, HEARD)
    assert {name.plane for name in stats_of(talked).names} == {Plane.GATEWAY, Plane.MEDIA}


def test_what_discord_told_of_session_starts_is_there_of_each_bot_as_of_last(tmp_path: Path) -> None:
    happenings = [told(), told(1000, remaining=23), told(token=None, shards=9), *usual().happenings]
    writer = Writer(tmp_path / "a.gwcap", default(), made_by="test")
    writer.write(happenings)
    writer.finish()
    stats = stats_of(tmp_path / "a.gwcap")
    assert stats.start_limits == (told(1000, remaining=23), told(token=None, shards=9))
    assert stats_of(tmp_path / "a.gwcap", "op == 2").start_limits == stats.start_limits
    shown = list(lines(stats, "a", zone=UTC))
    at = next(i for i, line in enumerate(shown) if line.startswith("Session starts"))
    assert shown[at:] == [
        "Session starts, as GET /gateway/bot told them",
        "                           at  token             left  all again after  at once  shards",
        f"  2026-01-31 UTC 11:59:59.000  ••••{digest(TOKEN)[:4]}   23 of 1,000      24 h 00 min        1       1",
        "  2026-01-31 UTC 11:59:57.000  ••••      999 of 1,000      24 h 00 min        1       9",
    ]
    told_of = [record for line in jsonl(stats, "a") if (record := json.loads(line))["kind"] == "start-limit"]
    assert told_of[0] == {
        "kind": "start-limit", "capture": "a", "at": "2026-01-31T11:59:59.000000Z", "token": told().token, "shards": 1,
        "total": 1000, "remaining": 23, "reset_after_ms": 86_400_000, "max_concurrency": 1,
    }  # fmt: skip

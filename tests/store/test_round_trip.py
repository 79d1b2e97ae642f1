"""Whatever happens is read as it was written, however it was handed over and whatever went wrong meanwhile."""

import errno
import os
import random
import signal
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from inspector.model import Closed, Control, Event, Finding, Frame, Happening, Kind, Mark, Opened, Plane, Severity
from inspector.pipeline import Outcome, Pipeline
from inspector.protocol.registry import default
from inspector.session.redact import digest
from inspector.store import rows
from inspector.store.chunks import CHUNK_BYTES, CHUNK_EVENTS, pack, unpack
from inspector.store.making import create
from inspector.store.reader import Reader, stored_happenings
from inspector.store.reindex import reindex
from inspector.store.writer import BATCH, Writer
from tests.conversation import (
    DIALECTS,
    HEARTBEAT,
    HELLO,
    SESSION,
    TOKEN,
    Conversation,
    identify,
    message,
    resume,
    usual,
)
from tests.fed import fed

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.gwcap"


def writer_of(path: Path, *, keep_secrets: bool = True) -> Writer:
    return Writer(path, default(), made_by="test", keep_secrets=keep_secrets)


def derived(happenings: Sequence[Happening]) -> list[Event]:
    made = fed(happenings, finish=True)
    events = made.rows
    for finding in made.late:
        event = events[finding.event - 1]
        event.findings = tuple(sorted([*event.findings, finding], key=lambda each: -each.severity))
    for number, verdict in made.verdicts.items():
        events[number - 1].verdict = verdict
    return events


def many(count: int, compression: str = "none") -> Conversation:
    talk = Conversation("json", compression).opens().server(HELLO)
    for number in range(count):
        talk.server(message(f"number {number}", number))
    return talk


def everything_in(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))


# Texts with what databases stumble over; a lone surrogate is stored as its escape, and so is not among them here.
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["\0", "'; drop table frame; --", "🎉"])
CONNECTIONS = st.integers(1, 3)
TIMES = st.integers(0, 2**63 - 1)
FRAMES = st.builds(
    Frame,
    CONNECTIONS,
    TIMES,
    st.booleans(),
    st.booleans(),
    st.binary(max_size=30)
    | st.sampled_from(
        [b'{"op":1,"d":5}', b'{"op":11}', b'{"op":0,"t":"\\ud83d","s":99999999999999999999}', b"\x83a\1"]
    ),
    st.sampled_from([Mark.NONE, Mark.INJECTED, Mark.DROPPED, Mark.CHANGED | Mark.REDACTED]),
    st.none() | st.binary(max_size=5),
)
OTHERS = st.one_of(
    st.builds(
        Closed, CONNECTIONS, TIMES, st.none() | st.integers(1, 65535), TEXTS, st.sampled_from(["client", "proxy"])
    ),
    st.builds(Control, CONNECTIONS, TIMES, st.booleans(), st.sampled_from(["ping", "pong"]), st.binary(max_size=5)),
)


@st.composite
def recordings(draw: st.DrawFn) -> list[Happening]:
    """Connections that open, talk and close in any order."""
    urls = (
        st.sampled_from(["wss://gateway.discord.gg/?v=10&encoding=json&compress=zlib-stream", "wss://x/?v=8"]) | TEXTS
    )
    happenings: list[Happening] = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        headers = draw(st.dictionaries(TEXTS, TEXTS, max_size=2))
        plane = draw(st.sampled_from(Plane))
        happenings.append(Opened(number, draw(TIMES), plane, draw(urls), draw(st.none() | TEXTS), headers=headers))
    happenings += draw(st.lists(FRAMES | OTHERS, max_size=15))
    closed: set[int] = set()
    kept: list[Happening] = []
    for happening in happenings:
        if happening.connection not in closed:
            kept.append(happening)
        if isinstance(happening, Closed):
            closed.add(happening.connection)
    return kept


@given(recordings(), st.integers(1, 4))
def test_what_is_written_is_what_is_read(happenings: list[Happening], step: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.gwcap")
        writer = writer_of(path)
        for at in range(0, len(happenings), step):
            writer.write(happenings[at : at + step])
        writer.finish()
        reader = Reader(path)
        assert list(reader.all_events()) == [stored(event) for event in derived(happenings)]
        assert [h for batch in stored_happenings(reader.db) for h in batch] == in_order(happenings)
        reader.close()


def in_order(happenings: list[Happening]) -> list[Happening]:
    """Return them by time; where the clock ran backwards on a connection, its own order counts."""
    reached: dict[int, int] = {}
    keys = []
    for happening in happenings:
        reached[happening.connection] = max(reached.get(happening.connection, happening.at_ns), happening.at_ns)
        keys.append(reached[happening.connection])
    return [happenings[at] for at in sorted(range(len(happenings)), key=keys.__getitem__)]


def stored(event: Event) -> Event:
    """Return `event` as a capture has it: SQLite's text has no lone surrogates."""
    text = event.event and event.event.encode(errors="backslashreplace").decode()
    return structs.replace(event, event=text)


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_a_rebuild_gives_the_events_anew(path: Path, encoding: str, compression: str) -> None:
    talk = usual(encoding, compression)
    writer = writer_of(path)
    writer.write(talk.happenings)
    writer.finish()
    with sqlite3.connect(path) as db:
        for table in ("event", "payload_chunk", "payload_tail", "name"):
            db.execute(f"delete from {table}")
        db.execute("update connection set session = null, shard = null")
    assert reindex(path, default()) == 11
    reader = Reader(path)
    assert list(reader.all_events()) == derived(talk.happenings)
    assert reader.names[1180000000000000042] == "Test Guild"
    seen = None if (encoding, compression) == ("json", "none") else compression
    assert (reader.connection(1).shard, reader.connection(1).compression) == ("1/2", seen)


@pytest.mark.parametrize("by", ["client", "server", "proxy", None])
@pytest.mark.parametrize(("code", "reason"), [(None, ""), (None, "ab"), (1000, ""), (4004, "Ümlaut"), (65535, "x")])
def test_a_close_is_whole_in_its_frame(path: Path, by, code: int | None, reason: str) -> None:
    talk = Conversation().opens().closes(code, reason, by)
    writer = writer_of(path)
    writer.write(talk.happenings)
    writer.finish()
    with sqlite3.connect(path) as db:
        db.execute("update connection set closed_at = null, close_code = null, close_reason = null, closed_by = null")
    reindex(path, default())
    assert Reader(path).events()[1].closed == talk.happenings[-1]


def test_numbers_that_no_database_takes_are_left_out(path: Path) -> None:
    talk = Conversation("etf").opens().client(identify(shard=[2**80, 10**5000]))
    talk.server({"op": 2**64, "d": {"guild_id": 10**40, "user_id": 2**64, "big": 10**5000}, "s": -(2**70), "t": "X"})
    writer = writer_of(path)
    writer.write([*talk.happenings, Closed(1, 5, 10**30, "\ud800\0", "server")])
    writer.finish()
    events = Reader(path).events()
    assert [event.op for event in events[1:3]] == [2, None]
    assert events[2].guild_id is None
    assert events[2].user_id == 2**64
    assert events[3].closed == Closed(1, 5, None, "\\ud800\0", "server")


@pytest.mark.parametrize("text", ["\ud800", "\0", "\x1b[31m", "'"])
def test_any_text_can_be_stored_anywhere(path: Path, text: str) -> None:
    opened = Opened(1, 5, Plane.GATEWAY, f"wss://{text}/?encoding={text}", text, 403, text, {text: text})
    guild = {"id": "5", "name": text, "session_id": text}
    talk = (
        Conversation("json").server({"op": 0, "t": text, "d": guild}).server({"op": 0, "t": "GUILD_CREATE", "d": guild})
    )
    talk.closes(4000, text)
    writer = writer_of(path, keep_secrets=False)
    writer.write([opened, *[replace(h, connection=2) for h in talk.happenings]])
    writer.finish()
    assert len(Reader(path).events()) == 4


# Payloads: packed, or waiting to be.


def test_chunks_hold_what_was_put_into_them() -> None:
    payloads = [(1, b""), (2, b"x" * 70_000), (2**40, b"\0")]
    assert unpack(pack(payloads)) == dict(payloads)


def test_full_chunks_are_packed_and_the_rest_is_at_hand(path: Path) -> None:
    writer = writer_of(path)
    writer.write(many(2 * CHUNK_EVENTS + 8).happenings)
    with sqlite3.connect(path) as db:
        chunks = db.execute("select first_event, last_event from payload_chunk").fetchall()
        assert db.execute("select min(event), max(event), count(*) from payload_tail").fetchone() == (130, 138, 9)
    assert chunks == [(2, 65), (66, 129)]
    reader = Reader(path)
    assert [event.payload for event in reader.all_events()] == [
        event.payload for event in derived(many(2 * CHUNK_EVENTS + 8).happenings)
    ]
    assert reader.payload(100) == reader.events(99, 1)[0].payload
    assert reader.payload(135) == reader.events(134, 1)[0].payload
    assert reader.payload(1) is reader.payload(999) is None
    writer.finish()
    with sqlite3.connect(path) as db:
        assert db.execute("select count(*) from payload_tail").fetchone() == (0,)


def test_large_payloads_fill_a_chunk_sooner(path: Path) -> None:
    writer = writer_of(path)
    writer.write(Conversation().opens().server(message("x" * CHUNK_BYTES)).server(HELLO).happenings)
    with sqlite3.connect(path) as db:
        assert db.execute("select first_event, last_event from payload_chunk").fetchall() == [(2, 2)]
        assert db.execute("select event from payload_tail").fetchall() == [(3,)]
    writer.finish()


def test_a_reader_misses_no_payload_that_is_packed_meanwhile(path: Path) -> None:
    """The writer moves payloads from the tail into a chunk; between a reader's two queries they must not be nowhere."""
    writer = writer_of(path)
    writer.write(many(60).happenings)
    reader = Reader(path)
    more = many(10).happenings[1:]
    began: list[bool] = []

    def between(statement: str) -> None:
        if "from payload_chunk" in statement and not began:
            began.append(True)
            writer.write(more)

    reader.db.set_trace_callback(between)
    assert all(event.payload for event in reader.events() if event.kind is Kind.PAYLOAD)
    assert began
    writer.finish()


def test_a_reader_forgets_payloads_that_a_reindex_packed_anew(path: Path) -> None:
    writer = writer_of(path)
    writer.write(many(70).happenings)
    writer.finish()
    reader = Reader(path)
    reader.changed()
    assert b"number 0" in (reader.payload(3) or b"")
    with sqlite3.connect(path) as db:
        db.execute("update payload_chunk set data = ? where first_event = 2", (pack([(3, b"anew")]),))
    assert reader.changed()
    assert reader.payload(3) == b"anew"


def test_a_continued_capture_packs_the_tail_of_the_old_one(path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    code = "from tests.store.test_round_trip import *; writer_of(Path(sys.argv[1])).write(many(50).happenings); "
    code += "os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(path)], env=environment, check=True)
    writer = writer_of(path)
    talk = many(50)
    writer.write([replace(happening, connection=2) for happening in talk.happenings])
    assert writer.first_connection == 2
    with sqlite3.connect(path) as db:
        assert db.execute("select first_event, last_event from payload_chunk").fetchall() == [(2, 66)]
    writer.finish()
    read = list(Reader(path).all_events())
    assert [event.n for event in read] == list(range(1, 105))
    assert [event.payload for event in read[:52]] == [event.payload for event in read[52:]]
    assert Reader(path).raw(read[60]) == [talk.frames[7].data]


# What goes wrong.


@pytest.mark.parametrize("decoded", [0, BATCH])
def test_a_writer_that_leaves_in_the_middle_has_stored_what_it_was_given(path: Path, decoded: int) -> None:
    """A large batch is stored raw first; killed while it decodes, the rest is derived later."""
    code = """if True:
        from tests.store.test_round_trip import *
        writer = writer_of(Path(sys.argv[1]))
        feed, fed = Pipeline.feed, []
        def dying(self, happening, outcome):
            fed.append(happening)
            if len(fed) == int(sys.argv[2]) + 50:
                os._exit(7)
            return feed(self, happening, outcome)
        Pipeline.feed = dying
        writer.write(many(2 * BATCH, "zlib-stream").happenings)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-c", code, str(path), str(decoded)]
    assert subprocess.run(arguments, env=environment).returncode == 7
    happenings = many(2 * BATCH, "zlib-stream").happenings
    reader = Reader(path)
    assert reader.last() == decoded
    assert reader.undecoded_frames() == len(happenings) - (decoded or 1)
    assert [h for batch in stored_happenings(reader.db) for h in batch] == happenings
    reader.close()
    assert reindex(path, default()) == len(happenings)
    assert list(Reader(path).all_events()) == derived(happenings)
    assert Reader(path).undecoded_frames() == 0


def test_a_writer_killed_while_it_writes_leaves_whole_batches(path: Path) -> None:
    code = """if True:
        from tests.store.test_round_trip import *
        writer = writer_of(Path(sys.argv[1]))
        writer.write(many(0).happenings)
        print("writing", flush=True)
        for number in range(10**9):
            writer.write(Conversation().server(message("x" * 200, number)).server(message("y", number)).happenings)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code, str(path)], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        reader = Reader(path)
        while reader.last() < 200:
            pass
        process.send_signal(signal.SIGKILL)
    read = list(Reader(path).all_events())
    assert len(read) % 2 == 0
    assert [event.n for event in read] == list(range(1, len(read) + 1))
    assert all(event.payload for event in read if event.kind is Kind.PAYLOAD)
    assert Reader(path).undecoded_frames() == 0


@pytest.mark.parametrize("step", [10, BATCH + 1])
def test_a_disk_that_was_full_costs_nothing_and_doubles_nothing(path: Path, step: int) -> None:
    happenings = many(3 * BATCH, "zlib-stream").closes().happenings
    writer = writer_of(path)
    refused = 0
    for at in range(0, len(happenings), step):
        full = step <= at < 4 * step
        pages = writer._db.execute("pragma page_count").fetchone()[0] if full else 10**6
        writer._db.execute(f"pragma max_page_count = {pages}")
        try:
            writer.write(happenings[at : at + step])
        except sqlite3.OperationalError:
            assert full
            assert writer.unsaved
            refused += 1
    assert refused
    writer._db.execute("pragma max_page_count = 1000000")
    writer.finish()
    reader = Reader(path)
    assert [h for batch in stored_happenings(reader.db) for h in batch] == happenings
    assert list(reader.all_events()) == derived(happenings)


def test_a_mark_that_came_while_the_disk_was_full_is_stored_later(path: Path) -> None:
    writer = writer_of(path)
    writer.write(many(3).happenings)
    writer._db.execute(f"pragma max_page_count = {writer._db.execute('pragma page_count').fetchone()[0]}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        writer.write(Conversation().server(message("x" * 50_000)).happenings)
    writer.amend(6, Mark.CHANGED, b"instead")
    with pytest.raises(sqlite3.OperationalError):
        writer.write([])
    writer._db.execute("pragma max_page_count = 1000000")
    writer.finish()
    reader = Reader(path)
    assert reader.events(5)[0].marks == Mark.CHANGED
    frames = [h for batch in stored_happenings(reader.db) for h in batch]
    assert (frames[5].marks, frames[5].forwarded) == (Mark.CHANGED, b"instead")


@pytest.mark.parametrize("count", [20, BATCH + 20])
def test_a_bug_of_ours_costs_one_event_and_no_frame(path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    happenings = many(count).happenings
    feed = Pipeline.feed

    def failing(self: Pipeline, happening: Happening, outcome: Outcome) -> Outcome:
        if happening is happenings[10]:
            feed(self, happening)
            raise ZeroDivisionError
        return feed(self, happening, outcome)

    monkeypatch.setattr(Pipeline, "feed", failing)
    writer = writer_of(path)
    with pytest.raises(ZeroDivisionError):
        writer.write(happenings)
    assert writer.unsaved == 0
    writer.write(Conversation().closes().happenings)
    writer.finish()
    reader = Reader(path)
    assert len([h for batch in stored_happenings(reader.db) for h in batch]) == len(happenings) + 1
    assert [event.first_frame for event in reader.all_events()] == [n for n in range(1, len(happenings) + 2) if n != 11]


def test_two_writers_never_overwrite_each_other_where_files_cannot_be_locked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, what: int) -> None:
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr("inspector.store.lock.fcntl.flock", refuse)
    first, second = writer_of(path), writer_of(path)
    first.write(many(5).happenings)
    with pytest.raises(sqlite3.IntegrityError):
        second.write(usual().happenings)
    assert list(Reader(path).all_events()) == derived(many(5).happenings)


def test_a_capture_that_is_watched_is_finished_all_the_same(path: Path) -> None:
    writer = writer_of(path)
    writer.write(usual().happenings)
    reader = Reader(path)
    assert reader.last() == 11
    writer.finish()
    assert "finished_at" in reader.meta()
    reader.close()
    writer_of(path).finish()
    assert [file.name for file in path.parent.iterdir()] == ["x.gwcap"]


def test_a_reader_leaves_the_log_free_to_shrink(path: Path) -> None:
    """A cursor left open would hold its snapshot, and the write-ahead log could never begin anew."""
    writer = writer_of(path)
    reader = Reader(path)
    writer.write(many(1500).happenings)
    rows = reader.all_events()
    next(rows)
    writer.write(many(300).happenings[1:])
    busy, _, _ = writer._db.execute("pragma wal_checkpoint(truncate)").fetchone()
    assert busy == 0
    writer.finish()


def test_frames_of_a_row_are_its_own(path: Path) -> None:
    talk = Conversation("json", "zlib-stream").opens().server(message("a long one " * 50), pieces=2)
    first, second = talk.happenings[1:]
    between = Conversation("json").injected(HEARTBEAT).client(HEARTBEAT).happenings
    writer = writer_of(path)
    writer.write([talk.happenings[0], first, *between, second])
    writer.finish()
    reader = Reader(path)
    assert [reader.raw(event) for event in reader.events(1)] == [
        [between[0].data],
        [between[1].data],
        [first.data, second.data],
    ]


# Secrets.


SECRET_FRAMES = [
    b'{"op":1,"d":5} {"op":2,"d":{"token":"%s"}}' % TOKEN.encode(),
    b'{"op":2,"d":{"token":"%s"' % TOKEN.encode(),
    b"\x83t\0\0\0\x01m\0\0\0\x05tokenm\0\0\0\x44" + TOKEN.encode() + b"broken",
    zlib.compress(b'{"op":2,"d":{"token":"%s"}} {"token":"%s"}' % (TOKEN.encode(), TOKEN.encode())),
    zlib.compress(b'{"op":2}', level=0) + TOKEN.encode(),
]


@pytest.mark.parametrize("connection", [1, 9])
@pytest.mark.parametrize("data", SECRET_FRAMES)
def test_a_token_is_masked_wherever_in_a_frame_it_stands(path: Path, data: bytes, connection: int) -> None:
    frame = Frame(connection, 5, True, data.startswith(b"{"), data)
    writer = writer_of(path, keep_secrets=False)
    writer.write([Conversation().opens().happenings[0], frame])
    writer.finish()
    assert TOKEN.encode() not in everything_in(path)
    [raw] = [h.data for batch in stored_happenings(Reader(path).db) for h in batch if isinstance(h, Frame)]
    with suppress(zlib.error):
        assert TOKEN.encode() not in zlib.decompress(raw)


@pytest.mark.parametrize("encoding", ["json", "etf"])
@pytest.mark.parametrize("keep_secrets", [False, True])
def test_secrets_of_a_client_are_stored_only_if_asked_for(path: Path, encoding: str, keep_secrets: bool) -> None:
    talk = Conversation(encoding).opens().server(HELLO).client(identify()).client(resume())
    changed = Frame(1, 5, True, False, b"hello", Mark.CHANGED, talk.encoded(identify()))
    writer = writer_of(path, keep_secrets=keep_secrets)
    writer.write([*talk.happenings, changed, changed])
    writer.amend(6, Mark.CHANGED, talk.encoded(resume()))
    for secret in (TOKEN, SESSION):
        assert (secret.encode() in everything_in(path)) is keep_secrets
    writer.finish()
    assert (TOKEN.encode() in everything_in(path)) is keep_secrets
    redacted = [bool(event.marks & Mark.REDACTED) for event in Reader(path).all_events()]
    assert redacted == [False, False, *[not keep_secrets] * 4]


def test_masked_frames_are_as_long_as_they_were_and_still_decode(path: Path) -> None:
    talk = Conversation("etf", "zlib-stream").opens().server(HELLO).client(identify()).client(resume())
    writer = writer_of(path, keep_secrets=False)
    writer.write(talk.happenings)
    writer.finish()
    reader = Reader(path)
    assert [event.wire_bytes for event in reader.events(1)] == [len(frame.data) for frame in talk.frames]
    assert [event.op for event in reader.events(1)] == [10, 2, 6]
    assert reader.connection(1).session == digest(SESSION)


def test_refused_connections_leave_nothing_in_memory(path: Path) -> None:
    writer = writer_of(path, keep_secrets=False)
    for number in range(1, 30):
        writer.write([Opened(number, 0, Plane.GATEWAY, "wss://g/", refusal="HTTP 403 Forbidden", status=403)])
        writer.write(usual(connection=number + 100).happenings)
    assert writer._mask._open == {}
    writer.finish()


def test_threads_may_unpack_chunks_at_the_same_time() -> None:
    """A screen reads rows while its workers scan; the objects of zstandard are not made for that."""
    dice = random.Random(0)
    words = [dice.randbytes(12) for _ in range(500)]
    bodies = [[(number, b"".join(dice.choices(words, k=40_000)))] for number in range(1, 5)]
    chunks = [pack(body) for body in bodies]
    with ThreadPoolExecutor(4) as threads:
        for at, found in enumerate(threads.map(lambda at: unpack(chunks[at % 4]), range(400))):
            assert found == dict(bodies[at % 4])


@pytest.mark.parametrize("from_client", [True, False])
@pytest.mark.parametrize(
    ("data", "is_text", "reason"),
    [
        (b'{"op":2,"d":{"tok"en":"%s"}}' % TOKEN.encode(), True, "not-json"),
        (b'{"op":2,"d":{"password":"no shape at all, in 40 bytes', True, "truncated"),
        (b"\x83t\0\0\0\x02m\0\0\0\x05tokenm\0\0\1\0no shape at all, in 40 bytes", False, "truncated"),
        (b"\x83t\0\0\0\x01\x07no shape at all, in 40 bytes", False, "bad-etf"),
    ],
)
def test_of_a_message_that_could_not_be_read_only_the_reason_is_stored(
    path: Path, data: bytes, is_text: bool, reason: str, from_client: bool
) -> None:
    writer = writer_of(path, keep_secrets=False)
    talk = Conversation("etf" if data[0] == 131 else "json").opens()
    writer.write([*talk.happenings, Frame(1, 5, from_client, is_text, data)])
    writer.finish()
    events = Reader(path).events(1)
    assert [(event.undecoded.reason, event.wire_bytes) for event in events] == [(reason, len(data))]
    assert events[0].marks == Mark.REDACTED | Mark.WITHHELD
    assert b"no shape" not in everything_in(path)
    assert TOKEN[:12].encode() not in everything_in(path)
    before = events[0].undecoded
    reindex(path, default())
    assert Reader(path).events(1)[0].undecoded == before


def test_a_name_that_comes_later_is_found_with_the_rows_that_come_with_it(tmp_path: Path) -> None:
    """Although it is remembered for which ids there was none."""
    happenings = iter(usual().happenings)
    writer = Writer(tmp_path / "a.gwcap", default(), made_by="test")
    writer.write([next(happenings)])
    with closing(Reader(tmp_path / "a.gwcap")) as reader:
        last = reader.events()[-1].n
        ids = [1180000000000000042, 1180000000000000050]
        assert not any(number in reader.names for number in ids)
        writer.write(list(happenings))
        assert reader.names.get(ids[0]) is None
        assert reader.events(last)
        assert reader.names[ids[0]]
    writer.finish()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"op": 0, "event": "MESSAGE_CREATE", "seq": 2, "guild_id": 1, "channel_id": 2, "user_id": 3},
        {"op": "hello", "event": "\ud800", "guild_id": 2**63, "channel_id": 10**39, "user_id": 10**50},
        {"op": 0, "event": "token=" + "x" * 100, "from_client": True, "plane": Plane.VOICE},
        {"note": ""},
        {"note": "after 7 ms", "answers": 3, "latency_ns": 7_000_000},
        {"marks": Mark.INJECTED},
        {"findings": (Finding("a", Severity.WARN, "b", 1),)},
    ],
)
def test_a_row_is_the_same_with_few_columns_inserted(path: Path, fields: dict[str, Any]) -> None:
    made = {"encoding": "json", "from_client": False, "plane": Plane.GATEWAY, "first_frame": 1} | fields
    event = Event(1, 1, 5, kind=Kind.PAYLOAD, last_frame=2, wire_bytes=6, decoded_bytes=7, **made)
    whole = [(rows.insert("event", rows.EVENT_COLUMNS), [rows.event_row(event)])]
    found = []
    with closing(create(path, "test", "")) as db:
        for inserts in (rows.event_inserts([event]), whole):
            for statement, some in inserts:
                db.executemany(statement, some)
            found += db.execute("select * from event").fetchall()
            db.execute("delete from event")
    assert found[0] == found[1]

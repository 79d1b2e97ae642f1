"""Rows of a capture: the bytes they came from, and what is said of the whole."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from inspector.model import Kind, Mark
from inspector.protocol.registry import default
from inspector.report.rows import CaptureRows, notes_of
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import ACK, DIALECTS, HELLO, TOKEN, Conversation, message, usual
from tests.rows import rows_of


def several_in_one() -> Conversation:
    """Payloads that begin in the middle of a message, or end there."""
    talk, apart = Conversation("json", "zstd-stream").opens(), Conversation("json", "zstd-stream")
    stream = b"".join(f.data for f in apart.server(HELLO).server(message("hi " * 50)).server(ACK).server(ACK).frames)
    for start, end in ((0, 40), (40, 41), (41, len(stream) - 12), (len(stream) - 12, len(stream))):
        talk.frame(stream[start:end])
    return talk


def interrupted() -> Conversation:
    talk = Conversation("json", "zlib-stream").opens().server(message("a long one " * 50), pieces=3)
    talk.happenings[3:3] = Conversation().injected(ACK).client(ACK).pings().happenings
    return talk.server(ACK)


def lost() -> Conversation:
    talk = Conversation("json", "zlib-stream").opens().server(HELLO).frame(b"\xff\xff\xff")
    return talk.server(ACK).server(ACK).client(HELLO)


def unfinished() -> Conversation:
    talk = Conversation("json", "zlib-stream").opens().server(HELLO).server(message("cut off " * 50), pieces=3)
    talk.happenings.pop()
    return talk


ODD = [several_in_one, interrupted, lost, unfinished]


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_rows_have_the_bytes_of_their_messages(tmp_path: Path, encoding: str, compression: str) -> None:
    talk = usual(encoding, compression)
    rows = rows_of(talk.happenings, tmp_path / "x.gwcap")
    raw = [rows.raw(event) for event in rows if event.kind is Kind.PAYLOAD]
    assert b"".join(raw) == b"".join(frame.data for frame in talk.frames)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("closed", [True, False])
def test_bytes_of_a_row_are_all_that_were_counted(tmp_path: Path, odd, closed: bool) -> None:
    talk = odd().closes(1006, by=None) if closed else odd()
    rows = rows_of(talk.happenings, tmp_path / "x.gwcap")
    for event in rows:
        if event.kind in (Kind.PAYLOAD, Kind.UNDECODED) and event.wire_bytes:
            assert len(rows.raw(event)) >= event.wire_bytes


def test_messages_that_could_not_be_read_are_counted_in_a_note(tmp_path: Path) -> None:
    talk = lost()
    rows = rows_of(talk.happenings, tmp_path / "x.gwcap")
    list(rows)
    unread = sum(len(frame.data) for frame in talk.frames[2:4])
    text = f"2 messages ({unread} bytes) came after its stream could no longer be read; they are kept raw"
    assert rows.notes == [f"connection 1: {text}"]


def test_messages_that_were_never_decoded_are_counted_in_a_note(tmp_path: Path) -> None:
    rows = rows_of(usual().happenings, tmp_path / "x.gwcap")
    assert (list(rows)[-1].n, rows.notes) == (11, [])
    writer = Writer(tmp_path / "x.gwcap", default(), made_by="test")
    writer._db.execute("delete from event where id > 5")
    rows = CaptureRows(Reader(tmp_path / "x.gwcap"))
    list(rows)
    assert rows.notes[0].startswith("4 messages are stored but not decoded")
    writer.finish()


def test_what_was_never_opened_is_an_unknown_gateway(tmp_path: Path) -> None:
    assert rows_of([], tmp_path / "x.gwcap").connection(5).opened.connection == 5


def test_the_marks_of_a_row_come_along(tmp_path: Path) -> None:
    rows = rows_of(Conversation().opens().injected(ACK).happenings, tmp_path / "x.gwcap")
    assert [event.marks for event in rows] == [Mark.NONE, Mark.INJECTED]


@pytest.mark.parametrize("notes", ["[", "{}", "7", '[["x"], 5]', "[" * 100_000])
def test_notes_that_somebody_else_wrote_do_no_harm(tmp_path: Path, notes: str) -> None:
    rows = rows_of(usual().happenings, tmp_path / "x.gwcap")
    with closing(sqlite3.connect(tmp_path / "x.gwcap", isolation_level=None)) as db:
        db.execute("insert into meta values ('notes', ?)", (notes,))
    assert all(isinstance(note, str) for note in notes_of(rows.reader))


def test_notes_of_an_import_hold_no_secret_and_are_no_flood(tmp_path: Path) -> None:
    rows = rows_of(usual().happenings, tmp_path / "x.gwcap")
    with closing(sqlite3.connect(tmp_path / "x.gwcap", isolation_level=None)) as db:
        db.execute("insert into meta values ('notes', ?)", (json.dumps([f"{TOKEN} {'x' * 9000}"] * 900),))
    notes = notes_of(rows.reader)
    assert len(notes) == 50
    assert all(TOKEN not in note and len(note) < 2100 for note in notes)

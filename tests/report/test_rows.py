"""Rows of a file read at once, and of the same conversation out of a capture, are the same in every byte."""

from pathlib import Path

import pytest

from inspector.errors import CaptureError
from inspector.importers.source import Source
from inspector.model import Event, Finding, Happening, Mark, Severity
from inspector.pipeline import Outcome
from inspector.protocol.registry import default
from inspector.report.jsonl import line
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows, ImportedRows, Rows, open_rows
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import ACK, DIALECTS, HELLO, Conversation, message, usual


class Spoken(Source):
    """Stands for someone else's file."""

    format = "a conversation"

    def __init__(self, happenings: list[Happening]) -> None:
        super().__init__(Path(__file__))
        self.spoken = happenings

    def _happenings(self):
        self._connections = 1
        yield from self.spoken

    def _why_empty(self) -> str:
        return ""

    @staticmethod
    def recognizes(head: bytes) -> bool:
        return True


def imported(talk: Conversation) -> ImportedRows:
    return ImportedRows(Spoken(talk.happenings), default())


def captured(talk: Conversation, path: Path) -> CaptureRows:
    writer = Writer(path, default(), made_by="test", keep_secrets=True)
    writer.write(talk.happenings)
    writer.finish()
    return CaptureRows(Reader(path))


def lines(rows: Rows) -> list[bytes]:
    presenter = Presenter(default())
    return [line(presenter.show(event, rows), rows.raw(event)) for event in rows]


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
def test_rows_read_at_once_are_those_of_a_capture(tmp_path: Path, encoding: str, compression: str) -> None:
    talk = usual(encoding, compression)
    assert lines(imported(talk)) == lines(captured(talk, tmp_path / "x.gwcap"))


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("closed", [True, False])
def test_so_they_are_where_the_conversation_is_odd(tmp_path: Path, odd, closed: bool) -> None:
    talk = odd().closes(1006, by=None) if closed else odd()
    rows, kept = imported(talk), captured(talk, tmp_path / "x.gwcap")
    assert lines(rows) == lines(kept)
    assert rows.notes == kept.notes


@pytest.mark.parametrize("odd", ODD)
def test_bytes_of_a_row_are_all_that_were_counted(odd) -> None:
    rows = imported(odd())
    for event in rows:
        if event.kind not in ("open", "control") and event.wire_bytes:
            assert len(rows.raw(event)) >= event.wire_bytes


def test_bytes_that_no_row_will_need_are_let_go() -> None:
    talk = lost()
    for _ in range(50):
        talk.server(message("never to be read"))
    rows = imported(talk)
    held = [sum(map(len, rows._pieces.values())) for _ in rows]
    assert max(held) <= 1
    rows = imported(talk.closes())
    list(rows)
    assert not rows._pieces


def test_messages_that_could_not_be_read_are_counted_in_a_note() -> None:
    talk = lost()
    rows = imported(talk)
    list(rows)
    unread = sum(len(frame.data) for frame in talk.frames[2:4])
    text = f"2 messages ({unread} bytes) came after its stream could no longer be read; they are kept raw"
    assert rows.notes == [f"connection 1: {text}"]


def test_messages_that_were_never_decoded_are_counted_in_a_note(tmp_path: Path) -> None:
    rows = captured(usual(), tmp_path / "x.gwcap")
    assert (list(rows)[-1].n, rows.notes) == (11, [])
    writer = Writer(tmp_path / "x.gwcap", default(), made_by="test")
    writer._db.execute("delete from event where id > 5")
    rows = CaptureRows(Reader(tmp_path / "x.gwcap"))
    list(rows)
    assert rows.notes[0].startswith("4 messages are stored but not decoded")
    writer.finish()


def test_what_was_never_opened_is_an_unknown_gateway() -> None:
    assert imported(Conversation()).connection(5).opened.connection == 5


def test_the_marks_of_a_row_come_along(tmp_path: Path) -> None:
    talk = Conversation().opens().injected(ACK)
    found: list[Event] = [*imported(talk), *captured(talk, tmp_path / "x.gwcap")]
    assert [event.marks for event in found] == [Mark.NONE, Mark.INJECTED] * 2


def test_a_file_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"something else")
    with pytest.raises(CaptureError):
        open_rows(tmp_path / "x", default())


def test_a_flood_of_late_findings_is_a_few_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    late = [Finding("some-rule", Severity(1 + n % 3), "This.", n) for n in range(1, 100)]
    rows = imported(Conversation().opens())
    monkeypatch.setattr(rows._pipeline, "finish", lambda: Outcome(late=late))
    list(rows)
    assert rows.notes[0] == "noticed at the end, at row 2: some-rule: This."
    assert rows.notes[10:] == ["89 more findings were noticed at the end; `gwinspect diagnose` lists them"]

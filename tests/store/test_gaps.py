"""A gap is stored like anything else that happens, and read from there."""

import json
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest

from inspector.model import Gap, Kind
from inspector.protocol.registry import default
from inspector.report.jsonl import record
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.store.reader import Reader, stored_happenings
from inspector.store.reindex import reindex
from inspector.store.writer import Writer
from tests.conversation import DIALECTS, HEARTBEAT, HELLO, NOON, Conversation, identify, message, ready


def talk(encoding: str = "json", compression: str = "none") -> Conversation:
    made = Conversation(encoding, compression).opens().server(HELLO).client(identify()).server(ready())
    made.unseen(lambda talk: talk.client(HEARTBEAT).waits(990).server(message("unseen")))
    return made.server(message("seen", 4))


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "bot.gwcap"
    writer = Writer(path, default(), made_by="test")
    writer.write(talk().happenings)
    writer.finish()
    return path


def test_a_gap_comes_back_as_it_was(capture: Path) -> None:
    reader = Reader(capture)
    stored = [each for batch in stored_happenings(reader.db) for each in batch]
    (gap,) = [each for each in talk().happenings if isinstance(each, Gap)]
    assert [each for each in stored if isinstance(each, Gap)] == [gap]
    (event,) = [event for event in reader.events() if event.kind is Kind.GAP]
    assert (event.gap, event.at_ns, event.note) == (
        gap,
        gap.at_ns,
        "2 messages missing, over 1 s: the capture could not be written",
    )
    assert reader.meta()["missing"] == "2"
    reader.close()


def test_a_capture_that_claims_too_many_is_decoded_again(capture: Path) -> None:
    with sqlite3.connect(capture) as db:
        db.execute("update frame set raw = ? where kind = 5", (struct.pack(">4Q", NOON, NOON, 2**64 - 1, 2**64 - 1),))
    reindex(capture, default())
    with closing(Reader(capture)) as reader:
        assert int(reader.meta()["missing"]) < 2**63


def test_it_is_the_same_after_a_reindex(capture: Path) -> None:
    reader = Reader(capture)
    before = list(reader.all_events()), reader.findings(), reader.meta()["missing"]
    reader.close()
    reindex(capture, default())
    reader = Reader(capture)
    assert (list(reader.all_events()), reader.findings(), reader.meta()["missing"]) == before
    reader.close()


def test_gaps_of_several_recordings_add_up(capture: Path) -> None:
    writer = Writer(capture, default(), made_by="test")
    writer.write([Gap(7, NOON, NOON, NOON, 0, 3, "queue")])
    writer.finish()
    reader = Reader(capture)
    assert reader.meta()["missing"] == "5"
    reader.close()


def test_programs_and_people_are_told(capture: Path) -> None:
    rows = CaptureRows(Reader(capture))
    presenter = Presenter(default())
    (found,) = [record(presenter.show(event, rows)) for event in rows if event.kind is Kind.GAP]
    assert (found["kind"], found["direction"], found["op"], found["event"]) == ("gap", None, None, None)
    assert found["gap"] == {
        "from": "2026-01-31T12:00:00.040000Z",
        "to": "2026-01-31T12:00:01.040000Z",
        "missing": 2,
        "sent": 1,
        "received": 1,
        "reason": "disk",
    }
    assert found["summary"] == "2 messages missing, over 1 s: the capture could not be written"
    assert [finding["rule"] for finding in found["findings"]] == ["recording-gap"]
    assert any("2 messages are missing from this recording" in text for text in rows.notes)
    (payload,) = rows.reader.db.execute("select data from payload_tail").fetchone() or (None,)
    assert payload is None or json.loads(payload)
    rows.reader.close()


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_a_compressed_stream_is_torn_by_it_and_no_other(tmp_path: Path, encoding: str, compression: str) -> None:
    writer = Writer(tmp_path / "bot.gwcap", default(), made_by="test")
    events = writer.write(talk(encoding, compression).happenings)
    writer.finish()
    torn = compression.endswith("stream")
    assert [event.kind.value for event in events][4:] == (["gap"] if torn else ["gap", "payload"])
    reader = Reader(tmp_path / "bot.gwcap")
    assert reader.connection(1).unread_frames == int(torn)
    reader.close()


def test_what_the_client_alone_sent_tears_nothing(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "bot.gwcap", default(), made_by="test")
    made = Conversation(compression="zstd-stream").opens().server(HELLO)
    made.unseen(lambda talk: talk.client(HEARTBEAT)).server(ready())
    assert [event.kind.value for event in writer.write(made.happenings)] == ["open", "payload", "gap", "payload"]
    writer.finish()

"""Marks and notes outlive their viewer, a reindex and each other, and never cost a file that somebody wrote."""

import json
import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import CaptureError
from inspector.model import Event
from inspector.store import notes as module
from inspector.store.notes import Notes
from inspector.store.reader import Reader
from tests.conversation import NOON

SAMPLE = Path(__file__).parents[2] / "sample_captures" / "plain-json.gwcap"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return Path(shutil.copy(SAMPLE, tmp_path / "bot.gwcap"))


@pytest.fixture
def events(capture: Path) -> dict[int, Event]:
    return {event.n: event for event in Reader(capture).all_events()}


def shift(capture: Path, by: int) -> None:
    """Give the events other numbers, as a version that finds more or fewer of them would."""
    with sqlite3.connect(capture) as db:
        db.execute("update event set id = -id")
        db.execute("update event set id = ? - id", (by,))
    db.close()


def test_a_mark_and_a_note_are_there_the_next_time(capture: Path, events: dict[int, Event]) -> None:
    notes = Notes(capture)
    assert notes.toggle(3, events[3])
    notes.set_note(5, events[5], "why twice?\n→ ask ada")
    again = Notes(capture)
    assert again.marked == {3}
    assert again.noted == {5}
    assert again.note(5) == "why twice?\n→ ask ada"
    assert again.note(3) is None


def test_a_mark_is_taken_away_by_the_same_key(capture: Path, events: dict[int, Event]) -> None:
    notes = Notes(capture)
    assert notes.toggle(3, events[3])
    assert not notes.toggle(3, events[3])
    assert notes.marked == frozenset()


def test_an_empty_note_is_none_and_leaves_the_mark(capture: Path, events: dict[int, Event]) -> None:
    notes = Notes(capture)
    notes.toggle(3, events[3])
    notes.set_note(3, events[3], "x")
    notes.set_note(3, events[3], "  ")
    assert notes.note(3) is None
    assert Notes(capture).marked == {3}


def test_next_and_previous_find_marks_and_notes(capture: Path, events: dict[int, Event]) -> None:
    notes = Notes(capture)
    notes.toggle(3, events[3])
    notes.set_note(7, events[7], "here")
    assert [notes.next(0), notes.next(3), notes.next(7)] == [3, 7, None]
    assert [notes.previous(9), notes.previous(7), notes.previous(3)] == [7, 3, None]


def test_the_file_is_private_and_reads_as_a_line_for_each_row(capture: Path, events: dict[int, Event]) -> None:
    notes = Notes(capture)
    notes.set_note(5, events[5], "schön")
    notes.toggle(3, events[3])
    assert notes.path == capture.with_name("bot.gwcap.notes")
    assert stat.S_IMODE(notes.path.stat().st_mode) == 0o600
    lines = notes.path.read_text().splitlines()
    assert lines[0] == '{"gwinspect_notes": 1, "rows": ['
    assert [json.loads(line.strip(" ,"))["n"] for line in lines[1:-1]] == [3, 5]
    assert '"note": "schön"' in lines[2]


def test_no_file_is_left_when_nothing_is_said(capture: Path, events: dict[int, Event]) -> None:
    notes = Notes(capture)
    assert not notes.path.exists()
    notes.toggle(3, events[3])
    notes.toggle(3, events[3])
    assert sorted(os.listdir(capture.parent)) == ["bot.gwcap"]


def test_rows_are_found_again_after_a_reindex_renumbered_them(capture: Path, events: dict[int, Event]) -> None:
    notes = Notes(capture)
    for number in (3, 4, 5):
        notes.set_note(number, events[number], f"row {number}")
    shift(capture, 1)
    again = Notes(capture)
    assert again.relocate(Reader(capture)) == 0
    assert {number: again.note(number) for number in (3, 4, 5, 6)} == {3: None, 4: "row 3", 5: "row 4", 6: "row 5"}
    assert again.toggle(4, Reader(capture).events(3, 1)[0])
    stored = Notes(capture)
    assert stored.noted == {4, 5, 6}
    assert stored.marked == {4}


def test_payloads_that_share_a_frame_keep_their_own_notes(capture: Path, events: dict[int, Event]) -> None:
    with sqlite3.connect(capture) as db:
        db.execute(
            "update event set first_frame = 4, at = ?, op = 1, event = null, seq = null where id in (4, 5, 6)", (NOON,)
        )
    db.close()
    notes = Notes(capture)
    twins = {event.n: event for event in Reader(capture).all_events()}
    notes.set_note(4, twins[4], "first")
    notes.set_note(5, twins[5], "second")
    assert notes.relocate(Reader(capture)) == 0
    assert (notes.note(4), notes.note(5), notes.note(6)) == ("first", "second", None)


def test_rows_of_another_capture_of_that_name_stay_in_the_file_only(capture: Path, events: dict[int, Event]) -> None:
    Notes(capture).toggle(3, events[3])
    with sqlite3.connect(capture) as db:
        db.execute("update event set at = at + 1")
    db.close()
    notes = Notes(capture)
    assert notes.relocate(Reader(capture)) == 1
    assert notes.marked == frozenset()
    assert notes.next(0) is None
    notes.toggle(5, Reader(capture).events(4, 1)[0])
    assert Notes(capture).marked == {3, 5}


def test_relocate_changes_nothing_where_nothing_moved(capture: Path, events: dict[int, Event]) -> None:
    notes = Notes(capture)
    notes.toggle(3, events[3])
    before = notes.path.read_bytes()
    assert notes.relocate(Reader(capture)) == 0
    assert notes.marked == {3}
    assert notes.path.read_bytes() == before


def test_two_viewers_keep_what_the_other_wrote(capture: Path, events: dict[int, Event]) -> None:
    one, other = Notes(capture), Notes(capture)
    one.toggle(3, events[3])
    one.set_note(5, events[5], "one")
    assert other.changed_on_disk()
    other.set_note(5, events[5], "other")
    assert other.marked == {3}
    assert one.changed_on_disk()
    one.reload()
    assert not one.changed_on_disk()
    assert one.note(5) == "other"
    one.toggle(3, events[3])
    assert Notes(capture).note(5) == "other"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read"),
        (b"{never whole", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"[]", "does not say its version"),
        (b'{"rows": []}', "does not say its version"),
        (b'{"gwinspect_notes": 1}', "rows are not a list"),
        (b'{"gwinspect_notes": 1, "rows": [7]}', "item 1 of its rows"),
        (b'{"gwinspect_notes": 1, "rows": [{"n": 1}]}', "item 1 of its rows"),
        (b'{"gwinspect_notes": 2, "rows": []}', "newer gwinspect"),
    ],
)
def test_a_file_that_is_not_understood_is_named_and_left_alone(capture: Path, content: bytes, said: str) -> None:
    path = capture.with_name("bot.gwcap.notes")
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=said) as caught:
        Notes(capture)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_a_file_that_was_damaged_meanwhile_is_left_alone(capture: Path, events: dict[int, Event]) -> None:
    notes = Notes(capture)
    notes.path.write_bytes(b"{torn")
    with pytest.raises(CaptureError, match="was not changed"):
        notes.toggle(3, events[3])
    assert notes.path.read_bytes() == b"{torn"
    assert notes.marked == {3}


def test_what_cannot_be_saved_is_kept_in_memory_until_it_can(
    capture: Path, events: dict[int, Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes(capture)

    # The tests may run as root, who may write anywhere.
    def refuse(**options: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("inspector.store.notes.tempfile.mkstemp", refuse)
        with pytest.raises(CaptureError, match="cannot be written"):
            notes.toggle(3, events[3])
    assert notes.marked == {3}
    assert not notes.path.exists()
    notes.toggle(5, events[5])
    assert Notes(capture).marked == {3, 5}


def test_a_failed_write_leaves_the_old_file(
    capture: Path, events: dict[int, Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes(capture)
    notes.toggle(3, events[3])
    before = notes.path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inspector.store.notes.os.fsync", full)
    with pytest.raises(CaptureError, match="No space left"):
        notes.toggle(5, events[5])
    assert notes.path.read_bytes() == before
    assert sorted(os.listdir(capture.parent)) == ["bot.gwcap", "bot.gwcap.notes"]


def test_notes_and_rows_are_bounded(capture: Path, events: dict[int, Event], monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes(capture)
    with pytest.raises(CaptureError, match="10,000 characters, and this one has 10,001"):
        notes.set_note(3, events[3], "x" * 10_001)
    assert notes.note(3) is None
    monkeypatch.setattr(module, "MOST_ROWS", 1)
    notes.toggle(3, events[3])
    with pytest.raises(CaptureError, match="is full"):
        notes.toggle(5, events[5])
    assert Notes(capture).marked == {3}


@given(text=st.text(alphabet=st.characters(), max_size=50))
def test_any_note_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    capture = tmp_path_factory.mktemp("notes") / "bot.gwcap"
    event = Reader(SAMPLE).events(2, 1)[0]
    Notes(capture).set_note(3, event, text)
    assert Notes(capture).note(3) == (text.strip() or None)

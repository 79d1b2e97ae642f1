"""What leaves the house: rows in each format, masked, private, and never over another file."""

import csv
import json
import stat
from pathlib import Path

import pytest

from inspector.errors import CaptureError, UsageError
from inspector.export import csv as csv_format
from inspector.export.file import FORMATS, export
from inspector.model import Event, Kind, Plane
from inspector.protocol.registry import default
from inspector.report.jsonl import line
from inspector.report.present import Shown
from inspector.report.recording import Recording
from inspector.report.text import TextRows
from inspector.store.writer import Writer
from tests.conversation import SESSION, TOKEN, Conversation, dispatch, usual

SAMPLES = Path(__file__).parents[2] / "sample_captures"


@pytest.fixture
def recording() -> Recording:
    return Recording(SAMPLES / "hostile.gwcap", default())


def written(talk: Conversation, path: Path) -> Path:
    writer = Writer(path, default(), made_by="test", keep_secrets=True)
    writer.write(talk.happenings)
    writer.finish()
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_lines_are_those_of_show(recording: Recording, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    last = recording.reader.last()
    assert export(recording, range(1, last + 1), target, "jsonl") == last
    assert target.read_bytes() == (SAMPLES / "expected" / "hostile.jsonl").read_bytes()


def test_text_is_that_of_show(recording: Recording, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    numbers = range(1, recording.reader.last() + 1)
    export(recording, numbers, target, "text")
    printed = TextRows()
    shown = [recording.shown(number) for number in numbers]
    assert target.read_text().splitlines() == [text for row in shown if row for text in printed.lines(row)]


def test_only_the_chosen_rows_are_written(recording: Recording, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    assert export(recording, [2, 3, 4, 7, 9], target, "jsonl") == 5
    assert [json.loads(text)["n"] for text in target.read_text().splitlines()] == [2, 3, 4, 7, 9]


def test_rows_that_are_not_there_are_not_counted(recording: Recording, tmp_path: Path) -> None:
    last = recording.reader.last()
    assert export(recording, [last, last + 1, last + 9], tmp_path / "out.csv", "csv") == 1


def test_a_table_has_its_columns_and_a_line_for_each_row(recording: Recording, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    export(recording, range(1, recording.reader.last() + 1), target, "csv")
    rows = table(target)
    assert tuple(rows[0]) == csv_format.COLUMNS
    assert [int(row["n"]) for row in rows] == list(range(1, recording.reader.last() + 1))
    shown = recording.shown(2)
    assert shown
    said = json.loads(line(shown))
    assert rows[1] == {name: "" if said[name] is None else str(said[name]) for name in csv_format.COLUMNS}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_a_table_runs_no_formulas(start: str) -> None:
    event = Event(1, 1, 0, Plane.RPC, Kind.PAYLOAD, op=f"{start}a1", event=f"{start}cmd()", from_client=True)
    shown = Shown(event, f"{start}a1", f"{start}cmd()")
    found = next(csv.reader([csv_format.row(shown).decode()]))
    assert not [cell for cell in found if cell.startswith(start)]
    assert [cell[0] for cell in (found[6], found[7], found[8], found[12])] == ["'"] * 4


def test_hostile_names_are_inert_in_a_table(tmp_path: Path) -> None:
    talk = Conversation().opens().server(dispatch('A\x1b[2J\u202e\ud800,"\nB', {}, 1))
    recording = Recording(written(talk, tmp_path / "x.gwcap"), default())
    export(recording, [1, 2], tmp_path / "out.csv", "csv")
    data = (tmp_path / "out.csv").read_bytes()
    assert b"\x1b" not in data
    assert "\u202e".encode() not in data
    assert len(table(tmp_path / "out.csv")) == 2


@pytest.mark.parametrize("form", FORMATS)
def test_secrets_are_masked_unless_they_are_revealed(tmp_path: Path, form: str) -> None:
    path = written(usual(), tmp_path / "x.gwcap")
    recording = Recording(path, default())
    numbers = range(1, recording.reader.last() + 1)
    export(recording, numbers, tmp_path / "masked", form)
    text = (tmp_path / "masked").read_text()
    assert TOKEN not in text
    assert SESSION not in text
    if form == "jsonl":
        recording.reveal = True
        export(recording, numbers, tmp_path / "open", form)
        assert TOKEN in (tmp_path / "open").read_text()


@pytest.mark.parametrize("form", FORMATS)
def test_the_file_is_private(recording: Recording, tmp_path: Path, form: str) -> None:
    export(recording, [1, 2], tmp_path / "out", form)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600


@pytest.mark.parametrize("link", [False, True])
def test_no_file_is_written_over(recording: Recording, tmp_path: Path, link: bool) -> None:
    target = precious = tmp_path / "out"
    precious.write_text("precious")
    if link:
        target = tmp_path / "link"
        target.symlink_to(precious)
    with pytest.raises(CaptureError, match="exists; not overwriting it, choose another name"):
        export(recording, [1], target, "text")
    assert precious.read_text() == "precious"


def test_a_folder_that_is_not_there_is_named(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"nowhere/out cannot be made: No such file"):
        export(recording, [1], tmp_path / "nowhere" / "out", "text")


def test_an_unknown_format_is_answered_with_those_there_are(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no format 'gwcap'; there are jsonl, text, csv"):
        export(recording, [1], tmp_path / "out", "gwcap")
    assert not (tmp_path / "out").exists()


def test_progress_says_how_much_is_done(recording: Recording, tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []
    export(recording, [1, 2, 4], tmp_path / "out", "csv", lambda done, total: said.append((done, total)))
    assert said == [(2, 3), (3, 3)]


def test_an_export_that_is_stopped_leaves_nothing(recording: Recording, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(recording, [1, 2, 4], tmp_path / "out", "csv", stop)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_said_and_leaves_nothing(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(chosen: object) -> object:
        yield b"begun"
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(FORMATS, "text", full)
    with pytest.raises(CaptureError, match="out cannot be written: No space left"):
        export(recording, [1], tmp_path / "out", "text")
    assert not (tmp_path / "out").exists()

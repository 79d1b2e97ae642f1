"""A row that a bug of ours keeps from being shown is there all the same, and says so."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inspector.errors import CaptureError
from inspector.export.file import export
from inspector.model import Event
from inspector.protocol.registry import default
from inspector.report import cells, jsonl, present
from inspector.report.jsonl import line
from inspector.report.present import Presenter, rendered
from inspector.report.recording import Recording
from inspector.report.rows import CaptureRows
from inspector.report.text import TextRows
from inspector.session import summarize
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import usual

REGISTRY = default()
BROKEN = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "talk.gwcap"
    writer = Writer(path, REGISTRY, made_by="test")
    writer.write(usual().happenings)
    writer.finish()
    return path


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    reader = Reader(path)
    yield reader
    reader.close()


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch, lenient: None) -> None:
    """Saying what row 4 is about raises."""

    def broken(event: Event, *more: Any) -> str:
        if event.n == BROKEN:
            raise OverflowError("s3cret-t0ken")
        return summarize.summarize(event, *more)

    monkeypatch.setattr(present, "summarize", broken)


def break_at(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Have a function that writes one row raise for row 4, unless it is the row that says so."""
    whole = getattr(module, name)

    def broken(shown: Any, *more: Any, **others: Any) -> Any:
        if shown.event.n == BROKEN and not shown.fault:
            raise OverflowError("s3cret-t0ken")
        return whole(shown, *more, **others)

    monkeypatch.setattr(module, name, broken)


def lines_of(reader: Reader) -> list[str]:
    text, presenter, rows = TextRows(), Presenter(REGISTRY), CaptureRows(reader)
    return [line for event in reader.events() for line in text.lines(presenter.show(event, rows))]


def records_of(reader: Reader) -> list[dict[str, Any]]:
    presenter, rows = Presenter(REGISTRY), CaptureRows(reader)
    return [json.loads(line(presenter.show(event, rows))) for event in reader.events()]


@pytest.mark.usefixtures("lenient")
def test_a_row_that_cannot_be_summarized_says_so(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lines_of(reader)
    monkeypatch.setattr(present, "summarize", lambda event, *more: 1 / 0 if event.n == BROKEN else "fine")
    after = lines_of(reader)
    assert len(before) == len(after)
    (marked,) = [text for text in after if "bug in gwinspect" in text]
    assert "this row could not be shown (bug in gwinspect: ZeroDivisionError in present.py:" in marked
    # Its time, its connection and its direction are where they were.
    (plain,) = [one for one, other in zip(before, after, strict=True) if other == marked]
    assert marked.split()[:5] == plain.split()[:5]


@pytest.mark.usefixtures("bug")
def test_the_record_of_such_a_row_names_the_fault_and_no_value(reader: Reader) -> None:
    found = records_of(reader)
    assert [record["n"] for record in found] == [event.n for event in reader.events()]
    marked = found[BROKEN - 1]
    assert marked["fault"].startswith("OverflowError in ")
    assert (marked["direction"], marked["kind"], "d" in marked) == ("receive", "payload", False)
    assert "s3cret" not in json.dumps(found)
    assert not any("fault" in record for record in found if record["n"] != BROKEN)


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize(("module", "name"), [(cells, "summary"), (cells, "what")])
def test_a_row_that_cannot_be_written_says_so(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    break_at(monkeypatch, module, name)
    assert sum("this row could not be shown" in text for text in lines_of(reader)) == 1


@pytest.mark.usefixtures("lenient")
def test_a_record_that_cannot_be_written_says_so(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    break_at(monkeypatch, jsonl, "record")
    found = records_of(reader)
    assert [record["n"] for record in found if "fault" in record] == [BROKEN]


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("form", ["jsonl", "text", "csv"])
def test_an_export_has_such_a_row_too(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    break_at(monkeypatch, cells, "summary")
    break_at(monkeypatch, jsonl, "record")
    recording = Recording(path, REGISTRY)
    numbers = range(1, recording.reader.last() + 1)
    target = tmp_path / f"rows.{form}"
    assert export(recording, numbers, target, form) == len(numbers)
    text = target.read_text()
    assert text.count("this row could not be shown (bug in gwinspect: OverflowError") == 1
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["n"] for row in rows] == [str(number) for number in numbers]


@pytest.mark.usefixtures("bug")
def test_a_line_of_a_screen_says_so(path: Path) -> None:
    shown = Recording(path, REGISTRY).lines([BROKEN - 1, BROKEN])
    assert [each.event.n for each in shown] == [BROKEN - 1, BROKEN]
    assert shown[1].summary.startswith("this row could not be shown")


def test_faults_are_let_through_to_tests(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(present, "summarize", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lines_of(reader)


@pytest.mark.usefixtures("lenient")
def test_a_damaged_capture_is_not_a_bug(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(*args: Any) -> str:
        raise CaptureError("x is torn")

    monkeypatch.setattr(present, "summarize", torn)
    with pytest.raises(CaptureError):
        lines_of(reader)
    with pytest.raises(CaptureError):
        rendered(present.faulty(reader.events()[0], ValueError()), torn)

"""What was noticed is listed whole, in bounds, and told apart by rule."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspector.analysis import findings
from inspector.analysis.findings import Findings, FindingsSnapshot, speaking_of, worst_first
from inspector.errors import CaptureError
from inspector.model import Finding, Severity
from inspector.store.file import connect
from inspector.store.reader import Reader
from tests.tui.noticed import add, notice, troubled


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return troubled(tmp_path / "a.gwcap")


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    reader = Reader(path)
    yield reader
    reader.close()


def read(reader: Reader, limit: int = findings.SLICE) -> FindingsSnapshot:
    found = Findings(reader)
    while found.advance(limit):
        pass
    return found.snapshot()


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_however_it_is_sliced_all_findings_are_listed(reader: Reader, limit: int) -> None:
    noticed = read(reader, limit)
    assert [each.finding for each in sorted(noticed.listed, key=lambda each: each.finding.event)] == reader.findings()
    assert noticed.counts == {Severity.ERROR: 1, Severity.WARN: 2, Severity.INFO: 2}
    assert (noticed.total, noticed.read) == (5, True)
    for each in noticed.listed:
        event = reader.events(each.finding.event - 1, 1)[0]
        assert (each.at_ns, each.connection, each.plane) == (event.at_ns, event.connection, event.plane)


def test_the_worst_come_first_and_those_that_are_alike_by_time(reader: Reader) -> None:
    order = [
        (each.finding.severity.name[0], each.finding.event) for each in sorted(read(reader).listed, key=worst_first)
    ]
    assert order == [("E", 43), ("W", 42), ("W", 47), ("I", 5), ("I", 37)]


def test_where_there_are_too_many_the_mildest_are_counted_only(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MOST", 3)
    noticed = read(reader)
    assert {each.finding.severity for each in noticed.listed} == {Severity.ERROR, Severity.WARN}
    assert noticed.total == 5


def test_what_is_noticed_later_is_read_too(path: Path, reader: Reader) -> None:
    found = Findings(reader)
    found.advance()
    before = found.snapshot()
    db = connect(path, write=True)
    add(db, [Finding("a-rule", Severity.WARN, "Silence.", 1)])
    db.close()
    found.advance()
    assert (before.total, found.snapshot().total) == (5, 6)


def test_a_row_knows_who_names_it_as_evidence(reader: Reader) -> None:
    assert speaking_of(reader, 31) == [(42, "heartbeat-late"), (43, "close-4009")]
    assert speaking_of(reader, 43) == [(47, "resume-refused")]
    # A row whose digits stand in the number of another.
    assert speaking_of(reader, 3) == []


def test_evidence_is_named_by_so_many_only(path: Path, reader: Reader) -> None:
    notice(path, [Finding("a-rule", Severity.INFO, "So it is.", number, (50,)) for number in range(1, 30)])
    assert len(speaking_of(reader, 50)) == 9


@pytest.mark.parametrize(
    "damage", ["update finding set evidence = '{'", "update finding set severity = 9", "drop table finding"]
)
def test_a_damaged_capture_is_an_error_of_ours(path: Path, damage: str) -> None:
    db = sqlite3.connect(path)
    db.execute(damage)
    db.commit()
    db.close()
    with pytest.raises(CaptureError), closing(Reader(path)) as reader:
        read(reader)

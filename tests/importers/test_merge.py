"""Many files into one capture, whole or not at all. What comes of each format is tested with `gwinspect convert`."""

import gc
import shutil
from contextlib import closing
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from mitmproxy.test import tflow

from inspector.errors import CaptureError
from inspector.importers.hints import Hints
from inspector.importers.merge import Input, fill, merge
from inspector.protocol.registry import default
from inspector.report.rows import notes_of
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import ACK, HELLO, NOON, Conversation
from tests.importers.test_har import TALK, entry, har
from tests.importers.test_mitm import dump, websocket
from tests.rows import rows_of

pytestmark = pytest.mark.compat

SAMPLES = Path(__file__).parents[2] / "sample_captures"
BROWSER = Path(__file__).parent / "browser"


def test_progress_is_told_in_bytes_and_happenings_and_reaches_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, int, int]] = []
    paths = [SAMPLES / name for name in ("resume.gwcap", "voice.gwcap")]
    inputs = [Input(path) for path in paths]
    merge(inputs, tmp_path / "both.gwcap", default(), made_by="test", report=lambda *numbers: told.append(numbers))
    assert told == sorted(told)
    assert {total for _, total, _ in told} == {sum(path.stat().st_size for path in paths)}
    assert told[-1][0] == told[-1][1]
    with closing(Reader(tmp_path / "both.gwcap")) as reader:
        assert told[-1][2] == reader.db.execute("select count(*) from frame").fetchone()[0]


def talk(connection: int, *, after_s: int, said: int = 1) -> Conversation:
    made = Conversation(connection=connection, at_ns=NOON + after_s * 10**9).opens().server(HELLO)
    for _ in range(said):
        made.client({"op": 1, "d": None}).server(ACK)
    return made.closes(1000)


def written(path: Path, *talks: Conversation) -> Path:
    """A capture with one connection after the other, as those have that were made of mitmproxy's flows before."""
    writer = Writer(path, default(), made_by="test")
    writer.write([happening for each in talks for happening in each.happenings])
    writer.finish()
    return path


def order_of(path: Path) -> list[tuple[int, int, str]]:
    with closing(Reader(path)) as reader:
        return [(event.at_ns, event.connection, event.kind.value) for event in reader.all_events()]


def test_files_are_one_recording_in_the_order_of_time(tmp_path: Path) -> None:
    """In whatever order they are named; connections count by their opening."""
    early, late = written(tmp_path / "1.gwcap", talk(1, after_s=0)), written(tmp_path / "2.gwcap", talk(1, after_s=1))
    between = written(tmp_path / "3.gwcap", Conversation(connection=1, at_ns=NOON + 5_000_000).opens().server(HELLO))
    for number, paths in enumerate(permutations((early, late, between))):
        merge([Input(path) for path in paths], tmp_path / f"{number}.out.gwcap", default(), made_by="test")
        found = order_of(tmp_path / f"{number}.out.gwcap")
        assert found == sorted(found)
        assert list(dict.fromkeys(connection for _, connection, _ in found)) == [1, 2, 3]
        with closing(Reader(tmp_path / f"{number}.out.gwcap")) as reader:
            assert reader.files() == {1: "1.gwcap", 2: "3.gwcap", 3: "2.gwcap"}


def test_a_capture_with_one_connection_after_the_other_comes_in_the_order_of_time(tmp_path: Path) -> None:
    path = written(tmp_path / "old.gwcap", talk(1, after_s=10), talk(2, after_s=0, said=600), talk(3, after_s=5))
    merge([Input(path)], tmp_path / "out.gwcap", default(), made_by="test")
    found = order_of(tmp_path / "out.gwcap")
    assert found == sorted(found, key=lambda row: row[0])
    assert len(found) == len(order_of(path))
    with closing(Reader(tmp_path / "out.gwcap")) as reader:
        opened = [connection.opened.at_ns - NOON for connection in reader.connections()]
        assert reader.files() == {}
    assert opened == sorted(opened)


def test_a_clock_that_runs_backwards_is_put_right_and_told(tmp_path: Path) -> None:
    happenings = talk(1, after_s=0, said=3).happenings
    happenings[4] = replace(happenings[4], at_ns=NOON - 10**9)
    path = tmp_path / "odd.gwcap"
    rows_of(happenings, path)
    made = merge([Input(path)], tmp_path / "out.gwcap", default(), made_by="test")
    found = order_of(tmp_path / "out.gwcap")
    assert found == sorted(found, key=lambda row: row[0])
    [note] = made.notes
    assert note.startswith("the clock ran backwards on 1 connection, by up to 1.0")
    with closing(Reader(tmp_path / "out.gwcap")) as reader:
        assert notes_of(reader) == [note]
    again = merge([Input(tmp_path / "out.gwcap")], tmp_path / "again.gwcap", default(), made_by="test")
    assert again.notes == made.notes


def test_rows_of_a_capture_that_is_followed_can_be_read_while_it_is_filled(tmp_path: Path) -> None:
    source = written(tmp_path / "source.gwcap", talk(1, after_s=0, said=3000))
    target = tmp_path / "out.part"
    seen: list[int] = []

    def look(done: int, total: int, happenings: int) -> None:
        with closing(Reader(target)) as reader:
            seen.append(reader.last())
            assert reader.events(reader.last() - 1)[0].payload is not None or happenings > 6000

    made = fill([Input(source)], target, default(), made_by="test", followed=True, report=look)
    assert made.events == 6003
    assert seen[0] < 100
    assert seen == sorted(set(seen))
    assert len(seen) > 5


def test_the_collector_of_cycles_is_as_it_was(tmp_path: Path) -> None:
    for was_on in (False, True):
        (gc.enable if was_on else gc.disable)()
        try:
            merge([Input(SAMPLES / "resume.gwcap")], tmp_path / "out.gwcap", default(), made_by="test")
            assert gc.isenabled() == was_on
        finally:
            gc.enable()


def test_the_capture_says_what_it_was_made_of(tmp_path: Path) -> None:
    merge([Input(SAMPLES / "resume.gwcap")], tmp_path / "out.gwcap", default(), made_by="test")
    reader = Reader(tmp_path / "out.gwcap")
    meta = reader.meta()
    reader.close()
    assert (meta["made_by"], meta["source"]) == ("test", "resume.gwcap")


def test_the_folder_one_is_in_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes name what is read by its name, and the capture keeps that alone."""
    folder = tmp_path / "recorded"
    shutil.copytree(BROWSER / "attach", folder)
    next(folder.glob("*.jsonl")).unlink()
    monkeypatch.chdir(folder)
    made = merge([Input(Path(), Hints(("127.0.0.1",)))], tmp_path / "made.gwcap", default(), made_by="test")
    assert made.notes
    with closing(Reader(tmp_path / "made.gwcap")) as reader:
        assert reader.meta()["source"] == "recorded"
        assert str(tmp_path) not in reader.meta()["notes"]


def test_what_was_there_stays_when_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "out.gwcap"
    merge([Input(SAMPLES / "resume.gwcap")], target, default(), made_by="test")
    before = target.read_bytes()
    har = tmp_path / "empty.har"
    har.write_text('{"log": {"version": "1.2", "creator": {"name": "invented"}, "entries": []}}')
    with pytest.raises(CaptureError, match="there is no gateway connection"):
        merge([Input(har)], target, default(), made_by="test")
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.har", "out.gwcap"]


def test_a_target_in_no_folder_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="make it first"):
        merge([Input(SAMPLES / "resume.gwcap")], tmp_path / "none" / "out.gwcap", default(), made_by="test")


@pytest.mark.parametrize("form", ["flows", "har"])
def test_progress_moves_while_a_file_is_looked_through(form: str, tmp_path: Path) -> None:
    """Nothing is given of it before all of it was seen: what is last in it may have begun first."""
    if form == "flows":
        others = [tflow.tflow(resp=True) for _ in range(600)]
        path = tmp_path / "day.mitm"
        path.write_bytes(dump(*others, websocket()))
    else:
        path = tmp_path / "day.har"
        path.write_text(har(entry(messages=TALK * 400)))
    told: list[tuple[int, int, int]] = []
    inputs = [Input(path)]
    merge(inputs, tmp_path / "day.gwcap", default(), made_by="test", report=lambda *numbers: told.append(numbers))
    before = [done for done, _, happenings in told if not happenings]
    assert len(before) >= 2
    assert told == sorted(told)

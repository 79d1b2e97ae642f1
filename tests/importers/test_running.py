"""An import in a process of its own: what is seen of it, what is kept, and what is left when it is ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from inspector.errors import CaptureError, NotACapture
from inspector.importers.cache import Place, imported
from inspector.importers.hints import Hints
from inspector.importers.running import Progress, Running, watched
from inspector.protocol.registry import default, load
from inspector.report.rows import notes_of
from inspector.store.reader import Reader
from tests.conversation import usual
from tests.importers.test_frames import HEADER, OPEN, SAID
from tests.packets import pcap
from tests.wired import Wired

ROOT = Path(__file__).parents[2]
# Seconds that something may take which takes a tenth of one on a machine with nothing else to do.
LIMIT = 60.0
MANY = 60_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "imports"


def frames(path: Path, said: int = 3) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in (HEADER, OPEN, *[SAID] * said)))
    return path


@pytest.fixture
def few(tmp_path: Path) -> Path:
    return frames(tmp_path / "bot.frames.jsonl")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """More than is imported before somebody has looked."""
    return frames(tmp_path / "many.frames.jsonl", MANY)


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def finished(running: Running | None) -> Progress:
    assert running is not None
    until(lambda: running.progress().is_over)
    return running.progress()


def rows(path: Path) -> int:
    with closing(Reader(path)) as reader:
        return reader.last()


def test_key_logs_are_read_there_too(tmp_path: Path, folder: Path) -> None:
    wired = Wired(usual().happenings)
    path, keys = tmp_path / "day.pcap", tmp_path / "keys.log"
    path.write_bytes(pcap(wired.packets))
    keys.write_bytes(wired.log)
    with watched([path], default(), Hints(keys=(keys,)), folder=folder) as found:
        assert finished(found.running).problem is None
        assert rows(found.path) == 11


def test_it_is_kept_once_it_is_finished_and_then_there_at_once(few: Path, folder: Path) -> None:
    with watched([few], default(), folder=folder) as found:
        progress = finished(found.running)
        assert progress == Progress(few.stat().st_size, few.stat().st_size, 4, is_over=True)
        assert rows(found.path) == 4
        # For others too, while it is still looked at.
        kept = imported(Place([few], default(), folder=folder))
        assert rows(kept) == 4
        assert kept != found.path
    assert list(folder.iterdir()) == [kept]
    assert (folder.stat().st_mode & 0o777, kept.stat().st_mode & 0o777) == (0o700, 0o600)
    with watched([few], default(), folder=folder) as found:
        assert (found.path, found.running) == (kept, None)
    assert list(folder.iterdir()) == [kept]


def test_what_is_kept_is_one_plain_file_with_all_that_an_import_has(few: Path, folder: Path, tmp_path: Path) -> None:
    with watched([few], default(), folder=folder) as found, closing(Reader(found.path)) as reader:
        finished(found.running)
        assert reader.last() == 4
    [kept] = folder.iterdir()
    assert kept.read_bytes()[18:20] == b"\x01\x01"
    other = imported(Place([few], default(), folder=tmp_path / "other"))
    assert other.name == kept.name
    for query in ("frame", "event", "connection", "payload_chunk"):
        with closing(Reader(kept)) as one, closing(Reader(other)) as two:
            both = [reader.db.execute(f"select * from {query}").fetchall() for reader in (one, two)]
        assert both[0] == both[1] != []


def test_it_grows_for_those_who_look(folder: Path, tmp_path: Path) -> None:
    several = frames(tmp_path / "several.frames.jsonl", 5_000)
    with watched([several], default(), folder=folder) as found, closing(Reader(found.path)) as reader:
        assert reader.last() == 0
        until(reader.last)
        assert found.running is not None
        until(lambda: found.running.progress().done)
        finished(found.running)
        assert reader.last() == 5_001


def test_where_nobody_waits_for_it_nothing_is_left(many: Path, folder: Path) -> None:
    with watched([many], default(), folder=folder) as found:
        until(lambda: rows(found.path))
        assert found.running is not None
        assert not found.running.progress().is_over
        process = psutil.Process(found.running._process.pid)
        assert process.is_running()
    assert not process.is_running()
    assert list(folder.iterdir()) == []


def test_two_at_once_do_not_get_in_each_other_s_way(few: Path, folder: Path) -> None:
    with watched([few], default(), folder=folder) as one, watched([few], default(), folder=folder) as two:
        assert one.path != two.path
        for found in (one, two):
            assert finished(found.running).problem is None
            assert rows(found.path) == 4
    assert len(list(folder.iterdir())) == 1


def test_what_nobody_is_to_keep_is_gone_with_the_block(few: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "passing").mkdir()
    with watched([few], default(), passing=tmp_path / "passing", folder=folder) as found:
        assert finished(found.running).problem is None
        assert found.path.stat().st_mode & 0o777 == 0o600
        assert rows(found.path) == 4
    assert list((tmp_path / "passing").iterdir()) == []
    assert not folder.exists()


def test_a_file_without_a_gateway_is_told_with_the_reason_and_not_kept(folder: Path, tmp_path: Path) -> None:
    har = tmp_path / "empty.har"
    har.write_text('{"log": {"version": "1.2", "creator": {"name": "invented"}, "entries": []}}')
    with watched([har], default(), folder=folder) as found:
        problem = finished(found.running).problem
    assert isinstance(problem, CaptureError)
    assert "there is no gateway connection in" in str(problem)
    assert "no gateway WebSocket in it" in problem.shown
    assert list(folder.iterdir()) == []


def test_a_file_that_nobody_knows_is_refused_before_anything_begins(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"something else")
    with pytest.raises(NotACapture), watched([tmp_path / "x"], default(), folder=folder):
        pass
    assert not folder.exists()


def test_notes_are_in_the_capture(few: Path, folder: Path) -> None:
    with few.open("a") as file:
        file.write('{"kind":"mess')
    with watched([few], default(), folder=folder) as found:
        finished(found.running)
        with closing(Reader(found.path)) as reader:
            assert notes_of(reader) == [
                "bot.frames.jsonl ends in the middle of line 6: it is being written, or was cut off",
            ]


def test_tables_of_the_user_s_own_count(few: Path, folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[secret]]\nkey = "invented_secret"\n')
    said = {"op": 1, "d": {"invented_secret": "kept-by-nobody"}}
    with few.open("a") as file:
        file.write(json.dumps(SAID | {"direction": "send", "text": json.dumps(said)}) + "\n")
    with watched([few], load([own]), folder=folder) as found:
        assert finished(found.running).problem is None
        with closing(Reader(found.path)) as reader:
            assert b"kept-by-nobody" not in (reader.payload(5) or b"kept-by-nobody")


def test_a_process_that_was_killed_is_told_and_nothing_is_kept(many: Path, folder: Path) -> None:
    with watched([many], default(), folder=folder) as found:
        assert found.running is not None
        found.running._process.send_signal(signal.SIGKILL)
        problem = finished(found.running).problem
        assert "was stopped by another process (exit code -9)" in str(problem)
    assert list(folder.iterdir()) == []


SCRIPT = """
import sys, time
from pathlib import Path
from inspector.importers.running import watched
from inspector.protocol.registry import default
with watched([Path(sys.argv[1])], default(), folder=Path(sys.argv[2])) as found:
    print(found.running._process.pid, flush=True)
    time.sleep(600)
"""


def test_it_ends_with_a_program_that_is_killed_and_takes_its_file_along(many: Path, folder: Path) -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(many), str(folder)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        assert started.stdout is not None
        importer = psutil.Process(int(started.stdout.readline()))
        until(lambda: any(path.suffix == ".part" for path in folder.iterdir()))
        # One that is not finished.
        importer.suspend()
        started.kill()
        started.wait()
        importer.resume()
        until(lambda: not importer.is_running() or importer.status() == psutil.STATUS_ZOMBIE)
    finally:
        started.kill()
        started.communicate()
    assert list(folder.iterdir()) == []

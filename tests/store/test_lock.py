"""A capture has one writer at a time, and no lock outlives its holder."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inspector.errors import CaptureInUse
from inspector.protocol.registry import default
from inspector.store.lock import Lock, check_free
from inspector.store.settle import settle
from inspector.store.writer import Writer

HOLDER = """
import sys, time
from pathlib import Path
from inspector.store.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(100)
"""


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return tmp_path / "bot.gwcap"


def test_a_second_writer_is_refused_with_the_process_that_is_the_first(capture: Path) -> None:
    writer = Writer(capture, default(), made_by="test")
    with pytest.raises(
        CaptureInUse, match=rf"bot.gwcap is being written by another gwinspect \(process {os.getpid()}\)"
    ):
        Writer(capture, default(), made_by="test")
    writer.finish()
    Writer(capture, default(), made_by="test").finish()
    assert [path.name for path in capture.parent.iterdir()] == ["bot.gwcap"]


def test_another_name_of_the_same_file_does_not_get_round_it(capture: Path) -> None:
    other = capture.with_name("other.gwcap")
    other.symlink_to(capture)
    with Lock(capture), pytest.raises(CaptureInUse):
        Lock(other)


def test_the_lock_of_a_process_that_was_killed_is_gone_with_it(capture: Path) -> None:
    Writer(capture, default(), made_by="test").finish()
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(capture)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(CaptureInUse, match=f"process {holder.pid}"):
        check_free(capture)
    holder.kill()
    holder.communicate()
    assert capture.with_name("bot.gwcap.lock").exists()
    settle(capture)
    assert [path.name for path in capture.parent.iterdir()] == ["bot.gwcap"]
    Lock(capture).release()


def test_readers_are_not_kept_away(capture: Path) -> None:
    from inspector.store.reader import Reader

    with Lock(capture):
        writer = Writer(capture.with_name("other.gwcap"), default(), made_by="test")
        Reader(writer.path).close()
        writer.finish()


def test_where_files_cannot_be_locked_recording_goes_on_and_says_so(
    capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: object, what: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = Lock(capture)
    assert "files cannot be locked in" in lock.problem
    lock.release()
    assert list(capture.parent.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_has_no_lock(capture: Path) -> None:
    capture.parent.chmod(0o500)
    assert "cannot be made" in Lock(capture).problem

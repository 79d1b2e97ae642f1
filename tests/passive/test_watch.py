"""What is said of a command of which no packets could be read."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from inspector.model import Happening
from inspector.passive import watch
from inspector.passive.watch import PacketWatch
from inspector.protocol.registry import default
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.reports import Report, write_report
from inspector.store.writer import Writer
from tests.conversation import usual

CLIENT = [sys.executable, "-c", "import time; time.sleep(100)"]


def written(path: Path, happenings: Sequence[Happening]) -> Path:
    writer = Writer(path, default(), made_by="test")
    writer.write(list(happenings))
    writer.finish()
    return path


@pytest.fixture
def client():
    with subprocess.Popen(CLIENT) as process:
        yield process
        process.kill()


def test_nothing_is_said_before_it_is_time(tmp_path: Path, client) -> None:
    watching = PacketWatch(tmp_path / "own.gwcap", Folder(tmp_path))
    written(tmp_path / "own.gwcap", [])
    watching.begin(client, CLIENT)
    assert watching.unseen is None


def test_a_client_that_runs_without_a_connection_is_said(tmp_path: Path, client, monkeypatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0)
    watching = PacketWatch(tmp_path / "own.gwcap", Folder(tmp_path))
    written(tmp_path / "own.gwcap", [])
    watching.begin(client, ["python", "bot.py"])
    assert watching.unseen is not None
    assert watching.unseen.lines() == [
        "python has run for 0 s, and no gateway connection was recorded.",
        "It has not connected to one, or has not written its TLS keys.",
        "Try:",
        "  through a proxy   the same command without --passive",
    ]


def test_a_runtime_that_writes_no_keys_is_named(tmp_path: Path, client, monkeypatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 0)
    watching = PacketWatch(tmp_path / "own.gwcap", Folder(tmp_path))
    written(tmp_path / "own.gwcap", [])
    watching.begin(client, ["java", "-jar", "bot.jar"])
    assert watching.unseen is not None
    assert watching.unseen.why == ("It is made with Java, which does not write its TLS keys by SSLKEYLOGFILE.",)


def test_what_was_there_before_does_not_count(tmp_path: Path, client) -> None:
    capture = written(tmp_path / "own.gwcap", usual().happenings)
    watching = PacketWatch(capture, Folder(tmp_path))
    watching.begin(client, CLIENT)
    watching.stop()
    assert watching.unseen is not None


def test_a_connection_that_came_at_once_counts(tmp_path: Path, client) -> None:
    watching = PacketWatch(tmp_path / "own.gwcap", Folder(tmp_path))
    written(tmp_path / "own.gwcap", usual().happenings)
    watching.begin(client, CLIENT)
    watching.stop()
    assert watching.unseen is None


def test_a_hook_that_failed_is_the_reason(tmp_path: Path, client) -> None:
    folder = Folder(tmp_path)
    watching = PacketWatch(tmp_path / "own.gwcap", folder)
    written(tmp_path / "own.gwcap", [])
    write_report(folder.reports, Report(7, "python 3.11.7", "failed", text="picows crashes"))
    watching.begin(client, CLIENT)
    watching.stop()
    assert watching.unseen is not None
    assert watching.unseen.why == ("The hook in process 7 (python 3.11.7) failed: picows crashes.",)

"""The screen on frames: while a recorder appends to them, and out of a pipe, with the keys of the terminal."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conversation import ACK, HEARTBEAT, HELLO, Conversation, identify, ready
from tests.e2e.terminal import Terminal
from tests.importers.test_frames import AT, HEADER, written

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")]

TALK = Conversation().opens().server(HELLO).client(identify()).server(ready()).client(HEARTBEAT).server(ACK)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Terminal(tmp_path)
    yield made
    made.end()


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    path = tmp_path / "bot.frames.jsonl"
    append(path, HEADER, *map(written, TALK.happenings[:4]))
    return path


def append(path: Path, *records: dict) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def test_frames_are_watched_while_they_grow(terminal: Terminal, frames: Path) -> None:
    terminal.start("open", "--follow", str(frames))
    terminal.shows("bot.frames.jsonl", "READY", "FOLLOWING", "row 4 of 4")
    append(frames, *map(written, TALK.happenings[4:]))
    terminal.shows("Heartbeat ACK", "row 6 of 6")
    append(frames, {"kind": "end", "at": AT})
    terminal.shows("FINISHED")
    terminal.press("q")
    terminal.shows("EXIT 0")


def test_frames_out_of_a_pipe_are_opened(terminal: Terminal, frames: Path) -> None:
    terminal.start("open", "-", piped=f"cat {frames}")
    terminal.shows("stdin", "READY", "row 1 of 4")
    terminal.press("G")
    terminal.shows("row 4 of 4")
    terminal.press("q")
    terminal.shows("EXIT 0")


def test_frames_out_of_a_pipe_are_watched_while_they_grow(terminal: Terminal, frames: Path) -> None:
    terminal.start("open", "--follow", "-", piped=f"tail -n +1 -f {frames}")
    terminal.shows("stdin", "READY", "FOLLOWING", "row 4 of 4")
    append(frames, *map(written, TALK.happenings[4:]))
    terminal.shows("Heartbeat ACK", "row 6 of 6")
    terminal.press("q")

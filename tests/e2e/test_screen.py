"""The screen in a real terminal, tmux: on the demo with a real mitmproxy and client, and on a growing capture."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import ACK, HEARTBEAT, HELLO, Conversation, identify, ready
from tests.e2e.playing import ROOT
from tests.e2e.terminal import Terminal

pytestmark = [
    pytest.mark.compat,
    pytest.mark.e2e,
    pytest.mark.lowest,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    made.end()


def test_the_demo_can_be_watched_filtered_searched_and_looked_into(terminal: Terminal, tmp_path: Path) -> None:
    capture = tmp_path / "demo.gwcap"
    terminal.start("demo", "resume", "--capture", str(capture))
    terminal.shows("LIVE  127.0.0.1:", "READY", "The Invented Guild, 4 members", "close 1006", "RESUMED")
    terminal.press("f")
    terminal.shows("Enter applies")
    terminal.type("event == MESSAGE_CREATE")
    terminal.press("Enter")
    terminal.shows("event MESSAGE_CREATE", "5 of 5")
    terminal.press("0")
    terminal.shows("row 22 of 22")
    terminal.press("/")
    terminal.shows("search text in")
    terminal.type("line is down")
    terminal.press("Enter")
    terminal.shows("paused", "row 16 of 22")
    terminal.press("Enter")
    terminal.shows("Payload", "JSON", "Explain", "Wire", "Compare", "channel_id")
    terminal.press("]", "]")
    terminal.shows("MESSAGE_CREATE", "docs.discord.com")
    terminal.leave("next tab")
    terminal.press("p")
    terminal.shows("plots", "event mix")
    terminal.leave("event mix")
    terminal.press("?")
    terminal.shows("keys", "Narrow the timeline with a filter")
    terminal.leave("Narrow the timeline with a filter")
    terminal.press("s", "s")
    terminal.shows("closed 1006")
    terminal.press("q")
    terminal.shows("EXIT 0")
    reader = Reader(capture)
    assert "finished_at" in reader.meta()
    assert not Path(f"{capture}-wal").exists()
    reader.close()


def test_a_screen_that_is_killed_can_be_opened_again_on_the_growing_capture(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "growing.gwcap"
    writer = Writer(path, default(), made_by="test")
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    writer.write(talk.happenings)
    terminal.start("open", str(path), "--follow")
    terminal.shows("READY", "FOLLOWING", "row 4 of 4")
    os.kill(terminal.process(), 9)
    terminal.shows("EXIT 137")
    done = len(talk.happenings)
    talk.client(HEARTBEAT).server(ACK)
    writer.write(talk.happenings[done:])
    terminal.end()
    terminal.start("open", str(path), "--follow", columns=80, lines=24)
    terminal.shows("row 6 of 6", "Heartbeat ACK", "following")
    writer.finish()
    terminal.shows("FINISHED")
    terminal.press("q")
    terminal.shows("EXIT 0")


def test_without_colours_and_unicode_the_same_can_be_read(terminal: Terminal) -> None:
    os.environ["GWINSPECT_ASCII"] = "1"
    try:
        terminal.start("open", str(ROOT / "sample_captures" / "resume.gwcap"))
    finally:
        del os.environ["GWINSPECT_ASCII"]
    text = terminal.shows("< receive", "> send", "x server", "close 1006")
    assert not any(mark in text for mark in "▶◀✕●→…")
    terminal.press("q")
    terminal.shows("EXIT 0")

"""``gwinspect open``: what is opened, under which name. A function stands in place of the screen."""

import sys
import time
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest

from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from inspector.tui import run as screen
from inspector.tui.live_proxy import Filling

from .conftest import happenings

SAMPLES = Path(__file__).parents[2] / "sample_captures"


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What the screen was opened with, and what was on it in the end."""
    calls: list[dict] = []

    def show(path: Path, *, filling: Filling | None, **options) -> None:
        while filling is not None and not filling.progress().is_over:
            time.sleep(0.02)
        with closing(Reader(path)) as reader:
            seen = reader.last(), len(reader.connections())
        calls.append({"path": path, "imported": filling is not None, "seen": seen, **options})

    monkeypatch.setattr(import_module("inspector.cli.open"), "on_screen", lambda: True)
    monkeypatch.setattr(screen, "run", show)
    return calls


@pytest.fixture
def har(tmp_path: Path) -> Path:
    path = tmp_path / "traffic.har"
    path.write_text(
        '{"log": {"version": "1.2", "creator": {"name": "invented"}, "entries": [{'
        '"startedDateTime": "2026-01-31T12:00:00.000Z",'
        '"request": {"method": "GET", "url": "wss://gateway.discord.gg/?v=10&encoding=json", "headers": []},'
        '"response": {"status": 101, "statusText": "", "headers": []},'
        '"_webSocketMessages": [{"type": "receive", "time": 1769860800.5, "opcode": 1, "data": "{\\"op\\":11}"}]}]}}'
    )
    return path


def test_a_capture_is_opened_as_it_is(run, opened: list[dict], capture: Path) -> None:
    assert run("open", capture).code == 0
    options = {"follow": False, "where": "", "notes_for": capture, "title": capture.name}
    assert opened == [{"path": capture, "imported": False, "seen": (6, 1), **options}]


def test_the_newest_row_is_followed_where_asked_and_where_the_capture_grows(run, opened, capture: Path) -> None:
    run("open", "--follow", capture)
    growing = capture.with_name("growing.gwcap")
    writer = Writer(growing, default(), made_by="test")
    writer.write(list(happenings()))
    run("open", growing)
    writer.finish()
    assert [call["follow"] for call in opened] == [True, True]


def test_another_format_is_imported_once_and_keeps_its_name(run, opened: list[dict], har: Path) -> None:
    for _ in range(2):
        assert run("open", har).code == 0
    first, second = opened
    assert (first.pop("imported"), second.pop("imported")) == (True, False)
    growing, kept = first.pop("path"), second.pop("path")
    assert first == second
    assert list(kept.parent.iterdir()) == [kept]
    assert kept.is_relative_to(har.parent / "cache" / "imports")
    assert growing.parent == kept.parent
    assert (first["title"], first["notes_for"], first["follow"]) == ("traffic.har", har, False)
    assert first["seen"] == (3, 1)


def test_with_no_cache_nothing_is_kept(run, opened: list[dict], har: Path) -> None:
    for _ in range(2):
        assert run("open", har, "--no-cache").code == 0
    assert [(call["imported"], call["seen"]) for call in opened] == [(True, (3, 1))] * 2
    assert not any(call["path"].parent.exists() for call in opened)
    assert not (har.parent / "cache").exists()


def test_several_become_one_timeline_with_notes_of_its_own(run, opened: list[dict], har: Path, capture: Path) -> None:
    run("open", har, capture)
    (call,) = opened
    assert (call["title"], call["notes_for"]) == ("traffic.har, bot.gwcap", har.with_name("traffic.har+bot.gwcap"))
    assert call["seen"] == (9, 2)


def test_many_long_names_still_make_a_name(run, opened: list[dict], har: Path) -> None:
    longer = har.with_name("t" * 200 + ".har")
    longer.write_bytes(har.read_bytes())
    run("open", longer, har)
    assert len(opened[0]["notes_for"].name) < 100


def test_notes_of_an_import_are_said(run, opened: list[dict], har: Path) -> None:
    text = har.read_text()
    foreign = text[text.index("[{") + 1 : text.rindex("]}}")].replace("gateway.discord.gg", "chat.example")
    foreign = foreign.replace("?v=10&encoding=json", "")
    har.write_text(text.replace('"entries": [', f'"entries": [{foreign},'))
    for _ in range(2):
        assert "1 WebSocket was not a Discord gateway: chat.example" in run("open", har).err


def test_the_filter_is_handed_on_and_looked_at_before(run, opened: list[dict], capture: Path) -> None:
    assert run("open", capture, "--where", "op == 1").code == 0
    assert run("open", capture, "--where", "op ==").code == 2
    assert [call["where"] for call in opened] == ["op == 1"]


@pytest.mark.parametrize("files", [["traffic.har"], ["bot.gwcap", "traffic.har"]])
def test_only_one_capture_can_be_followed(run, opened: list[dict], har: Path, capture: Path, files: list[str]) -> None:
    result = run("open", "--follow", *(har.parent / name for name in files))
    assert (result.code, opened) == (2, [])
    assert "--follow takes one capture" in result.err


def test_what_is_not_there_is_said(run, opened: list[dict], tmp_path: Path) -> None:
    for more in ([], ["--follow"]):
        result = run("open", tmp_path / "none.gwcap", *more)
        assert (result.code, opened) == (2, [])
        assert "does not exist" in result.err


def test_without_a_terminal_it_names_the_command_that_prints(run, capture: Path) -> None:
    assert not sys.stdout.isatty()
    result = run("open", capture)
    assert (result.code, result.out) == (2, "")
    assert "`gwinspect show` prints rows" in result.err

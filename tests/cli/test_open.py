"""``gwinspect open``: what is opened, under which name. A function stands in place of the screen."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

from inspector.protocol.registry import load
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from inspector.tui import run as screen

from .conftest import happenings

SAMPLES = Path(__file__).parents[2] / "sample_captures"


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What the screen was opened with."""
    calls: list[dict] = []
    monkeypatch.setattr(import_module("inspector.cli.open"), "on_screen", lambda: True)
    monkeypatch.setattr(screen, "run", lambda path, **options: calls.append({"path": path, **options}))
    monkeypatch.setattr("inspector.importers.cache.user_cache_path", lambda name: tmp_path / "cache")
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
    assert opened == [{"path": capture, "follow": False, "where": "", "notes_beside": capture, "title": capture.name}]


def test_the_newest_row_is_followed_where_asked_and_where_the_capture_grows(run, opened, capture: Path) -> None:
    run("open", "--follow", capture)
    growing = capture.with_name("growing.gwcap")
    writer = Writer(growing, load(), made_by="test")
    writer.write(list(happenings()))
    run("open", growing)
    writer.finish()
    assert [call["follow"] for call in opened] == [True, True]


def test_another_format_is_imported_once_and_keeps_its_name(run, opened: list[dict], har: Path) -> None:
    for _ in range(2):
        assert run("open", har).code == 0
    first, second = opened
    assert first == second
    assert first["path"].is_relative_to(har.parent / "cache" / "imports")
    assert (first["title"], first["notes_beside"], first["follow"]) == ("traffic.har", har, False)
    reader = Reader(first["path"])
    assert reader.last() == 3
    reader.close()


def test_several_become_one_timeline_with_notes_of_its_own(run, opened: list[dict], har: Path, capture: Path) -> None:
    run("open", har, capture)
    (call,) = opened
    assert (call["title"], call["notes_beside"]) == ("traffic.har, bot.gwcap", har.with_name("traffic.har+bot.gwcap"))
    reader = Reader(call["path"])
    assert len(reader.connections()) == 2
    reader.close()


def test_many_long_names_still_make_a_name(run, opened: list[dict], har: Path) -> None:
    longer = har.with_name("t" * 200 + ".har")
    longer.write_bytes(har.read_bytes())
    run("open", longer, har)
    assert len(opened[0]["notes_beside"].name) < 100


def test_notes_of_an_import_are_said(run, opened: list[dict], har: Path) -> None:
    text = har.read_text()
    foreign = text[text.index("[{") + 1 : text.rindex("]}}")].replace("gateway.discord.gg", "chat.example")
    foreign = foreign.replace("?v=10&encoding=json", "")
    har.write_text(text.replace('"entries": [', f'"entries": [{foreign},'))
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

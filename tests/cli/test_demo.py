"""``gwinspect demo``: a scenario, printed or on the screen. A function stands in place of the screen."""

import time
from pathlib import Path

import pytest

from inspector.cli import demo
from inspector.store.reader import Reader
from inspector.tui import run as screen

pytestmark = pytest.mark.e2e


def wait_for(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def on_screen(monkeypatch: pytest.MonkeyPatch):
    def replace(stand_in) -> None:
        monkeypatch.setattr(demo, "on_screen", lambda: True)
        monkeypatch.setattr(screen, "run", stand_in)

    return replace


def test_without_a_terminal_rows_are_printed_until_the_scenario_ends(run, tmp_path: Path) -> None:
    capture = tmp_path / "kept.gwcap"
    result = run("demo", "plain-json", "--capture", capture)
    assert result.code == 0, result.err
    assert "READY" in result.out
    assert "close 1000" in result.out
    assert f"gwinspect show {capture}" in result.err
    assert [path.name for path in tmp_path.glob("kept*")] == ["kept.gwcap"]


def test_the_screen_stays_when_the_scenario_ends(run, on_screen, tmp_path: Path) -> None:
    seen = {}

    def stay(path: Path, *, source, **options: object) -> None:
        seen.update(options, state=source.state(), command=source.command, path=path)
        wait_for(lambda: source.state().client is not None)
        seen["end"] = source.state()

    on_screen(stay)
    capture = tmp_path / "kept.gwcap"
    result = run("demo", "plain-json", "--capture", capture)
    assert (result.code, result.out) == (0, "")
    assert (seen["path"], seen["command"], seen["follow"]) == (capture, "scripted", True)
    assert (seen["state"].client_running, seen["end"].client, seen["end"].proxy) == (True, 0, None)
    assert f"gwinspect open {capture}" in result.err
    assert [path.name for path in tmp_path.glob("kept*")] == ["kept.gwcap"]


def test_quitting_early_ends_the_scenario_and_is_no_failure(run, on_screen, tmp_path: Path) -> None:
    def quit_early(path: Path, *, source, **options: object) -> None:
        wait_for(lambda: _rows(path) > 3)

    on_screen(quit_early)
    result = run("demo", "hello", "--client", "scripted")
    # What children say has no place on a screen that others draw on.
    assert (result.code, "Traceback" in result.err) == (0, False)


def test_plain_and_format_keep_the_screen_away(run, on_screen) -> None:
    on_screen(lambda *arguments, **options: pytest.fail("a screen was opened"))
    assert "READY" in run("demo", "plain-json", "--plain").out
    assert '"event": "READY"' in run("demo", "plain-json", "--format", "jsonl").out.replace('":"', '": "')


def _rows(path: Path) -> int:
    reader = Reader(path)
    try:
        return reader.last()
    finally:
        reader.close()

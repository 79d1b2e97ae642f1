"""The progress bar: what is drawn on a terminal, and that nothing of it is left there."""

import io
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from inspector.cli import progress
from inspector.cli.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """What was on the line, after each drawing."""
        return [text.rstrip() for text in self.getvalue().split("\r")]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(progress, "_BEAT", -1.0)
    monkeypatch.setenv("COLUMNS", "100")
    made = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=made))
    return made


def test_it_is_there_from_the_start_and_says_bytes_and_messages(terminal: Terminal) -> None:
    with progress_bar("importing bot.mitm") as report:
        assert terminal.lines()[-1] == f"importing bot.mitm  [{'-' * 30}]   0 %"
        report(17_000_000, 34_000_000, 84_000)
        assert terminal.lines()[-1] == (
            f"importing bot.mitm  [{'#' * 15}{'-' * 15}]  50 %  17 MB of 34 MB, 84,000 messages"
        )
        report(3, 4)
        assert terminal.lines()[-1] == f"importing bot.mitm  [{'#' * 22}{'-' * 8}]  75 %"


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_nothing_of_it_is_left(terminal: Terminal, error: type[BaseException] | None) -> None:
    with pytest.raises(error) if error else nullcontext(), progress_bar("importing bot.mitm") as report:
        report(1, 2)
        if error is not None:
            raise error
    # The line is blank, the cursor at its beginning, and there was no other line.
    assert terminal.getvalue().endswith("\r" + " " * 99 + "\r")
    assert not any(sign in terminal.getvalue() for sign in "\n\x1b")


def test_it_keeps_to_its_line(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    with progress_bar("字" * 200 + "\x1b[31m") as report:
        report(1, 2)
    assert {len(text) <= 29 for text in terminal.lines()} == {True}
    assert "\x1b" not in terminal.getvalue()


def test_where_there_is_no_terminal_there_is_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_bar("importing bot.mitm") as report:
        report(1, 2, 3)
    assert capsys.readouterr() == ("", "")

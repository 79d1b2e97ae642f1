"""Rows of a growing capture, and what is noticed at them once they are printed."""

from pathlib import Path

import pytest

from inspector.cli import follow as module
from inspector.cli.follow import follow
from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import ACK, HEARTBEAT, HELLO, Conversation, identify, ready


@pytest.fixture
def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writer:
    monkeypatch.setattr(module, "BEAT", 0)
    return Writer(tmp_path / "bot.gwcap", default(), made_by="test")


def beating() -> Conversation:
    return Conversation().opens().server(HELLO).client(identify()).server(ready()).client(HEARTBEAT).server(ACK)


def test_silence_is_noted_at_a_row_that_was_printed(writer: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    talk = beating()
    steps = [
        lambda: writer.write(talk.happenings),
        lambda: writer.tick(talk.happenings[-1].at_ns + 600 * 10**9),
        lambda: None,
    ]

    def ended() -> bool:
        steps.pop(0)()
        return not steps

    reader = Reader(writer.path)
    assert [event.n for event in follow(reader, ended)] == [1, 2, 3, 4, 5, 6]
    [noted] = [text for text in capsys.readouterr().err.splitlines() if "heartbeat-overdue" in text]
    expected = "gwinspect: row 6, noticed only now: heartbeat-overdue: No heartbeat for 10 min; the interval"
    assert noted.startswith(expected)
    reader.close()


def test_what_stands_below_a_row_is_not_noted_again(writer: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    first = beating()
    steps = [
        lambda talk=talk: writer.write(talk.happenings) for talk in (first, Conversation(connection=2).closes(4009))
    ]
    steps += [lambda: None] * 2

    def ended() -> bool:
        steps.pop(0)()
        return not steps

    reader = Reader(writer.path)
    events = list(follow(reader, ended))
    assert any(event.findings for event in events)
    assert "noticed only now" not in capsys.readouterr().err
    reader.close()

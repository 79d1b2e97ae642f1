"""A kind of event that stops while others go on is noted, and no other silence is."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from inspector.analysis.cases import Listed
from inspector.analysis.diagnosis import diagnose
from inspector.analysis.stopped import stopped
from inspector.model import Severity
from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import ACK, HELLO, Conversation, dispatch, identify, message, ready

TYPING = {"channel_id": "1180000000000000050", "user_id": "1180000000000000002", "timestamp": 1}
# So often a minute.
OFTEN = 3


Minutes = Callable[[int], bool]
"""Whether something happens in a minute."""


def session(types: Minutes, *, minutes: int = 45, talks: Minutes = lambda minute: True) -> Conversation:
    """Return a session in which someone types and someone writes, three times in each of those minutes."""
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    for step in range(minutes * OFTEN):
        talk.waits(60_000 / OFTEN)
        if step % 2 == 0:
            talk.client({"op": 1, "d": 1}).server(ACK)
        if types(step // OFTEN):
            talk.server(dispatch("TYPING_START", TYPING, 2))
        if talks(step // OFTEN):
            talk.server(message("hello", 2))
    return talk


@pytest.fixture
def found(tmp_path: Path) -> Callable[[Conversation], list[Listed]]:
    def look(talk: Conversation) -> list[Listed]:
        writer = Writer(tmp_path / "a.gwcap", default(), made_by="test")
        writer.write(talk.happenings)
        writer.finish()
        with closing(Reader(tmp_path / "a.gwcap")) as reader:
            return list(stopped(reader))

    return look


def test_an_event_that_stops_while_others_go_on_is_noted_at_its_last_row(found, tmp_path: Path) -> None:
    [each] = found(session(lambda minute: minute < 20))
    assert (each.id, each.connection) == (-1, 1)
    assert (each.finding.rule, each.finding.severity) == ("event-stopped", Severity.INFO)
    assert each.finding.text == (
        "TYPING_START came 60 times within 20 min, and never more than 20 s apart. In the 25 min after this one it did "
        "not come, and 76 other events did."
    )
    with closing(Reader(tmp_path / "a.gwcap")) as reader:
        [row] = reader.events(each.finding.event - 1, 1)
        assert (row.event, row.at_ns) == ("TYPING_START", each.at_ns)
    [case] = [case for case in diagnose(tmp_path / "a.gwcap").cases if case.name == "event-stopped"]
    assert case.lead == each


@pytest.mark.parametrize(
    "talk",
    [
        session(lambda minute: True),
        session(lambda minute: minute < 20, talks=lambda minute: minute < 20),
        session(lambda minute: minute < 20, minutes=28),
        session(lambda minute: minute < 5),
        session(lambda minute: minute % 15 == 0 and minute < 20),
        session(lambda minute: minute < 20).junk(b"\xff"),
    ],
    ids=["goes on", "nothing else comes", "short silence", "not for long", "long pauses", "may be unread"],
)
def test_no_other_silence_is(found, talk: Conversation) -> None:
    assert found(talk) == []


def test_the_time_without_a_connection_is_no_silence(found) -> None:
    """After half an hour away it has only just begun to come again."""
    talk = session(lambda minute: minute < 20, minutes=20).waits(30 * 60_000)
    for number in range(30):
        talk.waits(1000).server(message(f"number {number}", 3))
    assert found(talk) == []

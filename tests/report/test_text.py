"""Rows as lines of text, where they are odd; the usual ones stand in test_timeline."""

import re
from datetime import UTC

import pytest
from wcwidth import wcswidth

from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.report.present import Presenter
from inspector.report.text import TextRows
from tests.conversation import (
    ACK,
    HEARTBEAT,
    HELLO,
    STEP,
    TOKEN,
    Conversation,
    dispatch,
    identify,
    message,
    ready,
    usual,
)
from tests.fed import fed


class NoNames:
    """Stands for a recording of which nothing is needed."""

    notes: tuple[str, ...] = ()
    names: dict[int, str] = {}  # noqa: RUF012


def lines(talk: Conversation, **options) -> list[str]:
    pipeline, presenter, rows = Pipeline(default()), Presenter(default()), TextRows(zone=UTC, **options)
    events = fed(talk.happenings, pipeline).rows
    return [text for event in events for text in rows.lines(presenter.show(event, NoNames()))]


def test_a_conversation_reads_from_top_to_bottom() -> None:
    found = lines(usual())
    assert found[0] == "2026-01-31 UTC"
    assert [text.split()[:2] for text in found[1:12]] == [[f"{n + 1}", f"12:00:00.{n:02}0"] for n in range(11)]
    assert "▶ send" in found[3]
    assert "◀ receive" in found[4]
    assert "✕ server" in found[11]
    assert "close 4004" in found[11]
    assert TOKEN not in "\n".join(found)


def test_the_explanation_of_a_close_stands_below_it() -> None:
    below = lines(usual())[12:]
    assert below
    assert all(text.startswith(" " * 32) for text in below)
    assert below[-1].strip() == "reconnect: no, fix it first; resume: no, start a new session"


@pytest.mark.parametrize("width", [1, 26, 27, 40])
def test_a_very_narrow_terminal_still_gets_its_rows(width: int) -> None:
    found = lines(usual(), width=width)
    assert len(found) > 12
    # Numbers of rows have no room there.
    assert found[1].startswith("12:00:00.000")


@pytest.mark.parametrize("width", [80, 120])
def test_every_line_of_a_conversation_fits(width: int) -> None:
    talk = usual().server(message("日本語" * 99)).closes(4014)
    assert max(wcswidth(text) for text in lines(talk, width=width)) <= width


def test_a_name_of_any_length_does_not_push_the_rest_away() -> None:
    found = lines(Conversation().opens().server(dispatch("EVENT" * 1000, None, 1)))[2]
    assert wcswidth(found) < 200
    assert "…" in found


def test_a_clock_that_was_set_back_shows_no_negative_time() -> None:
    talk = Conversation().opens().server(HELLO).waits(-1500 - STEP / 1e6).client(HEARTBEAT).waits(90_000).server(ACK)
    assert [text.split()[2] for text in lines(talk)[3:5]] == ["+0", "+1:30"]


def test_ascii_terminals_get_ascii_marks() -> None:
    found = lines(usual(), ascii_only=True)
    columns = [text[:44] for text in found[1:12]]
    assert all(text.isascii() for text in columns)
    assert "> send" in found[3]
    assert "x server" in found[11]


def test_colour_changes_nothing_but_the_colour() -> None:
    talk = usual()
    assert [re.sub(r"\x1b\[\d+m", "", text) for text in lines(talk, colour=True)] == lines(talk)
    assert "\x1b[" not in "".join(lines(talk))


def test_colours_tell_connections_apart() -> None:
    one, two = (lines(usual(connection=number), colour=True)[1] for number in (1, 2))
    assert one.split("#")[0][-5:] != two.split("#")[0][-5:]


@pytest.mark.parametrize("code", [1000, 4000])
def test_a_client_that_leaves_as_it_may_is_no_trouble(code: int) -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready()).closes(code)
    told = lines(talk, colour=True)
    close = next(at for at, line in enumerate(told) if f"close {code}" in line)
    assert not any("\x1b[31m" in line for line in told)
    below = " ".join(told[close:])
    for word in ("Unknown error", "If the", "reconnect:", "resume:"):
        assert word not in below


def test_a_close_that_is_trouble_is_red() -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready()).closes(4000, by="server")
    assert any("\x1b[31m" in line for line in lines(talk, colour=True))


def test_what_is_undecoded_says_why() -> None:
    assert "expected" in lines(Conversation().opens().frame(b"{oops", is_text=True))[2]


def test_what_was_noticed_stands_below_its_row_with_the_rows_that_prove_it() -> None:
    talk = Conversation().opens().server({"op": 10, "d": {"heartbeat_interval": 1000}}).client(HEARTBEAT)
    below = lines(talk.waits(3000).client(HEARTBEAT))[5:]
    assert below[0].startswith(" " * 32 + "! ERROR heartbeat-ack-missing: ")
    said = " ".join(" ".join(below).split())
    assert "! WARN heartbeat-late: This heartbeat came 3 s after the one before" in said
    assert said.endswith("(row 3)")


def test_a_close_says_what_led_to_it_and_what_the_client_did_next() -> None:
    login = Conversation().opens().server(HELLO).client(identify()).server(ready())
    shown = lines(login.closes(1006, by="server"))
    assert any("Here: The server dropped the connection" in text for text in shown)
    assert shown[-1].strip() == "reconnect: yes; resume: yes"


@pytest.mark.parametrize("code", [4321, None])
def test_a_verdict_is_told_where_no_table_has_the_code(code: int | None) -> None:
    found = lines(Conversation().opens().closes(code, by="server"))
    here = next(at for at, text in enumerate(found) if text.strip().startswith("Here: "))
    assert any(text.strip().startswith("Do: ") for text in found[here:])
    assert found[-1].strip().startswith("reconnect: not documented; resume: ")

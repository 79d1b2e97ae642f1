"""The numbers of a recording as text: aligned, bounded, and as harmless as the terminal is narrow."""

import re
from datetime import UTC
from pathlib import Path

import pytest
from wcwidth import wcswidth

from inspector.analysis.stats import Stats
from inspector.report.stats_text import lines
from tests.analysis.test_stats import HEARD, SAMPLES, add_media, add_row, stats_of, written
from tests.conversation import ACK, HEARTBEAT, HELLO, Conversation, dispatch, usual

NARROW, WIDE = 80, 140


def said(stats: Stats, **more: object) -> list[str]:
    return list(lines(stats, "a.gwcap", **({"zone": UTC} | more)))


def table(text: list[str], title: str) -> list[str]:
    """Return the lines below a title, that of the columns' names first."""
    start = text.index(title) + 1
    end = text.index("", start) if "" in text[start:] else len(text)
    return text[start:end]


def names(count: int) -> Conversation:
    talk = Conversation().opens()
    for number in range(count):
        talk.server(dispatch(f"EVENT_{number}", {}, number + 1))
    return talk


@pytest.fixture
def talked(tmp_path: Path) -> Path:
    return written(tmp_path / "talk.gwcap", usual(compression="zlib-stream"))


@pytest.mark.parametrize("width", [NARROW, 100, WIDE])
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_no_line_is_wider_than_the_terminal(path: Path, width: int) -> None:
    text = said(stats_of(path), width=width)
    assert max(map(wcswidth, text)) <= width
    assert text == [line.rstrip() for line in text]


def test_every_section_is_there_in_order(talked: Path) -> None:
    add_media(talked, HEARD)
    titles = [line for line in said(stats_of(talked)) if re.match(r"[A-Z]", line)]
    assert [title.split("   ")[0] for title in titles] == [
        "Traffic", "Messages over time", "Connections", "Traffic by connection", "Opcodes and events",
        "Heartbeat round trips", "Voice media", "Voice media, how it came through", "Findings",
    ]  # fmt: skip


def test_the_head_counts_and_says_when(talked: Path) -> None:
    head = said(stats_of(talked))[:3]
    assert head == [
        "a.gwcap",
        "  1 connection, 1 session, 11 rows, 8 frames",
        "  100 ms, 2026-01-31 UTC 12:00:00.000 to 12:00:00.100",
    ]
    assert said(stats_of(talked, "op == hello"))[1] == "  1 connection, 1 session, 1 row (filtered)"


def test_numbers_stand_below_each_other_to_the_right(talked: Path) -> None:
    add_row(talked, event="LARGE", wire_bytes=123_456_789)
    rows = table(said(stats_of(talked), width=WIDE), "Opcodes and events")
    end = rows[0].index("largest") + len("largest")
    assert all(re.search(r"\d k?M?B$", row[:end]) for row in rows[1:])


def test_a_share_has_a_bar_as_long(talked: Path) -> None:
    rows = table(said(stats_of(talked), width=WIDE), "Opcodes and events")
    first, *_, last = (row for row in rows[1:] if "EVENT" not in row)
    assert (first.count("▆"), last.count("▆")) == (24, 12)


def test_bars_that_are_all_the_same_are_left_out(tmp_path: Path) -> None:
    text = said(stats_of(written(tmp_path / "a.gwcap", names(3))), width=WIDE)
    assert not any("▆" in line for line in table(text, "Opcodes and events"))


def test_a_table_is_bounded_and_says_what_it_left_out(tmp_path: Path) -> None:
    stats = stats_of(written(tmp_path / "a.gwcap", names(25)))
    rows = table(said(stats), "Opcodes and events")
    assert (len(rows), rows[-1]) == (22, "  and 5 more names with 5 messages; --limit 0 shows all")
    assert len(table(said(stats, limit=0), "Opcodes and events")) == 26
    assert table(said(stats, limit=24), "Opcodes and events")[-1].startswith("  and 1 more name with 1 message;")


def test_names_that_nobody_kept_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.analysis.stats.MOST", 2)
    stats = stats_of(written(tmp_path / "a.gwcap", names(5)))
    assert table(said(stats), "Opcodes and events")[-1] == "  and more with 3 messages"


def test_round_trips_have_units_and_a_line(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO)
    for ms in (2, 40, 2, 20):
        talk.client(HEARTBEAT).waits(ms - 10).server(ACK)
    talk.client(HEARTBEAT)
    _, row = table(said(stats_of(written(tmp_path / "a.gwcap", talk))), "Heartbeat round trips")
    assert row.split() == ["1", "gateway", "5", "1", "2.0", "ms", "11", "ms", "40", "ms", "40", "ms", "▁█▁▄"]


def test_the_compression_stands_beside_its_ratio(talked: Path) -> None:
    _, row = table(said(stats_of(talked)), "Traffic by connection")
    assert re.fullmatch(r"  1  json zlib-stream +3 +\d+ B +6 +\d+ B +\d+ B +\d\.\d:1 +-", row)


def test_an_end_keeps_its_code_where_it_is_cut(tmp_path: Path) -> None:
    talk = usual(url="wss://a-host-with-a-very-long-name-indeed.invalid-region-of-nowhere.discord.gg/?v=10")
    rows = table(said(stats_of(written(tmp_path / "a.gwcap", talk)), width=NARROW), "Connections")
    assert "4004 server" in rows[1]


def test_refused_and_open_connections_say_so(tmp_path: Path) -> None:
    refused = Conversation(connection=1).opens(status=403, refusal="HTTP 403 Forbidden")
    rows = table(
        said(stats_of(written(tmp_path / "a.gwcap", refused, Conversation(connection=2).opens()))), "Connections"
    )
    assert "refused: HTTP 403 Forbidden" in rows[1]
    assert "still open" in rows[2]


def test_only_refused_connections_have_no_tables_of_messages(tmp_path: Path) -> None:
    text = said(stats_of(written(tmp_path / "a.gwcap", Conversation().opens(status=403, refusal="HTTP 403"))))
    assert "Connections" in text
    assert "Opcodes and events" not in text
    assert not any(line.startswith("Messages over time") for line in text)


def test_an_empty_capture_is_one_sentence(tmp_path: Path) -> None:
    assert said(stats_of(written(tmp_path / "a.gwcap"))) == [
        "a.gwcap", "  0 connections, 0 sessions, 0 rows, 0 frames",
    ]  # fmt: skip


def test_media_has_its_units(talked: Path) -> None:
    add_media(talked, HEARD)
    add_media(talked, HEARD | {"ssrc": 4_000_000_000, "bytes": 1_500_000, "packets": 12_000})
    add_media(talked, {}, from_client=1)
    text = said(stats_of(talked), width=NARROW)
    heard, seen, unknown = table(text, "Voice media")[1:]
    assert "80351110224678912  audio opus" in heard
    assert "63 kbit/s" in heard
    assert "2.9 Mbit/s" in seen
    assert unknown.split() == ["9", "▶", "send", "-", "-", "-", "-", "-"]
    heard, seen, unknown = table(text, "Voice media, how it came through")[1:]
    assert "1.4 %" in heard
    assert "2.0 ms" in heard
    assert "12,000" in seen
    assert unknown.split() == ["9", "▶", "send", *"-------"]


def test_terminals_that_have_only_ascii_get_ascii(talked: Path) -> None:
    add_media(talked, HEARD)
    assert not "".join(said(stats_of(talked))).isascii()
    assert "".join(said(stats_of(talked), ascii_only=True, width=60)).isascii()


def test_colour_changes_nothing_else(talked: Path) -> None:
    painted = said(stats_of(talked), colour=True)
    assert any("\x1b[" in line for line in painted)
    plain = [re.sub(r"\x1b\[\d*m", "", line).rstrip() for line in painted]
    assert plain == said(stats_of(talked))


def test_text_from_the_wire_does_nothing(tmp_path: Path) -> None:
    talk = Conversation(url="wss://evil\x1b[31m\u202e.discord.gg/?v=10").opens()
    path = written(tmp_path / "a.gwcap", talk.server(dispatch("EVIL\x1b[2J\u202e", {}, 1)).closes(4999, by="server"))
    add_media(path, {"user_id": "\x1b[1m", "media": "\u202e", "codec": "\n", "ssrc": 5})
    text = "\n".join(said(stats_of(path), width=WIDE))
    assert not re.search("[\x1b\u202e]", text)
    assert r"EVIL\x1b[2J\u202e" in text


def test_voice_connections_say_how_far_their_encryption_came() -> None:
    resumed = next(path for path in SAMPLES if path.stem == "voice-resume")
    text = "\n".join(table(said(stats_of(resumed)), "Connections"))
    assert "DAVE epoch 1, 2 people" in text
    assert "DAVE epoch 2, 3 people" in text

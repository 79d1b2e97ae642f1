from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App, ComposeResult

from inspector.tui.look import ASCII, UNICODE, Glyphs
from inspector.tui.widgets.timeline.status_line import Status, StatusLine

FULL = Status(
    state="LIVE",
    address="127.0.0.1:8080",
    title="bot.gwcap",
    bytes=1_200_000,
    connections=3,
    filtered=True,
    following=True,
    growing=True,
    rate=142.4,
    rates=(1, 5, 9, 3, 0),
    round_trip=41.3,
)
# What the line must say wherever there are 80 columns.
ALWAYS = ["LIVE", "127.0.0.1:8080", "bot.gwcap", "1.2 MB", "142 msg/s", "filtered", "following"]


class Bench(App[None]):
    def __init__(self, status: Status, marks: Glyphs = UNICODE) -> None:
        super().__init__()
        self.line = StatusLine(marks)
        self.line.status = status

    def compose(self) -> ComposeResult:
        yield self.line


async def painted(status: Status, width: int = 160, marks: Glyphs = UNICODE) -> str:
    app = Bench(status, marks)
    async with app.run_test(size=(width, 3)):
        strip = app.line.render_line(0)
        assert strip.cell_length == width
        return strip.text.rstrip()


async def test_it_says_all_where_there_is_room() -> None:
    assert await painted(FULL) == (
        "gwinspect  LIVE  127.0.0.1:8080  bot.gwcap  1.2 MB  142 msg/s  ▁▅█▃▁  RTT 41 ms  3 connections"
        "  filtered  following"
    )


async def test_at_80_columns_what_matters_least_gives_way() -> None:
    text = await painted(FULL, 80)
    assert all(words in text for words in ALWAYS)
    assert "▅" not in text
    assert "connections" not in text


async def test_a_paused_line_at_80_columns_still_counts_what_came() -> None:
    text = await painted(replace(FULL, following=False, unseen=12_345), 80)
    for words in [*ALWAYS[:-1], "paused, 12,345 new"]:
        assert words in text


async def test_a_long_file_name_is_shortened_before_anything_that_must_be_said_goes() -> None:
    """As the one is that a recording has by default."""
    text = await painted(replace(FULL, title="gwinspect-20261124-012410.gwcap"), 80)
    assert text == "LIVE  127.0.0.1:8080  gwinspec…410.gwcap  1.2 MB  142 msg/s  filtered  following"
    assert "gwinspect-20261124-012410.gwcap" in await painted(replace(FULL, title="gwinspect-20261124-012410.gwcap"))


@pytest.mark.parametrize("width", range(20, 161, 7))
async def test_whether_it_follows_is_said_at_any_width(width: int) -> None:
    assert (await painted(FULL, width)).endswith("following")


@pytest.mark.parametrize(
    ("errors", "warnings", "wide", "narrow"),
    [(1, 2, "1 error, 2 warnings", "1 E 2 W"), (0, 1, "1 warning", "1 W"), (2000, 0, "2,000 errors", "2,000 E")],
)
async def test_errors_and_warnings_are_counted_in_words_or_letters(
    errors: int, warnings: int, wide: str, narrow: str
) -> None:
    status = replace(FULL, errors=errors, warnings=warnings)
    assert wide in await painted(status)
    assert narrow in await painted(status, 80)


async def test_shown_secrets_are_said_even_where_it_is_narrow() -> None:
    text = await painted(replace(FULL, revealed=True), 60)
    assert "SECRETS SHOWN" in text
    assert "LIVE" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"following": True}, "following"),
        ({"following": False}, "paused"),
        ({"following": False, "unseen": 1}, "paused, 1 new"),
        ({"following": False, "growing": False}, "filtered"),
    ],
)
async def test_the_follow_state_stands_at_the_end(changes: dict[str, bool], said: str) -> None:
    assert (await painted(replace(FULL, **changes))).endswith("  " + said)


async def test_a_finished_capture_has_no_rate() -> None:
    text = await painted(replace(FULL, state="FINISHED", growing=False, following=False))
    assert "FINISHED" in text
    assert "msg/s" not in text
    assert "▅" not in text


async def test_what_is_not_known_is_not_there() -> None:
    assert await painted(Status(title="bot.gwcap")) == "gwinspect  bot.gwcap  0 connections"


async def test_one_connection_is_one() -> None:
    assert (await painted(Status(connections=1))).endswith("  1 connection")


async def test_a_dead_proxy_is_said_in_words() -> None:
    assert "PROXY DEAD" in await painted(replace(FULL, state="PROXY DEAD"), 80)


async def test_a_hostile_file_name_is_inert() -> None:
    text = await painted(Status(title="a\x1b[2Jb\u202e[b]c"))
    assert "a\\x1b[2Jb\\u202e[b]c" in text


async def test_without_unicode_all_is_ascii() -> None:
    text = await painted(replace(FULL, title="bøt…gwcap"), marks=ASCII)
    assert text.isascii()
    assert "b\\xf8t~gwcap" in text
    assert "  .+#-.  " in text


@given(st.lists(st.integers(0, 10**12), max_size=25).map(tuple))
def test_there_is_a_bar_for_each_count_and_more_is_never_lower(counts: tuple[int, ...]) -> None:
    bars = StatusLine(UNICODE)._bars(counts)
    if not any(counts):
        assert bars == ""
    else:
        assert len(bars) == len(counts)
        by_count = [bar for _, bar in sorted(zip(counts, bars, strict=True))]
        assert by_count == sorted(bars)

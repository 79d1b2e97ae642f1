"""The tree of sessions: what it says, and what each key and click does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.pilot import Pilot

from inspector.analysis.overview import Amount, ConnectionView, Overview, SessionView, Snapshot
from inspector.model import Plane
from inspector.protocol.registry import default
from inspector.query.grammar import parse
from inspector.query.search import Search
from inspector.store.reader import Reader
from inspector.tui.lane_colours import DARK, LANES, LIGHT, lane_style
from inspector.tui.look import ASCII, UNICODE, Glyphs
from inspector.tui.themes import THEMES
from inspector.tui.widgets.lists.session_lines import TreeKey, narrowing
from inspector.tui.widgets.lists.session_tree import MOST, SessionTree
from sample_captures.make import HERE, SAMPLES
from tests.conversation import NOON

SECOND = 1_000_000_000
MAIN = Plane.GATEWAY, "9f3a0c11"
VOICE = Plane.VOICE, "178fb71b"
LONE = Plane.GATEWAY, None


def connection(number: int, **more: object) -> ConnectionView:
    view = ConnectionView(
        id=number,
        plane=Plane.GATEWAY,
        host="gateway.discord.gg",
        version=10,
        encoding="json",
        compression="zlib-stream",
        session=MAIN[1],
        shard=None,
        phase="ready",
        refusal=None,
        opened_ns=NOON,
        last_ns=NOON + SECOND,
        closed_ns=None,
        close_code=None,
        close_name="",
        close_reason="",
        closed_by=None,
        dave=None,
        seq=1842,
        events=1389,
        sent=Amount(3000, 3000),
        received=Amount(3_100_000, 12_000_000),
        unread_frames=0,
        round_trips=(41_000_000, 40_000_000, 60_000_000, 41_000_000),
    )
    return replace(view, **more)  # type: ignore[arg-type]


def closed(number: int, code: int = 4009, **more: object) -> ConnectionView:
    name = "Session timed out"
    end = {"closed_ns": NOON + 92 * SECOND, "close_code": code, "close_name": name, "closed_by": "server"}
    return connection(number, phase=f"closed {code}", **{**end, **more})


def snapshot(*sessions: SessionView) -> Snapshot:
    views = [view for session in sessions for view in session.connections]
    return Snapshot(sessions, len(views), sum(view.live for view in views))


def session(key: tuple[Plane, str | None], *connections: ConnectionView) -> SessionView:
    return SessionView(*key, "0/2" if key == MAIN else None, connections)


USUAL = snapshot(
    session(MAIN, connection(1), closed(2)),
    session(VOICE, connection(3, plane=Plane.VOICE, session=VOICE[1], phase="session described", compression=None)),
    session(LONE, connection(4, session=None, phase="refused", refusal="too many")),
)
WORN = snapshot(
    session(MAIN, *(closed(number) for number in range(1, MOST)), connection(MOST)),
    session(LONE, connection(MOST + 1, session=None, phase="refused", refusal="no")),
)


class Bench(App[None]):
    BINDINGS = [Binding("escape", "left", "left")]

    def __init__(self, marks: Glyphs = UNICODE, *, wide: bool = False) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        self.tree_pane = SessionTree(marks)
        self.tree_pane.styles.width = "1fr" if wide else 30
        self.said: list[tuple[str | None, str]] = []
        self.escaped = 0

    def compose(self) -> ComposeResult:
        yield self.tree_pane

    def on_session_tree_narrow(self, message: SessionTree.Narrow) -> None:
        self.said.append((message.filter_text, message.words))

    def action_left(self) -> None:
        self.escaped += 1


def lines(tree: SessionTree) -> list[str]:
    return [tree.render_line(y).text.rstrip("│| ").rstrip() for y in range(tree.size.height)]


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    for _ in range(100):
        if holds():
            return
        await pilot.pause()
    raise AssertionError("it never came true")


async def shown(pilot: Pilot[None], now: Snapshot, age_s: int = 2530) -> SessionTree:
    tree = pilot.app.query_one(SessionTree)
    await until(pilot, lambda: tree.size.height > 0 and tree.has_focus)
    tree.update(now, now_ns=NOON + age_s * SECOND)
    await pilot.pause()
    return tree


async def test_a_tree_without_connections_says_so() -> None:
    async with Bench().run_test(size=(80, 24)) as pilot:
        assert lines(await shown(pilot, Snapshot()))[0] == "▸→no connection yet"


async def test_connections_stand_under_their_sessions() -> None:
    async with Bench().run_test(size=(80, 24)) as pilot:
        assert lines(await shown(pilot, USUAL)) == [
            "▸→all connections           4",
            "  ▾ session 9f3a…  shard 0/2",
            "  ● #1 ready         00:42:10",
            "    json zlib-stream  s 1,842",
            "    RTT 41 ms ▆▆█▆  3.1 MB",
            "  ○ #2 closed 4009       1:32",
            "    server: Session timed out",
            "    json zlib  3.1 MB",
            "  ▾ voice 178f…",
            "  ● #3 session described",
            "    json  s 1,842  00:42:10",
            "    RTT 41 ms ▆▆█▆  3.1 MB",
            "  ▾ gateway, no session",
            "  ✕ #4 refused",
            "    too many",
            *[""] * 9,
        ]


async def test_a_wide_tree_says_more() -> None:
    async with Bench(wide=True).run_test(size=(80, 24)) as pilot:
        found = lines(await shown(pilot, USUAL))
        assert found[3] == "    json zlib-stream  v10  s 1,842  gateway.discord.gg"
        assert found[4] == "    RTT 41 ms ▆▆█▆  1,389 rows  sent 3.0 kB  received 3.1 MB → 12 MB"


async def test_the_ages_of_open_connections_go_on_with_the_time_that_is_given() -> None:
    async with Bench().run_test(size=(80, 24)) as pilot:
        tree = await shown(pilot, USUAL)
        tree.update(USUAL, now_ns=NOON + 100 * 3600 * SECOND)
        assert lines(tree)[2] == "  ● #1 ready        100:00:00"
        assert lines(tree)[5] == "  ○ #2 closed 4009       1:32"


async def test_live_connections_then_only_that_of_the_cursor_keep_their_lines_where_room_is_short() -> None:
    async with Bench().run_test(size=(80, 12)) as pilot:
        tree = await shown(pilot, USUAL)
        assert [line for line in lines(tree) if line.startswith("    ")] == [
            *("    json zlib-stream  s 1,842", "    RTT 41 ms ▆▆█▆  3.1 MB"),
            *("    json  s 1,842  00:42:10", "    RTT 41 ms ▆▆█▆  3.1 MB"),
        ]
        await pilot.resize_terminal(80, 11)
        await until(pilot, lambda: tree.size.height == 11)
        assert len(lines(tree)[8:]) == 3
        assert not any(line.startswith("    ") for line in lines(tree))
        await pilot.press("down", "down", "down")
        assert lines(tree)[3:6] == [
            *("▸ ○ #2 closed 4009       1:32", "    server: Session timed out", "    json zlib  3.1 MB"),
        ]


@pytest.mark.parametrize(("down", "up"), [("j", "k"), ("down", "up")])
async def test_the_cursor_goes_down_and_up(down: str, up: str) -> None:
    async with Bench().run_test(size=(80, 24)) as pilot:
        tree = await shown(pilot, USUAL)
        found = []
        for key in [down] * 8 + [up]:
            await pilot.press(key)
            found.append(tree.cursor)
        assert found == [MAIN, 1, 2, VOICE, 3, LONE, 4, 4, LONE]
        assert pilot.app.said == []  # type: ignore[attr-defined]


async def test_the_cursor_goes_by_pages_and_to_both_ends() -> None:
    async with Bench().run_test(size=(80, 24)) as pilot:
        tree = await shown(pilot, WORN)
        places: list[TreeKey] = []
        for key in ("pagedown", "pagedown", "pageup", "G", "g", "end", "home"):
            await pilot.press(key)
            places.append(tree.cursor)
        # A page is one line less than has room.
        assert places == [23, 44, 21, MOST + 1, None, MOST + 1, None]


async def test_the_cursor_is_always_in_sight() -> None:
    async with Bench().run_test(size=(80, 10)) as pilot:
        tree = await shown(pilot, WORN)
        for key in ["j"] * 15 + ["pagedown", "k", "G", "k", "pageup", "g"]:
            await pilot.press(key)
            assert [line for line in lines(tree) if line.startswith("▸")], key


async def test_enter_narrows_to_a_connection_and_escape_goes_back() -> None:
    app = Bench()
    async with app.run_test(size=(80, 24)) as pilot:
        tree = await shown(pilot, USUAL)
        await pilot.press("j", "j", "j", "enter")
        await until(pilot, lambda: len(app.said) == 1)
        assert tree.selected == 2
        assert lines(tree)[5].startswith("▸→○ #2")
        await pilot.press("escape")
        await until(pilot, lambda: len(app.said) == 2)
        assert (tree.selected, tree.cursor) == (None, None)
        assert app.said == [("conn == 2", "connection 2"), (None, "all connections")]
        assert app.escaped == 0


async def test_enter_narrows_to_a_session() -> None:
    app = Bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, USUAL)
        await pilot.press("j", "enter", "k", "enter")
        await until(pilot, lambda: len(app.said) == 2)
        assert app.said == [("session == 9f3a0c11", "session 9f3a…"), (None, "all connections")]


async def test_escape_is_left_to_others_where_nothing_is_narrowed() -> None:
    app = Bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await shown(pilot, USUAL)
        await pilot.press("escape")
        await until(pilot, lambda: app.escaped == 1)
        assert app.said == []


async def test_a_click_narrows() -> None:
    app = Bench()
    async with app.run_test(size=(80, 24)) as pilot:
        tree = await shown(pilot, USUAL)
        await pilot.click(SessionTree, offset=(8, 6))
        await pilot.click(SessionTree, offset=(8, 1))
        await pilot.click(SessionTree, offset=(8, 20))
        await until(pilot, lambda: len(app.said) == 2)
        assert [text for text, _ in app.said] == ["conn == 2", "session == 9f3a0c11"]
        assert tree.selected == MAIN


async def test_a_session_folds_and_unfolds() -> None:
    app = Bench()
    async with app.run_test(size=(80, 24)) as pilot:
        tree = await shown(pilot, USUAL)
        await pilot.press("j", "j", "h")
        assert tree.cursor == MAIN
        assert lines(tree)[1:3] == ["▸ ▸ session 9f3a…  shard 0/2", "  ▾ voice 178f…"]
        await pilot.press("right")
        assert lines(tree)[1].startswith("▸ ▾")
        await pilot.click(SessionTree, offset=(2, 1))
        assert lines(tree)[1].startswith("▸ ▸")
        await pilot.press("k", "left")
        assert (tree.cursor, app.said) == (None, [])


async def test_what_is_selected_elsewhere_posts_nothing() -> None:
    app = Bench()
    async with app.run_test(size=(80, 24)) as pilot:
        tree = await shown(pilot, USUAL)
        tree.selected = 1
        await pilot.pause()
        assert lines(tree)[2].startswith(" →● #1")
        assert app.said == []


async def test_the_cursor_stays_on_its_connection_while_others_come() -> None:
    async with Bench().run_test(size=(80, 24)) as pilot:
        tree = await shown(pilot, USUAL)
        await pilot.press("G")
        main, *rest = USUAL.sessions
        more = replace(main, connections=(*main.connections, connection(5)))
        tree.update(snapshot(more, *rest), now_ns=NOON)
        assert tree.cursor == 4
        tree.update(snapshot(main), now_ns=NOON)
        assert tree.cursor == 2


async def test_of_very_many_connections_the_newest_are_listed() -> None:
    async with Bench().run_test(size=(80, 24)) as pilot:
        tree = await shown(pilot, WORN)
        assert lines(tree)[:3] == [
            *("▸→all   newest 1,000 of 1,001", "  ▾ session 9f3a…  shard 0/2", "  ○ #2 closed 4009       1:32"),
        ]


async def test_an_ascii_terminal_gets_ascii() -> None:
    async with Bench(ASCII).run_test(size=(80, 24)) as pilot:
        tree = await shown(pilot, USUAL)
        await pilot.press("j", "j", "enter")
        assert all(tree.render_line(y).text.isascii() for y in range(24))
        assert lines(tree)[2] == "+>* #1 ready         00:42:10"


HOSTILE = "[b]\x1b[2J\u202e\nх\ud800字" * 9


@pytest.mark.parametrize("marks", [UNICODE, ASCII])
@pytest.mark.parametrize("wide", [False, True])
async def test_hostile_text_is_inert_and_keeps_to_its_line(marks: Glyphs, wide: bool) -> None:
    texts = {"host": HOSTILE, "encoding": HOSTILE, "compression": HOSTILE, "shard": HOSTILE, "session": HOSTILE}
    bad = SessionView(
        Plane.GATEWAY,
        HOSTILE,
        HOSTILE,
        (
            connection(1, **texts),
            closed(2, close_reason=HOSTILE, closed_by=HOSTILE, **texts),
            connection(3, refusal=HOSTILE, phase="refused"),
            connection(1 << 62, seq=1 << 62, events=1 << 62, round_trips=(-(1 << 62), 1 << 62), opened_ns=1 << 62),
        ),
    )
    app = Bench(marks, wide=wide)
    async with app.run_test(size=(80, 24)) as pilot:
        tree = await shown(pilot, snapshot(bad))
        for y in range(24):
            strip = tree.render_line(y)
            assert strip.cell_length == tree.size.width == sum(segment.cell_length for segment in strip)
            assert not {"\x1b", "\u202e", "\n", "\ud800"} & set(strip.text)
        assert "[b]" in tree.render_line(3).text
        await pilot.press("j", "enter")
        await until(pilot, lambda: bool(app.said))
        assert not {"\x1b", "\u202e", "\n", "\ud800"} & set(app.said[0][1])


@pytest.mark.parametrize("name", SAMPLES)
def test_the_filter_of_a_line_finds_what_the_line_counted(name: str) -> None:
    """Of a main session also its voice connections, where they use its id; no sample does."""
    reader = Reader(Path(HERE / f"{name}.gwcap"))
    overview = Overview(reader, default())
    while overview.advance():
        pass
    expected: dict[TreeKey, int] = {None: reader.last()}
    for group in overview.sessions:
        expected[group.key] = sum(view.events for view in group.connections)
        expected |= {view.id: view.events for view in group.connections}
    for key, count in expected.items():
        text, _ = narrowing(key, UNICODE)
        search = Search(parse(text or "", default()), default())
        assert sum(len(step.found) for step in search.numbers(reader, 0, reader.last())) == count, text
    reader.close()


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ((Plane.VOICE, None), "plane == voice and session == null", "voice, no session"),
        ((Plane.RPC, None), "plane == rpc", "rpc"),
        ((Plane.REMOTE_AUTH, None), "plane == remote-auth", "remote-auth"),
        ((Plane.VOICE, "178fb71b"), "plane == voice and session == 178fb71b", "voice 178f…"),
        ((Plane.GATEWAY, 'a" or \\'), r'session == "a\" or \\"', 'session a" o…'),
    ],
)
def test_every_kind_of_line_has_a_filter(key: TreeKey, text: str, words: str) -> None:
    assert narrowing(key, UNICODE) == (text, words)
    parse(text, default())


def test_every_key_says_what_it_does() -> None:
    assert all(binding.description for binding in SessionTree.BINDINGS if isinstance(binding, Binding))


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
async def test_each_lane_has_a_colour_of_its_own(theme: str) -> None:
    app = Bench()
    async with app.run_test(size=(80, 24)) as pilot:
        app.theme = theme
        await pilot.pause()
        tree = app.query_one(SessionTree)
        colours = {tree.get_component_rich_style(lane_style(number)).color for number in range(1, LANES + 1)}
        assert len(colours) == LANES


def test_lanes_repeat_after_the_last_colour() -> None:
    assert lane_style(1) == lane_style(1 + LANES) != lane_style(2)
    assert len(DARK) == len(LIGHT) == LANES


async def test_a_voice_connection_says_how_far_its_encryption_has_come() -> None:
    view = connection(
        3, plane=Plane.VOICE, session=VOICE[1], version=8, compression=None, dave="DAVE epoch 2, 3 people"
    )
    async with Bench().run_test(size=(80, 24)) as pilot:
        assert "    DAVE epoch 2, 3 people" in lines(await shown(pilot, snapshot(session(VOICE, view))))

"""The screen of findings, and the tab of the detail: what they say, and where they lead."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from textual.pilot import Pilot

from inspector.diagnose.rules import RULES
from inspector.model import Finding, Severity
from inspector.protocol.registry import default
from inspector.store.file import connect
from inspector.store.writer import Writer
from inspector.tui.app import GwinspectApp
from inspector.tui.look import ASCII, UNICODE
from inspector.tui.screens.findings import FindingsScreen
from inspector.tui.screens.main import MainScreen
from inspector.tui.widgets.detail import Detail
from inspector.tui.widgets.lists.finding_list import FindingList
from tests.conversation import HELLO, NOON, Conversation, identify
from tests.fed import in_order
from tests.tui.conftest import screen_text, until
from tests.tui.noticed import add, notice, troubled

CLOSE, LATE, BEAT = 43, 42, 31


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return troubled(tmp_path / "bot.gwcap")


def shown(app: GwinspectApp) -> str:
    return "\n".join(screen_text(app))


async def on_findings(app: GwinspectApp, pilot: Pilot[None], row: int = 1) -> FindingsScreen:
    await until(pilot, lambda: isinstance(app.screen, MainScreen) and app.main.timeline.current)
    app.main.timeline.goto(row)
    await pilot.press("F")
    await until(pilot, lambda: isinstance(app.screen, FindingsScreen) and app.screen.noticed.read)
    await pilot.pause()
    assert isinstance(app.screen, FindingsScreen)
    return app.screen


async def test_all_findings_are_listed_and_one_is_told_whole(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_findings(app, pilot)
        text = shown(app)
        for words in (
            "1 error  1 warning  2 info  worst first  from 5 findings", "▸E error         42", " W warn          47",
            "→ row 42", "With it, 1 finding", "close-4009: The client has sent no heartbeat for 80 s", "2 row 43",
            "1 row 31  12:02:44.100 #1 ▶ send  1 Heartbeat", "https://docs.discord.com/developers/",
        ):  # fmt: skip
            assert words in text
        await pilot.press("space", "j")
        await pilot.pause()
        for words in ("close-4009", "Reconnect, and start a new session", "Wrong: It tried to resume the session."):
            assert words in shown(app)
        await pilot.press("space")
        await pilot.pause()
        # The case is folded again, with the cursor on it.
        entry = app.screen.query_one(FindingList).current
        assert entry is not None
        assert entry.listed.finding.rule == "heartbeat-late"
        await pilot.press("o", "j")
        await pilot.pause()
        assert "by time" in shown(app)
        entry = app.screen.query_one(FindingList).current
        assert entry is not None
        # The cursor stays with its case: that after it by time is the refused resume.
        assert entry.listed.finding.rule == "resume-refused"


async def test_the_finding_of_the_row_one_comes_from_is_chosen_and_its_rows_are_walked_through(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_findings(app, pilot, LATE)
        assert "heartbeat-late  A heartbeat came later" in shown(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.main)
        assert app.main.timeline.current == LATE
        await on_findings(app, pilot, LATE)
        await pilot.press("n", "n", "p", "enter")
        await until(pilot, lambda: app.screen is app.main and app.main.timeline.current == BEAT)
        await on_findings(app, pilot, CLOSE)
        await pilot.press("9", "2")
        await until(pilot, lambda: app.screen is app.main and app.main.timeline.current == LATE)


async def test_mild_findings_and_others_than_the_wanted_can_be_left_out(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await on_findings(app, pilot)
        await pilot.press("m")
        await pilot.pause()
        assert "warnings and errors  2 listed" in shown(app)
        await pilot.press("m", "m", "slash", *"resume", "enter")
        await pilot.pause()
        assert "with 'resume'  1 listed" in shown(app)
        assert screen.focused is screen.query_one(FindingList)
        await pilot.press("slash", *"xyz", "enter")
        await pilot.pause()
        assert "No case matches" in shown(app)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


async def test_what_is_noticed_while_one_looks_comes_to_the_list(growing: Callable[[], Any]) -> None:
    capture = growing()
    capture.add(Conversation().opens().server(HELLO).happenings)
    notice(capture.path, [])
    app = GwinspectApp(capture.path, marks=UNICODE, follow=True)
    async with app.run_test(size=(100, 30)) as pilot:
        await on_findings(app, pilot)
        assert f"No problems found. {len(RULES)} rules checked." in shown(app)
        db = connect(capture.path, write=True)
        add(db, [Finding("a-rule", Severity.WARN, "Silence.", 2)])
        db.close()
        await until(pilot, lambda: "a-rule" in shown(app) and "Silence." in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: "1 warning" in screen_text(app)[0] or "1 W" in screen_text(app)[0])
    capture.finish()


async def test_ten_thousand_findings_are_listed_as_quickly_as_ten(path: Path) -> None:
    notice(
        path,
        [
            Finding("a-rule", Severity(at % 3 + 1), f"It was noticed for the {at}th time.", at % 50 + 1)
            for at in range(10_000)
        ],
    )
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await on_findings(app, pilot)
        await until(pilot, lambda: screen.noticed.total == 10_000)
        listed = screen.query_one(FindingList)
        await pilot.press("space")
        await pilot.pause()
        assert listed.virtual_size.height == 10_000
        began = perf_counter()
        for line in range(0, 10_000, 500):
            listed.action_to(line)
            for y in range(listed.size.height):
                listed.render_line(y)
        # 20 screens; some 25 ms on a slow machine.
        assert perf_counter() - began < 2
        assert listed.current is not None


@pytest.mark.parametrize("size", [(80, 24), (60, 15)])
async def test_plain_terminals_get_plain_marks(path: Path, size: tuple[int, int]) -> None:
    notice(path, [Finding("évil\x1b[2J", Severity.ERROR, "Text of 字 and…", 3, (1, 2))])
    app = GwinspectApp(path, marks=ASCII)
    async with app.run_test(size=size) as pilot:
        await on_findings(app, pilot)
        text = [line for line in screen_text(app) if "+" in line or "error" in line]
        assert text
        assert [line for line in text if not line.isascii() or "\x1b" in line] == []


async def test_the_detail_has_the_findings_of_a_row_and_what_it_is_evidence_of(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MainScreen) and app.main.timeline.current)
        app.main.timeline.goto(BEAT)
        await pilot.press("enter", "left_square_bracket")
        await until(pilot, lambda: "2 close-4009 at row 43" in shown(app))
        assert "1 heartbeat-late at row 42" in shown(app)
        await pilot.press("greater_than_sign", "enter")
        await until(pilot, lambda: app.main.timeline.current == CLOSE and "Wrong: It tried" in shown(app))
        detail = app.main.query_one(Detail)
        assert detail.findings.rows == [BEAT, LATE, 46, LATE, 47]
        await pilot.press("3")
        await until(pilot, lambda: app.main.timeline.current == 46)
        await until(pilot, lambda: "resume-refused at row 47" in shown(app))
        app.main.timeline.goto(1)
        await until(pilot, lambda: "No findings at this row." in shown(app))


async def test_the_first_line_of_the_timeline_counts_cases_and_a_key_leads_from_one_to_the_next(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MainScreen) and "1 error, 1 warning" in shown(app))
        app.main.timeline.goto(1)
        stops = []
        for _ in range(5):
            await pilot.press("exclamation_mark")
            await pilot.pause()
            stops.append(app.main.timeline.current)
        # The close belongs to the case of the late heartbeat, and has no stop of its own.
        assert stops == [5, 37, LATE, 47, 47]
        assert "There is no case after this row." in [note.message for note in app._notifications]


async def test_the_detail_says_which_case_a_finding_belongs_to(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MainScreen) and app.main.timeline.current)
        app.main.timeline.goto(CLOSE)
        await pilot.press("enter", "left_square_bracket")
        await until(pilot, lambda: f"heartbeat-late at row {LATE}" in shown(app))
        app.main.timeline.goto(LATE)
        await until(pilot, lambda: "case    1 further finding in this case; F lists them" in shown(app))


async def test_two_bots_with_the_same_trouble_are_two_lines_that_say_whose(tmp_path: Path) -> None:
    path, talks = tmp_path / "two.gwcap", []
    for number in range(1, 5):
        talk = Conversation(connection=number, at_ns=NOON + number * 10**9).opens().server(HELLO)
        talks.append(talk.client(identify(token=f"invented token {number % 2} of nobody")).closes(4004, by="server"))
    writer = Writer(path, default(), made_by="test")
    writer.write(in_order(*talks))
    writer.finish()
    notice(path, [Finding("odd-payload", Severity.WARN, "So it is.", 4 * number - 1) for number in range(1, 5)])
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_findings(app, pilot)
        lines = [line for line in screen_text(app) if "odd-payload" in line and "[2]" in line]
        assert len(lines) == 2
        assert len({line.partition("token ••••")[2][:4] for line in lines}) == 2
        assert "whose   token ••••" in shown(app)
        await pilot.press("space")
        await pilot.pause()
        # Two cases, and the other finding of that which is unfolded.
        assert app.screen.query_one(FindingList).virtual_size.height == 3

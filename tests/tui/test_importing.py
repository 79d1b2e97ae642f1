"""An import on the screen: rows while it goes on, how far it has come, and what is said where it fails."""

from pathlib import Path

import pytest

from inspector.errors import CaptureError
from inspector.importers.running import Progress
from inspector.protocol.registry import default
from inspector.store.writer import Writer
from inspector.tui.app import GwinspectApp
from tests.conversation import ACK, HELLO, Conversation, identify, message, ready, resume

from .conftest import screen_text, until


class Import:
    """Fills a capture as far as it is told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said = Progress(0, 100_000)
        self._writer = Writer(path, default(), made_by="test", bulk=True, followed=True)
        self._written = 0

    def progress(self) -> Progress:
        return self.said

    def write(self, talk: Conversation) -> None:
        self._writer.write(talk.happenings[self._written :])
        self._written = len(talk.happenings)

    def end(self, problem: CaptureError | None = None) -> None:
        self._writer.finish()
        self.said = Progress(100_000, 100_000, self._written, is_over=True, problem=problem)

    def app(self) -> GwinspectApp:
        return GwinspectApp(self.path, filling=self, title="bot.mitm")


@pytest.fixture
def filling(tmp_path: Path) -> Import:
    return Import(tmp_path / "import.part")


def top(app: GwinspectApp) -> str:
    return screen_text(app)[0]


async def test_rows_come_while_it_goes_on_and_the_cursor_stays_where_it_is(filling: Import) -> None:
    app = filling.app()
    talk = Conversation().opens().server(HELLO)
    async with app.run_test(size=(150, 30)) as pilot:
        await until(pilot, lambda: any("as soon as the first ones are imported" in line for line in screen_text(app)))
        filling.write(talk)
        filling.said = Progress(42_000, 100_000, 2)
        await until(pilot, lambda: "IMPORTING  █████▁▁▁▁▁▁▁ 42 %  42 kB of 100 kB, 2 messages  bot.mitm" in top(app))
        await until(pilot, lambda: any("Hello" in line for line in screen_text(app)))
        filling.write(talk.client(identify()).server(ready()))
        await until(pilot, lambda: any("row 1 of 4" in line for line in screen_text(app)))
        await pilot.press("j")
        await until(pilot, lambda: any("row 2 of 4" in line for line in screen_text(app)))
        assert "paused" not in top(app)
        filling.end()
        await until(pilot, lambda: "IMPORTING" not in top(app))
        assert "bot.mitm" in top(app)
        assert not any(word in top(app) for word in ("paused", "FINISHED", "FOLLOWING", "%"))


async def test_what_became_known_of_a_row_far_above_is_shown(filling: Import) -> None:
    """A verdict says what the client did next; an import comes to that before anybody has looked twice."""
    app = filling.app()
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready()).closes(1006, by="server")
    filling.write(talk)
    async with app.run_test(size=(150, 30)) as pilot:
        await until(pilot, lambda: app.main.recording.lines([5]))
        other = Conversation(connection=2, at_ns=talk._at_ns + 10**9).opens().server(HELLO)
        for seq in range(2, 400):
            other.server(message("hi", seq))
        talk.happenings += other.client(resume()).server(ACK).happenings
        filling.write(talk)
        await until(pilot, lambda: app.main._last == len(talk.happenings))
        [shown] = app.main.recording.lines([5])
        assert shown.event.verdict is not None
        assert shown.event.verdict.then
        filling.end()


async def test_where_nothing_could_be_imported_it_ends_with_the_reason(filling: Import) -> None:
    app = filling.app()
    problem = CaptureError("there is no gateway connection in bot.mitm")
    async with app.run_test(size=(150, 30)) as pilot:
        filling.end(problem)
        await until(pilot, lambda: app.problem is not None)
    assert app.problem is problem


async def test_what_came_before_it_broke_off_stays_with_the_reason(filling: Import) -> None:
    app = filling.app()
    async with app.run_test(size=(150, 30)) as pilot:
        filling.write(Conversation().opens().server(HELLO))
        await until(pilot, lambda: any("Hello" in line for line in screen_text(app)))
        filling.end(CaptureError("bot.mitm could not be read: Input/output error"))
        await until(pilot, lambda: any("The import failed" in line for line in screen_text(app)))
        text = "\n".join(screen_text(app))
        assert "bot.mitm could not be read: Input/output error" in text
        assert "Hello" in text
    assert app.problem is None

"""A gap on the screen: a row like any other, and what it means."""

from pathlib import Path

from inspector.protocol.registry import default
from inspector.store.writer import Writer
from inspector.tui.app import GwinspectApp
from inspector.tui.widgets.timeline.banner import Banner
from tests.conversation import HELLO, Conversation, message

from .conftest import screen_text, until


async def test_a_gap_is_a_row_with_an_explanation(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).unseen(lambda talk: talk.server(message("unseen")))
    writer = Writer(tmp_path / "bot.gwcap", default(), made_by="test")
    writer.write(talk.happenings)
    writer.finish()
    app = GwinspectApp(tmp_path / "bot.gwcap", where="kind == gap")
    async with app.run_test(size=(160, 40)) as pilot:
        await until(pilot, lambda: any("1 message missing" in line for line in screen_text(app)))
        row = next(line for line in screen_text(app) if "1 message missing" in line)
        assert " W " in row
        assert "missing" in row.partition("gap")[0]
        await until(pilot, lambda: app.main.timeline.has_focus)
        await pilot.press("enter")
        await until(pilot, lambda: app.main.has_class("detail"))
        said = ""
        for number in range(len(app.main.detail.tabs)):
            app.main.detail.choose(number)
            await pilot.pause()
            said += "\n".join(screen_text(app))
        assert "messages that were not recorded" in said
        assert "The recording is missing 1 message of this connection here" in said
        assert not app.main.query_one(Banner).has_class("trouble")

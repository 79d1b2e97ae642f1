"""The file on the screen is taken away while it is recorded."""

from pathlib import Path

from inspector.protocol.registry import default
from inspector.store.writer import Writer
from inspector.tui.app import GwinspectApp
from tests.conversation import HEARTBEAT, Conversation, message

from .conftest import screen_text, until


async def test_the_screen_goes_on_with_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "bot.gwcap"
    talk = Conversation().opens().server(message("before the file was taken away"))
    writer = Writer(path, default(), made_by="test")
    writer.write(talk.happenings)
    app = GwinspectApp(path, follow=True, where="op == 0 or op == 1")
    async with app.run_test(size=(150, 30)) as pilot:
        await until(pilot, lambda: any("before the file" in line for line in screen_text(app)))
        path.unlink()
        writer.move(is_damaged=False)
        writer.write(talk.client(HEARTBEAT).happenings[-1:])
        await until(pilot, lambda: app.main.path == tmp_path / "bot-2.gwcap" and app.main.is_current)
        await until(pilot, lambda: any("Heartbeat" in line for line in screen_text(app)))
        text = "\n".join(screen_text(app))
        assert "before the file" in text
        assert "was deleted or replaced; the recording continues in" in text
        assert "bot-2.gwcap" in text
        writer.write(talk.server(message("and after")).happenings[-1:])
        await until(pilot, lambda: any("and after" in line for line in screen_text(app)))
    writer.finish()

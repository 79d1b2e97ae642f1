"""What is where the timeline will be while there is no row yet: how to bring a client here, and what was said."""

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from inspector.inert import inert
from inspector.tui.live_proxy import LiveProxy, ended
from inspector.tui.look import Glyphs

# Lines of the log that are shown.
LOG_LINES = 12


class Waiting(VerticalScroll):
    """Shown until the first row is there."""

    DEFAULT_CSS = """
    Waiting { background: $background; padding: 1 3; height: 1fr; }
    Waiting > Static { width: auto; height: auto; }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._said = ""

    def compose(self) -> ComposeResult:
        yield Static()

    def tell(self, source: LiveProxy | None, *, growing: bool, filtered: bool, importing: bool = False) -> None:
        """Say why there is nothing to see."""
        if filtered:
            lines = ["No row matches the filter.", "", "f changes it, 0 removes it."]
        elif source is not None:
            lines = list(self._advice(source))
        elif importing:
            lines = ["No rows yet.", "", "They appear here as soon as the first ones are imported."]
        elif growing:
            lines = ["No rows yet.", "", "They appear here as soon as the recorder writes them."]
        else:
            lines = ["This capture has no rows.", "", "It contains nothing that could be decoded. q quits."]
        said = "\n".join(lines)
        if said != self._said:
            self._said = said
            self.query_one(Static).update(Text(self._glyphs.plain(said)))

    def _advice(self, source: LiveProxy) -> list[str]:
        if source.name == "proxy":
            lines = [f"No connection yet. The proxy listens on {source.address}."]
        else:
            lines = [f"No connection yet. Packets are recorded on {source.address}."]
        if source.ca is not None:
            lines.append(f"Clients must trust its certificate: {source.ca}")
        advice, state = source.advice(), source.state()
        if state.unseen:
            lines += ["", *map(inert, state.unseen)]
        elif advice and not source.command:
            lines += ["", "Point a client at it:" if source.name == "proxy" else "Start a client:", ""]
            width = max(len(item.client) for item in advice) + 3
            lines += [f"  {item.client:<{width}}{item.how}" for item in advice]
        if source.command:
            running = "is running" if state.client_running else ended(state.client)
            lines += ["", f"{inert(source.command)} {running}."]
        if state.log:
            lines += ["", "Its output so far:", ""]
            lines += [f"  {inert(line)}" for line in state.log[-LOG_LINES:]]
        return lines

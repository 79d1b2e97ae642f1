"""The tree of sessions and their connections, and how each is doing. Choosing one narrows the timeline.

Only the lines in sight are painted. What they say comes from a snapshot, the time from whoever hands it over: nothing
here reads a capture or a clock.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.actions import SkipAction
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from inspector.analysis.overview import ConnectionView, SessionView, Snapshot
from inspector.tui.guarded import Guarded
from inspector.tui.lane_colours import LANE_CLASSES, LANES_CSS
from inspector.tui.look import Glyphs, Piece
from inspector.tui.widgets.lists.session_lines import FAR, SessionLines, TreeKey, narrowing

# Connections that are listed, the newest of them where there are more.
MOST = 1000


@dataclass(frozen=True, slots=True)
class _Node:
    key: TreeKey
    view: SessionView | ConnectionView | None = None


class SessionTree(Guarded, ScrollView, can_focus=True):
    """All sessions of a recording, with their connections."""

    DEFAULT_CSS = """
    SessionTree {
        width: 30;
        background: $surface;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
    }
    SessionTree > .tree--all { color: $foreground; text-style: bold; }
    SessionTree > .tree--session { color: $foreground; text-style: bold; }
    SessionTree > .tree--plain { color: $foreground; }
    SessionTree > .tree--quiet { color: $text-muted; }
    SessionTree > .tree--trouble { color: $error; }
    SessionTree > .tree--chosen { color: $accent; text-style: bold; }
    SessionTree > .tree--cursor { background: $foreground 12%; }
    SessionTree:focus > .tree--cursor { background: $primary 35%; }
    """ + LANES_CSS.replace("&", "SessionTree")
    COMPONENT_CLASSES = {
        *(f"tree--{name}" for name in ("all", "session", "plain", "quiet", "trouble", "chosen", "cursor")),
        *LANE_CLASSES,
    }
    BINDINGS = [
        Binding("up,k", "move(-1)", "connection above", show=False),
        Binding("down,j", "move(1)", "connection below", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
        Binding("home,g", "first", "all connections", show=False),
        Binding("end,G", "last", "last connection", show=False),
        Binding("left,h", "fold(True)", "fold the session", show=False),
        Binding("right,l", "fold(False)", "unfold the session", show=False),
        Binding("enter", "choose", "only this"),
        Binding("escape", "all", "back to all connections"),
    ]

    selected: reactive[TreeKey] = reactive(None)
    """What the timeline is narrowed to. Setting it posts nothing: it is for those who narrow by other means."""

    class Narrow(Message):
        """The person wants to see only the rows of one connection or session, or those of all."""

        def __init__(self, filter_text: str | None, words: str) -> None:
            super().__init__()
            self.filter_text = filter_text
            """A filter; None for everything."""
            self.words = words
            """The same in words, inert."""

    def __init__(self, glyphs: Glyphs, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs
        self.cursor: TreeKey = None
        """What the cursor is on."""
        self._snapshot = Snapshot()
        self._now_ns = 0
        self._folded: set[TreeKey] = set()
        self._listed: list[_Node] = [_Node(None)]
        self._places: dict[TreeKey, int] = {None: 0}
        self._tops: Sequence[int] = (0, 1)
        """The first line of each node, then the number of all lines."""

    def update(self, snapshot: Snapshot, *, now_ns: int) -> None:
        """Show `snapshot`. The ages of open connections are as of `now_ns`, in nanoseconds since the epoch."""
        if snapshot == self._snapshot and now_ns == self._now_ns:
            return
        self._now_ns = now_ns
        if snapshot != self._snapshot:
            self._snapshot = snapshot
            self._list()
        self.refresh()

    # What keys and the mouse do.

    def action_move(self, steps: int) -> None:
        self._go(self._places[self.cursor] + steps)

    def action_page(self, pages: int) -> None:
        line = self._tops[self._places[self.cursor]] + pages * max(self.size.height - 1, 1)
        place = self._place_at(min(max(line, 0), self._tops[-1] - 1))
        here = self._places[self.cursor]
        # A node may be taller than a page.
        self._go(max(place, here + 1) if pages > 0 else min(place, here - 1))

    def action_first(self) -> None:
        self._go(0)

    def action_last(self) -> None:
        self._go(len(self._listed) - 1)

    def action_fold(self, fold: bool) -> None:
        view = self._listed[self._places[self.cursor]].view
        if view is None:
            return
        key = view.key if isinstance(view, SessionView) else (view.plane, view.session)
        if fold:
            self._folded.add(key)
            self.cursor = key
        else:
            self._folded.discard(key)
        self._list()
        self._go(self._places[self.cursor])

    def action_choose(self) -> None:
        self.selected = self.cursor
        self.post_message(self.Narrow(*narrowing(self.cursor, self.glyphs)))

    def action_all(self) -> None:
        if self.selected is None:
            # Nothing to go back from here: anyone who is above may know.
            raise SkipAction
        self._go(0)
        self.action_choose()

    def on_click(self, event: events.Click) -> None:
        line = self.scroll_offset.y + event.y
        if line >= self._tops[-1]:
            return
        self._go(self._place_at(line))
        if isinstance(self.cursor, tuple) and event.x < 4:
            self.action_fold(self.cursor not in self._folded)
        else:
            self.action_choose()

    # What follows from changes.

    def watch_selected(self) -> None:
        self._measure()

    def on_resize(self) -> None:
        self._measure()
        self._go(self._places[self.cursor])

    def _list(self) -> None:
        """Make the nodes again; the cursor stays on what it is on, or at its height."""
        place = self._places[self.cursor]
        room = MOST
        newest: list[_Node] = []
        for session in reversed(self._snapshot.sessions):
            if session.key not in self._folded:
                if not room:
                    continue
                listed = session.connections[-room:]
                room -= len(listed)
                newest += (_Node(connection.id, connection) for connection in reversed(listed))
            newest.append(_Node(session.key, session))
        self._listed = [_Node(None), *reversed(newest)]
        self._places = {node.key: place for place, node in enumerate(self._listed)}
        if self.cursor not in self._places:
            self.cursor = self._listed[min(place, len(self._listed) - 1)].key
        self._measure()

    def _measure(self) -> None:
        """Give each node its lines: all of them, or where there is no room those of live connections, or of the one
        under the cursor."""
        live = {node.key for node in self._listed if isinstance(node.view, ConnectionView) and node.view.live}
        chosen = {self.cursor, self.selected}
        for opened in (self._places.keys(), live | chosen, chosen):
            heights = (_height(node) if node.key in opened else 1 for node in self._listed)
            self._tops = list(accumulate(heights, initial=0))
            if self._tops[-1] <= self.size.height:
                break
        self.virtual_size = Size(self.size.width, self._tops[-1])
        self.refresh()

    def _go(self, place: int) -> None:
        """Put the cursor on a node, or on the nearest there is, and bring it into sight."""
        place = min(max(place, 0), len(self._listed) - 1)
        self.cursor = self._listed[place].key
        self._measure()
        top, end = self._tops[place], self._tops[place + 1]
        if top < self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, immediate=True)
        elif end > self.scroll_offset.y + self.size.height:
            self.scroll_to(y=min(end - self.size.height, top), animate=False, immediate=True)

    def _place_at(self, line: int) -> int:
        return bisect_right(self._tops, line) - 1

    # What is painted.

    def render_line(self, y: int) -> Strip:
        width, line = self.scrollable_content_region.width, self.scroll_offset.y + y
        # A scroll bar parts the panes as well as a line does.
        room = width if self.show_vertical_scrollbar else width - 1
        strip = self._painted(line, room) if line < self._tops[-1] else Strip.blank(room, self.rich_style)
        if room == width:
            return strip
        return Strip([*strip, Segment(self.glyphs.vertical, self.get_component_rich_style("tree--quiet"))])

    def _painted(self, line: int, room: int) -> Strip:
        style = self.get_component_rich_style
        place = self._place_at(line)
        node = self._listed[place]
        first = line == self._tops[place]
        here = first and node.key == self.cursor
        # Marks besides colours, for those who see none.
        segments = [
            Segment(self.glyphs.folded if here else " ", style("tree--chosen")),
            Segment(self.glyphs.to if first and node.key == self.selected else " ", style("tree--chosen")),
            Segment("" if first else "  ", style("tree--quiet")),
        ]
        lines = SessionLines(self.glyphs, room - 2)
        words = lines.of(node.view, line - self._tops[place], self._now_ns) if node.view else self._title(room - 2)
        if first and isinstance(node.view, SessionView):
            mark = self.glyphs.folded if node.key in self._folded else self.glyphs.unfolded
            words = [(mark + " ", "tree--quiet"), *words]
        segments += (Segment(text, style(name)) for text, name in words)
        strip = Strip(segments).adjust_cell_length(room, self.rich_style)
        if node.key == self.cursor:
            behind = Style(bgcolor=style("tree--cursor").bgcolor)
            strip = Strip(Segment.apply_style(strip, post_style=behind), room)
        return strip

    def _title(self, room: int) -> list[Piece]:
        count = self._snapshot.connections
        if not count:
            return [("no connection yet", "tree--quiet")]
        said = f"{count:,}" if count <= MOST else f"newest {MOST:,} of {count:,}"
        title = "all connections"
        if len(title) + len(said) + 1 > room:
            title = "all"
        return [(f"{title:<{min(room, FAR) - len(said)}}", "tree--all"), (said, "tree--quiet")]


def _height(node: _Node) -> int:
    if not isinstance(node.view, ConnectionView):
        return 1
    return 3 if node.view.refusal is None else 2

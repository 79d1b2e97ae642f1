"""End-to-end encryption of one call over time: tracks of epochs, users, transitions and what was noticed.

The cursor goes from mark to mark.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from textual import events
from textual.binding import Binding
from textual.geometry import Size

from inspector.analysis.dave_timeline import MemberView, StateChange, Stretch, TransitionView
from inspector.analysis.handshake import Handshake
from inspector.analysis.voice_call import VoiceCall
from inspector.inert import inert
from inspector.report.cells import clip
from inspector.report.voice_words import between, missing_word, short_user, transition_name
from inspector.session.messages import At
from inspector.tui.look import Glyphs
from inspector.tui.widgets.charts.canvas import Canvas
from inspector.tui.widgets.voice.listing import Painted, severity_mark
from inspector.tui.widgets.voice.waterfall import ROOMY
from inspector.words import clock, counted

# Columns of the names next to the tracks.
_GUTTER, _NARROW_GUTTER = 26, 20
# Users that have a track of their own; the others are counted.
_MOST_TRACKS = 12
# The shortest stretch of time that is zoomed into, in nanoseconds.
_CLOSEST_NS = 10_000_000
# Columns by which a mark that finds its cell taken may move on.
_ASIDE = 8


class Signs(NamedTuple):
    """What tracks are drawn with."""

    group: str
    forming: str
    off: str
    begins: str
    opens: str
    ends: str
    present: str
    grouped: str
    asked: str
    announced: str
    ready: str
    executed: str
    rejected: str

    @property
    def legend(self) -> str:
        return (
            f"{self.present} in the call  {self.grouped} in the group  {self.forming} no group yet  "
            f"{self.off} no encryption  {self.asked} new group asked for  {self.announced} announced  "
            f"{self.ready} ready  {self.executed} executed  {self.rejected} rejected"
        )


_UNICODE = Signs("━", "┅", "·", "┿", "├", "┥", "─", "═", "◇", "◆", "○", "●", "×")
_ASCII = Signs("=", "~", ".", "+", "[", "]", "-", "=", "N", "A", "r", "E", "x")


class TrackMark(NamedTuple):
    """Something on a track that the cursor stops at."""

    at_ns: int
    row: int
    line: str
    """``epochs``, ``transitions`` or ``noticed``."""
    sign: str
    style: str
    label: str
    text: str
    """In words, inert."""


class DaveTrack(Painted):
    """The tracks of one call."""

    DEFAULT_CSS = "DaveTrack { height: auto; }"
    BINDINGS = [
        Binding("enter", "goto", "go to the row", tooltip="Show in the timeline what is under the cursor"),
        Binding("right,l", "move(1)", "next mark", tooltip="Go to the next mark on the tracks"),
        Binding("left,h", "move(-1)", "previous mark", show=False),
        Binding("home,g", "to(0)", "first mark", show=False),
        Binding("end,G", "to(-1)", "last mark", show=False),
        Binding("plus,equals_sign", "zoom(-1)", "zoom in", show=False),
        Binding("minus", "zoom(1)", "zoom out", show=False),
        Binding("0", "whole", "whole call", show=False),
    ]

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self._signs = _ASCII if glyphs.ascii else _UNICODE
        self._call: VoiceCall | None = None
        self._marks: list[TrackMark] = []
        self._at = 0
        self._window: tuple[int, int] | None = None
        self._cursor_x: int | None = None

    def show(self, call: VoiceCall) -> None:
        """Show another call, or how far this one has come."""
        mark = self.mark
        if self._call is None or self._call.first_row != call.first_row:
            self._window, mark = None, None
            self._at = 0
        self._call = call
        self._marks = sorted(self._marks_of(call), key=lambda each: (each.at_ns, each.row))
        if mark is not None:
            kept = (mark.row, mark.line, mark.sign)
            self._at = next(
                (at for at, each in enumerate(self._marks) if (each.row, each.line, each.sign) == kept), self._at
            )
        self._at = max(min(self._at, len(self._marks) - 1), 0)
        self.refresh(layout=True)
        self.changed()

    @property
    def mark(self) -> TrackMark | None:
        """The mark under the cursor."""
        return self._marks[self._at] if self._marks else None

    @property
    def row(self) -> int | None:
        return self.mark.row if self.mark is not None else None

    @property
    def legend(self) -> str:
        """What the signs mean."""
        return self._signs.legend

    def description(self) -> tuple[str, str]:
        mark = self.mark
        if mark is None:
            return "", "no mark here"
        return clock(mark.at_ns), f"{mark.text}, row {mark.row:,} ({self._at + 1:,} of {len(self._marks):,})"

    def _marks_of(self, call: VoiceCall) -> Iterator[TrackMark]:
        signs, dave = self._signs, call.dave
        for shaken in call.handshakes:
            yield from self._ends(shaken)
        for change in dave.changes:
            if change.state == "off":
                yield TrackMark(change.at_ns, change.row, "epochs", signs.off, "warn", "", "no encryption from here on")
        for each in dave.transitions:
            number = "" if each.id is None else str(each.id)
            sign = signs.asked if each.what == "new group" else signs.announced
            yield TrackMark(
                each.announced.at_ns, each.announced.n, "transitions", sign, "live", number,
                self._announced(call, each),
            )  # fmt: skip
            steps: list[tuple[At | None, str, str, str]] = [
                (each.ready, signs.ready, "client", "the client is ready"),
                (each.executed, signs.executed, "server", "executed"),
                (each.rejected, signs.rejected, "error", "the client cannot use it"),
            ]
            for at, sign, style, words in steps:
                if at is not None:
                    after = f"{between(at.at_ns - each.announced.at_ns)} after it was announced"
                    yield TrackMark(
                        at.at_ns, at.n, "transitions", sign, style, "", f"{transition_name(each)}, {words}, {after}"
                    )
        for found in call.violations:
            sign, style = severity_mark(found.severity, self.glyphs)
            text = f"{found.severity.name.lower()} {inert(found.rule)}: {inert(found.text).rstrip('.')}"
            yield TrackMark(found.at_ns, found.row, "noticed", sign, style, "", text)

    def _ends(self, shaken: Handshake) -> Iterator[TrackMark]:
        """Yield the marks of a connection's beginning and end."""
        for step in shaken.steps:
            if step.row is None or step.key not in ("open", "close"):
                continue
            who = f"voice #{step.connection}"
            if step.key == "open":
                refused = shaken.refusal is not None
                sign, style, words = self._signs.opens, "quiet", f"{who} {'refused' if refused else 'connected'}"
                yield TrackMark(step.end_ns, step.row, "epochs", sign, "error" if refused else style, "", words)
            else:
                code = "" if shaken.code is None else str(shaken.code)
                style = "quiet" if code in ("", "1000", "1001") else "error"
                words = f"{who} closed {code}".strip()
                yield TrackMark(step.end_ns, step.row, "epochs", self._signs.ends, style, code, words)

    def _announced(self, call: VoiceCall, each: TransitionView) -> str:
        said = f"{transition_name(each)} announced"
        if each.what in ("commit", "welcome"):
            said += f", leads to epoch {'?' if each.epoch is None else each.epoch}"
            if each.members is not None:
                said += f" with {counted(len(each.members), 'member')}"
        if not each.at_once:
            missing = missing_word(call, each)
            said += "" if each.ready else f", the client was {missing} ready"
            said += "" if each.executed else f", {missing} executed"
        elif each.id is not None and each.what != "new group":
            said += ", at once"
        return said

    # What keys and the mouse do.

    def action_move(self, steps: int) -> None:
        self._go(self._at + steps)

    def action_to(self, at: int) -> None:
        self._go(at if at >= 0 else len(self._marks) - 1)

    def action_zoom(self, way: int) -> None:
        call = self._call
        if call is None:
            return
        start, end = self.window
        span = (end - start) * 2 if way > 0 else max((end - start) // 2, _CLOSEST_NS)
        if span >= call.end_ns - call.start_ns:
            self._window = None
        else:
            at_ns = self.mark.at_ns if self.mark is not None else start
            self._look_from(at_ns - span // 2, span)
        self.changed()

    def action_whole(self) -> None:
        self._window = None
        self.changed()

    def on_click(self, event: events.Click) -> None:
        if event.x >= self.beside and self._marks:
            wanted = event.x - self.beside
            self._go(min(range(len(self._marks)), key=lambda at: abs(self.column(self._marks[at].at_ns) - wanted)))
            if event.chain > 1:
                self.action_goto()

    def _go(self, at: int) -> None:
        self._at = max(min(at, len(self._marks) - 1), 0)
        start, end = self.window
        if self.mark is not None and not start <= self.mark.at_ns <= end:
            self._look_from(self.mark.at_ns - (end - start) // 2, end - start)
        self.changed()

    def _look_from(self, start: int, span: int) -> None:
        call = self._call
        assert call is not None
        start = max(min(start, call.end_ns - span), call.start_ns)
        self._window = start, start + span

    # Where things stand.

    @property
    def window(self) -> tuple[int, int]:
        """The time in sight."""
        call = self._call
        return self._window or (0 if call is None else call.start_ns, 1 if call is None else call.end_ns)

    @property
    def beside(self) -> int:
        """The columns of the names."""
        return _GUTTER if self.size.width >= ROOMY else _NARROW_GUTTER

    @property
    def columns(self) -> int:
        return max(self.size.width - self.beside, 1)

    def column(self, at_ns: int) -> int:
        """Return the column of a time; it need not be in sight."""
        start, end = self.window
        # Room for the code of a close after the last moment.
        return (at_ns - start) * max(self.columns - 6, 1) // max(end - start, 1)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 4 + min(self._tracks, _MOST_TRACKS)

    @property
    def _tracks(self) -> int:
        return len(self._call.dave.members) if self._call is not None else 0

    # What is painted.

    def draw(self, canvas: Canvas) -> None:
        call = self._call
        if call is None:
            return
        room = max(canvas.height - 4, 0)
        members = call.dave.members
        shown = members if len(members) <= room else members[: max(room - 1, 0)]
        canvas.put(0, 0, "encryption", "title")
        self._draw_times(canvas)
        lines = {"epochs": 1, "transitions": 2 + min(len(members), room), "noticed": 3 + min(len(members), room)}
        for name, y in lines.items():
            canvas.put(2, y, name, "quiet")
        if not call.dave.transitions:
            canvas.put(self.beside, lines["transitions"], "none was announced", "quiet")
        self._draw_epochs(canvas, 1, call.dave.changes, call.end_ns)
        for y, member in enumerate(shown, 2):
            self._draw_member(canvas, y, member, call.end_ns)
        if len(shown) < len(members) and room:
            canvas.put(2, 1 + room, f"and {len(members) - len(shown):,} more users", "quiet")
        self._draw_marks(canvas, lines)
        self._draw_cursor(canvas, lines)

    def _draw_times(self, canvas: Canvas) -> None:
        start, end = self.window
        mark = self.mark
        texts = [] if mark is None else [(mark.at_ns, clock(mark.at_ns), "cursor")]
        texts += [(start, clock(start), "quiet"), (end, clock(end), "quiet")]
        taken: set[int] = set()
        for at_ns, text, style in texts:
            x = max(min(self.beside + self.column(at_ns), canvas.width - len(text)), self.beside)
            if taken.isdisjoint(range(x - 1, x + len(text) + 1)):
                canvas.put(x, 0, text, style)
                taken.update(range(x, x + len(text)))

    def _draw_epochs(self, canvas: Canvas, y: int, changes: tuple[StateChange, ...], end_ns: int) -> None:
        signs = self._signs
        looks = {"group": (signs.group, "live"), "forming": (signs.forming, "quiet"), "off": (signs.off, "warn")}
        before: StateChange | None = None
        for change, after in pairwise((*changes, None)):
            assert change is not None
            if change.state != "apart":
                sign, style = looks[change.state]
                until = end_ns if after is None else after.at_ns
                first, last = self._put_stretch(canvas, y, Stretch(change.at_ns, until), sign, style)
                label = {"forming": " no group yet ", "off": " no encryption "}.get(change.state, "")
                if change.state == "group":
                    label = " epoch ? " if change.epoch is None else f" epoch {change.epoch} "
                    # An epoch that follows on another.
                    if before is not None and before.state == "group" and self.column(change.at_ns) == first:
                        canvas.put(self.beside + first, y, signs.begins, style)
                if len(label) + 2 <= last - first:
                    canvas.put(self.beside + first + 2, y, label, "plain")
            before = change

    def _draw_member(self, canvas: Canvas, y: int, member: MemberView, end_ns: int) -> None:
        name = short_user(member.user, self.glyphs.more) + (" client" if member.own else "")
        canvas.put(2, y, clip(name, self.beside - 3, self.glyphs.more), "plain")
        for stretch in member.present:
            whole = Stretch(stretch.start_ns, end_ns if stretch.end_ns is None else stretch.end_ns)
            self._put_stretch(canvas, y, whole, self._signs.present, "quiet")
        for stretch in member.grouped:
            whole = Stretch(stretch.start_ns, end_ns if stretch.end_ns is None else stretch.end_ns)
            self._put_stretch(canvas, y, whole, self._signs.grouped, "live")

    def _put_stretch(self, canvas: Canvas, y: int, stretch: Stretch, sign: str, style: str) -> tuple[int, int]:
        """Draw a stretch of time as far as it is in sight; return its first column and the one after its last."""
        first = max(self.column(stretch.start_ns), 0)
        last = min(max(self.column(stretch.end_ns or 0), first + 1), self.columns)
        canvas.put(self.beside + first, y, sign * max(last - first, 0), style)
        return first, last

    def _draw_marks(self, canvas: Canvas, lines: dict[str, int]) -> None:
        start, end = self.window
        self._cursor_x = None
        for mark in self._marks:
            if not start <= mark.at_ns <= end or mark.sign == self._signs.off:
                continue
            x, y = self.beside + self.column(mark.at_ns), lines[mark.line]
            if y >= canvas.height:
                continue
            if mark.line != "epochs":
                # Where it would cover another, it goes next to it.
                x = next((beside for beside in range(x, min(x + _ASIDE, canvas.width)) if canvas.blank(beside, y)), x)
            canvas.put(x, y, mark.sign, mark.style)
            if mark is self.mark:
                self._cursor_x = x
            if all(canvas.blank(at, y) for at in range(x + 1, min(x + 1 + len(mark.label), canvas.width))):
                canvas.put(x + 1, y, mark.label, "plain" if mark.line == "transitions" else mark.style)

    def _draw_cursor(self, canvas: Canvas, lines: dict[str, int]) -> None:
        mark = self.mark
        if mark is None:
            return
        x = self.beside + self.column(mark.at_ns) if self._cursor_x is None else self._cursor_x
        for y in range(1, canvas.height):
            if y == lines[mark.line]:
                canvas.put(0, y, self.glyphs.folded, "cursor")
                if self.has_focus:
                    canvas.restyle(x, y, "chosen")
            elif 0 <= x < canvas.width and canvas.blank(x, y):
                canvas.put(x, y, self.glyphs.vertical, "axis")

"""The transitions of one call's encryption as a table, where tracks over time have no room."""

from typing import ClassVar

from textual.geometry import Size

from inspector.analysis.dave_timeline import TransitionView
from inspector.analysis.voice_call import VoiceCall
from inspector.report.cells import clip
from inspector.report.voice_words import between, missing_word, short_user, transition_kind, transition_name
from inspector.session.messages import At
from inspector.tui.look import Glyphs
from inspector.tui.widgets.charts.canvas import Canvas
from inspector.tui.widgets.voice.listing import Listing
from inspector.words import clock


class TransitionTable(Listing):
    """The transitions of one call, a line each."""

    DEFAULT_CSS = "TransitionTable { height: auto; max-height: 50%; }"
    TITLES: ClassVar = 2

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self._call: VoiceCall | None = None

    def show(self, call: VoiceCall) -> None:
        """Show another call, or how far this one has come."""
        if self._call is None or self._call.first_row != call.first_row:
            self.at = 0
        self._call = call
        self.refresh(layout=True)
        self.changed()

    @property
    def _transitions(self) -> tuple[TransitionView, ...]:
        return self._call.dave.transitions if self._call is not None else ()

    @property
    def count(self) -> int:
        return len(self._transitions)

    @property
    def row(self) -> int | None:
        return self._transitions[self.at].announced.n if self._transitions else None

    def description(self) -> tuple[str, str]:
        if not self._transitions:
            return "", "no transition was announced"
        each = self._transitions[self.at]
        said = f"{transition_name(each)}, row {each.announced.n:,}"
        if each.members is not None:
            said += ": " + ", ".join(short_user(user, self.glyphs.more) for user in each.members)
        elif each.what in ("commit", "welcome"):
            said += ": it contains proposals that were not seen here"
        if each.rejected is not None:
            said += f"; rejected by the client {between(each.rejected.at_ns - each.announced.at_ns)} after that"
        return clock(each.announced.at_ns), said

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self.TITLES + max(self.count, 1)

    def draw_titles(self, canvas: Canvas) -> None:
        call = self._call
        if call is None:
            return
        canvas.put(0, 0, "transitions", "title")
        if call.dave.left_out:
            canvas.put(13, 0, f"and {call.dave.left_out:,} before them", "quiet")
        canvas.put(
            0,
            1,
            self._line(canvas.width, ("id", "what", "row", "announced", "ready", "executed", "epoch", "members")),
            "quiet",
        )
        if not self._transitions:
            canvas.put(2, 2, "No transition was announced.", "quiet")

    def draw_item(self, canvas: Canvas, y: int, at: int) -> None:
        each = self._transitions[at]
        cells = (
            "-" if each.id is None else str(each.id),
            _kind(each),
            f"{each.announced.n:,}",
            clock(each.announced.at_ns),
            self._after(each, each.ready),
            "rejected" if each.rejected and not each.executed else self._after(each, each.executed),
            "" if each.what in ("downgrade", "new group") else "?" if each.epoch is None else str(each.epoch),
            "?" if each.members is None and each.what in ("commit", "welcome") else
            "" if each.members is None else str(len(each.members)),
        )  # fmt: skip
        trouble = each.rejected is not None or "never" in cells
        canvas.put(0, y, self._line(canvas.width, cells), "error" if trouble else "plain")

    def _line(self, width: int, cells: tuple[str, ...]) -> str:
        number, what, row, announced, ready, executed, epoch, members = cells
        room = min(max(width - 66, 12), 20)
        first = f"  {number:>5}  {clip(what, room, self.glyphs.more):<{room}} {row:>7} {announced:>12}"
        return f"{first} {ready:>9} {executed:>9} {epoch:>5} {members:>7}"

    def _after(self, each: TransitionView, at: At | None) -> str:
        if at is not None:
            return between(at.at_ns - each.announced.at_ns)
        if each.what == "new group":
            return ""
        assert self._call is not None
        return "at once" if each.at_once else missing_word(self._call, each)


def _kind(transition: TransitionView) -> str:
    """Return what a transition is, in a word or two."""
    if transition.what == "new group" and transition.version is not None:
        return f"new group v{transition.version}"
    return transition.what if transition.what != "version" else transition_kind(transition)

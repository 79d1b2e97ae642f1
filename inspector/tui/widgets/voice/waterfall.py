"""One handshake as a waterfall: a line for each step, with a bar from the end of the step before to its own.

The bar says whose turn it was: the client's, or the server's. What did not come although it was due has a line too.
"""

from typing import ClassVar, NamedTuple

from inspector.analysis.handshake import Handshake, HandshakeStep
from inspector.analysis.voice_call import VoiceCall
from inspector.inert import inert
from inspector.protocol.registry import Registry
from inspector.report.cells import clip
from inspector.report.voice_words import between, socket_name, step_name
from inspector.tui.lane_colours import lane_style
from inspector.tui.look import Glyphs
from inspector.tui.widgets.charts.canvas import Canvas
from inspector.tui.widgets.voice.listing import Listing, severity_mark
from inspector.words import clock, duration

# Columns of sockets, of names, and from which width on names have the larger room; of spans and of rows.
_LANE, _NAME, _SHORT_NAME, ROOMY, _SPAN, _ROW = 9, 40, 27, 100, 9, 11


class Signs(NamedTuple):
    """What bars are drawn with."""

    client: str
    server: str
    missing: str
    instant: str


_UNICODE = Signs("█", "░", "·", "▏")
_ASCII = Signs("#", "-", ".", "|")


class Waterfall(Listing):
    """The steps of one handshake."""

    DEFAULT_CSS = "Waterfall { height: 1fr; min-height: 6; }"
    TITLES: ClassVar = 2

    def __init__(self, glyphs: Glyphs, registry: Registry) -> None:
        super().__init__(glyphs)
        self._registry = registry
        self._signs = _ASCII if glyphs.ascii else _UNICODE
        self._call: VoiceCall | None = None
        self._attempt = 0

    def show(self, call: VoiceCall, attempt: int, row: int | None = None) -> None:
        """Show another handshake, or how far this one has come; `row` is to be under the cursor where it is a step."""
        self._call, self._attempt = call, min(attempt, len(call.handshakes) - 1)
        found = next((at for at, step in enumerate(self._steps) if row is not None and step.row == row), None)
        self.at = self.at if found is None else found
        self.changed()

    @property
    def _shown(self) -> Handshake | None:
        return None if self._call is None else self._call.handshakes[self._attempt]

    @property
    def _steps(self) -> tuple[HandshakeStep, ...]:
        return self._shown.steps if self._shown is not None else ()

    @property
    def count(self) -> int:
        return len(self._steps)

    @property
    def row(self) -> int | None:
        """Of what never came, the row of what came before."""
        return next((step.row for step in reversed(self._steps[: self.at + 1]) if step.row is not None), None)

    @property
    def legend(self) -> str:
        """What the signs mean."""
        signs = self._signs
        return f"{signs.client * 2} the client's turn  {signs.server * 2} the server's  {signs.missing * 2} never came"

    def description(self) -> tuple[str, str]:
        shaken = self._shown
        if shaken is None or not self._steps:
            return "", ""
        step = self._steps[self.at]
        if step.row is None:
            who = "the client" if step.from_client else "the server"
            waited = duration(step.end_ns - step.start_ns)
            so_far = "it did not come" if shaken.closed else f"it has not come in the {waited} since then"
            return clock(step.start_ns), f"{self._words(step)} was due from {who}; {so_far}."
        said = f"{self._words(step)} on {socket_name(step)}, row {step.row:,}"
        if step.key == "open" and shaken.refusal is not None:
            said = f"refused: {inert(shaken.refusal)}, row {step.row:,}"
        if step is not self._steps[0]:
            said += f", {between(step.end_ns - step.start_ns)} after the step before"
        if step.key == "close" and shaken.cause:
            said += f". {inert(shaken.cause)}"
        found = [each for each in self._call.violations if each.row == step.row] if self._call is not None else []
        if found and step.key != "close":
            said += f". {inert(found[-1].rule)}: {inert(found[-1].text)}"
        return clock(step.end_ns), said

    # What is painted.

    def draw_titles(self, canvas: Canvas) -> None:
        call, shaken = self._call, self._shown
        if call is None or shaken is None:
            return
        count = len(call.handshakes)
        what = f"handshake {self._attempt + 1} of {count}" if count > 1 else "handshake"
        canvas.put(0, 0, what, "title")
        x = len(what) + 2
        for text, style in self._outcome(shaken):
            text = clip(text, max(canvas.width - x, 1), self.glyphs.more)
            canvas.put(x, 0, text, style)
            x += len(text) + 2
        start, end = self._bars(canvas.width)
        canvas.put(2, 1, "socket", "quiet")
        canvas.put(_LANE + 4, 1, "op step", "quiet")
        span = duration(shaken.end_ns - shaken.start_ns)
        canvas.put(start, 1, "0", "quiet")
        canvas.put(max(end - len(span), start + 2), 1, span, "quiet")
        canvas.put(canvas.width - len("row") - 1, 1, "row", "quiet")

    def _outcome(self, shaken: Handshake) -> list[tuple[str, str]]:
        took = duration(shaken.end_ns - shaken.start_ns)
        parts: list[tuple[str, str]] = []
        if shaken.connection is not None:
            parts.append((f"voice #{shaken.connection}", lane_style(shaken.connection)))
        missing = [step for step in shaken.steps if step.row is None]
        match shaken.outcome:
            case "established" | "resumed":
                parts.append((f"{shaken.outcome} in {took}", "warn" if missing else "live"))
            case "failed" if shaken.refusal is not None:
                parts.append((f"refused: {inert(shaken.refusal)}", "error"))
            case "failed":
                code = f" with close {shaken.code}" if shaken.code is not None else ""
                parts.append((f"failed{code} after {took}", "error"))
            case "not recorded":
                parts.append(("began before the recording", "quiet"))
            case _ if shaken.connection is None:
                parts.append(("no connection yet", "warn"))
            case _:
                parts.append((f"under way for {took}", "warn"))
        for client, who in ((True, "client"), (False, "server")):
            spans = (
                step.end_ns - step.start_ns
                for step in shaken.steps
                if not step.later and step.row is not None and step.key != "close" and step.from_client is client
            )
            parts.append((f"{who} {duration(sum(spans))}", who))
        if missing:
            parts.append((f"{len(missing)} missing", "error"))
        return parts

    def _bars(self, width: int) -> tuple[int, int]:
        """Return the columns of the bars: from, and up to but not including."""
        start = _LANE + 5 + (_NAME if width >= ROOMY else _SHORT_NAME)
        return start, max(width - _SPAN - _ROW, start + 4)

    def draw_item(self, canvas: Canvas, y: int, at: int) -> None:
        shaken, call = self._shown, self._call
        assert shaken is not None
        assert call is not None
        step = self._steps[at]
        missing = step.row is None
        style = "plain" if step.connection is None else lane_style(step.connection)
        canvas.put(2, y, clip(socket_name(step), _LANE, self.glyphs.more), style)
        closes = step.key == "close"
        turn = "client" if step.from_client else "server"
        if not closes and step.key != "open":
            canvas.put(_LANE + 2, y, self.glyphs.send if step.from_client else self.glyphs.receive, turn)
        elif step.key == "open":
            canvas.put(_LANE + 2, y, self.glyphs.close if shaken.refusal else self.glyphs.open, turn)
        else:
            canvas.put(_LANE + 2, y, self.glyphs.close, "error")
        if step.op is not None:
            canvas.put(_LANE + 4, y, f"{step.op:>2}", "quiet")
        start, end = self._bars(canvas.width)
        name = self._words(step, short=canvas.width < ROOMY)
        if missing:
            name = f"no {name}" + ("" if shaken.closed else " yet")
        canvas.put(
            _LANE + 7,
            y,
            clip(name, start - _LANE - 8, self.glyphs.more),
            "error" if missing or (closes and not step.later) else "quiet" if step.later else "plain",
        )
        self._draw_bar(canvas, y, step, start, end)
        span = between(step.end_ns - step.start_ns) if at and not missing else "never" if shaken.closed else "not yet"
        if at or missing:
            canvas.put(end + _SPAN - len(span), y, span, "error" if missing else "plain")
        mark, severity = severity_mark(call.severity(step.row), self.glyphs)
        canvas.put(end + _SPAN + 1, y, mark, severity)
        if step.row is not None:
            row = f"{step.row:,}"
            canvas.put(canvas.width - len(row) - 1, y, row, "quiet")

    def _draw_bar(self, canvas: Canvas, y: int, step: HandshakeStep, start: int, end: int) -> None:
        shaken = self._shown
        assert shaken is not None
        if step.later:
            canvas.put(end - 1, y, self.glyphs.to, "quiet")
            return
        cells, span = end - start - 1, max(shaken.end_ns - shaken.start_ns, 1)
        first = start + (step.start_ns - shaken.start_ns) * cells // span
        last = start + (step.end_ns - shaken.start_ns) * cells // span
        if step.row is None:
            canvas.put(first, y, self._signs.missing * (last - first + 1), "error")
            return
        turn = "client" if step.from_client else "server"
        if last == first:
            canvas.put(first, y, self._signs.instant, turn)
        else:
            # The cell in which it ends belongs to the next step too.
            canvas.put(first, y, getattr(self._signs, turn) * (last - first), turn)

    def _words(self, step: HandshakeStep, *, short: bool = False) -> str:
        assert self._shown is not None
        return step_name(self._shown, step, self._registry, short=short)

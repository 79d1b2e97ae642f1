"""The payload as a tree: folded and unfolded line by line, with what its values mean next to them."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip

from inspector.errors import UsageError
from inspector.inert import inert
from inspector.protocol.registry import Registry
from inspector.query.grammar import FilterError, parse
from inspector.report import outline
from inspector.report.annotate import annotate, bits
from inspector.report.outline import Line, Outline
from inspector.report.present import Shown
from inspector.report.pretty import pretty
from inspector.report.recording import Recording
from inspector.session.redact import HIDDEN
from inspector.tui.look import Glyphs, Piece
from inspector.tui.widgets.detail.lines import Lines

# Columns to which labels are filled up, so that short values are below each other.
_ALIGNED = 28
# Kinds of payload of which it is remembered what was unfolded.
_KINDS = 64


class PayloadTab(Lines):
    """The tree. The line under the cursor is kept while one walks along payloads of one kind."""

    title = "Payload"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self.cursor = 0
        self._outline = Outline({})
        self._kind: object = None
        self._choices: OrderedDict[object, dict[outline.Path, bool]] = OrderedDict()
        self._shown: Shown | None = None
        self._recording: Recording | None = None

    def load(self, shown: Shown, recording: Recording) -> None:
        event = shown.event
        kind = (event.plane, event.kind, event.from_client, event.op, event.event)
        choices = self._choices.setdefault(kind, {})
        self._choices.move_to_end(kind)
        if len(self._choices) > _KINDS:
            self._choices.popitem(last=False)
        at = self._line.path if self._line and kind == self._kind else ()
        self._shown, self._recording, self._kind = shown, recording, kind
        name = event.event or shown.name
        self._outline = Outline(
            outline.body(shown),
            choices,
            lambda value, path: bits(value, path, name, event.plane, recording.registry),
        )
        self.cursor = self._outline.line_of(at)

    def unload(self) -> None:
        self._shown = self._kind = None
        self._outline = Outline({})
        self.cursor = 0

    def restart(self) -> None:
        if not self.cursor:
            super().restart()
        self._go(self.cursor)

    def line_count(self) -> int:
        return len(self._outline.lines) or 1

    @property
    def _line(self) -> Line | None:
        lines = self._outline.lines
        return lines[self.cursor] if self.cursor < len(lines) else None

    # What is painted.

    def pieces(self, line: int) -> Iterable[Piece]:
        if not self._outline.lines:
            yield "  " + ("No row is chosen." if self._shown is None else "This row has no body."), "muted"
            return
        found = self._outline.lines[line]
        mark = " " if found.folded is None else self.glyphs.folded if found.folded else self.glyphs.unfolded
        indent = " " * (1 + min(2 * found.depth, self.room // 2)) + mark + " "
        yield indent, "muted"
        room = self.room - len(indent)
        if found.sort in ("text", "hex", "words"):
            yield found.value, {"text": "string", "hex": "bytes", "words": "note"}[found.sort]
        elif found.sort == "more":
            left = "" if found.value is None else f"{found.value:,} "
            yield f"{left}more, Enter shows the next {outline.PORTION}", "note"
        else:
            label = found.label.ljust(min(found.label_width, _ALIGNED)) + " "
            yield label, "key"
            yield from self._value(found, room - len(label))

    def _value(self, line: Line, room: int) -> Iterable[Piece]:
        if line.is_inside_out:
            yield outline.count_words(line.value), "muted"
            return
        note = "" if line.folded is False else self._note(line)
        text = outline.said(line.value, max(room - (2 + min(len(note), room // 3) if note else 0), 12))
        yield text, "muted" if line.sort in ("object", "list") else line.sort
        if note:
            left = max(room - len(text) - 2, 0)
            yield "  " + (note if len(note) <= left else note[: max(left - 1, 0)] + "…"), "note"

    def _note(self, line: Line) -> str:
        """Return what the value of a line means."""
        if self._shown is None or self._recording is None or line.place != line.path:
            return ""
        event = self._shown.event
        name = event.event or self._shown.name
        recording = self._recording
        return annotate(line.value, line.path, name, event.plane, recording.registry, recording.rows.names) or ""

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        if self.scroll_offset.y + y == self.cursor and self._outline.lines:
            # The mark of the cursor is the first cell, so that it shows without colours too.
            style = Style(bgcolor=self._style("cursor").bgcolor)
            mark = Segment(self.glyphs.vertical, self._style("key"))
            strip = Strip(list(Segment.apply_style([mark, *strip.crop(1)], post_style=style)), strip.cell_length)
        return strip

    def say(self) -> None:
        line = self._line
        if line is None:
            self.post_message(self.FootChanged(self, ""))
            return
        value = self._outline.value_at(line.place)
        note = self._note(line)
        words = outline.count_words(value)
        self.post_message(self.FootChanged(self, outline.path_text(line.place), f"{words}  {note}" if note else words))

    # What keys do.

    def move(self, lines: int) -> None:
        self._go(self.cursor + lines)

    def turn(self, pages: float) -> None:
        lines = max(int(abs(pages) * self.size.height) - 1, 1)
        lines = lines if pages > 0 else -lines
        # Scrolling takes the cursor along, so where it is to go is worked out first.
        line = self.cursor + lines
        self._scroll(self.scroll_offset.y + lines)
        self._go(line)

    def to_line(self, line: int) -> None:
        self._go(line if line >= 0 else self.line_count())

    def sideways(self, steps: int) -> None:
        """Fold the line or go to the one it is in; unfold it or go to the first line in it."""
        line = self._line
        if line is None:
            return
        if (steps > 0) if line.folded else (steps < 0 and line.folded is False):
            self.toggle()
        elif steps > 0 and line.folded is False:
            self._go(self.cursor + 1)
        elif steps < 0:
            self._go(self._outline.parent(self.cursor))

    def toggle(self) -> None:
        """Fold or unfold the line under the cursor."""
        if self._line is not None:
            self._outline.toggle(self.cursor)
            self._refolded()

    def unfold_below(self) -> bool:
        """Unfold the line under the cursor and all below it. Say whether there was room for all."""
        if self._line is None:
            return True
        whole = self._outline.unfold_below(self.cursor)
        self._refolded()
        return whole

    def fold_all(self) -> None:
        """Fold everything but the outermost level."""
        if self._line is not None:
            at = self._line.path
            self._outline.fold_all()
            self.cursor = self._outline.line_of(at)
            self._refolded()

    def _refolded(self) -> None:
        self.changed()
        # What was unfolded comes into sight as well, as far as there is room.
        line, lines = self.cursor, self._outline.lines
        depth, end = lines[line].depth, line
        while end + 1 < len(lines) and end - line < self.size.height and lines[end + 1].depth > depth:
            end += 1
        if end - self.scroll_offset.y >= self.size.height:
            self._scroll(min(end - self.size.height + 1, line))
        self._go(line)

    def on_resize(self) -> None:
        super().on_resize()
        self._go(self.cursor)

    def _go(self, line: int) -> None:
        """Put the cursor on a line, or as near as there is one, and bring it into sight."""
        line = min(max(line, 0), self.line_count() - 1)
        if line != self.cursor:
            self.cursor = line
            self.refresh()
            self.say()
        top, height = self.scroll_offset.y, max(self.size.height, 1)
        if line < top:
            self._scroll(line)
        elif line >= top + height:
            self._scroll(line - height + 1)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        # The cursor stays in sight, whoever scrolled.
        top = round(new_value)
        line = min(max(self.cursor, top), top + max(self.size.height - 1, 0), self.line_count() - 1)
        if line != self.cursor:
            self.cursor = line
            self.refresh()
            self.say()

    def on_click(self, event: events.Click) -> None:
        line = self.scroll_offset.y + event.y
        if line < len(self._outline.lines):
            self._go(line)
            self.toggle()

    # What is copied and filtered by.

    def copied(self) -> tuple[str, str] | None:
        line = self._line
        if line is None:
            return None
        value = self._outline.value_at(line.place)
        return value if isinstance(value, str) else pretty(value), outline.path_text(line.place)

    def copied_path(self) -> tuple[str, str] | None:
        """Return the path of the line under the cursor, and what to call it."""
        line = self._line
        return None if line is None else (outline.path_text(line.place), "the path")

    def filter_text(self) -> str:
        """Return a filter for rows that have the value under the cursor. Raises UsageError where there can be none."""
        line = self._line
        if line is None or self._recording is None:
            raise UsageError("There is no value to filter by.")
        return filter_for(line.place, self._outline.value_at(line.place), self._recording.registry)


def filter_for(path: outline.Path, value: Any, registry: Registry) -> str:
    """Return a filter for rows with `value` at `path`: in a list at any position, for an object that there is one.

    Raises UsageError, with a sentence for people, where no filter can say it.
    """
    if path[0] != "d" or len(path) < 2:
        raise UsageError("A filter can ask for what is inside d.")
    if any(isinstance(step, str) and not outline.is_plain(step) for step in path):
        raise UsageError("A filter cannot spell this key.")
    text = ".".join("*" if isinstance(step, int) else step for step in path)
    match outline.sort_of(value):
        case "object" | "list":
            pass
        case "bytes":
            raise UsageError("A filter cannot ask for bytes.")
        case "string":
            if value.startswith(HIDDEN):
                raise UsageError("This value is masked; r reveals it.")
            if inert(value) != value:
                raise UsageError("A filter cannot spell this text.")
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            text += f' == "{escaped}"'
        case _:
            text += f" == {outline.said(value)}"
    try:
        parse(text, registry)
    except FilterError as error:
        raise UsageError(f"No filter can say this: {error.what}.") from error
    return text

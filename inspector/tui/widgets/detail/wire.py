"""How the row crossed the wire: what is known of its frames, and their bytes."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from inspector.model import Mark
from inspector.report.outline import wrapped
from inspector.report.present import Shown
from inspector.report.recording import Recording
from inspector.report.wire_view import HexLine, WireFacts, WireFrame, hex_lines, hexdump, wire_facts
from inspector.tui.look import Glyphs, Piece
from inspector.tui.widgets.detail.lines import Lines
from inspector.words import clock, counted, size

# Columns of a line of a hexdump, with the space around it.
_HEX_WIDTH = 2 + 8 + 2 + 48 + 2 + 16
# Bytes that are copied at most.
_COPIED = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Dump:
    """Some bytes under a heading."""

    heading: list[Piece]
    data: bytes

    @property
    def lines(self) -> int:
        return 1 + hex_lines(self.data)


class WireTab(Lines):
    """Facts, and below them hexdumps of the frames or of what they decode to."""

    title = "Wire"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self.decoded = False
        """Whether decoded bytes are shown instead of those on the wire."""
        self._facts: WireFacts | None = None
        self._head: list[list[Piece]] = []
        self._dumps: list[_Dump] = []
        self._starts: list[int] = []

    def load(self, shown: Shown, recording: Recording) -> None:
        self._facts = wire_facts(shown, recording.rows, recording.registry, reveal=recording.reveal)

    def unload(self) -> None:
        self._facts = None

    def changed(self) -> None:
        facts = self._facts
        self._head = [] if facts is None else list(_facts(facts, max(self.room - 13, 20)))
        self._dumps = [] if facts is None else list(_dumps(facts, decoded=self.decoded))
        if self._head and self._dumps:
            self._head.append([])
        self._starts, line = [], len(self._head)
        for dump in self._dumps:
            self._starts.append(line)
            line += dump.lines
        super().changed()

    def line_count(self) -> int:
        return self._starts[-1] + self._dumps[-1].lines if self._dumps else len(self._head)

    def line_width(self) -> int:
        return _HEX_WIDTH if self._dumps else 0

    def pieces(self, line: int) -> list[Piece]:
        if line < len(self._head):
            return [(" ", "plain"), *self._head[line]]
        at = bisect_right(self._starts, line) - 1
        dump, inner = self._dumps[at], line - self._starts[at]
        if not inner:
            return [(" ", "plain"), *dump.heading]
        return [("  ", "plain"), *(piece for found in hexdump(dump.data, inner - 1, 1) for piece in _hex(found))]

    def toggle_decoded(self) -> None:
        """Show decoded bytes, or again those on the wire."""
        self.decoded = not self.decoded
        self.changed()

    def copied(self) -> tuple[str, str] | None:
        if not self._dumps:
            return None
        data = b"".join(dump.data for dump in self._dumps)
        text = "\n".join(f"{line.offset}  {line.hex}  {line.text}" for line in hexdump(data[:_COPIED]))
        cut = f" (the first {size(_COPIED)})" if len(data) > _COPIED else ""
        return text, f"the hexdump{cut}"

    def say(self) -> None:
        names = ("bytes on the wire", "decoded bytes")
        shown, other = names[self.decoded], names[not self.decoded]
        self.post_message(self.FootChanged(self, shown, f"w {other}") if self._dumps else self.FootChanged(self, ""))


def _facts(facts: WireFacts, width: int) -> Iterator[list[Piece]]:
    if facts.frames:
        frames = counted(len(facts.frames), "frame")
        yield _fact("wire", f"{size(facts.wire_bytes)} in {frames}")
    else:
        yield _fact("wire", "nothing: this row is not a message")
    if facts.decoded_bytes:
        ratio = "" if facts.ratio is None or facts.ratio == 1 else f", {facts.ratio:.1f} for each byte on the wire"
        yield _fact("decoded", f"{size(facts.decoded_bytes)}{ratio}")
    if facts.encoding:
        yield _fact("encoding", facts.encoding)
    if facts.frames:
        yield _fact("compression", facts.compression or "none")
    label = "notes"
    for note in facts.notes:
        for text in wrapped(note, width):
            yield _fact(label, text)
            label = ""


def _fact(label: str, text: str) -> list[Piece]:
    return [(label.ljust(12), "label"), (text, "plain")]


def _dumps(facts: WireFacts, *, decoded: bool) -> Iterator[_Dump]:
    if not facts.frames:
        return
    if decoded:
        data = facts.decoded
        yield _Dump([("decoded  ", "title"), ("nothing" if data is None else size(len(data)), "muted")], data or b"")
        return
    for frame in facts.frames:
        yield _Dump(_heading(frame), frame.data)
        if frame.forwarded is not None:
            yield _Dump([("forwarded instead  ", "changed"), (size(len(frame.forwarded)), "muted")], frame.forwarded)


def _heading(frame: WireFrame) -> list[Piece]:
    way = "" if frame.from_client is None else "  send" if frame.from_client else "  receive"
    form = "" if frame.is_text is None else "  text" if frame.is_text else f"  {frame.packet or 'binary'}"
    marks = ", ".join(mark.name.lower() for mark in Mark if mark & frame.marks and mark.name)
    return [
        (f"frame {frame.number:,}  ", "title"),
        (f"{clock(frame.at_ns)}{way}{form}{'' if frame.packet else f'  {size(len(frame.data))}'}", "muted"),
        (f"  {marks}" if marks else "", "changed"),
    ]


def _hex(line: HexLine) -> Iterator[Piece]:
    yield f"{line.offset}  ", "muted"
    yield f"{line.hex}  ", "plain"
    yield line.text, "string"

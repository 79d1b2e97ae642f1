"""The timeline as lines of text, for people: one line a row, a close with its explanation below it.

Columns: time, time since the row before, connection, direction, opcode and event, sequence, bytes, summary. Colour is
an extra; every mark has a word or a letter.
"""

from collections.abc import Iterator
from datetime import tzinfo
from textwrap import wrap

from wcwidth import wcswidth, wcwidth

from inspector.model import Event, Kind, Mark
from inspector.protocol.registry import CloseCode
from inspector.report.present import Shown
from inspector.report.values import clock, day, duration, size
from inspector.session.summarize import inert

# One colour per connection, in turn; chosen to be told apart on dark and light backgrounds.
_CONNECTION_COLOURS = ("36", "35", "34", "33", "32")
_BOLD, _DIM, _RED, _GREEN, _YELLOW = "1", "2", "31", "32", "33"
_SEND, _RECEIVE = "33", "36"

_ARROWS = {"send": "▶", "receive": "◀", "close": "✕", "open": "●", "to": "→", "more": "…"}
_ASCII = {"send": ">", "receive": "<", "close": "x", "open": "*", "to": ">", "more": "~"}

# Columns of the terminal from which on each part has room; without a width everything has.
_DELTA_FROM, _SEQ_FROM, _SIZE_FROM, _BOTH_SIZES_FROM, _WIDE_FROM = 110, 100, 90, 130, 110
# Columns of an event's name. Those of Discord's are shorter; the wire may claim any.
_LONGEST_NAME = 60


class TextRows:
    """Writes rows as text. Keeps what the columns need: the time of the row before, and the day.

    `width` is the number of columns to fit the summary into, None to leave it whole. Times are in `zone`, by default
    this machine's.
    """

    def __init__(
        self, *, colour: bool = False, width: int | None = None, ascii_only: bool = False, zone: tzinfo | None = None
    ) -> None:
        self._colour = colour
        self._width = width
        self._marks = _ASCII if ascii_only else _ARROWS
        self._zone = zone
        self._last_ns: int | None = None
        self._day = ""

    def lines(self, shown: Shown) -> Iterator[str]:
        """Yield the line of one row; before it the day, if that is a new one; after a close its explanation."""
        event = shown.event
        today = day(event.at_ns, self._zone)
        if today != self._day:
            self._day = today
            yield self._paint(today, _DIM)
        head, plain = self._head(shown)
        tail = shown.summary
        if event.marks & ~Mark.REDACTED:
            words = [m.name.lower() for m in Mark if m & event.marks and m.name and m is not Mark.REDACTED]
            tail = f"[{', '.join(words)} by the proxy] {tail}"
        if self._width is not None:
            tail = self._clip(tail, self._width - wcswidth(plain))
        trouble = event.kind in (Kind.CLOSE, Kind.UNDECODED)
        yield (head + (self._paint(tail, _RED) if trouble else tail)).rstrip()
        if shown.close is not None:
            yield from self._explanation(shown.close)

    def _head(self, shown: Shown) -> tuple[str, str]:
        """Return the columns before the summary, as they are printed and without colour."""
        event = shown.event
        delta = ""
        if self._last_ns is not None:
            elapsed = event.at_ns - self._last_ns
            delta = duration(elapsed) if elapsed < 0 else "+" + duration(elapsed)
        self._last_ns = event.at_ns
        word, mark, colour = self._direction(event)
        seq = "" if event.seq is None else str(event.seq)
        columns = [(clock(event.at_ns, self._zone), _DIM)]
        if self._has_room(_DELTA_FROM):
            columns.append((f"{delta:>8}", _DIM))
        columns.append((f"#{event.connection:<2}", _CONNECTION_COLOURS[event.connection % len(_CONNECTION_COLOURS)]))
        columns.append((f"{mark} {word:<7}", colour))
        columns.append((f"{self._what(shown):<{30 if self._has_room(_WIDE_FROM) else 26}}", _BOLD))
        if self._has_room(_SEQ_FROM):
            columns.append((f"{seq:>6}", _DIM))
        if self._has_room(_SIZE_FROM):
            columns.append((self._sizes(event), ""))
        painted = " ".join(self._paint(text, code) for text, code in columns)
        return painted + "  ", " ".join(text for text, _ in columns) + "  "

    def _has_room(self, columns: int) -> bool:
        return self._width is None or self._width >= columns

    def _sizes(self, event: Event) -> str:
        """Return the bytes on the wire and, where they differ and there is room, what they decode to."""
        both = self._has_room(_BOTH_SIZES_FROM)
        text = size(event.wire_bytes) if event.wire_bytes else ""
        if both and event.decoded_bytes and event.decoded_bytes != event.wire_bytes:
            text += f" {self._marks['to']} {size(event.decoded_bytes)}"
        return f"{text:>{16 if both else 7}}"

    def _direction(self, event: Event) -> tuple[str, str, str]:
        if event.kind is Kind.OPEN:
            refused = event.opened is not None and event.opened.refusal is not None
            return ("refused", self._marks["close"], _RED) if refused else ("open", self._marks["open"], _GREEN)
        if event.kind is Kind.CLOSE:
            return (event.closed.by if event.closed and event.closed.by else "close"), self._marks["close"], _RED
        word = "send" if event.from_client else "receive"
        return word, self._marks[word], _SEND if event.from_client else _RECEIVE

    def _what(self, shown: Shown) -> str:
        event = shown.event
        if event.kind is Kind.CLOSE:
            code = event.closed.code if event.closed else None
            return f"   close {code}" if code is not None else "   close"
        if event.kind is Kind.OPEN:
            return f"   {event.plane.value}"
        if event.kind is not Kind.PAYLOAD:
            return f"   {event.event or event.kind.value}"
        number = event.op if isinstance(event.op, int) else ""
        name = inert(event.event) if event.event else shown.name or ""
        return f"{number:>2} {self._clip(name, _LONGEST_NAME)}"

    def _explanation(self, code: CloseCode) -> Iterator[str]:
        indent = " " * 26
        advice = "; ".join(
            {True: yes, False: no, None: unknown}[answer]
            for answer, yes, no, unknown in (
                (code.reconnect, "reconnect: yes", "reconnect: no, fix it first", "reconnect: not documented"),
                (code.resume, "resume: yes", "resume: no, identify anew", "resume: not documented"),
            )
        )
        for text in (
            code.meaning,
            code.cause and f"Likely: {code.cause}",
            code.remedy and f"Do: {code.remedy}",
            advice,
        ):
            for part in wrap(text or "", max((self._width or 120) - len(indent), 20), break_on_hyphens=False):
                yield indent + self._paint(part, _DIM)

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and code and text.strip() else text

    def _clip(self, text: str, room: int) -> str:
        room = max(room, 20)
        if wcswidth(text) <= room:
            return text
        used = 0
        for at, char in enumerate(text):
            used += max(0, wcwidth(char))
            if used >= room:
                return text[:at] + self._marks["more"]
        return text

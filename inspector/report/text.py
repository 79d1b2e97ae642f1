"""The timeline as lines of text, for people: one line a row, a close with its explanation below it.

Columns: number of the row, time, time since the row before, connection, direction, opcode and event, sequence, bytes,
summary. Colour is an extra; every mark has a word or a letter.
"""

from collections.abc import Iterator
from datetime import tzinfo
from textwrap import wrap

from wcwidth import wcswidth

from inspector.inert import inert
from inspector.model import Event, Severity, Verdict
from inspector.protocol.registry import CloseCode
from inspector.report import cells
from inspector.report.colour import painted
from inspector.report.present import Shown, rendered
from inspector.words import clock, day, delta

# One colour per connection, in turn; chosen to be distinguished on dark and light backgrounds.
_CONNECTION_COLOURS = ("36", "35", "34", "33", "32")
_BOLD, _DIM, _RED = "1", "2", "31"
_DIRECTION_COLOURS = {"send": "33", "receive": "36", "open": "32", "close": _RED, "end": _DIM, "refused": _RED}

# Columns of the terminal from which on each part has room; without a width everything has.
_NUMBER_FROM, _DELTA_FROM, _SEQ_FROM, _SIZE_FROM, _BOTH_SIZES_FROM, _WIDE_FROM = 86, 116, 106, 96, 136, 116
# The same for each of the columns, in their order; some always have room.
_ROOMS = (_NUMBER_FROM, 0, _DELTA_FROM, 0, 0, 0, _SEQ_FROM, _SIZE_FROM)
# Columns of a row's number; more where it is larger.
_ROW = 5


_INDENT = " " * 26
# Rows of evidence that are named.
_ROWS = 8
SEVERITIES = {Severity.ERROR: "ERROR", Severity.WARN: "WARN", Severity.INFO: "INFO"}
"""What severities are called where people read."""
SEVERITY_COLOURS = {Severity.ERROR: "31", Severity.WARN: "33", Severity.INFO: "36"}


def sentence_of(verdict: Verdict) -> str:
    """Say what a client did after a close, and whether that was right."""
    if not verdict.then:
        return "Then: nothing yet."
    return f"Then: {verdict.then}" + {True: " That was right.", False: " That was wrong.", None: ""}[verdict.right]


class TextRows:
    """Writes rows as text. Keeps what the columns need: the time of the row before, its second and the day.

    `width` is the number of columns to fit the summary into, None to leave it whole. With `whole` it stays whole, and
    the other columns are those of a terminal of that width. Times are in `zone`, by default this machine's.
    """

    def __init__(
        self,
        *,
        colour: bool = False,
        width: int | None = None,
        whole: bool = False,
        ascii_only: bool = False,
        zone: tzinfo | None = None,
    ) -> None:
        self._colour = colour
        self._width = width
        self._whole = whole
        self._marks = cells.ASCII if ascii_only else cells.UNICODE
        self._zone = zone
        self._last_ns: int | None = None
        self._second: int | None = None
        self._day = ""
        self._both_sizes = self._has_room(_BOTH_SIZES_FROM)
        self._name_width = 30 if self._has_room(_WIDE_FROM) else 26
        self._size_width = 16 if self._both_sizes else 7
        self._columns = [place for place, room in enumerate(_ROOMS) if self._has_room(room)]

    def lines(self, shown: Shown) -> list[str]:
        """Return the line of one row; before it the day, if that is a new one; after a close its explanation."""
        return rendered(shown, self._lines)

    def _lines(self, shown: Shown) -> list[str]:
        event = shown.event
        lines = []
        if (second := event.at_ns // 1_000_000_000) != self._second:
            self._second = second
            today = day(event.at_ns, self._zone)
            if today != self._day:
                self._day = today
                lines.append(self._paint(today, _DIM))
        head, plain = self._head(shown)
        tail = cells.summary(shown)
        if self._width is not None and not self._whole:
            tail = cells.clip(tail, max(self._width - wcswidth(plain), 20), self._marks.more)
        if self._colour:
            tail = painted(tail, _RED if cells.is_trouble(event) else "")
        lines.append((head + tail).rstrip())
        if event.findings:
            lines += self._findings(event)
        if event.closed is not None and event.closed.by == "client" and not cells.is_trouble(event):
            lines += self._plain_end(shown.close, event.verdict)
        elif shown.close is not None or event.verdict is not None:
            lines += self._explanation(shown.close, event.verdict)
        return lines

    def _head(self, shown: Shown) -> tuple[str, str]:
        """Return the columns before the summary, as they are printed and without colour."""
        event = shown.event
        since = "" if self._last_ns is None else delta(event.at_ns - self._last_ns)
        self._last_ns = event.at_ns
        mark, word, sort = cells.direction(event, self._marks)
        number, name = cells.what(shown, self._marks.more)
        # What is said of rows names them by number. `rjust` takes a fraction of the time that a format string does.
        texts = [
            str(event.n).rjust(_ROW),
            clock(event.at_ns, self._zone),
            since.rjust(8),
            f"#{event.connection}".ljust(3),
            f"{mark} {word.ljust(7)}",
            f"{number.rjust(2)} {name}".ljust(self._name_width),
            ("" if event.seq is None else str(event.seq)).rjust(6),
            cells.sizes(event, self._marks.to, both=self._both_sizes).rjust(self._size_width),
        ]
        if len(self._columns) < len(texts):
            texts = [texts[place] for place in self._columns]
        plain = " ".join(texts) + "  "
        if not self._colour:
            return plain, plain
        connection = _CONNECTION_COLOURS[event.connection % len(_CONNECTION_COLOURS)]
        colours = (_DIM, _DIM, _DIM, connection, _DIRECTION_COLOURS[sort], _BOLD, _DIM, "")
        painted_texts = map(painted, texts, (colours[place] for place in self._columns))
        return " ".join(painted_texts) + "  ", plain

    def _has_room(self, columns: int) -> bool:
        return self._width is None or self._width >= columns

    def _findings(self, event: Event) -> Iterator[str]:
        """Yield what the rules noticed at a row; what stands for its close is told with that."""
        for finding in event.findings:
            if event.verdict is not None and "close-" in finding.rule:
                continue
            rows = f" (row {', '.join(map(str, finding.evidence[:_ROWS]))})" if finding.evidence else ""
            said = f"! {SEVERITIES[finding.severity]} {finding.rule}: {finding.text}{rows}"
            yield from self._wrapped(said, SEVERITY_COLOURS[finding.severity])

    def _wrapped(self, text: str, code: str) -> Iterator[str]:
        indent = _INDENT + " " * (_ROW + 1 if self._has_room(_NUMBER_FROM) else 0)
        for part in wrap(text, max((self._width or 120) - len(indent), 20), break_on_hyphens=False):
            yield indent + self._paint(part, code)

    def _plain_end(self, code: CloseCode | None, verdict: Verdict | None) -> Iterator[str]:
        """Yield what there is to say of a client that left as it may."""
        if verdict is None:
            yield from self._wrapped(code.meaning if code else "", _DIM)
            return
        rows = f" (row {', '.join(map(str, verdict.evidence[:_ROWS]))})" if verdict.evidence else ""
        for text in (
            f"Here: {verdict.cause}{rows}",
            verdict.advice and f"Do: {verdict.advice}",
            verdict.then and sentence_of(verdict),
        ):
            yield from self._wrapped(text, _DIM)

    def _explanation(self, code: CloseCode | None, verdict: Verdict | None) -> Iterator[str]:
        """Yield what the tables say of a close, as far as they know its code, and what is known of this one."""
        answers = verdict or code
        reconnect, resume = (answers.reconnect, answers.resume) if answers else (None, None)
        meaning, cause, remedy = (code.meaning, code.cause, code.remedy) if code else ("", "", "")
        advice = "; ".join(
            {True: yes, False: no, None: unknown}[answer]
            for answer, yes, no, unknown in (
                (reconnect, "reconnect: yes", "reconnect: no, fix it first", "reconnect: not documented"),
                (resume, "resume: yes", "resume: no, start a new session", "resume: not documented"),
            )
        )
        rows = f" (row {', '.join(map(str, verdict.evidence[:_ROWS]))})" if verdict and verdict.evidence else ""
        here = verdict is not None and verdict.cause
        do = verdict.advice if verdict is not None and verdict.advice else remedy
        for text in (
            meaning,
            f"Here: {here}{rows}" if here else cause and f"Likely: {cause}",
            f"Do: {do}" if do else "",
            advice,
            verdict is not None and verdict.then and sentence_of(verdict),
        ):
            yield from self._wrapped(text or "", _DIM)

    def _paint(self, text: str, code: str) -> str:
        return painted(text, code) if self._colour else inert(text)

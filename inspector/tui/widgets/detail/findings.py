"""What was noticed at a row, what ended a connection, and which other findings the row is evidence of.

Every row that is spoken of has a line with a number; one of them is chosen, and keys lead there.
"""

from collections.abc import Iterator, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from inspector.analysis.cases import Case, Listed, case_with, is_close
from inspector.analysis.findings import speaking_of
from inspector.inert import inert
from inspector.model import Finding, Kind, Plane, Severity, Verdict
from inspector.report import cells
from inspector.report.findings import whose, words_of
from inspector.report.outline import wrapped
from inspector.report.present import Shown
from inspector.report.recording import Recording
from inspector.tui.look import Glyphs, Piece
from inspector.tui.widgets.detail.explain import linked
from inspector.tui.widgets.detail.lines import Lines
from inspector.words import clock, counted

# Columns: of the widest line that reads well, and of the labels.
_WIDEST, _LABEL = 110, 8
# Rules of a case that are named next to that of its first finding.
_RULES = 12


class Writing:
    """Lines about findings, for `width` columns, one under the other."""

    def __init__(self, recording: Recording, glyphs: Glyphs, width: int) -> None:
        self.lines: list[list[Piece]] = []
        self.rows: list[tuple[int, int]] = []
        """Rows that are spoken of, in order: the line that each stands on, and its number."""
        self._recording = recording
        self._glyphs = glyphs
        self._width = max(width, 24)
        self._numbered = 0

    def finding(self, finding: Finding, plane: Plane, verdict: Verdict | None = None, *, here: bool = False) -> None:
        """Write a finding down; that of a close with the verdict, `here` with the row it stands at."""
        rule = words_of(finding.rule, self._recording.registry)
        self.title(
            f"{severity_words(finding.severity)}  {inert(finding.rule)}", rule.title, finding.severity.name.lower()
        )
        self._text("", finding.text if verdict is None else verdict.cause)
        if here:
            self._rows("here", (finding.event,), numbered=False)
        if verdict is not None:
            self._verdict(verdict)
        else:
            self._text("why", rule.why)
            self._text("do", rule.remedy)
            self._rows("rows", finding.evidence)
        for number, source in enumerate(rule.sources):
            self._text(" " * _LABEL if number else "source", source)

    def case(self, case: Case, end: Verdict | None) -> None:
        """Write down whose a case is, and what else belongs to it, rule by rule, with the first row of each.

        `end`: the verdict on its worst close.
        """
        shards = f"on {case.shards:,} shards" if case.shards > 1 else ""
        self._text("whose", ", ".join(filter(None, (whose(case), shards))))
        first: dict[str, Listed] = {}
        for each in case.findings:
            if each is not case.lead:
                first.setdefault(each.finding.rule, each)
        if first:
            self.title(f"With it, {counted(len(case.findings) - 1, 'finding')}", "", "title")
        for rule, each in list(first.items())[:_RULES]:
            count = case.counts[rule] - (rule == case.name)
            self._text("", f"{inert(rule)}{f' ×{count:,}' if count > 1 else ''}: {each.finding.text}")
            self._rows("", (each.finding.event,))
        if end is not None and case.end is not case.lead:
            self._then(end)

    def part_of(self, case: Case, finding: Finding) -> None:
        """Write down which case a finding belongs to, where that has more of them."""
        more = counted(len(case.findings) - 1, "further finding")
        if len(case.findings) < 2:
            return
        if (case.lead.finding.event, case.name) == (finding.event, finding.rule):
            self._text("case", f"{more} in this case; F lists them")
        else:
            self._rows("case", (case.lead.finding.event,), f"{inert(case.name)} at ")

    def verdict(self, verdict: Verdict) -> None:
        """Write down a verdict that no finding stands for."""
        self.title("verdict", "", "title")
        self._text("", verdict.cause)
        self._verdict(verdict)

    def evidence_of(self, found: Sequence[tuple[int, str]]) -> None:
        """Write down which findings name the row that is shown, by their rows and rules."""
        if found:
            self.title("Evidence of", "", "title")
            for number, rule in found:
                self._rows("", (number,), f"{inert(rule)} at ")

    def title(self, text: str, more: str, style: str) -> None:
        if self.lines:
            self.lines.append([])
        room = self._width - len(text) - 2
        self.lines.append(
            [(text, style), *([("  " + cells.clip(more, room, self._glyphs.more), "muted")] if more else [])]
        )

    def _verdict(self, verdict: Verdict) -> None:
        self._text("again", _again(verdict))
        self._text("do", verdict.advice)
        self._rows("rows", verdict.evidence)
        self._then(verdict)

    def _then(self, verdict: Verdict) -> None:
        said = {True: "Right: ", False: "Wrong: ", None: ""}[verdict.right]
        style = {True: "added", False: "error", None: "plain"}[verdict.right]
        self._text("then", said + verdict.then if verdict.then else "Nothing yet, as far as the recording goes.", style)
        if verdict.then_event is not None:
            self._rows("", (verdict.then_event,))

    def _text(self, label: str, text: str, style: str = "plain") -> None:
        if not text:
            return
        margin = label.ljust(_LABEL) if label else ""
        for line in wrapped(text, min(self._width, _WIDEST) - len(margin)):
            pieces = linked(line) if style == "plain" else [(line, style)]
            self.lines.append([(margin, "label"), *pieces])
            margin = " " * len(margin)

    def _rows(self, label: str, numbers: Sequence[int], before: str = "", *, numbered: bool = True) -> None:
        margin = label.ljust(_LABEL)
        shown = {row.event.n: row for row in self._recording.lines(sorted(numbers))}
        for number in numbers:
            self._numbered += numbered
            key = str(self._numbered) if numbered else self._glyphs.to
            self.rows.append((len(self.lines), number))
            pieces = [(margin, "label"), (f"{key} ", "key"), (f"{before}row {number:,}", "link")]
            if number in shown:
                pieces += self._row(shown[number])
            self.lines.append(pieces)
            margin = " " * _LABEL

    def _row(self, shown: Shown) -> Iterator[Piece]:
        event = shown.event
        mark, word, _ = cells.direction(event, self._glyphs)
        yield f"  {clock(event.at_ns)} #{event.connection} {mark} {word}", "muted"
        yield f"  {' '.join(filter(None, cells.what(shown, self._glyphs.more)))}", "plain"
        yield f"  {cells.summary(shown)}", "muted"


def severity_words(severity: Severity) -> str:
    """Return the letter that the timeline has, and the word: ``E error``."""
    name = severity.name
    return f"{name[0]} {name.lower()}"


def _again(verdict: Verdict) -> str:
    match verdict.reconnect, verdict.resume:
        case False, _:
            return "Do not reconnect until this is fixed."
        case True, True:
            return "Reconnect, and resume the session."
        case True, False:
            return "Reconnect, and start a new session: this one cannot be resumed."
        case True, None:
            return "Reconnect."
    return ""


class FindingLines(Lines):
    """Findings in words. One of the rows that they speak of is chosen."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self.chosen = 0
        """Which of the rows, from 0."""
        self._writing: Writing | None = None

    @property
    def rows(self) -> list[int]:
        """Numbers of the rows that are spoken of."""
        return [] if self._writing is None else [number for _, number in self._writing.rows]

    @property
    def target(self) -> int | None:
        """Number of the row that is chosen."""
        return self.rows[self.chosen] if self.chosen < len(self.rows) else None

    def choose(self, step: int) -> bool:
        """Choose the next row or the one before; say whether there is one."""
        wanted = self.chosen + step
        if self._writing is None or not 0 <= wanted < len(self.rows):
            return False
        self.chosen = wanted
        line, top = self._writing.rows[wanted][0], self.scroll_offset.y
        if not top <= line < top + self.size.height:
            self.to_line(max(line - self.size.height // 2, 0))
        self.refresh()
        return True

    def written(self, writing: Writing) -> None:
        """Write down what there is to say."""
        raise NotImplementedError

    def writing(self) -> Writing | None:
        """Return what is to be filled; None where no row is shown."""
        raise NotImplementedError

    def changed(self) -> None:
        self._writing = self.writing()
        if self._writing is not None:
            self.written(self._writing)
        super().changed()

    def restart(self) -> None:
        self.chosen = 0
        super().restart()

    def line_count(self) -> int:
        return 0 if self._writing is None else len(self._writing.lines)

    def pieces(self, line: int) -> list[Piece]:
        return [(" ", "plain"), *(self._writing.lines[line] if self._writing else [])]

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        if self._writing is None or self.chosen >= len(self._writing.rows):
            return strip
        if self._writing.rows[self.chosen][0] != self.scroll_offset.y + y:
            return strip
        background = Style(bgcolor=self._style("cursor").bgcolor)
        # The mark shows without colours too.
        cells = [Segment(self.glyphs.folded, self._style("key")), *strip.crop(1)]
        return Strip([Segment(text, (style or Style()) + background) for text, style, _ in cells], strip.cell_length)

    def copied(self) -> tuple[str, str] | None:
        if not self.line_count():
            return None
        lines = ("".join(text for text, _ in self.pieces(line)).strip() for line in range(self.line_count()))
        return "\n".join(lines), "the findings"


class FindingsTab(FindingLines):
    """The findings of one row, and what it is evidence of."""

    title = "Findings"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self._shown: Shown | None = None
        self._recording: Recording | None = None
        self._speaking_of: list[tuple[int, str]] = []
        self._cases: Sequence[Case] = ()

    def take(self, cases: Sequence[Case]) -> None:
        """Take in the cases as they are now."""
        if cases is not self._cases:
            before, self._cases = self._mine(), cases
            if self._mine() != before:
                self.changed()

    def _mine(self) -> list[Case | None]:
        """Return the cases of the row's findings."""
        if self._shown is None:
            return []
        event = self._shown.event
        return [case_with(self._cases, event.n, finding.rule) for finding in event.findings]

    def load(self, shown: Shown, recording: Recording) -> None:
        self._shown, self._recording = shown, recording
        self._speaking_of = speaking_of(recording.reader, shown.event.n)

    def unload(self) -> None:
        self._shown = self._recording = None
        self._speaking_of = []

    def writing(self) -> Writing | None:
        return Writing(self._recording, self.glyphs, self.room - 2) if self._recording is not None else None

    def written(self, writing: Writing) -> None:
        assert self._shown is not None
        event = self._shown.event
        verdict = event.verdict
        for finding, case in zip(event.findings, self._mine(), strict=True):
            own = verdict if event.kind is Kind.CLOSE and is_close(finding.rule) else None
            writing.finding(finding, event.plane, own)
            if case is not None:
                writing.part_of(case, finding)
            verdict = None if own is not None else verdict
        if verdict is not None:
            writing.verdict(verdict)
        writing.evidence_of(self._speaking_of)
        if not writing.lines:
            writing.lines.append([("No findings at this row.", "muted")])

    def say(self) -> None:
        if self.rows:
            self.post_message(self.FootChanged(self, "1 to 9, or < > and Enter", "go to a row of evidence"))
        else:
            self.post_message(self.FootChanged(self, ""))

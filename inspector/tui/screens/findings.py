"""All that was noticed in a capture: the cases one under the other, and the one under the cursor whole.

A case can be unfolded into its findings.

A thread reads the findings and hands over what it has read; rows that they speak of are read when they come into sight.
"""

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from inspector.analysis.cases import Case, Listed, case_with, is_close
from inspector.analysis.findings import Findings, FindingsSnapshot
from inspector.diagnose.rules import RULES
from inspector.errors import CaptureError
from inspector.inert import inert
from inspector.model import Kind, Severity, Verdict
from inspector.report.recording import Recording
from inspector.store.reader import Reader
from inspector.tui.look import Glyphs
from inspector.tui.screens.reading import ReadingScreen
from inspector.tui.widgets.detail.findings import FindingLines, Writing
from inspector.tui.widgets.input.prompt import Prompt
from inspector.tui.widgets.key_line import KeyLine
from inspector.tui.widgets.lists.finding_list import Entry, FindingList
from inspector.words import counted

_LEAST = {Severity.INFO: "all", Severity.WARN: "warnings and errors", Severity.ERROR: "only errors"}


def _has(listed: Listed, needle: str) -> bool:
    return needle in listed.finding.rule or needle in listed.finding.text.casefold()


class FindingText(FindingLines):
    """One finding whole."""

    DEFAULT_CSS = "FindingText { height: 1fr; }"

    def __init__(self, glyphs: Glyphs, recording: Recording) -> None:
        super().__init__(glyphs)
        # The keys of the screen are those of the list.
        self.can_focus = False
        self._recording = recording
        self._listed: Listed | None = None
        self._case: Case | None = None

    def tell(self, entry: Entry | None) -> None:
        """Show another finding, or none; the first of a case with what belongs to that."""
        listed = entry.listed if entry is not None else None
        another = (self._listed and self._listed.id) != (listed and listed.id)
        grown = entry is not None and self._case is not None and entry.case is not None and entry.case != self._case
        self._listed, self._case = listed, entry.case if entry is not None else None
        if grown and not another:
            self.changed()
        if another:
            self.changed()
            self.restart()

    def again(self) -> None:
        """Say the same again: what a client did after a close is known later than the close."""
        case = self._case
        if (case is not None and case.end is not None) or (self._listed and is_close(self._listed.finding.rule)):
            self.changed()

    def writing(self) -> Writing | None:
        return None if self._listed is None else Writing(self._recording, self.glyphs, self.room - 2)

    def written(self, writing: Writing) -> None:
        assert self._listed is not None
        try:
            writing.finding(self._listed.finding, self._listed.plane, self._verdict(self._listed), here=True)
            if self._case is not None:
                writing.case(self._case, self._verdict(self._case.end) if self._case.end is not None else None)
        except CaptureError as error:
            writing.title(str(error), "", "error")

    def _verdict(self, listed: Listed) -> Verdict | None:
        number = listed.finding.event
        found = self._recording.reader.events(number - 1, 1, payloads=False)
        if not found or found[0].n != number or found[0].kind is not Kind.CLOSE:
            return None
        return found[0].verdict if is_close(listed.finding.rule) else None


class FindingsScreen(ReadingScreen):
    """The findings of one capture. A finding at the row where the person is is under the cursor at first."""

    DEFAULT_CSS = """
    FindingsScreen #titles { height: 1; background: $panel; color: $text-muted; text-style: bold; }
    FindingsScreen FindingList { height: auto; max-height: 45%; }
    FindingsScreen #lower { height: 1fr; border-top: solid $panel; }
    FindingsScreen.plain #lower { border-top: ascii $panel; }
    FindingsScreen.empty FindingList, FindingsScreen.empty #lower, FindingsScreen.empty #titles { display: none; }
    """
    BINDINGS = [
        Binding("enter", "goto", "go to the row", tooltip="Show the chosen row in the timeline"),
        Binding("space", "fold", "unfold", tooltip="Show every finding of the case, or only its first again"),
        Binding("n", "choose(1)", "next of its rows", tooltip="Choose the next row of the finding's evidence"),
        Binding("p", "choose(-1)", "previous row", show=False),
        Binding("o", "order", "order", tooltip="Most urgent first, or by time"),
        Binding("m", "least", "severity", tooltip="All cases, warnings and errors, or only errors"),
        Binding("slash", "search", "search", tooltip="Only cases that contain a text, or of a rule"),
        Binding("1", "evidence(1)", "go to the first row of its evidence, up to 9", show=False),
        *(Binding(str(number), f"evidence({number})", show=False) for number in range(2, 10)),
        Binding("y", "copy", "copy the finding", show=False),
        Binding("ctrl+d", "scroll(1)", "scroll the finding down", show=False),
        Binding("ctrl+u", "scroll(-1)", "scroll the finding up", show=False),
        Binding("escape,F,q", "back", "back"),
        Binding("question_mark", "help", "help"),
    ]
    NAME = "findings"
    KEYS: ClassVar = {"Findings": BINDINGS, "List of findings": FindingList.BINDINGS}

    def __init__(self, recording: Recording, glyphs: Glyphs, *, title: str = "", row: int | None = None) -> None:
        super().__init__(recording, glyphs, title=title, row=row)
        self._noticed = FindingsSnapshot()
        self._least = Severity.INFO
        self._worst_first = True
        self._unfolded: set[tuple[str, str]] = set()
        """Names of cases, with their accounts."""
        self._needle = ""
        self._shown = 0

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Static(id="titles")
        yield FindingList(self._glyphs)
        yield Static(id="empty")
        with Vertical(id="lower"):
            yield FindingText(self._glyphs, self._recording)
        yield Prompt(self._glyphs)
        yield KeyLine()

    def on_mount(self) -> None:
        self._list()

    @property
    def noticed(self) -> FindingsSnapshot:
        """All that has been read so far."""
        return self._noticed

    def reading(self, reader: Reader) -> Findings:
        return Findings(reader)

    def show(self, read: FindingsSnapshot) -> None:
        if read != self._noticed:
            self._noticed = read
            self._list()
        self.query_one(FindingText).again()

    def _list(self) -> None:
        """Show the cases that are wanted, in the order that is wanted."""
        needle = self._needle.casefold()
        wanted = [
            case
            for case in self._noticed.cases
            if case.severity >= self._least and (not needle or any(_has(each, needle) for each in case.findings))
        ]
        if not self._worst_first:
            wanted.sort(key=lambda case: case.findings[0].finding.event)
        if self._row is not None and (at := self._case_at(wanted, self._row)) is not None:
            self._unfolded.add(at)
        self.set_class(not wanted, "empty")
        listed = self.query_one(FindingList)
        listed.show(list(self._entries(wanted)), row=self._row)
        if wanted:
            self._row = None
            if self.focused is None:
                self.set_focus(listed)
        else:
            self.query_one("#empty", Static).update(Content(self._glyphs.plain(self._nothing())))
        self._shown = len(wanted)
        self.say()

    def _entries(self, cases: list[Case]) -> Iterator[Entry]:
        for case in cases:
            unfolded = (case.name, case.account) in self._unfolded
            yield Entry(case.lead, case, unfolded=unfolded)
            if unfolded:
                yield from (Entry(each) for each in case.findings if each is not case.lead)

    def _case_at(self, cases: list[Case], row: int) -> tuple[str, str] | None:
        """Return the case that has a finding at `row`, if that is not its first."""
        for case in cases:
            if case.lead.finding.event == row:
                return None
        found = case_with(cases, row)
        return None if found is None else (found.name, found.account)

    def _nothing(self) -> str:
        """Say why there is none."""
        if not self._noticed.read:
            return "Reading the findings."
        if self._noticed.total:
            return "No case matches; m and / choose which are listed."
        return f"No problems found. {counted(len(RULES), 'rule')} checked."

    def description(self) -> list[tuple[str, str]]:
        cases, parts = self._noticed.cases, []
        counts = Counter(case.severity for case in cases)
        if errors := counts[Severity.ERROR]:
            parts.append((counted(errors, "error"), "bold $error"))
        if warnings := counts[Severity.WARN]:
            parts.append((counted(warnings, "warning"), "bold $warning"))
        if infos := counts[Severity.INFO]:
            parts.append((f"{infos:,} info", "$text-muted"))
        parts.append(("worst first" if self._worst_first else "by time", "$text-muted"))
        if self._least is not Severity.INFO:
            parts.append((_LEAST[self._least], "bold $warning"))
        if self._needle:
            parts.append((f"with {inert(self._needle)!r}", "bold $warning"))
        if self._shown < len(cases):
            parts.append((f"{self._shown:,} listed", "$text-muted"))
        if (findings := self._noticed.total) > len(cases):
            parts.append((f"from {counted(findings, 'finding')}", "$text-muted"))
        return parts

    def on_finding_list_moved(self, message: FindingList.Moved) -> None:
        self.query_one(FindingText).tell(message.entry)

    def on_finding_list_opened(self) -> None:
        self.action_goto()

    def on_resize(self) -> None:
        listed = self.query_one(FindingList)
        self.query_one("#titles", Static).update(Content(listed.titles(self.size.width - 1)))

    @on(Prompt.Left)
    def _back_to_list(self) -> None:
        self.set_focus(self.query_one(FindingList))

    # What keys do.

    def action_goto(self) -> None:
        target = self.query_one(FindingText).target
        if target is not None:
            self.dismiss(target)

    def action_choose(self, step: int) -> None:
        self.query_one(FindingText).choose(step)

    def action_evidence(self, number: int) -> None:
        rows = self.query_one(FindingText).rows
        # The first of them is the row of the finding itself.
        if number < len(rows):
            self.dismiss(rows[number])

    def action_fold(self) -> None:
        entry = self.query_one(FindingList).current
        if entry is None:
            return
        case = entry.case or next(each for each in self._noticed.cases if entry.listed in each.findings)
        self._unfolded ^= {(case.name, case.account)}
        self.query_one(FindingList).to(case.lead)
        self._list()

    def action_order(self) -> None:
        self._worst_first = not self._worst_first
        self._list()

    def action_least(self) -> None:
        self._least = Severity(self._least % 3 + 1)
        self._list()

    def action_search(self) -> None:
        self.query_one(Prompt).ask("search", self._search, value=self._needle, hint="a text in findings, or a rule")

    def _search(self, text: str) -> str | None:
        self._needle = text.strip()
        self._list()
        return None

    def action_copy(self) -> None:
        found = self.query_one(FindingText).copied()
        if found is not None:
            self.app.copy_to_clipboard(found[0])
            self.notify("copied the finding")

    def action_scroll(self, pages: int) -> None:
        self.query_one(FindingText).turn(pages * 0.5)

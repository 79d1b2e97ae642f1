"""The screen one lives in: the timeline with its filter, the tree of connections next to it, the detail below it.

It only brings the panes together, and keys to what they do. What panes show is in their own files, what is done for
them in `inspector.tui.tasks`, and what takes long in workers.
"""

from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time_ns

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import Worker, WorkerState, get_current_worker

from inspector.errors import CaptureError
from inspector.faults import marked
from inspector.protocol.registry import Registry
from inspector.query.grammar import FilterError
from inspector.report.jsonl import line
from inspector.report.recording import Recording
from inspector.store.notes import Notes
from inspector.tui.bindings import MAIN
from inspector.tui.guarded import Guarded
from inspector.tui.live_proxy import Filling, LiveProxy
from inspector.tui.look import Glyphs
from inspector.tui.screens.findings import FindingsScreen
from inspector.tui.screens.help import HelpScreen
from inspector.tui.screens.lanes import LanesScreen
from inspector.tui.screens.plots import PlotResult, PlotsScreen
from inspector.tui.screens.voice import VoiceScreen
from inspector.tui.tasks.exporting import Exporting
from inspector.tui.tasks.filtering import Filtering
from inspector.tui.tasks.marking import Marking
from inspector.tui.tasks.presets import PRESETS
from inspector.tui.tasks.searching import Searching
from inspector.tui.tasks.task import TaskContext
from inspector.tui.tasks.travel import Travel
from inspector.tui.tasks.watching import Watching
from inspector.tui.widgets.detail import Detail
from inspector.tui.widgets.input.filter_bar import FilterBar
from inspector.tui.widgets.input.history import History
from inspector.tui.widgets.input.prompt import Prompt
from inspector.tui.widgets.key_line import KeyLine
from inspector.tui.widgets.lists.session_tree import SessionTree
from inspector.tui.widgets.timeline.banner import Banner
from inspector.tui.widgets.timeline.status_line import StatusLine
from inspector.tui.widgets.timeline.timeline import ColumnTitles, Timeline
from inspector.tui.widgets.timeline.view import View
from inspector.tui.widgets.timeline.waiting import Waiting
from inspector.tui.workers import Exported, Failed, Found, Hit, Pulse, pulse
from inspector.words import day

# Seconds between two looks for news; SQLite answers the question in 2 us.
BEAT = 0.05
# Seconds between two looks at what changes slowly: the proxy, the size of the file.
SLOW_BEAT = 0.25
# Rows at the end of a capture about which something may still change.
UNSETTLED = 200
# Columns from which on the tree of connections has room next to everything else.
WIDE = 140
# Seconds within which a second q quits although a client is still connected.
SURE = 4.0


@dataclass
class WentOn(Message):
    """The file was taken away, and its recording continues in another."""

    path: Path
    sentence: str
    where: str
    """The filter that was in force."""


class MainScreen(Guarded, Screen[None]):
    """One recording. The arguments are those of `inspector.tui.run.run`."""

    DEFAULT_CSS = """
    MainScreen { layout: vertical; }
    MainScreen #body { height: 1fr; }
    MainScreen #rows { width: 1fr; }
    MainScreen SessionTree { display: none; }
    MainScreen.sides SessionTree { display: block; }
    MainScreen Detail { display: none; height: 45%; border-top: solid $panel; }
    MainScreen.plain Detail { border-top: ascii $panel; }
    MainScreen.detail Detail { display: block; }
    MainScreen Timeline { height: 1fr; }
    MainScreen.empty Timeline, MainScreen.empty ColumnTitles { display: none; }
    MainScreen Waiting { display: none; }
    MainScreen.empty Waiting { display: block; }
    MainScreen.-narrow.detail #body { display: none; }
    MainScreen.-narrow.detail Detail { height: 1fr; }
    MainScreen.-narrow.sides #rows { display: none; }
    MainScreen.-narrow.sides SessionTree { width: 1fr; }
    MainScreen.plain Toast { border-left: none; }
    MainScreen #note { display: none; height: auto; max-height: 3; padding: 0 1; color: $accent; }
    MainScreen #note.said { display: block; }
    MainScreen #foot { height: 1; background: $panel; }
    MainScreen #foot KeyLine { dock: none; }
    MainScreen #place { width: auto; padding: 0 1; color: $text-muted; }
    """
    BINDINGS = MAIN
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]

    def __init__(
        self,
        path: Path,
        registry: Registry,
        glyphs: Glyphs,
        *,
        source: LiveProxy | None,
        follow: bool,
        where: str,
        notes_for: Path,
        title: str,
        said: str = "",
        filling: Filling | None = None,
    ) -> None:
        super().__init__(classes="plain" if glyphs.ascii else "")
        self.path = path
        self.registry = registry
        self.glyphs = glyphs
        self.source = source
        self.recording = Recording(path, registry)
        self.history = History()
        self.timeline = Timeline(glyphs)
        self.prompt = Prompt(glyphs)
        self.banner = Banner(glyphs)
        self.filtering = Filtering(self, self.recording, registry, where)
        self.watching = Watching(self.recording, source, title, follow=follow, filling=filling)
        context = TaskContext(self, self.recording, registry, self.timeline, self.prompt)
        self.searching = Searching(context)
        self.exporting = Exporting(context)
        self.marking = Marking(context, notes=Notes(notes_for), glyphs=glyphs, changed=self._show_place)
        self.travel = Travel(context, filtering=self.filtering, marking=self.marking, watching=self.watching)
        self._title = title
        self._last = 0
        self._quit_asked = -SURE
        self._said = said
        self._gone_on = False

    def compose(self) -> ComposeResult:
        yield StatusLine(self.glyphs)
        yield FilterBar(self.registry, self.glyphs, self.history)
        yield self.banner
        with Horizontal(id="body"):
            yield SessionTree(self.glyphs)
            with Vertical(id="rows"):
                yield ColumnTitles(self.timeline)
                yield self.timeline
                yield Waiting(self.glyphs)
        yield Detail(glyphs=self.glyphs)
        yield Static(id="note")
        yield self.prompt
        with Horizontal(id="foot"):
            yield KeyLine()
            yield Static(id="place")

    def on_mount(self) -> None:
        self.set_class(self.app.size.width >= WIDE, "sides")
        self.timeline.following = self.watching.growing
        self._last = self.recording.reader.last()
        self.marking.begin()
        self._apply()
        self.set_focus(self.timeline)
        self.set_interval(BEAT, self._beat)
        self.set_interval(SLOW_BEAT, self._slow_beat)
        self.banner.say(self._said)
        self._slow_beat()
        self.run_worker(self._watch, thread=True, group="pulse", exit_on_error=False)

    def on_unmount(self) -> None:
        self.recording.close()

    @property
    def detail(self) -> Detail:
        return self.query_one(Detail)

    # News.

    def _beat(self) -> None:
        """Look whether anything was recorded since the last time."""
        try:
            if self.recording.reader.changed():
                last = self.recording.reader.last()
                # An import is so fast that verdicts and late findings reach far back.
                settled = 0 if self.watching.importing else self._last - UNSETTLED
                self._last = last
                self.recording.forget(settled)
                self.timeline.forget(settled)
                self._grow(last)
            elif self.filtering.is_behind:
                self._grow(self._last)
        except CaptureError as error:
            self.banner.say(str(error), trouble=True)

    def _grow(self, last: int) -> None:
        count = self.filtering.extend(last)
        if count:
            self.timeline.grown(count)
            self._show_place()
        self._show_empty()

    def _slow_beat(self) -> None:
        """Look at what changes slowly: the file, the proxy, the client."""
        moved = self.watching.moved()
        if moved is not None:
            self._go_on(moved)
        self._look_at_import()
        trouble = self.watching.trouble()
        if trouble is not None:
            self.banner.say(trouble[0], trouble=trouble[1])
        try:
            self.watching.settle()
        except CaptureError as error:
            self.banner.say(str(error), trouble=True)
        timeline = self.timeline
        self.query_one(StatusLine).status = self.watching.status(
            self.watching.state(),
            filtered=bool(self.filtering.narrowing.text),
            following=timeline.following,
            unseen=timeline.unseen,
        )
        if self.watching.growing:
            self._show_sides()
        if self.has_class("empty"):
            self._show_empty()

    def _look_at_import(self) -> None:
        """Where the import that fills the capture is over, take in the rest; where it failed, say why."""
        filled = self.watching.look_at_import()
        if filled is None:
            return
        self._beat()
        self.watching.end_import()
        self.timeline.unseen = 0
        # Some of those rows that notes are at were not there yet.
        self.marking.begin()
        problem = filled.problem
        if problem is not None and not self._last:
            raise problem
        if problem is not None:
            self.banner.say(f"The import failed, and these rows will not be saved: {problem}", trouble=True)

    def _go_on(self, path: Path) -> None:
        """Have the file shown in which the recording continues, unless there is something else on the screen."""
        if self.is_current and not self._gone_on:
            self._gone_on = True
            sentence = f"{self.path} was deleted or replaced; the recording continues in {path}."
            self.post_message(WentOn(path, sentence, self.filtering.narrowing.text))

    def _watch(self) -> None:
        worker = get_current_worker()
        pulse(self.path, self.registry, post=self.post_message, cancelled=lambda: worker.is_cancelled)

    def on_pulse(self, message: Pulse) -> None:
        self.watching.pulse = message
        self.detail.findings.take(message.noticed.cases)
        self._show_sides()

    def _show_sides(self) -> None:
        if self.watching.pulse is not None and self.has_class("sides"):
            snapshot = self.watching.pulse.snapshot
            now_ns = time_ns() if self.watching.growing else snapshot.last_ns
            self.query_one(SessionTree).update(snapshot, now_ns=now_ns)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A worker that broke is a mistake of ours; it must not pass in silence."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error or Exception()
            self.banner.say(marked(f"The {event.worker.group} stopped", error), trouble=True)

    def on_failed(self, message: Failed) -> None:
        self.banner.say(message.sentence, trouble=True)

    # The view.

    def _apply(self) -> None:
        """Show what passes the filter that is in force now."""
        narrowing = self.filtering.narrowing
        start = None if self.timeline.following else max(self.timeline.current, 1)
        try:
            view = self.filtering.apply(start)
        except FilterError as error:
            self.notify(str(error), severity="error")
            narrowing.clear()
            view = self.filtering.apply(start)
        bar = self.query_one(FilterBar)
        bar.set(narrowing.shown)
        bar.narrowing = narrowing.chosen[1] if narrowing.chosen else ""
        self._show_view(view)

    def _show_view(self, view: View) -> None:
        self.timeline.show(self.recording, view)
        self._show_empty()
        self._show_place()

    def on_found(self, message: Found) -> None:
        numbers = self.timeline.view.numbers
        first = numbers[0] if numbers else 0
        if self.filtering.take(message):
            self.timeline.filled(first)
            self._show_empty()
            self._show_place()

    def _show_empty(self) -> None:
        """Say why there is no row, where there is none."""
        empty = not self.timeline.view and self.filtering.progress is None
        if empty:
            filtered = bool(self.filtering.narrowing.text) and self._last > 0
            self.query_one(Waiting).tell(
                self.source, growing=self.watching.growing, filtered=filtered, importing=self.watching.importing
            )
        if empty != self.has_class("empty"):
            self.set_class(empty, "empty")
            if not empty and self.focused is None:
                self.set_focus(self.timeline)

    def _show_place(self) -> None:
        timeline, bar = self.timeline, self.query_one(FilterBar)
        bar.progress = self.filtering.progress
        bar.count = len(timeline.view) if self.filtering.narrowing.text else None
        place = "no rows"
        if timeline.current:
            place = f"row {timeline.current:,} of {self._last:,}"
            if self.filtering.narrowing.text:
                place = f"{timeline.line + 1:,} of {len(timeline.view):,}, {place}"
            first, last = timeline.selected
            if timeline.range_from is not None:
                place = f"{last - first + 1:,} selected, {place}"
            if self.size.width >= WIDE:
                place += self._day_of(timeline.current)
        self.query_one("#place", Static).update(Content(place))
        note = self.marking.said(timeline.current)
        line = self.query_one("#note", Static)
        line.update(Content(note))
        line.set_class(bool(note), "said")

    def _day_of(self, number: int) -> str:
        try:
            shown = self.recording.lines([number])
        except CaptureError as error:
            self.banner.say(str(error), trouble=True)
            shown = []
        return f", {day(shown[0].event.at_ns)}" if shown else ""

    def _show_detail(self) -> None:
        if self.has_class("detail"):
            current = self.timeline.current
            self.detail.show(self.recording.shown(current) if current else None, self.recording)

    # What panes say.

    def on_timeline_moved(self) -> None:
        self._show_place()
        self._show_detail()

    def on_timeline_opened(self) -> None:
        self.add_class("detail")
        self._show_detail()
        self.detail.focus_content()

    def on_timeline_follow_changed(self) -> None:
        self._show_place()

    @on(FilterBar.Applied)
    def _typed(self, message: FilterBar.Applied) -> None:
        self.filtering.narrowing.type(message.text)
        self._apply()

    @on(FilterBar.Left)
    @on(Prompt.Left)
    def _back_to_rows(self) -> None:
        self.set_focus(self.timeline)

    @on(SessionTree.Narrow)
    def _narrowed(self, message: SessionTree.Narrow) -> None:
        self.filtering.narrowing.chosen = (message.filter_text, message.words) if message.filter_text else None
        self._apply()

    @on(Detail.Copied)
    def _copied(self, message: Detail.Copied) -> None:
        self.app.copy_to_clipboard(message.text)
        self.notify(f"copied {message.what}")

    @on(Detail.Filter)
    def _filter_by_value(self, message: Detail.Filter) -> None:
        narrowing = self.filtering.narrowing
        narrowing.type(f"({narrowing.shown}) and {message.text}" if narrowing.shown else message.text)
        self._apply()

    @on(Detail.Goto)
    def _goto_row(self, message: Detail.Goto) -> None:
        self.travel.to(message.number)

    # What keys do.

    def action_filter(self) -> None:
        self.query_one(FilterBar).edit()

    def action_preset(self, name: str) -> None:
        narrowing = self.filtering.narrowing
        if name == "none":
            narrowing.clear()
            self.query_one(SessionTree).selected = None
        else:
            shown = self.recording.lines([self.timeline.current])
            problem = narrowing.toggle(PRESETS[name], shown[0].event if shown else None)
            if problem:
                self.notify(f"Cannot filter by this row: {problem}.", severity="warning")
                return
        self._apply()

    def action_search(self) -> None:
        self.searching.ask()

    def action_find(self, way: int) -> None:
        self.searching.find(way)

    def on_hit(self, message: Hit) -> None:
        going_on = self.searching.take(message)
        if going_on:
            self.query_one("#place", Static).update(Content(going_on))

    def action_jump(self, to: str, way: int) -> None:
        self.travel.jump(to, way)

    def action_goto(self) -> None:
        self.travel.ask()

    def action_time(self) -> None:
        modes = {"clock": "start", "start": "previous", "previous": "clock"}
        self.timeline.mode = modes[self.timeline.mode]  # type: ignore[assignment]
        self.query_one(ColumnTitles).refresh()

    def action_numbers(self) -> None:
        self.timeline.numbered = not self.timeline.numbered
        self.query_one(ColumnTitles).refresh()

    def action_mark(self) -> None:
        self.marking.toggle()

    def action_note(self) -> None:
        self.marking.ask()

    def action_export(self) -> None:
        self.exporting.ask(self._title)

    def on_exported(self, message: Exported) -> None:
        self.exporting.take(message)

    def action_copy(self) -> None:
        shown = self.recording.shown(self.timeline.current)
        if shown is not None:
            self.app.copy_to_clipboard(line(shown, None).decode().strip())
            self.notify(f"copied row {shown.event.n:,} as JSON")

    def action_detail(self) -> None:
        self.toggle_class("detail")
        if self.has_class("detail"):
            self._show_detail()
        else:
            self.set_focus(self.timeline)

    def action_sides(self) -> None:
        self.toggle_class("sides")
        if self.has_class("sides"):
            self._show_sides()
            self.set_focus(self.query_one(SessionTree))
        else:
            self.set_focus(self.timeline)

    def action_pane(self, way: int) -> None:
        """Go to the next pane that is in sight; the filter has a key of its own."""
        panes = [pane for pane in (self.query_one(SessionTree), self.timeline, self.detail) if pane.region]
        here = next((at for at, pane in enumerate(panes) if pane.has_focus or pane.has_focus_within), -1)
        if panes:
            pane = panes[(here + way) % len(panes)]
            pane.focus_content() if isinstance(pane, Detail) else self.set_focus(pane)

    def action_plots(self) -> None:
        self.app.push_screen(PlotsScreen(self.path, self.registry, self.glyphs, title=self._title), self._from_plots)

    def _from_plots(self, result: PlotResult | None) -> None:
        if result is None:
            return
        if result.filter_text:
            self.filtering.narrowing.type(result.filter_text)
            self._apply()
        if result.at_ns is not None:
            self.travel.to_time(result.at_ns)

    def action_findings(self) -> None:
        here = self.timeline.current
        self.app.push_screen(FindingsScreen(self.recording, self.glyphs, title=self._title, row=here), self.travel.to)

    def action_lanes(self) -> None:
        here = self.timeline.current or None
        self.app.push_screen(LanesScreen(self.recording, self.glyphs, title=self._title, row=here), self.travel.to)

    def action_voice(self) -> None:
        here = self.timeline.current or None
        self.app.push_screen(VoiceScreen(self.recording, self.glyphs, title=self._title, row=here), self.travel.to)

    def action_reveal(self) -> None:
        self.recording.reveal = not self.recording.reveal
        self.timeline.restyle()
        self._show_detail()
        self._slow_beat()

    def action_theme(self) -> None:
        self.app.theme = "gwinspect-light" if self.app.current_theme.dark else "gwinspect-dark"

    def action_help(self) -> None:
        groups = {
            "Everywhere": MAIN,
            "Timeline": Timeline.BINDINGS,
            "Detail": Detail.BINDINGS,
            "Sessions": SessionTree.BINDINGS,
            "Filter": FilterBar.BINDINGS,
            **PlotsScreen.KEYS,
            **FindingsScreen.KEYS,
            **LanesScreen.KEYS,
            **VoiceScreen.KEYS,
        }
        self.app.push_screen(HelpScreen(groups, plain=self.glyphs.ascii))

    def action_back(self) -> None:
        """Leave what is innermost: the pane, the range, the narrow screen's second pane."""
        if self.focused is not self.timeline:
            if self.has_class("-narrow"):
                self.remove_class("detail", "sides")
            self.set_focus(self.timeline)
        elif not self.timeline.end_range():
            if self.timeline.needle:
                self.timeline.needle = ""
            else:
                self.remove_class("detail")

    def action_quit(self) -> None:
        if self.watching.is_busy() and monotonic() - self._quit_asked > SURE:
            self._quit_asked = monotonic()
            self.notify("A client is still connected; quitting ends the recording. q again quits.", timeout=SURE)
            return
        self.app.exit()

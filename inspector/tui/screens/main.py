"""The screen one lives in: the timeline with its filter, the tree of connections beside it, the detail below it.

It only brings the panes together. What they show and do stands in their own files, and what takes long in workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, time_ns

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.worker import Worker, WorkerState, get_current_worker

from inspector.errors import CaptureError
from inspector.export.file import FORMATS
from inspector.faults import marked
from inspector.importers.running import Progress
from inspector.inert import inert
from inspector.protocol.registry import Registry
from inspector.query.grammar import FilterError
from inspector.query.moments import EXPECTED, parse_moment
from inspector.query.tree import Text
from inspector.report.jsonl import line
from inspector.report.recording import Recording
from inspector.store.notes import Notes
from inspector.store.parts import Trail
from inspector.tui.bindings import MAIN
from inspector.tui.filtering import Filtering
from inspector.tui.guarded import Guarded
from inspector.tui.jumps import Jump, nearest
from inspector.tui.live_proxy import Filling, LiveProxy, ended
from inspector.tui.look import Glyphs
from inspector.tui.presets import PRESETS
from inspector.tui.screens.findings import FindingsScreen
from inspector.tui.screens.help import HelpScreen
from inspector.tui.screens.lanes import LanesScreen
from inspector.tui.screens.plots import PlotResult, PlotsScreen
from inspector.tui.screens.voice import VoiceScreen
from inspector.tui.widgets.detail import Detail
from inspector.tui.widgets.input.filter_bar import FilterBar
from inspector.tui.widgets.input.history import History
from inspector.tui.widgets.input.prompt import Prompt
from inspector.tui.widgets.lists.session_tree import SessionTree
from inspector.tui.widgets.timeline.banner import Banner
from inspector.tui.widgets.timeline.status_line import Status, StatusLine
from inspector.tui.widgets.timeline.timeline import ColumnTitles, Timeline
from inspector.tui.widgets.timeline.view import View
from inspector.tui.widgets.timeline.waiting import Waiting
from inspector.tui.workers import Exported, Failed, Found, Hit, Pulse, find, pulse, write_rows
from inspector.words import counted, day, size

# Seconds between two looks for news; SQLite answers the question in 2 us.
BEAT = 0.05
# Seconds between two looks at what changes slowly: the proxy, the size of the file.
SLOW_BEAT = 0.25
# Rows at the end of a capture about which something may still change.
UNSETTLED = 200
# Columns from which on the tree of connections has room beside everything else.
WIDE = 140
# Seconds within which a second q quits although a client is still connected.
SURE = 4.0


@dataclass
class WentOn(Message):
    """The file was taken away, and its recording goes on in another."""

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
    MainScreen #foot Footer { dock: none; width: 1fr; }
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
        notes_beside: Path,
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
        self.filtering = Filtering(self, self.recording, registry, where)
        self.notes = Notes(notes_beside)
        self.history = History()
        self._following = follow or source is not None
        self._growing = self._following
        self._filling = filling
        self._filled = Progress()
        self._title = title
        self._last = 0
        self._needle = ""
        self._finding = 0
        self._quit_asked = -SURE
        self._pulse: Pulse | None = None
        self._said = said
        self._gone_on = False
        self._trail = Trail(path)

    def compose(self) -> ComposeResult:
        timeline = Timeline(self.glyphs)
        yield StatusLine(self.glyphs)
        yield FilterBar(self.registry, self.glyphs, self.history)
        yield Banner(self.glyphs)
        with Horizontal(id="body"):
            yield SessionTree(self.glyphs)
            with Vertical(id="rows"):
                yield ColumnTitles(timeline)
                yield timeline
                yield Waiting(self.glyphs)
        yield Detail(glyphs=self.glyphs)
        yield Static(id="note")
        yield Prompt(self.glyphs)
        with Horizontal(id="foot"):
            yield Footer(compact=True, show_command_palette=False)
            yield Static(id="place")

    def on_mount(self) -> None:
        self.set_class(self.app.size.width >= WIDE, "sides")
        self.timeline.following = self._following
        self._last = self.recording.reader.last()
        self.notes.relocate(self.recording.reader)
        self._show_marks()
        self._apply()
        self.set_focus(self.timeline)
        self.set_interval(BEAT, self._beat)
        self.set_interval(SLOW_BEAT, self._slow_beat)
        self.query_one(Banner).say(self._said)
        self._slow_beat()
        self.run_worker(self._watch, thread=True, group="pulse", exit_on_error=False)

    def on_unmount(self) -> None:
        self.recording.close()

    @property
    def timeline(self) -> Timeline:
        return self.query_one(Timeline)

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
                settled = 0 if self._filling else self._last - UNSETTLED
                self._last = last
                self.recording.forget(settled)
                self.timeline.forget(settled)
                self._grow(last)
            elif self.filtering.is_behind:
                self._grow(self._last)
        except CaptureError as error:
            self.query_one(Banner).say(str(error), trouble=True)

    def _grow(self, last: int) -> None:
        count = self.filtering.extend(last)
        if count:
            self.timeline.grown(count)
            self._show_place()
        self._show_empty()

    def _slow_beat(self) -> None:
        """Look at what changes slowly: the file, the proxy, the client."""
        if (self._growing and self._trail.moved()) or self._trail.path != self.path:
            self._go_on()
        state = "FOLLOWING" if self._growing else ""
        if self._filling is not None:
            self._look_at_import(self._filling)
        if self._filling is not None:
            state = "IMPORTING"
        if self.source is not None:
            state = "LIVE"
            found = self.source.state()
            if found.proxy is not None:
                state = "PROXY DEAD"
                said = f" It said: {found.log[-1]}" if found.log else ""
                self.query_one(Banner).say(
                    f"The proxy {ended(found.proxy)}; nothing more is recorded. What was is kept.{said}",
                    trouble=True,
                )
            elif found.client is not None:
                self.query_one(Banner).say(f"{self.source.command or 'The client'} {ended(found.client)}.")
        try:
            if self._growing and "finished_at" in self.recording.reader.meta():
                self._growing = False
            if not self._growing and state not in ("PROXY DEAD", "IMPORTING"):
                state = "FINISHED" if self._following else ""
        except CaptureError as error:
            self.query_one(Banner).say(str(error), trouble=True)
        self._show_status(state)
        if self._growing:
            self._show_sides()
        if self.has_class("empty"):
            self._show_empty()

    def _look_at_import(self, filling: Filling) -> None:
        """See how far the import has come that fills the capture; where it failed, say why."""
        self._filled = filling.progress()
        if not self._filled.is_over:
            return
        self._beat()
        self._filling = None
        self.timeline.unseen = 0
        # Some of those that they are at were not there yet.
        self.notes.relocate(self.recording.reader)
        self._show_marks()
        problem = self._filled.problem
        if problem is not None and not self._last:
            raise problem
        if problem is not None:
            self.query_one(Banner).say(f"The import broke off, and these rows are not kept: {problem}", trouble=True)

    def _go_on(self) -> None:
        """Have the file shown in which the recording goes on, unless there is something else on the screen."""
        if self.is_current and not self._gone_on:
            self._gone_on = True
            sentence = f"{self.path} was taken away; the recording goes on in {self._trail.path}."
            self.post_message(WentOn(self._trail.path, sentence, self.filtering.narrowing.text))

    def _show_status(self, state: str) -> None:
        pulse = self._pulse
        try:
            held = sum(
                Path(f"{self.path}{end}").stat().st_size for end in ("", "-wal") if Path(f"{self.path}{end}").exists()
            )
        except OSError:
            held = 0
        round_trip = pulse.snapshot.round_trip_ns if pulse else None
        share, progress = self._imported()
        self.query_one(StatusLine).status = Status(
            state=state,
            share=share,
            progress=progress,
            address=self.source.address if self.source else "",
            title=self._title,
            bytes=held,
            connections=pulse.snapshot.connections if pulse else 0,
            errors=pulse.snapshot.errors if pulse else 0,
            warnings=pulse.snapshot.warnings if pulse else 0,
            filtered=bool(self.filtering.narrowing.text),
            revealed=self.recording.reveal,
            following=self.timeline.following and self._growing,
            # Whoever looks at an import is not waiting for its newest row.
            unseen=0 if self._filling else self.timeline.unseen,
            growing=self._growing,
            rate=pulse.rate if pulse and self._growing else 0.0,
            rates=pulse.rates if pulse else (),
            round_trip=round_trip / 1e6 if round_trip is not None else None,
        )

    def _imported(self) -> tuple[float | None, str]:
        """Return how much of an import is done, and the same in numbers."""
        if self._filling is None:
            return None, ""
        done, total = self._filled.done, self._filled.total
        said = f"{size(done)} of {size(total)}, {self._filled.happenings:,} messages" if total else ""
        return done / total if total else 0.0, said

    def _watch(self) -> None:
        worker = get_current_worker()
        pulse(self.path, self.registry, post=self.post_message, cancelled=lambda: worker.is_cancelled)

    def on_pulse(self, message: Pulse) -> None:
        self._pulse = message
        self._show_sides()

    def _show_sides(self) -> None:
        if self._pulse is not None and self.has_class("sides"):
            snapshot = self._pulse.snapshot
            self.query_one(SessionTree).update(snapshot, now_ns=time_ns() if self._growing else snapshot.last_ns)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A worker that broke is a mistake of ours; it must not pass in silence."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error or Exception()
            self.query_one(Banner).say(marked(f"The {event.worker.group} stopped", error), trouble=True)

    def on_failed(self, message: Failed) -> None:
        self.query_one(Banner).say(message.sentence, trouble=True)

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
            importing = self._filling is not None
            self.query_one(Waiting).tell(self.source, growing=self._growing, filtered=filtered, importing=importing)
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
        note = self.notes.note(timeline.current) if timeline.current else None
        line = self.query_one("#note", Static)
        line.update(Content(self.glyphs.plain("note: " + inert(note)) if note else ""))
        line.set_class(bool(note), "said")

    def _day_of(self, number: int) -> str:
        try:
            shown = self.recording.lines([number])
        except CaptureError as error:
            self.query_one(Banner).say(str(error), trouble=True)
            shown = []
        return f", {day(shown[0].event.at_ns)}" if shown else ""

    def _show_marks(self) -> None:
        marks = dict.fromkeys(self.notes.noted, "n") | dict.fromkeys(self.notes.marked, self.glyphs.mark)
        self.timeline.marked = marks
        self.timeline.restyle()

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
        self._go_to(message.number)

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
                self.notify(f"This row does not say what to filter by: {problem}.", severity="warning")
                return
        self._apply()

    def action_search(self) -> None:
        self.query_one(Prompt).ask("search", self._search, hint="text in payloads, names and notes")

    def _search(self, text: str) -> str | None:
        self._needle = text.strip()
        self.timeline.needle = self._needle
        if self._needle:
            self.action_find(1)
        return None

    def action_find(self, way: int) -> None:
        if not self._needle:
            self.action_search()
            return
        self._finding += 1
        self.run_worker(
            partial(self._find, Text(self._needle), self.timeline.current, way > 0, self._finding),
            thread=True,
            exclusive=True,
            group="find",
            exit_on_error=False,
        )

    def _find(self, item: Text, start: int, forwards: bool, generation: int) -> None:
        worker = get_current_worker()
        find(
            self.path,
            item,
            self.registry,
            view=self.timeline.view.numbers,
            start=start,
            forwards=forwards,
            generation=generation,
            post=self.post_message,
            cancelled=lambda: worker.is_cancelled,
        )

    def on_hit(self, message: Hit) -> None:
        if message.generation != self._finding:
            return
        if message.number is not None:
            self.timeline.goto(message.number)
            if message.wrapped:
                self.notify("The search began again at the other end.", timeout=2)
        elif message.progress >= 1:
            self.notify(f"Nothing here has {inert(self._needle)!r} in it.", severity="warning")
        else:
            self.query_one("#place", Static).update(Content(f"searching, {message.progress:.0%}"))

    def action_jump(self, to: str, way: int) -> None:
        timeline = self.timeline
        if to == "mark":
            number = self.notes.next(timeline.current) or self.notes.next(0)
            if number is not None and not timeline.view.has(number):
                number = next(
                    (n for n in sorted(timeline.marked) if n > timeline.current and timeline.view.has(n)), None
                )
        else:
            kinds: dict[str, Jump] = {"close": "close", "error": "error", "finding": "finding"}
            number = nearest(self.recording, timeline.view, kinds[to], timeline.current, way)
        if number is None:
            where = "after" if way > 0 else "before"
            self.notify(f"There is no {to} {where} this row.", severity="warning", timeout=2)
        else:
            timeline.goto(number)

    def action_goto(self) -> None:
        self.query_one(Prompt).ask("go to", self._goto, hint=f"row 1200, or a time: {EXPECTED}")

    def _goto(self, text: str) -> str | None:
        text = text.strip().removeprefix("#").replace(",", "")
        if text.isdigit() and len(text) < 16:
            self._go_to(int(text))
            return None
        moment = parse_moment(text)
        if moment is None:
            return f"This is neither a row's number nor a time; a time is written as {EXPECTED}."
        first = self.recording.lines([1])
        if first:
            self._go_to(self.recording.row_at(moment.ns(first[0].event.at_ns)))
        return None

    def _go_to(self, number: int) -> None:
        if self.filtering.narrowing.text and not self.timeline.view.has(number):
            self.notify(f"Row {number:,} does not pass the filter; this is the next one that does.", timeout=3)
        self.timeline.goto(number)

    def action_time(self) -> None:
        modes = {"clock": "start", "start": "previous", "previous": "clock"}
        self.timeline.mode = modes[self.timeline.mode]  # type: ignore[assignment]
        self.query_one(ColumnTitles).refresh()

    def action_mark(self) -> None:
        event = self.recording.event(self.timeline.current)
        if event is None:
            return
        try:
            self.notes.toggle(event.n, event)
        except CaptureError as error:
            self.notify(str(error), severity="warning")
        self._show_marks()

    def action_note(self) -> None:
        if self.timeline.current:
            number = self.timeline.current
            self.query_one(Prompt).ask(
                f"note on row {number:,}", partial(self._note, number), value=self.notes.note(number) or ""
            )

    def _note(self, number: int, text: str) -> str | None:
        event = self.recording.event(number)
        if event is not None:
            try:
                self.notes.set_note(number, event, text)
            except CaptureError as error:
                return str(error)
        self._show_marks()
        self._show_place()
        return None

    def action_export(self) -> None:
        first, last = self.timeline.selected
        if self.timeline.range_from is None:
            first, last = 0, len(self.timeline.view) - 1
        numbers = self.timeline.view.numbers[first : last + 1]
        if not numbers:
            self.notify("There is no row to export.", severity="warning")
            return
        name = Path(self._title).stem or "rows"
        self.query_one(Prompt).ask(
            f"export {counted(len(numbers), 'row')} to",
            partial(self._export, numbers),
            value=f"{name}-{numbers[0]}-{numbers[-1]}.jsonl",
            hint=f"a file whose name ends in {', '.join('.' + name for name in FORMATS)}",
        )

    def _export(self, numbers: Sequence[int], text: str) -> str | None:
        target = Path(text.strip()).expanduser()
        if target.suffix.removeprefix(".") not in FORMATS:
            return f"The end of the name says the format: {', '.join('.' + name for name in FORMATS)}."
        if target.exists():
            return f"{target} exists; choose another name."
        self.run_worker(
            partial(
                write_rows,
                self.path,
                self.registry,
                numbers,
                target,
                reveal=self.recording.reveal,
                post=self.post_message,
            ),
            thread=True,
            group="export",
            exit_on_error=False,
        )
        return None

    def on_exported(self, message: Exported) -> None:
        if message.problem:
            self.notify(message.problem, severity="error")
        else:
            self.notify(f"wrote {message.count:,} rows to {message.target}")
            self.timeline.end_range()

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
            self._go_to(self.recording.row_at(result.at_ns))

    def action_findings(self) -> None:
        here = self.timeline.current
        self.app.push_screen(FindingsScreen(self.recording, self.glyphs, title=self._title, row=here), self._from_rows)

    def action_lanes(self) -> None:
        here = self.timeline.current or None
        self.app.push_screen(LanesScreen(self.recording, self.glyphs, title=self._title, row=here), self._from_rows)

    def action_voice(self) -> None:
        here = self.timeline.current or None
        self.app.push_screen(VoiceScreen(self.recording, self.glyphs, title=self._title, row=here), self._from_rows)

    def _from_rows(self, number: int | None) -> None:
        if number is not None:
            self._go_to(number)

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
        state = self.source.state() if self.source else None
        pulse = self._pulse
        busy = (
            state is not None
            and state.proxy is None
            and (state.client_running or (pulse is not None and pulse.snapshot.live > 0))
        )
        if busy and monotonic() - self._quit_asked > SURE:
            self._quit_asked = monotonic()
            self.notify(
                "A client is still connected; quitting ends the recording and the proxy. q again quits.", timeout=SURE
            )
            return
        self.app.exit()

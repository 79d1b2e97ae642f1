"""The application: themes, and the one screen it opens. Everything else is in screens and widgets."""

import asyncio
import gc
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.worker import WorkerFailed

from inspector import leaving
from inspector.errors import GwinspectError
from inspector.faults import report
from inspector.inert import inert
from inspector.protocol.registry import Registry, default
from inspector.tui.bindings import MAIN
from inspector.tui.lane_colours import DARK, LIGHT, variables
from inspector.tui.live_proxy import Filling, LiveProxy
from inspector.tui.look import Glyphs, glyphs
from inspector.tui.screens.help import key_words
from inspector.tui.screens.main import MainScreen, WentOn
from inspector.tui.terminal import Terminal
from inspector.tui.themes import THEMES

# Seconds after which all that is needed from the start has been made.
SETTLED = 0.7
# Seconds between two looks whether the terminal is still there; one takes a microsecond.
_LOOK = 0.5


def _keep_for_good() -> None:
    gc.collect()
    gc.freeze()


class GwinspectApp(App[None]):
    """Shows one capture until the person quits. The arguments are those of `inspector.tui.run.run`."""

    TITLE = "gwinspect"

    def __init__(
        self,
        path: Path,
        *,
        source: LiveProxy | None = None,
        follow: bool = False,
        where: str = "",
        notes_for: Path | None = None,
        title: str | None = None,
        filling: Filling | None = None,
        registry: Registry | None = None,
        marks: Glyphs | None = None,
    ) -> None:
        super().__init__()
        self.crashed = False
        """A bug has ended the screen, and was printed."""
        self.problem: GwinspectError | None = None
        """What has ended the screen and a person can act on, as a capture that turned out to be damaged."""
        self._loop_of_events: asyncio.AbstractEventLoop | None = None
        self._is_told_to_leave = False
        marks = marks or glyphs()
        registry = registry or default()
        # Textual has one kind of them for all.
        ScrollBar.renderer = _WholeCells if marks.ascii else ScrollBarRender
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        self._open = partial(MainScreen, registry=registry, glyphs=marks, source=source)
        self.main = self._open(
            path,
            follow=follow,
            where=where,
            notes_for=notes_for or path,
            title=title or path.name,
            filling=filling,
        )

    def get_driver_class(self) -> type[Driver]:
        found = super().get_driver_class()
        return Terminal if found is LinuxDriver else found

    def on_mount(self) -> None:
        self._loop_of_events = asyncio.get_running_loop()
        self.push_screen(self.main)
        if self._is_told_to_leave:
            self.exit()
        if isinstance(self._driver, Terminal):
            self.set_interval(_LOOK, self._look_at_terminal)
        if not self.is_headless:
            # What was made to start stays until the end. A full pass of the collector over it takes 50 to 110 ms, about
            # once a second while rows come, and keys wait for that: measured with benchmarks/screen.py.
            self.set_timer(SETTLED, _keep_for_good)

    def leave(self, number: int) -> None:
        """End soon, because of a signal. May be called at any time, by a signal handler too."""
        self._is_told_to_leave = True
        if isinstance(self._driver, Terminal):
            self._driver.hurry()
        if self._loop_of_events is not None:
            self._loop_of_events.call_soon_threadsafe(self.exit)

    def _look_at_terminal(self) -> None:
        if isinstance(self._driver, Terminal) and self._driver.is_gone():
            leaving.receive(signal.SIGHUP)

    def on_went_on(self, message: WentOn) -> None:
        """Show the file in which the recording continues, in place of the one that was taken away."""
        path = message.path
        self.main = self._open(
            path, follow=True, where=message.where, notes_for=path, title=path.name, said=message.sentence
        )
        self.switch_screen(self.main)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Say something in a corner; all that widgets say comes by here too. Nothing in it is markup."""
        super().notify(inert(message), title=inert(title), severity=severity, timeout=timeout, markup=False)

    def _handle_exception(self, error: Exception) -> None:
        cause = error.error if isinstance(error, WorkerFailed) else error
        if isinstance(cause, GwinspectError):
            self.problem = self.problem or cause
            self.exit()
        elif not self.crashed:
            self.crashed = True
            # Textual prints the values of all variables, tokens among them.
            super()._handle_exception(Crash(cause))

    def get_key_display(self, binding: Binding) -> str:
        """Name keys as the help does: in words, which every terminal can show."""
        return binding.key_display or key_words(binding.key)

    def get_system_commands(self, screen: Screen[object]) -> Iterator[SystemCommand]:
        """Put everything that has a key into the command palette too."""
        yield from super().get_system_commands(screen)
        if screen is self.main:
            for binding in MAIN:
                if isinstance(binding, Binding):
                    title = f"{binding.description[0].upper()}{binding.description[1:]}"
                    said = f"{key_words(binding.key)}: {binding.tooltip or binding.description}"
                    yield SystemCommand(title, said, partial(self.main.run_action, binding.action))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give Textual's own themes the colours of lanes too."""
        return variables(DARK if self.current_theme.dark else LIGHT)


class Crash(Exception):
    """What ended the screen; printed as it may be."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(*report(error))
        self.__cause__ = error

    def __rich__(self) -> Text:
        return Text("\n".join(self.args))


class _WholeCells(ScrollBarRender):
    """Scroll bars that end between cells, for terminals without the marks for parts of one."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8

"""What screens that read a whole capture have in common: a thread that reads it, a line at the top, a way back.

The thread hands over what it has read, again and again; the screen shows that and nothing else.
"""

from abc import abstractmethod
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any, ClassVar, Protocol

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from inspector.errors import CaptureError
from inspector.inert import inert
from inspector.report.recording import Recording
from inspector.store.reader import Reader
from inspector.tui.guarded import Guarded
from inspector.tui.look import Glyphs
from inspector.tui.screens.help import HelpScreen

# Seconds between two looks for news.
BEAT = 0.25


class GrowingView(Protocol):
    """Something that reads a capture, as far as it goes. Belongs to one thread; what it hands over does not."""

    def advance(self) -> bool:
        """Read on a little, and say whether there is more. Raises CaptureError where the capture is damaged."""

    def snapshot(self) -> Any:
        """Return what has been read so far, as a value that never changes."""


class ReadingScreen(Guarded, Screen[int | None]):
    """A screen on one capture. It ends with the row that the person wants to see in the timeline, or None.

    `row` is where the person is. What inherits this has a widget with the id ``head``.
    """

    DEFAULT_CSS = """
    ReadingScreen { layout: vertical; background: $background; }
    ReadingScreen #head { height: 1; background: $panel; padding: 0 1; text-wrap: nowrap; }
    ReadingScreen #head.trouble { height: auto; max-height: 4; text-wrap: wrap; }
    ReadingScreen #empty { display: none; height: 1fr; content-align: center middle; color: $text-muted; }
    ReadingScreen.empty #empty { display: block; }
    """
    NAME: ClassVar[str]
    """What the screen is called in its first line."""
    KEYS: ClassVar[dict[str, list[BindingType]]]
    """Every key of the screen and of what is on it, as groups of the help."""

    @dataclass
    class Progress(Message):
        """More has been read."""

        read: Any

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, ReadingScreen.Progress)

    @dataclass
    class Failed(Message):
        """The capture cannot be read any further."""

        sentence: str

    def __init__(self, recording: Recording, glyphs: Glyphs, *, title: str = "", row: int | None = None) -> None:
        super().__init__(classes="plain empty" if glyphs.ascii else "empty")
        self._recording = recording
        self._glyphs = glyphs
        self._called = title or recording.path.name
        self._row = row
        self._problem = ""
        self._gone = Event()

    @abstractmethod
    def reading(self, reader: Reader) -> GrowingView:
        """Return what reads the capture; called in the thread."""

    @abstractmethod
    def show(self, read: Any) -> None:
        """Show what has been read by now."""

    @abstractmethod
    def description(self) -> list[tuple[str, str]]:
        """Return what is said at the top, as texts and their styles; the name of the screen comes before."""

    def on_mount(self) -> None:
        self.say()
        self.run_worker(self._watch, thread=True, group=self.NAME, exit_on_error=False)

    def on_unmount(self) -> None:
        self._gone.set()

    # What the thread does.

    def _watch(self) -> None:
        try:
            reader = Reader(self._recording.path)
            try:
                self._read(reader)
            finally:
                reader.close()
        except CaptureError as error:
            self.post_message(self.Failed(str(error)))

    def _read(self, reader: Reader) -> None:
        reading = self.reading(reader)
        while not self._gone.is_set():
            if reader.changed():
                posted = monotonic()
                while reading.advance():
                    if self._gone.is_set():
                        return
                    if monotonic() - posted >= BEAT:
                        self.post_message(self.Progress(reading.snapshot()))
                        posted = monotonic()
                self.post_message(self.Progress(reading.snapshot()))
            self._gone.wait(BEAT)

    # What comes of it.

    def on_reading_screen_progress(self, message: Progress) -> None:
        self.show(message.read)
        self.say()

    def on_reading_screen_failed(self, message: Failed) -> None:
        self._problem = message.sentence
        self.say()

    def say(self) -> None:
        """Say in the line at the top what is shown, or why nothing more is."""
        parts = [(self.NAME, "bold $primary"), (inert(self._called), "")]
        parts += [(inert(self._problem), "bold $error")] if self._problem else self.description()
        head = Content("  ").join(Content.styled(self._glyphs.plain(text), style) for text, style in parts)
        line = self.query_one("#head", Static)
        line.set_class(bool(self._problem), "trouble")
        line.update(head)

    # What keys do.

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self.KEYS, plain=self._glyphs.ascii))

    def action_back(self) -> None:
        self.dismiss(None)

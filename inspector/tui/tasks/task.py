"""What tasks on the rows of the main screen work with. A task adds its own state, and the methods that keys call."""

from dataclasses import dataclass

from textual.screen import Screen

from inspector.protocol.registry import Registry
from inspector.report.recording import Recording
from inspector.tui.widgets.input.prompt import Prompt
from inspector.tui.widgets.timeline.timeline import Timeline


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What all tasks of one screen share."""

    screen: Screen[None]
    """Is told of what workers find, and tells people."""
    recording: Recording
    registry: Registry
    timeline: Timeline
    prompt: Prompt


class Task:
    """Something that is done on the rows of a timeline."""

    def __init__(self, context: TaskContext) -> None:
        self._screen = context.screen
        self._recording = context.recording
        self._registry = context.registry
        self._timeline = context.timeline
        self._prompt = context.prompt

"""What keeps a bug of ours from ending the screen: the guard of all widgets and screens that show what was recorded.

What cannot be painted is a line that says so, and what goes wrong while a message or a key is answered is told once.
Where a part of the screen cannot even begin there is no point in going on; that ends it, and nothing else.
"""

from rich.segment import Segment
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from inspector.faults import is_ours, marked


class Guarded(Widget):
    """To be named before the class that paints: ``class Chart(Guarded, Widget)``."""

    def render_lines(self, crop: Region) -> list[Strip]:
        try:
            return super().render_lines(crop)
        except Exception as error:
            if not is_ours(error):
                raise
            text = marked("this part could not be shown", error)
            said = Strip([Segment(text, self.rich_style)]).crop_extend(0, crop.width, self.rich_style)
            return [said, *[Strip.blank(crop.width, self.rich_style)] * (crop.height - 1)][: crop.height]

    async def _dispatch_message(self, message: Message) -> None:
        # A name of Textual's own, as is the place: an exception here ends the application. Tests notice if it moves.
        try:
            await super()._dispatch_message(message)
        except Exception as error:
            if isinstance(message, events.Mount | events.Compose) or not is_ours(error):
                raise
            tell(self, error)


def tell(widget: Widget, error: Exception) -> None:
    """Say on the screen what went wrong; of each place once."""
    sentence = marked("Part of the screen may be wrong", error)
    told: set[str] = widget.app.__dict__.setdefault("_faults_told", set())
    if sentence not in told:
        told.add(sentence)
        widget.notify(sentence, severity="error", markup=False)

"""Writes the selected rows, or all of the view, to a file."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from inspector.export.file import FORMATS
from inspector.tui.tasks.task import Task
from inspector.tui.workers import SCRUBBED, Exported, write_rows
from inspector.words import counted


class Exporting(Task):
    """Asks for the file and has it written. The worker posts `Exported` to `screen`, for `take`."""

    def ask(self, title: str) -> None:
        """Ask where to; the suggested name begins with that of the recording."""
        first, last = self._timeline.selected
        if self._timeline.range_from is None:
            first, last = 0, len(self._timeline.view) - 1
        numbers = self._timeline.view.numbers[first : last + 1]
        if not numbers:
            self._screen.notify("There is no row to export.", severity="warning")
            return
        self._prompt.ask(
            f"export {counted(len(numbers), 'row')} to",
            partial(self._export, numbers),
            value=f"{Path(title).stem or 'rows'}-{numbers[0]}-{numbers[-1]}.jsonl",
            hint=f"a file ending in {_SUFFIXES}; {SCRUBBED}: a scrubbed capture of the whole recording, to share",
        )

    def take(self, message: Exported) -> None:
        """Say how it went."""
        if message.problem:
            self._screen.notify(message.problem, severity="error")
        else:
            self._screen.notify(f"wrote {message.count:,} rows to {message.target}")
            self._timeline.end_range()

    def _export(self, numbers: Sequence[int], text: str) -> str | None:
        target = Path(text.strip()).expanduser()
        if target.suffix != SCRUBBED and target.suffix.removeprefix(".") not in FORMATS:
            return f"The name's ending chooses the format: {_SUFFIXES}, {SCRUBBED}."
        if target.exists():
            return f"{target} exists; choose another name."
        self._screen.run_worker(
            partial(
                write_rows,
                self._recording.path,
                self._registry,
                numbers,
                target,
                reveal=self._recording.reveal,
                post=self._screen.post_message,
            ),
            thread=True,
            group="export",
            exit_on_error=False,
        )
        return None


_SUFFIXES = ", ".join(f".{name}" for name in FORMATS)

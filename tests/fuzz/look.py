"""A file as the screens see it: what they read is read here without a screen, and now and then with one."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from inspector.analysis.findings import Findings, speaking_of
from inspector.analysis.lanes import LaneReader
from inspector.analysis.measure import Measures
from inspector.analysis.overview import Overview
from inspector.analysis.voice import VoiceReader
from inspector.importers.cache import Place, imported
from inspector.protocol.registry import Registry, default
from inspector.report.about import about
from inspector.report.annotate import bits
from inspector.report.compare import compare
from inspector.report.explain import render
from inspector.report.findings import words_of
from inspector.report.outline import Outline, body
from inspector.report.present import Shown
from inspector.report.pretty import text_of
from inspector.report.recording import Recording
from inspector.report.wire_view import hexdump, wire_facts
from inspector.store.file import is_capture
from inspector.store.notes import Notes
from inspector.store.reader import Reader
from tests.fuzz.mutant import Call

# Rows that are looked at closely.
_ROWS = 12
# Keys of the main screen and of those above it; none of them writes an export.
_KEYS = (
    "j", "k", "G", "g", "enter", "tab", "c", "e", "exclamation_mark", "F", "L", "V", "p", "s", "d", "r", "t", "T",
    "escape",
    "1", "2", "3", "4", "5", "6", "0", "question_mark", "n", "right", "left", "less_than_sign", "w", "space", "C",
)  # fmt: skip
_READINGS: tuple[Callable[[Reader, Registry], Any], ...] = (
    Overview,
    lambda reader, _: LaneReader(reader),
    lambda reader, _: Measures(reader),
    lambda reader, _: Findings(reader),
    lambda reader, _: VoiceReader(reader),
)


def read_by_screens(name: str, dice: Random) -> Call:
    """Return the look at a file that the readers behind all screens take."""
    start, reveal = dice.randrange(30), dice.random() < 0.3
    return Call("what screens read", lambda folder: _read(folder / name, start, reveal))


def on_a_screen(name: str, dice: Random) -> Call:
    """Return the look at a file in the timeline, with some keys pressed."""
    keys = [dice.choice(_KEYS) for _ in range(dice.randint(3, 10))]
    return Call(f"the timeline, keys {' '.join(keys)}", lambda folder: asyncio.run(_press(folder / name, keys)))


def _as_capture(path: Path) -> Path:
    return path if is_capture(path) else imported(Place([path], default()))


def _read(path: Path, start: int, reveal: bool) -> None:
    capture = _as_capture(path)
    with closing(Recording(capture, default(), reveal=reveal)) as recording:
        last = recording.reader.last()
        start = min(start, max(last - _ROWS, 0))
        numbers = range(start + 1, start + 1 + _ROWS)
        for shown in recording.lines(numbers):
            _detail(shown, recording)
        Notes(capture).relocate(recording.reader)
    for reading in _READINGS:
        with closing(Reader(capture)) as reader:
            read = reading(reader, default())
            while read.advance():
                pass
            read.snapshot()


def _detail(shown: Shown, recording: Recording) -> None:
    """Read what the tabs of the detail pane show of a row."""
    event, registry = shown.event, recording.registry
    whole = recording.shown(event.n) or shown
    name = event.event or whole.name
    outline = Outline(body(whole), {}, lambda value, path: bits(value, path, name, event.plane, registry))
    for line in outline.lines[:50]:
        outline.value_at(line.path)
    text_of(whole)
    facts = wire_facts(whole, recording.rows, registry, reveal=recording.reveal)
    for frame in facts.frames:
        list(hexdump(frame.data, 0, 20))
    render(about(whole, recording.rows, registry))
    for finding in event.findings:
        words_of(finding.rule, registry)
    speaking_of(recording.reader, event.n)
    older = recording.previous_like(event)
    if older is not None and (other := recording.shown(older)) is not None:
        compare(body(other), body(whole))


async def _press(path: Path, keys: list[str]) -> None:
    # Imported here: few mutants need it.
    from textual.pilot import WaitForScreenTimeout

    from inspector.tui.app import GwinspectApp

    app = GwinspectApp(_as_capture(path))
    try:
        async with app.run_test(size=(110, 30)) as pilot:
            await pilot.pause()
            await pilot.press(*keys)
            await pilot.pause()
    except WaitForScreenTimeout:
        # It has ended meanwhile.
        if app.problem is None:
            raise
    if app.problem is not None:
        raise app.problem

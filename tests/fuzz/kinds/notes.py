"""Notes files: the marks and notes beside a capture, as the timeline reads and writes them."""

import json
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from inspector.store.notes import Notes
from inspector.store.reader import Reader
from tests.fuzz import damage
from tests.fuzz.look import on_a_screen
from tests.fuzz.mutant import Call, Mutant, Step
from tests.fuzz.talks import SAMPLES
from tests.fuzz.usage import SCREENS

_NAME = "sample.gwcap"


def make(dice: Random) -> Mutant:
    tree: Any = json.loads(_whole())
    if dice.random() < 0.8:
        tree = damage.structure(tree, dice, 6)
    data = damage.json_of(tree, dice)
    if dice.random() < 0.4:
        data = damage.bytes_of(data, dice)
    step: Step = on_a_screen(_NAME, dice) if dice.randrange(SCREENS) == 0 else Call("marks and notes", _use)
    return Mutant({_NAME: _sample(), f"{_NAME}.notes": data}, [step])


def _use(folder: Path) -> None:
    """Read the notes, find their rows, walk along them, and write one more; the file is as it was afterwards."""
    path = folder / _NAME
    file = folder / f"{_NAME}.notes"
    before = file.read_bytes()
    notes = Notes(path)
    try:
        with closing(Reader(path)) as reader:
            notes.relocate(reader)
            at = 0
            while (number := notes.next(at)) is not None:
                notes.note(number)
                at = number
            while (number := notes.previous(at)) is not None:
                at = number
            event = reader.events(2, 1)[0]
            notes.toggle(event.n, event)
            notes.set_note(event.n, event, "a note")
            again = Notes(path)
            again.relocate(reader)
            assert again.note(event.n) == "a note"
    finally:
        file.write_bytes(before)


@cache
def _sample() -> bytes:
    return (SAMPLES / "voice.gwcap").read_bytes()


@cache
def _whole() -> str:
    """Return a notes file as ours, of three rows."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _NAME
        path.write_bytes(_sample())
        notes = Notes(path)
        with closing(Reader(path)) as reader:
            for event in reader.events(0, 3):
                notes.set_note(event.n, event, "look here \N{EYES}")
                notes.toggle(event.n, event)
        return notes.path.read_text("utf-8")

"""Folders of recordings of several formats, damaged and whole, among other things: read as one, and each on its own."""

from importlib import import_module
from random import Random

from tests.fuzz import damage
from tests.fuzz.mutant import Mutant
from tests.fuzz.usage import commands_for

_KINDS = ("capture", "har", "flow", "frames", "pcap")
_NAME = "day"


def make(dice: Random) -> Mutant:
    files: dict[str, bytes] = {}
    frames = 0
    for number in range(dice.choice((1, 2, 2, 3))):
        one: Mutant = import_module(f"tests.fuzz.kinds.{dice.choice(_KINDS)}").make(dice)
        frames += one.frames
        place = dice.choice(("", "", "deep/", "a/b/c/d/e/f/"))
        files |= {f"{_NAME}/{place}{number}-{name}": data for name, data in one.files.items()}
    if dice.random() < 0.3:
        # The same recording twice.
        name, data = dice.choice(list(files.items()))
        files[f"{_NAME}/again-{name.rpartition('/')[2]}"] = data
    if dice.random() < 0.3:
        files[f"{_NAME}/{_odd(dice)}"] = dice.choice((b"", b"words\n", dice.randbytes(40)))
    named = dice.choice((_NAME, _NAME, _NAME, f"{_NAME}/*", f"{_NAME}/[0-1]*", f"{_NAME}/**"))
    return Mutant(files, commands_for(named, dice), frames)


def _odd(dice: Random) -> str:
    """Return a name that a file can have."""
    name = damage.text(dice).translate({0: None, ord("/"): None}).encode("utf-8", "replace").decode()[:40]
    return name if name not in ("", ".", "..") else "[x]"

"""A kind of mutants that do what must not be: for the tests of the hunt itself, see tests/test_fuzz.py."""

import os
import signal
import time
from pathlib import Path
from random import Random

from tests.fuzz.mutant import Call, Mutant


def raise_error(folder: Path) -> None:
    raise KeyError("odd")


def compute(folder: Path) -> None:
    while True:
        pass


def wait(folder: Path) -> None:
    time.sleep(600)


def take_memory(folder: Path) -> None:
    bytes(10**9)


def die(folder: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave_file(folder: Path) -> None:
    (folder / "left").write_text("x")
    (folder / "left").chmod(0o600)


def open_file(folder: Path) -> None:
    (folder / "given").chmod(0o644)


def leave_temporary(folder: Path) -> None:
    Path(os.environ["TMPDIR"], "left").write_text("x")


def change_file(folder: Path) -> None:
    (folder / "given").write_text("x")


def nothing(folder: Path) -> None:
    pass


MISDEEDS = (raise_error, compute, nothing, wait, take_memory, die, leave_file, leave_temporary, change_file, open_file)


def make(dice: Random) -> Mutant:
    """Make a mutant of one misdeed."""
    misdeed = dice.choice(MISDEEDS)
    return Mutant({"given": b""}, [Call(misdeed.__name__, misdeed)])

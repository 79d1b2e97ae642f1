"""Ratios that a noisy machine cannot spoil, and what is said of them.

The rule: whatever is compared runs turn by turn, and each round is compared with itself only. What is reported is the
median of those ratios; absolute figures stand beside it to give an idea of the size, and are of one machine.
"""

import gc
import resource
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import process_time


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    ratio: float | None = None
    """Times the floor that the section names; None where there is nothing to compare with."""
    spread: tuple[float, float] | None = None
    """The least and the most that the middle half of the rounds gave; None where it is one measurement."""
    target: float | None = None
    """What the ratio should not exceed."""
    size: str = ""
    """Absolute figures, in words."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """The same for programs, with the unit in each name."""


@dataclass(frozen=True, slots=True)
class Section:
    """Figures that share a floor."""

    title: str
    figures: list[Figure]


def timed(run: Callable[[], object]) -> float:
    """Return the seconds of CPU that `run` takes, beginning without garbage; what else the machine does takes none."""
    gc.collect()
    begin = process_time()
    run()
    return process_time() - begin


def cpu(command: Sequence[str | Path]) -> float:
    """Return the seconds of CPU that a process takes, from its start to its end; what it prints is thrown away."""
    before = _children()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=1200)
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def interleaved(
    cases: Mapping[str, Callable[[], object]],
    rounds: int,
    time: Callable[[Callable[[], object]], float] = timed,
) -> dict[str, list[float]]:
    """Run every case once a round, each round in another order, and return each one's seconds by round.

    `time` runs a case and says how long that took.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    for turn in range(rounds):
        at = turn % len(names)
        for name in names[at:] + names[:at]:
            seconds[name].append(time(cases[name]))
    return seconds


def ratio(values: Iterable[float], floors: Iterable[float]) -> tuple[float, tuple[float, float]]:
    """Return the median of the ratios round by round, and what the middle half of the rounds lies between.

    Of three rounds that is all of them.
    """
    found = sorted(value / floor for value, floor in zip(values, floors, strict=True))
    outside = len(found) // 4
    return median(found), (found[outside], found[-1 - outside])

"""What is wrong with an outcome. Accepted is only what README and --help promise."""

import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutant import Command, Step
from tests.fuzz.shell import LOOKED_AT, Outcome

CODES = (0, 1, 2)
_PACKAGE = "/inspector/"
# What moves a cursor, ends a line elsewhere, hides or turns text around it. Joiners belong to emoji.
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]")
_OF_PYTHON = re.compile(r"\bNoneType\b|<class '|\bobject at 0x|\[Errno \d|Exception ignored in")
# What guards put in the place of what they contain.
_BUG = re.compile(r"\(bug in gwinspect: ")
_CRASH = "Traceback (most recent call last)"
# A call as `inspector.faults.report` writes it.
_CALL = re.compile(r"^(?:gwinspect: )?  (\S+:\d+ in \S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Fault:
    """Something that must not be."""

    what: str
    """What sort it is: the type of an exception, ``hang``, ``raw characters``."""
    place: str
    """Where: faults that share both are one."""
    detail: str
    """More, for a person."""
    step: str = ""
    """What was done."""


def faults_of(step: Step, outcome: Outcome) -> Iterator[Fault]:
    """Yield what is wrong with how a step ended and with what it printed."""
    for error in outcome.errors:
        yield of_error(error)
    if not isinstance(step, Command):
        return
    name = f"gwinspect {step.arguments[0]}"
    err = outcome.err.decode("utf-8", "replace")
    if _CRASH in err:
        # The command line caught it, and said so: where, and in the last line what.
        calls = _CALL.findall(err)
        yield Fault("crash", calls[-1] if calls else name, ascii(err[-500:]))
        return
    if outcome.code is not None and outcome.code not in CODES:
        yield Fault("exit code", f"{name}: {outcome.code}", err[-400:])
    if outcome.code == 2 and not outcome.err.strip():
        yield Fault("no sentence", name, "it exited with 2 and said nothing")
    for stream, data in (("stdout", outcome.out), ("stderr", outcome.err)):
        # The end may stand in the middle of a character where all was not looked at.
        try:
            text = data.decode("utf-8", "ignore" if len(data) == LOOKED_AT else "strict")
        except UnicodeDecodeError as error:
            yield Fault("not UTF-8", f"{name}: {stream}", repr(data[max(0, error.start - 60) : error.start + 60]))
            continue
        if found := _ACTIVE.search(text.replace("\r\n", "\n") if "csv" in step.arguments else text):
            around = text[max(0, found.start() - 80) : found.end() + 40]
            yield Fault("raw characters", f"{name}: {stream}", ascii(around))
        if found := _BUG.search(text) or (_OF_PYTHON.search(text) if stream == "stderr" else None):
            yield Fault("Python in a text", f"{name}: {found[0]}", ascii(text[max(0, found.start() - 200) :][:600]))


def of_error(error: BaseException) -> Fault:
    """Return the fault for an exception that nobody caught."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _PACKAGE in frame.filename]
    place = "outside of inspector/"
    if ours:
        last = ours[-1]
        place = f"{last.filename.rpartition(_PACKAGE)[2]}:{last.lineno} {last.name}"
    way = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-8:]))
    return Fault(type(error).__name__, place, f"{ascii(str(error))[:300]} ({way})")


@dataclass(frozen=True)
class Places:
    """Where a step may write, and where it is looked for what it wrote."""

    files: Path
    """The folder of the mutant's files."""
    temporary: Path
    homes: Path
    """Of the user: caches, settings."""


def left_behind(step: Step, before: Mapping[str, bytes], places: Places) -> Iterator[Fault]:
    """Yield what a step left or changed that it should not have. `before`: the files by name."""
    name = f"gwinspect {step.arguments[0]}" if isinstance(step, Command) else str(step)
    makes, changes = (step.makes, step.changes) if isinstance(step, Command) else ((), ())
    for path in sorted(places.files.rglob("*")):
        known = str(path.relative_to(places.files))
        if known not in before and known not in makes and not path.is_dir():
            yield Fault("file left", f"{name}: {_shape(path.name)}", f"{path.name}, {path.stat().st_size:,} bytes")
        if path.stat().st_mode & 0o077:
            yield Fault("open to others", f"{name}: {_shape(path.name)}", f"mode {path.stat().st_mode & 0o777:o}")
    for known, data in before.items():
        if known in changes:
            continue
        path = places.files / known
        if not path.exists():
            yield Fault("file gone", f"{name}: {known}", "it was there before")
        elif path.read_bytes() != data:
            yield Fault(
                "file changed", f"{name}: {known}", f"{len(data):,} bytes before, {path.stat().st_size:,} after"
            )
    for path in (*places.temporary.iterdir(), *places.homes.rglob("*.part*")):
        yield Fault(
            "file left", f"{name}: {'temporary folder' if path.parent == places.temporary else 'cache'}", path.name
        )


def _shape(name: str) -> str:
    """Return a name of a file without what dice decided in it."""
    return re.sub(r"\.\w{8}(?=\.part|$)", ".…", name)

"""How the commands that scrub are told how, and do it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from inspector.cli.progress import progress_bar
from inspector.errors import UsageError
from inspector.protocol.registry import default
from inspector.scrub import making
from inspector.scrub.kinds import Kind

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MAY_STAY = ", ".join(kind for kind in Kind if kind is not Kind.SECRET)


@dataclass(frozen=True, slots=True)
class Scrubbing:
    """What the user said of it."""

    keep: frozenset[Kind] = frozenset()
    key_file: Path | None = None
    shift_ms: int | None = None

    def do(self, source: Path, target: Path | None) -> making.Scrubbed:
        """Scrub the capture `source` into `target`; None: only count. As `making.scrub` otherwise."""
        key = making.Key.load(self.key_file) if self.key_file is not None else None
        with progress_bar("scrubbing") as report:
            made = making.scrub(
                source, target, default(), key=key, shift_ms=self.shift_ms, keep=self.keep, report=report
            )
        if self.key_file is not None and target is not None:
            made.key.save(self.key_file)
        return made


def scrub_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how to scrub; the command gets them as ``scrubbing``."""

    @wraps(command)
    def with_scrubbing(*, keep: str, key_file: Path | None, shift: str | None, **others: Any) -> Any:
        return command(scrubbing=Scrubbing(_kinds(keep), key_file, _span(shift)), **others)

    for option in (
        click.option(
            "--shift",
            metavar="SPAN",
            help="Move all times by the same span, such as -30d; without it ids and times in payloads move within "
            "their day",
        ),
        click.option(
            "--key",
            "key_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Replace a value by the same one in every capture made with this key; made where there is none",
        ),
        click.option(
            "--keep", default="", metavar="KINDS", help=f"What to leave as it is, with commas between: {_MAY_STAY}"
        ),
    ):
        with_scrubbing = option(with_scrubbing)
    return with_scrubbing


def _kinds(value: str) -> frozenset[Kind]:
    named = [name.strip() for name in value.split(",") if name.strip()]
    for name in named:
        if name not in tuple(Kind) or name == Kind.SECRET:
            raise UsageError(f"--keep: {name!r} is not one of {_MAY_STAY}")
    return frozenset(map(Kind, named))


def _span(value: str | None) -> int | None:
    if value is None:
        return None
    found = re.fullmatch(r"([+-]?\d{1,6})(ms|s|m|h|d)", value.strip())
    if found is None:
        raise UsageError(f"--shift: {value!r} is not a span of time; write -30d, 12h or 90m")
    return int(found[1]) * _UNITS_MS[found[2]]

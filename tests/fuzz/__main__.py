"""``python -m tests.fuzz``: a hunt for faults, or one mutant again."""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.fuzz.hunt import Hunted, hunt, lines_of
from tests.fuzz.kinds import KINDS
from tests.fuzz.mutant import ByDice

# Where the files of a single mutant are saved.
SAVED = Path("fuzz-found")
_EXAMPLES = 2


def main() -> int:
    """Run what the arguments ask for, and return 1 where there is a fault."""
    asked = _arguments()
    kinds = tuple(asked.kind or KINDS)
    source = ByDice(kinds, asked.seed)
    if asked.number is not None:
        return _one(source, asked.number)
    # What was found quotes what was tried, which may be no text.
    sys.stdout.reconfigure(errors="backslashreplace")
    print(f"seed {asked.seed}; kinds: {', '.join(kinds)}", flush=True)
    began = time.time()
    found = hunt(
        source,
        count=asked.count * len(kinds) if asked.count else sys.maxsize,
        seconds=sys.maxsize if asked.count else asked.seconds,
        workers=asked.workers,
        progress=_say if sys.stderr.isatty() else lambda found: None,
    )
    for kind in kinds:
        if kind in found:
            print(*lines_of(found[kind], source, _EXAMPLES), sep="\n")
    took, total = time.time() - began, _total(found)
    print(f"{total:,} mutants in {took:.0f} s, {total / took:.0f}/s; {_faults(found) or 'no'} faults")
    return 1 if _faults(found) else 0


def _one(source: ByDice, number: int) -> int:
    """Try one mutant again, and save its files."""
    folder = SAVED / f"{source.kind(number)}-{source.seed}-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    mutant = source.make(number)
    for name, data in mutant.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    print(f"{folder}: {', '.join(mutant.files) or 'no files'}", *map(ascii, map(str, mutant.steps)), sep="\n  ")
    found = hunt(source, count=1, first=number, seconds=sys.maxsize, workers=1)
    print(*lines_of(found[source.kind(number)], source, 1), sep="\n")
    return 1 if _faults(found) else 0


def _say(found: Hunted) -> None:
    sys.stderr.write(f"\r{_total(found):,} mutants, {_faults(found)} faults \r")


def _total(found: Hunted) -> int:
    return sum(each.mutants for each in found.values())


def _faults(found: Hunted) -> int:
    return sum(len(each.faults) for each in found.values())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--kind", action="append", choices=KINDS, help="may be repeated; all without")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="the same seed, the same mutants")
    parser.add_argument("--seconds", type=float, default=120, help="for all kinds together")
    parser.add_argument("--count", type=int, help="mutants of each kind, however long it takes")
    parser.add_argument(
        "--number", type=int, help="this mutant of one kind alone; its files are saved below fuzz-found/"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    asked = parser.parse_args()
    if asked.number is not None and len(asked.kind or ()) != 1:
        parser.error("--number goes with one --kind")
    return asked


if __name__ == "__main__":
    sys.exit(main())

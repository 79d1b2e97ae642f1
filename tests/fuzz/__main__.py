"""``python -m tests.fuzz``: a hunt for faults, or one mutant again."""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.fuzz.hunt import Found, hunt, lines_of
from tests.fuzz.kinds import KINDS
from tests.fuzz.mutant import ByDice

# Where the files of a single mutant are saved.
SAVED = Path("fuzz-found")
_EXAMPLES = 2


def main() -> int:
    """Run what the arguments ask for, and return 1 where there is a fault."""
    asked = _arguments()
    kinds = asked.kind or list(KINDS)
    if asked.number is not None:
        return _one(kinds[0], asked.seed, asked.number)
    print(f"seed {asked.seed}; kinds: {', '.join(kinds)}", flush=True)
    until = time.time() + asked.seconds
    faults = 0
    for place, kind in enumerate(kinds):
        share = (until - time.time()) / (len(kinds) - place)
        seconds = asked.seconds if asked.count else share
        found = hunt(
            ByDice(kind, asked.seed),
            count=asked.count or sys.maxsize,
            seconds=seconds,
            workers=asked.workers,
            progress=_say if sys.stderr.isatty() else lambda found: None,
        )
        print(*lines_of(found, _EXAMPLES), sep="\n", flush=True)
        faults += len(found.faults)
    print(f"{faults:,} faults" if faults else "no faults")
    return 1 if faults else 0


def _one(kind: str, seed: int, number: int) -> int:
    """Try one mutant again, and save its files."""
    folder = SAVED / f"{kind}-{seed}-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    source = ByDice(kind, seed)
    mutant = source.make(number)
    for name, data in mutant.files.items():
        (folder / name).write_bytes(data)
    print(f"{folder}: {', '.join(mutant.files) or 'no files'}", *map(str, mutant.steps), sep="\n  ")
    found = hunt(source, count=1, first=number, seconds=600, workers=1)
    print(*lines_of(found, 1), sep="\n")
    return 1 if found.faults else 0


def _say(found: Found) -> None:
    speed = found.mutants / found.seconds
    sys.stderr.write(f"\r{found.source.name}: {found.mutants:,} ({speed:.0f}/s), {len(found.faults)} faults \r")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--kind", action="append", choices=KINDS, help="may be repeated; all without")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="the same seed, the same mutants")
    parser.add_argument("--seconds", type=float, default=120, help="for all kinds together; with --count for each")
    parser.add_argument("--count", type=int, help="mutants of each kind, instead of an equal share of the time")
    parser.add_argument("--number", type=int, help="this mutant alone; its files are saved below fuzz-found/")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

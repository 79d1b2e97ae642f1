"""What is told of conversations that dice make: with a fault put in, that one first; without one, nothing bad."""

from time import perf_counter

from benchmarks.rounds import Figure, Section
from inspector.model import Severity
from tests.generated import FAULTS, talk
from tests.generated.told import is_told_first, told

SEEDS = 1000
"""Half of them without a fault, the others with each fault in turn."""


def measure(seeds: int = SEEDS) -> Section:
    """Tell `seeds` conversations, and name the seeds of those that are told wrong."""
    begin = perf_counter()
    alarms = [seed for seed in range(seeds // 2) if any(case.severity > Severity.INFO for case in told(talk(seed)))]
    missed = []
    for seed in range(seeds - seeds // 2):
        fault = FAULTS[seed % len(FAULTS)]
        if not is_told_first(fault, told(talk(seed, fault))):
            missed.append(f"{fault.name} ({seed})")
    seconds = perf_counter() - begin
    return Section(
        f"{seeds:,} conversations made by dice",
        [
            Figure("false alarms, by seed", size=_some(list(map(str, alarms)))),
            Figure("faults that are not the first case", size=_some(missed)),
            Figure("all of them", size=f"{seconds:.0f} s", numbers={"alarms": len(alarms), "missed": len(missed)}),
        ],
    )


def _some(found: list[str]) -> str:
    return f"{len(found)}: {', '.join(found[:12])}" if found else "none"

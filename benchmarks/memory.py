"""Imports a saved stream in a process of its own and prints its peak memory: ``benchmarks.memory STREAM CAPTURE``."""

import json
import re
import resource
import sys
from pathlib import Path

from benchmarks.corpus import saved_happenings
from benchmarks.importing import write_capture


def main(saved: Path, capture: Path) -> None:
    before = peak_mb()
    write_capture(saved_happenings(saved), capture)
    print(json.dumps({"before": before, "peak": peak_mb()}))


def peak_mb() -> float:
    """Return the most memory this process has had so far, in MB."""
    try:
        # Linux lets a process inherit the maximum of its parent in `getrusage`, but not here.
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

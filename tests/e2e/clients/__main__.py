"""``python -m tests.e2e.clients [TEXT]…``: try all setups, or those whose id has a text in it, and write the table.

Exits with 1 where one did not get in as expected.
"""

import signal
import sys
import tempfile
from pathlib import Path

from tests.e2e.clients import table
from tests.e2e.clients.places import Missing
from tests.e2e.clients.proving import served
from tests.e2e.clients.setups import SETUPS
from tests.e2e.clients.trying import Trial, attempt


def main(texts: list[str]) -> int:
    chosen = [setup for setup in SETUPS if not texts or any(text in setup.id for text in texts)]
    trials: list[Trial] = []
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="clients-") as folder, served(Path(folder)) as discord:
        for setup in chosen:
            try:
                trial = attempt(setup, discord)
            except Missing as reason:
                missing[setup.id] = str(reason)
                print(f"not tried  {setup.id}: {reason}", flush=True)
                continue
            trials.append(trial)
            verdict = "as expected" if trial.is_as_expected else f"NOT BY {setup.way.upper()}"
            print(f"{trial.way:<11}  {setup.id}, {trial.runtime}: {trial.outcome.seconds:.1f} s, {verdict}", flush=True)
            if not trial.is_as_expected:
                print("\n".join(f"    {line}" for line in trial.outcome.said.splitlines()), flush=True)
    table.write(trials, missing)
    unexpected = [trial for trial in trials if not trial.is_as_expected]
    print(f"{len(trials) - len(unexpected)} passed, {len(unexpected)} failed, {len(missing)} skipped")
    return 1 if unexpected else 0


if __name__ == "__main__":
    # Ended from outside, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(sys.argv[1:]))

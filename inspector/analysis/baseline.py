"""Cases that are known and accepted, so that a test run fails only for what is new.

A baseline is a JSON file that names cases by their rule, each with the severity that was accepted: one that has become
worse since is new again.
"""

import json
from dataclasses import replace
from pathlib import Path

from inspector.analysis.diagnosis import Diagnosis
from inspector.errors import CaptureError
from inspector.model import Severity

_VERSION = 1
_LEVELS = {severity.name.lower(): severity for severity in Severity}


def read(path: Path) -> dict[str, Severity]:
    """Return what a baseline accepts: the worst severity of each case. Raises CaptureError where it is none."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise CaptureError(f"the baseline {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    try:
        made = json.loads(text)
        if made["baseline"] != _VERSION:
            raise ValueError
        return {str(each["case"]): _LEVELS[each["severity"]] for each in made["accepted"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CaptureError(
            f"{path} is not a baseline; `gwinspect diagnose … --write-baseline FILE` makes one"
        ) from None


def write(path: Path, found: list[Diagnosis]) -> int:
    """Write down that all cases of `found` are accepted, and return how many there are.

    Raises OSError where the file cannot be written.
    """
    worst: dict[str, Severity] = {}
    for diagnosis in found:
        for case in (*diagnosis.cases, *diagnosis.accepted):
            worst[case.name] = max(case.severity, worst.get(case.name, case.severity))
    accepted = [{"case": name, "severity": severity.name.lower()} for name, severity in sorted(worst.items())]
    path.write_text(json.dumps({"baseline": _VERSION, "accepted": accepted}, indent=2) + "\n", "utf-8")
    return len(accepted)


def without(diagnosis: Diagnosis, accepted: dict[str, Severity]) -> Diagnosis:
    """Return `diagnosis` in which cases that are accepted no longer count."""
    known = tuple(case for case in diagnosis.cases if case.severity <= accepted.get(case.name, -1))
    return replace(diagnosis, cases=tuple(case for case in diagnosis.cases if case not in known), accepted=known)

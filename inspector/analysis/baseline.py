"""Cases that are known and accepted, so that a test run fails only for what is new.

A baseline is a JSON file that names cases by their rule, each with the severity that was accepted: one that has become
worse since is new again. Where there were several accounts, it names whose case each is, by the digest of the token;
row numbers and connections are others in each run. One that names no account accepts the case whoever has it, as do all
that were written by the first version.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from inspector.analysis.cases import Case
from inspector.analysis.diagnosis import Diagnosis
from inspector.errors import CaptureError
from inspector.model import Severity

_VERSION = 2
_LEVELS = {severity.name.lower(): severity for severity in Severity}

Accepted = Mapping[tuple[str, str | None], Severity]
"""By rule and account, the worst severity that is accepted. The account is None for any, empty where none is known."""


def read(path: Path) -> Accepted:
    """Return what a baseline accepts. Raises CaptureError where it is none."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise CaptureError(f"the baseline {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    try:
        made = json.loads(text)
        if made["baseline"] not in (1, _VERSION):
            raise ValueError
        return {(str(each["case"]), _account_in(each)): _LEVELS[each["severity"]] for each in made["accepted"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CaptureError(
            f"{path} is not a baseline; `gwinspect diagnose … --write-baseline FILE` makes one"
        ) from None


def write(path: Path, found: Sequence[Diagnosis]) -> int:
    """Write down that all cases of `found` are accepted, and return how many there are.

    Raises OSError where the file cannot be written.
    """
    # With one account there is no doubt whose they are, and its token may be another in the next run.
    has_many = len({account for diagnosis in found for account in diagnosis.accounts}) > 1
    worst: dict[tuple[str, str | None], Severity] = {}
    for diagnosis in found:
        for case in (*diagnosis.cases, *diagnosis.accepted):
            key = case.name, case.account if has_many else None
            worst[key] = max(case.severity, worst.get(key, case.severity))
    accepted = [
        {"case": name, "severity": severity.name.lower()} | ({} if account is None else {"account": account})
        for (name, account), severity in sorted(worst.items(), key=lambda each: (each[0][0], each[0][1] or ""))
    ]
    path.write_text(json.dumps({"baseline": _VERSION, "accepted": accepted}, indent=2) + "\n", "utf-8")
    return len(accepted)


def without(diagnosis: Diagnosis, accepted: Accepted) -> Diagnosis:
    """Return `diagnosis` in which cases that are accepted no longer count."""
    known = tuple(case for case in diagnosis.cases if _accepts(accepted, case))
    return replace(diagnosis, cases=tuple(case for case in diagnosis.cases if case not in known), accepted=known)


def _accepts(accepted: Accepted, case: Case) -> bool:
    return any(case.severity <= accepted.get((case.name, account), -1) for account in (case.account, None))


def _account_in(item: Mapping[str, object]) -> str | None:
    account = item.get("account")
    if account is None or isinstance(account, str):
        return account
    raise ValueError

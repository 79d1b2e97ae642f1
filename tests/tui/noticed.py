"""Captures in which just that was noticed which a test needs, whatever the rules say of them today."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from inspector.model import Finding, Severity, Verdict
from inspector.store import rows
from inspector.store.file import connect, upgrade


def notice(path: Path, findings: Sequence[Finding], verdicts: Sequence[Verdict] = ()) -> None:
    """Let `findings` and `verdicts` be all that was noticed in the capture at `path`, which nobody writes to."""
    db = connect(path, write=True)
    upgrade(db)
    for change in ("delete from finding", "delete from verdict", "update event set severity = 0"):
        db.execute(change)
    add(db, findings, verdicts)
    db.close()


def add(db: sqlite3.Connection, findings: Sequence[Finding], verdicts: Sequence[Verdict] = ()) -> None:
    """Let these be noticed too."""
    db.execute("begin")
    db.executemany(rows.insert("finding", rows.FINDING_COLUMNS), map(rows.finding_row, findings))
    db.executemany(rows.insert("verdict", rows.VERDICT_COLUMNS), map(rows.verdict_row, verdicts))
    db.executemany(
        "update event set severity = max(severity, ?) where id = ?",
        [(int(finding.severity), finding.event) for finding in findings],
    )
    db.execute("commit")


def abnormal_closes(path: Path) -> list[Finding]:
    """Return an error for every close but those with 1000."""
    db = connect(path)
    found = db.execute(
        "select id, close_code from event where kind = 'close' and close_code <> 1000 order by id"
    ).fetchall()
    db.close()
    return [Finding(f"close-{code}", Severity.ERROR, "It was closed.", number) for number, code in found]

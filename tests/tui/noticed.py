"""Captures in which just that was noticed which a test needs, whatever the rules say of them today."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from inspector.model import Finding, Plane, Severity, Verdict
from inspector.protocol.registry import default
from inspector.store import rows
from inspector.store.file import connect, upgrade
from inspector.store.writer import Writer
from tests.conversation import ACK, HEARTBEAT, HELLO, NOON, Conversation, identify, message, ready, resume


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


def troubled(path: Path) -> Path:
    """Write a capture in which a client misses heartbeats, is closed, and tries in vain to resume; and a voice call.

    Rows: 1 to 4 a login, 5 and 6 a heartbeat and its ACK, 7 the voice connection opens, 31 the last heartbeat in time,
    42 the late one, 43 the close, 46 the resume, 47 its refusal. What was noticed is said here, not by rules.
    """
    main = Conversation(connection=1).opens().server(HELLO).client(identify(shard=[0, 2])).server(ready())
    voice = Conversation(
        plane=Plane.VOICE, url="wss://invented.discord.media/?v=8", connection=2, at_ns=NOON + 60_000_000_000
    )
    voice.opens().server({"op": 8, "d": {"heartbeat_interval": 13750}}).client({"op": 0, "d": {"server_id": "1"}})
    voice.server({"op": 2, "d": {"modes": []}}).client({"op": 1, "d": {}}).server({"op": 4, "d": {}})
    for _ in range(8):
        voice.waits(13_000).client({"op": 3, "d": {"t": 1, "seq_ack": 1}}).server({"op": 6, "d": {"t": 1}})
    voice.waits(20_000).closes(4014, "Disconnected.", "server")
    for _ in range(4):
        main.waits(41_000).client(HEARTBEAT).server(ACK)
    for number in range(6):
        main.waits(9_000).server(message(f"number {number}", 4 + number))
    main.client(HEARTBEAT).waits(80_000).closes(4009, "Session timed out.", "server")
    again = Conversation(connection=3, at_ns=main.happenings[-1].at_ns + 2_000_000_000).opens().server(HELLO)
    again.client(resume()).server({"op": 9, "d": False}).waits(3_000).client(identify(shard=[0, 2]))
    again.server(ready("another")).waits(35_000).client(HEARTBEAT).server(ACK).waits(40_000).client(HEARTBEAT)
    writer = Writer(path, default(), made_by="test")
    happenings = [*main.happenings, *voice.happenings, *again.happenings]
    writer.write(sorted(happenings, key=lambda happening: happening.at_ns))
    writer.finish()
    db = connect(path, write=True)
    db.execute("update connection set parent = 1 where id = 2")
    kinds = "select id from event where connection = ? and kind = 'close'", "select id from event where connection = ?"
    lost, moved = (db.execute(kinds[0], (number,)).fetchone()[0] for number in (1, 2))
    beats = [row[0] for row in db.execute(f"{kinds[1]} and from_client = 1 and op = 1 order by id", (1,))]
    second = [row[0] for row in db.execute(f"{kinds[1]} order by id", (3,))]
    db.close()
    silent = "The client has sent no heartbeat for 80 s; the server asked for one every 41.25 s."
    notice(
        path,
        [
            Finding("heartbeat-unusual", Severity.INFO, "The first heartbeat came exactly at its time.", beats[0]),
            Finding("heartbeat-late", Severity.WARN, "This heartbeat came 54 s after the one before.",
                    beats[-1], (beats[-2],)),
            Finding("close-4009", Severity.ERROR, silent, lost, (beats[-2], beats[-1])),
            Finding("resume-refused", Severity.WARN, "The server refused to resume the session.",
                    second[3], (lost, second[2])),
            Finding("close-4014", Severity.INFO, "The account was taken out of the voice channel.", moved),
        ],
        [Verdict(lost, silent, (beats[-2], beats[-1]), True, False,
                 "Move blocking work off the event loop.", False, "It tried to resume the session.", second[2])],
    )  # fmt: skip
    return path

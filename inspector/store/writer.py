"""Happenings into a capture: first the frames as they were seen, then what the pipeline makes of them.

Frames come first: whatever becomes of the decoding, what was handed in is stored. One writer per file, in one thread.
"""

import json
import os
import secrets
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from inspector.errors import CaptureError
from inspector.inert import inert
from inspector.model import Closed, Event, Finding, Frame, Gap, Happening, Mark, Numbered, Opened, StartLimit, Verdict
from inspector.pipeline import Outcome, Pipeline
from inspector.protocol.registry import Registry
from inspector.session.state import Connection
from inspector.session.trailers import Trailers
from inspector.store import limits, rows
from inspector.store.cells import MAX_ROWS, BadCell
from inspector.store.chunks import CHUNK_BYTES, CHUNK_EVENTS, MAX_EVENTS, pack
from inspector.store.file import check_target, connect, damaged, upgrade
from inspector.store.lock import Lock
from inspector.store.making import create, discard, leave, make_private, next_part, timestamp
from inspector.store.marking import Mask, amend
from inspector.store.parts import Trouble, Watch
from inspector.store.renumber import NO_SHIFT, Shift
from inspector.store.tally import Tally

# Happenings in one transaction. Larger batches are stored raw first and decoded after, so that a slow decode (or one
# that is killed) never costs a frame.
BATCH = 500
# The same for a file that no one reads or needs before it is finished.
BULK_BATCH = 2000
# The same for those that are stored raw: a disk that was full may not have room for all that was held back meanwhile.
RAW_BATCH = 5000

# Settings of the clock that are noted.
MOST_STEPS = 100
# Findings about silence that wait to be returned by the next tick.
MOST_UNREPORTED = 100

_INSERT_CONNECTION = rows.insert("connection", rows.CONNECTION_COLUMNS, replace=True)
_INSERT_FRAME = rows.insert("frame", rows.FRAME_COLUMNS)
_INSERT_EVENT = rows.insert("event", rows.EVENT_COLUMNS)
_INSERT_FINDING = rows.insert("finding", rows.FINDING_COLUMNS)
_INSERT_VERDICT = rows.insert("verdict", rows.VERDICT_COLUMNS, replace=True)
_ADD_MISSING = (
    "insert into meta values ('missing', ?)"
    " on conflict (key) do update set value = cast(value as integer) + excluded.value"
)
Payloads = list[tuple[int, bytes]]
"""Ids of events with their payloads, in order."""


class Writer:
    """Writes one capture, a new one or more of an old one.

    `made_by` and `source` say how it came about. Secrets in what clients send are masked before anything is stored
    unless `keep_secrets`. `bulk` is for a file that is worth nothing before it is finished: a tenth faster, and lost if
    the program is killed; `followed`: others read it meanwhile all the same. Raises CaptureError where the file cannot
    be made or continued, CaptureInUse where another gwinspect writes it.
    """

    def __init__(
        self,
        path: Path,
        registry: Registry,
        *,
        made_by: str,
        source: str = "",
        keep_secrets: bool = False,
        bulk: bool = False,
        followed: bool = False,
    ) -> None:
        self.path = path
        self._registry = registry
        self._batch = BULK_BATCH if bulk else BATCH
        self._mask = None if keep_secrets else Mask(registry)
        self._trailers = Trailers()
        self._waiting: deque[Happening] = deque()
        self._frames: list[rows.SqlRow] = []
        self._amendments: list[tuple[int, Mark, bytes | None]] = []
        self._events: list[Event] = []
        self._findings: list[Finding] = []
        self._late: list[Finding] = []
        self._unreported: deque[Finding] = deque(maxlen=MOST_UNREPORTED)
        """Those of `_late` that no `tick` has returned: most recordings are written without any."""
        self._verdicts: dict[int, Verdict] = {}
        self._connections: dict[int, Connection] = {}
        self._names: dict[int, str] = {}
        self._missing = 0
        self._clock_steps: list[dict[str, int]] = []
        self._limits: list[StartLimit] = []
        self._payloads: Payloads = []
        self._in_tail = 0
        self._shift = NO_SHIFT
        self._tally = Tally()
        self._origin = Path(os.path.abspath(path))
        self._part = 1
        self._made_by, self._source = made_by, source
        check_target(path)
        # A file that is worth nothing before it is finished has a name of its own.
        self.lock = None if bulk else Lock(path)
        """Keeps others from writing the capture meanwhile."""
        try:
            exists = path.exists() and path.stat().st_size > 0
            if exists:
                make_private(path)
            self._db = connect(path, write=True) if exists else create(path, made_by, source)
            self._db.execute(f"pragma journal_mode={'off' if bulk and not followed else 'wal'}")
            self._db.execute(f"pragma synchronous={'off' if bulk else 'normal'}")
            upgrade(self._db)
            self._db.execute("delete from meta where key = 'finished_at'")
            if registry.max_concurrency is not None:
                about = ("max_concurrency", str(registry.max_concurrency))
                self._db.execute("insert or replace into meta (key, value) values (?, ?)", about)
            last_frame, last_event, last_connection = (self._last(t) for t in ("frame", "event", "connection"))
            self._payloads = self._read_tail()
            self._in_tail = len(self._payloads)
            self._recording = "" if bulk else secrets.token_hex(8)
            if not bulk:
                self._name_part()
            self._watch = Watch(path)
            self.newest_ns = self._newest()
            """When the newest of what the capture has happened, in ns since the epoch; 0 where there is nothing."""
        except BadCell as error:
            self.abandon()
            raise damaged(path, error) from error
        except (sqlite3.Error, OSError) as error:
            self._let_go()
            raise CaptureError(f"{path} cannot be written: {inert(str(error))}") from error
        except CaptureError:
            self._let_go()
            raise
        self.first_connection = last_connection + 1
        """The number that the next connection is to have: an old capture's numbers go on."""
        self.next_frame = last_frame + 1
        """The number that the next happening will have."""
        self._pipeline = Pipeline(registry, first_frame=self.next_frame, first_event=last_event + 1)

    def write(self, happenings: Sequence[Happening]) -> list[Event]:
        """Store `happenings` and what they decode to, and return the new events.

        Raises sqlite3.Error where the disk is full or gone. Nothing is lost by that: what could not be stored is kept
        (see `unsaved`) and goes out with the next call.
        """
        self.hold(happenings)
        return self._write_held()

    def hold(self, happenings: Iterable[Happening]) -> None:
        """Take `happenings` in, to be stored with the next `write`."""
        mask, followed = self._mask, self._trailers.followed
        for happening in happenings:
            if type(happening) is StartLimit:
                # The rules hear of it in its turn.
                self._waiting.append(happening)
                self._limits.append(happening)
                continue
            if type(happening) is Frame:
                if happening.connection in followed:
                    happening = self._trailers.look(happening)
            elif isinstance(happening, Opened | Closed):
                self._trailers.follow(happening)
            if mask is not None:
                happening = mask(happening)
            self._frames.append(rows.frame_row(self.next_frame - self._shift.frames, happening))
            self._tally.add(happening)
            self._waiting.append(happening)
            self.next_frame += 1
            # A frame stored raw must find its connection, should we be killed before it is decoded.
            if isinstance(happening, Opened):
                self._connections[happening.connection] = Connection.of(happening)
            elif isinstance(happening, Gap):
                self._missing += happening.missing

    def _write_held(self) -> list[Event]:
        if len(self._frames) > self._batch:
            self._save_raw()
        events: list[Event] = []
        while self._waiting or self._frames or self._amendments:
            try:
                events += self._derive()
            finally:
                self._save()
        return events

    def _save_raw(self) -> None:
        """Store what waits as it was seen, step by step: where there is room for some of it, some of it is safe."""
        while self._frames:
            some = self._frames[:RAW_BATCH]
            with self._transaction():
                self._insert_connections()
                self._db.executemany(_INSERT_FRAME, some)
            del self._frames[:RAW_BATCH]

    @property
    def unsaved(self) -> int:
        """Happenings that are still in memory because storing them failed."""
        return len(self._frames)

    def amend(self, number: int, mark: Mark, forwarded: bytes | None) -> None:
        """Note on the message that was the `number`-th happening that the proxy dropped or changed it after all.

        It is stored with the next `write`.
        """
        self._amendments.append((number - self._shift.frames, mark, forwarded))

    def note_clock(self, at_ns: int, by_ns: int) -> None:
        """Note, with the next `write`, that the machine's clock was set by `by_ns` at `at_ns`, both in nanoseconds."""
        self._clock_steps.append({"at_ns": at_ns, "by_ns": by_ns})

    def tick(self, at_ns: int) -> list[Finding]:
        """Let time go by: it is `at_ns` now, in nanoseconds since the epoch, and nothing has happened.

        What the rules say of the silence is stored, and returned with what they said of it since the last call. Raises
        sqlite3.Error as `write` does.
        """
        outcome = self._pipeline.tick(at_ns)
        self._keep(outcome)
        if self._late:
            self._save()
        noticed = list(self._unreported)
        self._unreported.clear()
        return noticed

    def finish(self) -> list[Event]:
        """Write what is left and make the capture one file again. Returns the last events."""
        events = self.write([])
        last = self._pipeline.finish()
        self._keep(last)
        self._save(all_payloads=True)
        self._db.execute("insert or replace into meta values ('finished_at', ?)", (timestamp(),))
        try:
            self._db.execute("pragma wal_checkpoint(truncate)")
            self._db.execute("pragma journal_mode=delete")
        except sqlite3.OperationalError:
            # A viewer has it open: it stays in WAL mode until the next one opens it to write.
            pass
        self._db.close()
        self._let_go()
        return events + last.rows

    def trouble(self) -> Trouble | None:
        """Return what became of the file, if what is written does not get to the one of that name any more."""
        return self._watch.trouble()

    def move(self, *, is_damaged: bool) -> bool:
        """Go on in another file, the next part of the recording, and return whether all that was stored is in it.

        If not, because the old file `is_damaged` and can no longer be read, the new one has the connections that are
        open, and a gap for what is missing on each. Raises CaptureError where no folder takes a file; then nothing has
        changed.
        """
        made = {"made_by": self._made_by, "source": self._source}
        place = next_part(self._db, self._origin, is_damaged=is_damaged, **made)
        old, before = self._db, self.path
        self._db, self.path, self._part = place.db, place.path, self._part + 1
        try:
            self._name_part(before, place.is_copy)
        except sqlite3.Error as error:
            discard(place)
            self._db, self.path, self._part = old, before, self._part - 1
            raise CaptureError(f"{place.path} cannot be written: {error}") from error
        if not place.is_copy:
            self._start_over()
        leave(old, before, owns_log=self._watch.owns_log, is_damaged=is_damaged)
        self._let_go()
        self.lock, self._watch = place.lock, Watch(place.path)
        return place.is_copy

    def _name_part(self, before: Path | None = None, is_copy: bool = True) -> None:
        """Write down which recording the file is part of."""
        meta = {"recording": self._recording, "part": str(self._part)}
        if before is not None:
            meta["continues"] = str(before)
            if not is_copy:
                meta["lost"] = json.dumps(self._tally.ended)
        with self._transaction():
            self._db.executemany("insert or replace into meta values (?, ?)", meta.items())

    def _start_over(self) -> None:
        """Fill a new file with what must be known to continue: the open connections, and what of them is missing."""
        opened = sorted(self._pipeline.connections, key=lambda connection: connection.opened.at_ns)
        lost = self._tally.without(self._frames)
        gaps = [gap for connection in opened if (gap := lost.gap(connection.id, self._pipeline.last_at_ns)) is not None]
        told: list[Numbered] = [*(connection.opened for connection in opened), *gaps]
        pipeline = Pipeline(self._registry)
        events = [event for happening in told for event in pipeline.feed(happening).rows]
        # What is not stored yet follows them.
        before = self._shift
        self._shift = Shift(
            self.next_frame - len(self._frames) - 1 - len(told),
            self._pipeline.next_event - len(self._events) - 1 - len(events),
        )
        on = Shift(self._shift.frames - before.frames, self._shift.events - before.events)
        self._frames = [rows.frame_row(number, each) for number, each in enumerate(told, 1)] + [
            (row[0] - on.frames, *row[1:]) for row in self._frames
        ]
        self._events = events + [on.event(event) for event in self._events]
        self._findings = [finding for event in self._events for finding in event.findings]
        self._amendments = [(number - on.frames, mark, what) for number, mark, what in self._amendments]
        self._late = [finding for each in self._late if (finding := on.finding(each)) is not None]
        self._verdicts = {
            found.event: found for each in self._verdicts.values() if (found := on.verdict(each)) is not None
        }
        unsaved = [(number - on.events, data) for number, data in self._payloads[self._in_tail :]]
        self._payloads = [(event.n, event.payload) for event in events if event.payload is not None] + unsaved
        self._in_tail = 0
        self._connections = {connection.id: connection for connection in opened} | self._connections
        self._missing += sum(gap.missing for gap in gaps) + self._tally.ended["messages"]
        self._tally.forget(self._frames)

    def abandon(self) -> None:
        """Let go of the capture as it is, where it cannot be finished. It still says that it is not."""
        with suppress(sqlite3.Error):
            self._db.close()
        self._let_go()

    def _let_go(self) -> None:
        if self.lock is not None:
            self.lock.release()

    def take_over(self, meta: Mapping[str, str], connections: Sequence[rows.SqlRow]) -> None:
        """Store what another capture says of itself, and its connections, in the order of `CONNECTION_COLUMNS`."""
        with self._transaction():
            self._db.executemany("insert or replace into meta values (?, ?)", meta.items())
            self._db.executemany(_INSERT_CONNECTION, connections)

    def restore(self, frames: Sequence[tuple[rows.SqlRow | None, Happening]]) -> int:
        """Store what another capture has, rows of the table `frame` with what they recorded, and what that decodes to.

        What has no row is in the other's meta. Return the number of events. Raises sqlite3.Error where the disk is full
        or gone.
        """
        self._frames += [row for row, _ in frames if row is not None]
        self._waiting.extend(happening for _, happening in frames)
        return len(self._write_held())

    def _derive(self) -> list[Event]:
        """Decode a batch of what waits for it."""
        events: list[Event] = []
        for _ in range(min(len(self._waiting), self._batch)):
            outcome = self._pipeline.feed(self._waiting.popleft())
            self._keep(outcome)
            events += outcome.rows
        return events

    def _keep(self, outcome: Outcome) -> None:
        """Hold what the pipeline made until the next save."""
        shift = self._shift
        for event in outcome.rows:
            if shift is not NO_SHIFT:
                shift.event(event)
            self._events.append(event)
            if event.payload is not None:
                self._payloads.append((event.n, event.payload))
            if event.findings:
                self._findings += event.findings
        # Hardly any has more than its row.
        if outcome.late:
            self._unreported.extend(outcome.late)
            self._late += (found for each in outcome.late if (found := shift.finding(each)) is not None)
        if outcome.verdicts:
            shifted = map(shift.verdict, outcome.verdicts)
            self._verdicts |= {verdict.event: verdict for verdict in shifted if verdict is not None}
        if outcome.changed:
            self._connections |= {connection.id: connection for connection in outcome.changed}
        if outcome.names:
            self._names.update(outcome.names)

    def _save(self, *, all_payloads: bool = False) -> None:
        with self._transaction():
            rest, in_tail = self._insert(all_payloads)
        self._saved(rest, in_tail)

    def _insert(self, all_payloads: bool) -> tuple[Payloads, int]:
        """Insert everything that is held, and return the payloads that are to be packed later."""
        self._insert_connections()
        self._db.executemany(_INSERT_FRAME, self._frames)
        if self._missing:
            self._db.execute(_ADD_MISSING, (self._missing,))
        if self._clock_steps:
            found = self._db.execute("select value from meta where key = 'clock'").fetchone()
            steps = _list(found[0] if found else "[]") + self._clock_steps
            self._db.execute("insert or replace into meta values ('clock', ?)", (json.dumps(steps[:MOST_STEPS]),))
        if self._limits:
            kept = dict(self._db.execute("select key, value from meta where key = ?", (limits.KEY,)).fetchall())
            told = limits.written([*limits.limits_in(kept), *self._limits])
            self._db.execute("insert or replace into meta values (?, ?)", (limits.KEY, told))
        self._db.executemany(_INSERT_EVENT, map(rows.event_row, self._events))
        self._db.executemany(_INSERT_FINDING, map(rows.finding_row, self._findings + self._late))
        self._db.executemany(_INSERT_VERDICT, map(rows.verdict_row, self._verdicts.values()))
        self._db.executemany(
            "update event set severity = max(severity, ?) where id = ?",
            [(int(finding.severity), finding.event) for finding in self._late],
        )
        self._db.executemany("insert or replace into name values (?, ?)", rows.name_rows(self._names))
        # Events of theirs are there once nothing waits any more.
        for amendment in self._amendments if not self._waiting else ():
            amend(self._db, *amendment, self._mask)
        chunks, rest = _cut(self._payloads, all_payloads)
        for chunk in chunks:
            self._db.execute("insert into payload_chunk values (?, ?, ?)", (chunk[0][0], chunk[-1][0], pack(chunk)))
        if chunks and self._in_tail:
            self._db.execute("delete from payload_tail")
        fresh = rest if chunks else rest[self._in_tail :]
        self._db.executemany("insert into payload_tail values (?, ?)", fresh)
        return rest, len(rest)

    def _insert_connections(self) -> None:
        self._db.executemany(_INSERT_CONNECTION, [rows.connection_row(c) for c in self._connections.values()])

    def _saved(self, payloads: Payloads, in_tail: int) -> None:
        """Forget what is in the file now; called only once that is certain."""
        self._frames, self._events, self._missing, self._clock_steps, self._limits = [], [], 0, [], []
        if not self._waiting:
            self._amendments = []
        self._findings, self._late = [], []
        self._connections, self._names, self._verdicts = {}, {}, {}
        self._payloads, self._in_tail = payloads, in_tail

    def _newest(self) -> int:
        found = self._db.execute(f"select {rows.FRAME_COLUMNS} from frame order by id desc limit 1").fetchone()
        if found is None:
            return 0
        rows.check_frame(found)
        return int(found[2])

    def _last(self, table: str) -> int:
        last = int(self._db.execute(f"select coalesce(max(id), 0) from {table}").fetchone()[0])
        if last > MAX_ROWS:
            raise BadCell(table, last, "has a number out of range")
        return last

    def _read_tail(self) -> Payloads:
        found = self._db.execute(
            "select event, data from payload_tail order by event limit ?", (MAX_EVENTS,)
        ).fetchall()
        for row in found:
            rows.TAIL.check(row)
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            # SQLite may have rolled back on its own, as when the disk is full.
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise


def _list(text: object) -> list[Any]:
    """Return a list out of JSON; an empty one where there is none, as in a file that somebody else made."""
    try:
        found = json.loads(str(text))
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _cut(payloads: Payloads, everything: bool) -> tuple[list[Payloads], Payloads]:
    """Cut `payloads` into full chunks and the rest; with `everything` the rest is a chunk too."""
    chunks: list[Payloads] = []
    chunk: Payloads = []
    size = 0
    for payload in payloads:
        chunk.append(payload)
        size += len(payload[1])
        if len(chunk) >= CHUNK_EVENTS or size >= CHUNK_BYTES:
            chunks.append(chunk)
            chunk, size = [], 0
    if everything and chunk:
        chunks.append(chunk)
        chunk = []
    return chunks, chunk

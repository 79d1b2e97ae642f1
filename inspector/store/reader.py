"""Captures for those who look: bounded batches out of a file that may still be growing.

Nothing here writes, and no cursor stays open between calls: an idle one would let the write-ahead log grow without end.
"""

import json
import sqlite3
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inspector.diagnose.gaps import gap_of
from inspector.model import Event, Finding, Happening, Kind, Mark, Opened, Payload, Plane, StartLimit, Verdict
from inspector.session.media import is_of
from inspector.session.redact import mask_closed, mask_opened, mask_text
from inspector.session.state import Connection
from inspector.store import rows
from inspector.store.cells import MAX_ROWS, BadCell
from inspector.store.chunks import unpack
from inspector.store.database import Database
from inspector.store.file import connect, damaged
from inspector.store.ids import cell_of, id_of
from inspector.store.limits import limits_in
from inspector.wire.decoder import read_payload
from inspector.wire.inflate import MAX_PAYLOAD

# Rows fetched at once.
BATCH = 1000
# Bytes of payloads after which a batch ends, and of inflated chunks that are kept.
_BATCH_BYTES = 64 * 1024 * 1024
_KEPT_BYTES = 16 * 1024 * 1024
_KEPT_CHUNKS = 8
# Ids whose names are kept.
_KEPT_NAMES = 8192
# Findings of a batch; the mildest are left out.
_MAX_FINDINGS = 100_000
# Rows of meta; ours are about ten.
_MAX_META = 1000
# Bytes of the messages of one row: a payload may come in pieces, together no larger than the largest payload.
_MAX_ROW_BYTES = 2 * MAX_PAYLOAD

_OF_MESSAGES = (Kind.PAYLOAD, Kind.UNDECODED)
_NO_PAYLOADS: Mapping[int, bytes] = {}


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A message, a ping, a pong or the end of a connection, as it was stored."""

    number: int
    """From 1, over all that was recorded."""
    at_ns: int
    from_client: bool | None
    """None where it is not known who closed."""
    is_text: bool | None
    """None for what is not a message."""
    marks: Mark
    data: bytes
    """As its sender sent it; of a close its code, two bytes, 0 where there was none, and its reason."""
    forwarded: bytes | None
    """What the other end got instead, where the proxy changed it."""


class Reader:
    """Reads one capture. Raises CaptureError where it is none, is damaged, or is too new.

    Secrets in addresses, headers and reasons of connections are masked, unless they are to be revealed; frames and
    payloads are given as they are.
    """

    def __init__(self, path: Path, *, reveal: bool = False) -> None:
        self.path = path
        self.reveal = reveal
        self._db = connect(path)
        self._version = -1
        self._checked = 0
        self._chunks: OrderedDict[int, tuple[int, dict[int, bytes], int]] = OrderedDict()
        """By the first row: the last one, payloads by row, and how many bytes these are."""
        self.names = _Names(path, self._db)
        """Names of guilds and channels by id, looked up as they are asked for."""

    @property
    def db(self) -> Database:
        """The read-only database, for those who ask in SQL: see `slice`."""
        return self._db

    def events(self, after: int = 0, limit: int = BATCH, *, payloads: bool = True) -> list[Event]:
        """Return at most `limit` events with a number above `after`, in order, with their payloads if so wanted."""
        with explained(self.path):
            found = self._db.execute(
                f"select {rows.EVENT_COLUMNS} from event where id > ? order by id limit ?", (after, limit)
            ).fetchall()
            if not found:
                return []
            self.names.renew()
            events = rows.events_of(found, self.connection)
            for event in events:
                if event.n <= after:
                    raise BadCell("event", event.n, "comes twice")
                after = event.n
            if payloads:
                self._add_payloads(events)
            # The severity of a row says whether it is worth looking; a close may have a verdict and no finding.
            if any(row[-1] for row in found) or any(event.kind is Kind.CLOSE for event in events):
                self._add_meaning(events)
            return events

    def slice(self, after: int, limit: int) -> int:
        """Return up to which number those should ask in SQL who have seen all rows up to `after`: at most `limit` rows.

        Numbers that no row has do not count. All cells of `event` up to there are of the types that they should be of.
        Raises CaptureError where one is not.
        """
        upto = self.step(after, limit)
        if upto > self._checked:
            with explained(self.path):
                bad = self._db.execute(
                    f"select {rows.EVENT_COLUMNS} from event where id > ? and id <= ? and not {rows.is_sound('event')}"
                    " limit 1",
                    (max(after, self._checked), upto),
                ).fetchone()
                if bad is not None:
                    rows.events_of([bad], unknown_connection)
                    raise BadCell("event", bad[0], "is malformed")
            self._checked = upto
        return upto

    def step(self, after: int, limit: int) -> int:
        """Return up to which number there are at most `limit` rows after row `after`; as `slice`, but unchecked."""
        first = self._one("select coalesce(min(id), 0) from event where id > ?", (after,))
        return min(max(first - 1, after) + limit, self.last())

    def all_events(self, after: int = 0) -> Iterator[Event]:
        """Yield every event there is, batch by batch, each batch in a query of its own."""
        while batch := self.events(after):
            yield from batch
            after = batch[-1].n

    def findings(self, after: int = 0, limit: int = -1) -> list[Finding]:
        """Return at most `limit` findings at rows above `after`, in the order of rows, the worst of a row first."""
        with explained(self.path):
            found = self._db.execute(
                f"select {rows.FINDING_COLUMNS} from finding where event > ? order by event, severity desc, id limit ?",
                (after, limit),
            ).fetchall()
            return [rows.finding_of(row) for row in found]

    def verdicts(self) -> dict[int, Verdict]:
        """Return the verdicts on closes, by row."""
        with explained(self.path):
            found = self._db.execute(f"select {rows.VERDICT_COLUMNS} from verdict order by event").fetchall()
            return {row[0]: rows.verdict_of(row) for row in found}

    def span(self) -> tuple[int, int]:
        """Return when the first and the last row happened, in ns since the epoch; zeros where there is none."""
        with explained(self.path):
            first, last = self._db.execute("select min(at), max(at) from event").fetchone()
            return int(first or 0), int(last or 0)

    def last(self) -> int:
        """Return the number of the newest event, 0 where there is none."""
        last = self._one("select coalesce(max(id), 0) from event")
        if last > MAX_ROWS:
            raise damaged(self.path, BadCell("event", last, "has a number out of range"))
        return last

    def undecoded_frames(self) -> int:
        """Return how many frames were stored but never decoded, because the recorder was killed in between."""
        return self._one(
            "select count(*) from frame where kind = 0"
            " and id > coalesce((select last_frame from event order by id desc limit 1), 0)"
            " and connection not in (select id from connection where unread_frames > 0 or plane = 'media')"
        )

    def connection(self, number: int) -> Connection:
        """Return what is known of a connection."""
        with explained(self.path):
            row = self._db.execute(
                f"select {rows.CONNECTION_COLUMNS} from connection where id = ?", (number,)
            ).fetchone()
            return unknown_connection(number) if row is None else self.connection_of(row)

    def connections(self) -> list[Connection]:
        """Return all connections, in the order in which they were opened."""
        with explained(self.path):
            found = self._db.execute(f"select {rows.CONNECTION_COLUMNS} from connection order by id").fetchall()
            return [self.connection_of(row) for row in found]

    def connection_of(self, row: rows.SqlRow) -> Connection:
        """Return the connection of a row of `rows.CONNECTION_COLUMNS`."""
        found = rows.connection_of(row)
        if not self.reveal:
            found.opened = mask_opened(found.opened)
            found.closed = found.closed and mask_closed(found.closed)
        return found

    def payload(self, number: int) -> bytes | None:
        """Return the decoded bytes of an event, None where it has none."""
        with explained(self.path):
            return self._payload(number)

    def raw(self, event: Event) -> list[bytes]:
        """Return the messages that an event came from, as they were stored; none for what is not a message."""
        return [frame.data for frame in self.frames(event)] if event.kind in _OF_MESSAGES else []

    def frames(self, event: Event) -> list[StoredFrame]:
        """Return what an event came from, in order: messages, or the one control or close frame. An open has none."""
        if event.kind in _OF_MESSAGES:
            # What the proxy made up stands apart from the messages around it.
            which = "kind = 0 and from_client is ? and marks & ? = ?"
            values: tuple[object, ...] = (event.from_client, Mark.INJECTED, event.marks & Mark.INJECTED)
        else:
            which, values = "kind > 1", ()
        span = event.first_frame, event.last_frame, event.connection
        frames: list[StoredFrame] = []
        size = 0
        with explained(self.path):
            asked = self._db.execute(
                f"select {rows.FRAME_COLUMNS} from frame where id between ? and ? and connection = ? and {which}"
                " order by id",
                (*span, *values),
            )
            while row := asked.fetchone():
                rows.check_frame(row)
                number, _, at_ns, _, from_client, is_text, marks, raw, forwarded = row
                size += len(raw or b"") + len(forwarded or b"")
                if frames and size > _MAX_ROW_BYTES:
                    raise BadCell("event", event.n, "claims too many sources")
                frames.append(
                    StoredFrame(number, at_ns, _side(from_client), _side(is_text), Mark(marks), raw or b"", forwarded)
                )
        return self._of_run(event, frames) if event.plane is Plane.MEDIA and event.encoding == "json" else frames

    def _of_run(self, event: Event, frames: list[StoredFrame]) -> list[StoredFrame]:
        """Return those of the packets that were folded into a row; others may have come between them."""
        payload = read_payload(Plane.MEDIA, "json", self.payload(event.n) or b"{}")
        ssrc = payload.d.get("ssrc") if isinstance(payload, Payload) and isinstance(payload.d, dict) else None
        return [frame for frame in frames if is_of(frame.data, event.op, ssrc)]

    def meta(self) -> dict[str, str]:
        """Return what the file says of itself."""
        with explained(self.path):
            found = self._db.execute("select key, value from meta limit ?", (_MAX_META,)).fetchall()
            for row in found:
                rows.META.check(row)
            return dict(found)

    def notes(self) -> list[str]:
        """Return what was noted of the files that the capture was made of. They may say anything."""
        try:
            found = json.loads(self.meta().get("notes", "[]"))
        except (ValueError, RecursionError):
            return []
        return [note for note in found if isinstance(note, str)] if isinstance(found, list) else []

    def start_limits(self) -> list[StartLimit]:
        """Return what Discord told of session starts, in the order of time."""
        return limits_in(self.meta())

    def files(self) -> dict[int, str]:
        """Return the name of the file that each connection came from, where the capture was made of several."""
        names = self.recordings()
        try:
            return {number: names[place] for number, place in enumerate(_places(self.meta()), 1)}
        except LookupError:
            # Anybody may have written it.
            return {}

    def recordings(self) -> list[str]:
        """Return the names of the files that the capture was made of, by `Opened.recording`, where it was several."""
        try:
            found = json.loads(self.meta().get("files", "[]"))
        except (ValueError, RecursionError):
            return []
        return list(map(str, found)) if isinstance(found, list) else []

    def changed(self) -> bool:
        """Return whether anything was written since the last call (the first call always says so); takes 2 us."""
        version = self._one("pragma data_version")
        news, self._version = version != self._version, version
        if news:
            # A reindex may have packed the payloads again.
            self._chunks.clear()
        return news

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _add_meaning(self, events: list[Event]) -> None:
        """Add to each of `events`, which follow each other, what was noticed of it.

        A damaged capture may speak of rows between them that it does not have.
        """
        span = events[0].n, events[-1].n
        by_number = {event.n: event for event in events}
        for row in self._db.execute(
            f"select {rows.FINDING_COLUMNS} from finding where event between ? and ?"
            " order by severity desc, id limit ?",
            (*span, _MAX_FINDINGS),
        ).fetchall():
            finding = rows.finding_of(row)
            if finding.event in by_number:
                by_number[finding.event].findings += (finding,)
        for row in self._db.execute(
            f"select {rows.VERDICT_COLUMNS} from verdict where event between ? and ?", span
        ).fetchall():
            verdict = rows.verdict_of(row)
            if verdict.event in by_number:
                by_number[verdict.event].verdict = verdict

    def _add_payloads(self, events: list[Event]) -> None:
        """Give `events` their payloads, and take those off the end for which there is no room."""
        first, last, chunk = 0, 0, _NO_PAYLOADS
        size = 0
        for at, event in enumerate(events):
            number = event.n
            if not first <= number <= last:
                first, last, chunk = self._around(number)
            event.payload = payload = chunk.get(number)
            if payload is not None:
                size += len(payload)
                if event.kind is Kind.GAP:
                    event.gap = gap_of(event, payload)
            if size > _BATCH_BYTES:
                del events[at + 1 :]
                return

    def _payload(self, number: int) -> bytes | None:
        return self._around(number)[2].get(number)

    def _around(self, number: int) -> tuple[int, int, Mapping[int, bytes]]:
        """Return the payloads that are kept together with that of a row, and the first and the last of their rows."""
        # Mostly it is in the chunk of the one before.
        for first, (last, chunk, _) in reversed(self._chunks.items()):
            if first <= number <= last:
                return first, last, chunk
        # The tail first: what the writer packs between these two queries is then found twice, and not missed.
        tail = self._db.execute("select event, data from payload_tail where event = ?", (number,)).fetchone()
        if tail is not None:
            rows.TAIL.check(tail)
            if len(tail[1]) > MAX_PAYLOAD:
                raise BadCell("payload_tail", number, "has a payload that is larger than any of ours")
            return number, number, {number: bytes(tail[1])}
        found = self._db.execute(
            "select first_event, last_event, data from payload_chunk where first_event <= ?"
            " order by first_event desc limit 1",
            (number,),
        ).fetchone()
        if found is None:
            return number, number, _NO_PAYLOADS
        rows.CHUNK.check(found)
        first, last, data = found
        if last < number:
            return number, number, _NO_PAYLOADS
        try:
            chunk = unpack(data)
        except ValueError as error:
            raise BadCell("payload_chunk", first, f"has `data` that cannot be used ({error})") from error
        self._chunks[first] = last, chunk, sum(map(len, chunk.values()))
        while len(self._chunks) > 1 and (
            len(self._chunks) > _KEPT_CHUNKS or sum(size for _, _, size in self._chunks.values()) > _KEPT_BYTES
        ):
            self._chunks.popitem(last=False)
        return first, last, chunk

    def _one(self, sql: str, values: tuple[int, ...] = ()) -> int:
        with explained(self.path):
            return int(self._db.execute(sql, values).fetchone()[0])


class _Names(Mapping[int, str]):
    """The name table as a mapping; a few thousand names stay in memory."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path = path
        self._db = db
        self._found: dict[int, str | None] = {}
        """By id, None for one that was asked for and has no name."""
        self._version = -1

    def __getitem__(self, number: int) -> str:
        name: str | None = self.get(number)
        if name is None:
            raise KeyError(number)
        return name

    def get(self, number: int, default: Any = None) -> Any:
        """Return a name, `default` where there is none: for most ids of users, so that nothing is raised on the way."""
        if number not in self._found:
            with explained(self._path):
                row = self._db.execute("select id, name from name where id = ?", (cell_of(number),)).fetchone()
                if row is not None:
                    rows.NAME.check(row)
            if len(self._found) >= _KEPT_NAMES:
                self._found.clear()
            self._found[number] = None if row is None else mask_text(row[1])
        name = self._found[number]
        return default if name is None else name

    def renew(self) -> None:
        """Forget which ids have no name where anything was written since: they may have got one."""
        version = self._db.execute("pragma data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self._found = {number: name for number, name in self._found.items() if name is not None}

    def __iter__(self) -> Iterator[int]:
        found = (id_of(row[0]) for row in self._db.execute("select id from name").fetchall())
        return (number for number in found if number is not None)

    def __len__(self) -> int:
        return int(self._db.execute("select count(*) from name").fetchone()[0])


def _places(meta: Mapping[str, Any]) -> list[int]:
    """Return of each connection which of several files it came from, counted from 0; nothing where that is not said."""
    try:
        return [int(place) for place in json.loads(meta.get("file_of", "[]"))]
    except (ValueError, TypeError, OverflowError, RecursionError):
        # Anybody may have written it.
        return []


Stored = tuple[rows.SqlRow | None, Happening]
"""What a capture has recorded, with its row of `frame`; None for what is in `meta`."""


def stored_happenings(db: sqlite3.Connection) -> Iterator[list[Happening]]:
    """Yield, in batches, all that was recorded, in the order of time; each connection keeps its own order.

    A capture that was made of other files by an older version may have them one after the other.
    """
    for batch in _batches(db, "frame", "id") if _is_in_order(db) else _batches_in_order(db):
        yield [happening for _, happening in batch]


def stored_frames(db: sqlite3.Connection) -> Iterator[list[Stored]]:
    """Yield, in batches, all rows of the table `frame` in order, each with what it recorded. Raises BadCell."""
    return _batches(db, "frame", "id")


def _is_in_order(db: sqlite3.Connection) -> bool:
    found = db.execute(
        "select exists (select 1 from (select at, lag(at) over (order by id) as before from frame) where at < before)"
    ).fetchone()
    return not found[0]


def _batches_in_order(db: sqlite3.Connection) -> Iterator[list[Stored]]:
    """Yield all rows by time, within a connection by number. SQLite sorts what it has no room for in a file."""
    db.execute("create temp table if not exists in_order (place integer primary key, frame integer)")
    db.execute("delete from in_order")
    db.execute(
        "insert into in_order (frame) select id from"
        " (select id, max(at) over (partition by connection order by id) as reached from frame) order by reached, id"
    )
    return _batches(db, "temp.in_order join frame on frame.id = in_order.frame", "place")


def _batches(db: sqlite3.Connection, table: str, place: str) -> Iterator[list[Stored]]:
    """Yield rows of `table` in the order of `place`, a column that rises from 1."""
    meta = dict(db.execute("select key, value from meta"))
    told = deque(limits_in(meta))
    known = {row[0]: rows.connection_of(row) for row in db.execute(f"select {rows.CONNECTION_COLUMNS} from connection")}
    for number, recording in enumerate(_places(meta), 1):
        if number in known:
            known[number].opened = replace(known[number].opened, recording=recording)
    after = 0
    while True:
        asked = db.execute(
            f"select {rows.FRAME_COLUMNS}, {place} from {table} where {place} > ? order by {place} limit ?",
            (after, BATCH),
        )
        batch: list[Stored] = []
        size = 0
        # A cursor that is left open would let the log grow, and keep the file locked.
        with closing(asked):
            while size < _BATCH_BYTES and (found := asked.fetchone()):
                *row, at = found
                happening = rows.happening_of(tuple(row), known.get(row[1]) or unknown_connection(row[1]))
                if at <= after:
                    raise BadCell("frame", row[0], "comes twice")
                after = at
                size += len(row[7] or b"") + len(row[8] or b"")
                while told and told[0].at_ns <= happening.at_ns:
                    batch.append((None, told.popleft()))
                batch.append((tuple(row), happening))
        if not batch:
            break
        yield batch
    if told:
        yield [(None, limit) for limit in told]


def _side(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def unknown_connection(number: int) -> Connection:
    return Connection.of(Opened(number, 0, Plane.GATEWAY, "", joined_late=True))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors about a damaged file into ours: SQLite's, and those that come of what only a damaged one has."""
    try:
        yield
    except (sqlite3.DatabaseError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise damaged(path, error) from error

"""Values to rows and back: the only place that knows the order of the columns."""

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby, repeat
from typing import Any

from inspector.inert import inert
from inspector.model import (
    Closed,
    Control,
    Event,
    Finding,
    Frame,
    Gap,
    Kind,
    Knows,
    Mark,
    Numbered,
    Opened,
    Plane,
    Severity,
    Side,
    Undecoded,
    Verdict,
)
from inspector.protocol.snowflake import LARGEST
from inspector.session.redact import mask_text
from inspector.session.state import Connection
from inspector.store.cells import (
    BLOB,
    MAYBE_BLOB,
    MAYBE_NUMBER,
    MAYBE_TEXT,
    NUMBER,
    OP,
    SNOWFLAKE,
    TEXT,
    BadCell,
    Shape,
    Types,
    numbers,
    texts,
)
from inspector.store.ids import cell_of, id_of

SqlRow = tuple[Any, ...]

CONNECTION_COLUMNS = (
    "id, plane, url, version, encoding, compression, client, status, refusal, headers, joined_late, knows, opened_at,"
    " closed_at, close_code, close_reason, closed_by, session, shard, parent, dave, unread_frames,"
    " unread_bytes, account"
)
FRAME_COLUMNS = "id, connection, at, kind, from_client, is_text, marks, raw, forwarded"
EVENT_COLUMNS = (
    "id, connection, at, plane, kind, from_client, first_frame, last_frame, op, event, seq, close_code, wire_bytes,"
    " decoded_bytes, encoding, marks, guild_id, channel_id, user_id, reason, offset, note, answers,"
    " latency, severity"
)
# Those of a payload of which there is nothing more to say, and what it has in the others.
_PLAIN_COLUMNS = (
    "id, connection, at, plane, from_client, first_frame, last_frame, op, event, seq, wire_bytes, decoded_bytes,"
    " encoding, guild_id, channel_id, user_id"
)
_SAME: dict[str, int | str] = {"kind": Kind.PAYLOAD.value, "marks": 0, "severity": 0}
FINDING_COLUMNS = "event, rule, severity, text, evidence"
VERDICT_COLUMNS = "event, cause, evidence, reconnect, resume, advice, was_right, then_did, then_event"

_TYPES: dict[str, dict[str, Types]] = {
    "meta": {"key": TEXT, "value": TEXT},
    "connection": {
        "id": NUMBER, "plane": TEXT, "url": TEXT, "version": MAYBE_NUMBER, "encoding": MAYBE_TEXT,
        "compression": MAYBE_TEXT, "client": MAYBE_TEXT, "status": MAYBE_NUMBER, "refusal": MAYBE_TEXT,
        "headers": TEXT, "joined_late": NUMBER, "knows": NUMBER, "opened_at": NUMBER, "closed_at": MAYBE_NUMBER,
        "close_code": MAYBE_NUMBER, "close_reason": MAYBE_TEXT, "closed_by": MAYBE_TEXT, "session": MAYBE_TEXT,
        "shard": MAYBE_TEXT, "parent": MAYBE_NUMBER, "dave": MAYBE_TEXT, "unread_frames": NUMBER,
        "unread_bytes": NUMBER, "account": MAYBE_TEXT,
    },
    "frame": {
        "id": NUMBER, "connection": NUMBER, "at": NUMBER, "kind": NUMBER, "from_client": MAYBE_NUMBER,
        "is_text": MAYBE_NUMBER, "marks": NUMBER, "raw": MAYBE_BLOB, "forwarded": MAYBE_BLOB,
    },
    "event": {
        "id": NUMBER, "connection": NUMBER, "at": NUMBER, "plane": TEXT, "kind": TEXT, "from_client": MAYBE_NUMBER,
        "first_frame": NUMBER, "last_frame": NUMBER, "op": OP, "event": MAYBE_TEXT, "seq": MAYBE_NUMBER,
        "close_code": MAYBE_NUMBER, "wire_bytes": NUMBER, "decoded_bytes": NUMBER, "encoding": MAYBE_TEXT,
        "marks": NUMBER, "guild_id": SNOWFLAKE, "channel_id": SNOWFLAKE, "user_id": SNOWFLAKE, "reason": MAYBE_TEXT,
        "offset": MAYBE_NUMBER, "note": MAYBE_TEXT, "answers": MAYBE_NUMBER, "latency": MAYBE_NUMBER,
        "severity": NUMBER,
    },
    "finding": {"event": NUMBER, "rule": TEXT, "severity": NUMBER, "text": TEXT, "evidence": TEXT},
    "verdict": {
        "event": NUMBER, "cause": TEXT, "evidence": TEXT, "reconnect": MAYBE_NUMBER, "resume": MAYBE_NUMBER,
        "advice": TEXT, "was_right": MAYBE_NUMBER, "then_did": TEXT, "then_event": MAYBE_NUMBER,
    },
    "payload_chunk": {"first_event": NUMBER, "last_event": NUMBER, "data": BLOB},
    "payload_tail": {"event": NUMBER, "data": BLOB},
    "name": {"id": SNOWFLAKE, "name": TEXT},
}  # fmt: skip


def shape(table: str, columns: str, *, counts: Sequence[str] = (), ids: Sequence[str] = ()) -> Shape:
    """Return what rows of some columns of a table hold; `counts` and `ids` as in `Shape`."""
    types = [_TYPES[table][name.strip()] for name in columns.split(",")]
    return Shape(table, columns, types, counts=counts, ids=ids)


# Captures before gwinspect read logs, which all have messages as they were on the wire, do not say so: this bit is
# stored the other way round.
_NOT_WIRE = Knows.WIRE.value
_CONNECTION = shape(
    "connection",
    CONNECTION_COLUMNS,
    counts=("joined_late", "knows", "opened_at", "unread_frames", "unread_bytes"),
    ids=("id",),
)
_FRAME = shape("frame", FRAME_COLUMNS, counts=("at", "kind", "marks"), ids=("id", "connection"))
_EVENT = shape(
    "event",
    EVENT_COLUMNS,
    counts=("at", "first_frame", "last_frame", "wire_bytes", "decoded_bytes", "marks", "severity"),
    ids=("id", "connection"),
)
_FINDING = shape("finding", FINDING_COLUMNS, ids=("event",))
_VERDICT = shape("verdict", VERDICT_COLUMNS, ids=("event",))
META, NAME, CHUNK, TAIL = (
    shape(table, ", ".join(_TYPES[table])) for table in ("meta", "name", "payload_chunk", "payload_tail")
)

MOST_MISSING = 2**40
"""Messages that a gap may speak of in one direction, so that a capture has room for any sum of them."""

_MESSAGE, _OPEN, _CLOSE, _PING, _PONG, _GAP = range(6)
# A gap: when its first and its last message passed, how many the client sent, how many the server. Its reason follows.
_MISSING = struct.Struct(">4Q")
_PLANES = {plane.value: plane for plane in Plane}
_KINDS = {kind.value: kind for kind in Kind}
_OF_CLOSES = Mark.TOLD_1000 | Mark.FORBIDDEN
_CLOSERS: dict[int | None, Side] = {1: "client", 0: "server"}
_SIDES = ("client", "server", "proxy", None)
# What says which side.
_FLAGS = {0: False, 1: True, None: None}
_LAST_SEVERITY = max(Severity)
# What SQLite stores as null, as it has no NaN. Python's sqlite3 first seeks an adapter for None, as long as it takes to
# bind three numbers.
_NULL = float("nan")
# Characters of the longest name that is remembered.
_LONGEST_WORD = 64


def is_sound(alias: str, columns: str = EVENT_COLUMNS) -> str:
    """Return the condition, in SQL, under which the cells of a row of `event` are as `events_of` wants them.

    `columns`: which of them are looked at. It is true or not, never null. A microsecond a row, for all of them: bit
    operations are cheaper than typeof.
    """
    checks = []
    wanted = columns.split(", ")
    for name, types in _TYPES["event"].items():
        if name not in wanted:
            continue
        cell = f"{alias}.{name}"
        if types is NUMBER:
            # Null if it is null, which the constraint forbids; so SQLite would take `is not null` for granted.
            checks.append(f"{cell} = ({cell} | 0) and {cell} >= 0")
        elif types is MAYBE_NUMBER:
            checks.append(f"{cell} is ({cell} | 0)")
        elif types is SNOWFLAKE:
            checks.append(f"typeof({cell}) in ('integer', 'null', 'blob')")
        elif types is OP:
            checks.append(f"typeof({cell}) in ('integer', 'null', 'text')")
        else:
            checks.append(f"typeof({cell}) in " + ("('text')" if types is TEXT else "('text', 'null')"))
    for name, values in (("plane", _PLANES), ("kind", _KINDS)):
        if name in wanted:
            checks.append(f"{alias}.{name} in ({', '.join(map(repr, values))})")
    if "from_client" in wanted:
        checks.append(f"ifnull({alias}.from_client in (0, 1), 1)")
    return f"({' and '.join(checks)}) is true"


def insert(table: str, columns: str, *, replace: bool = False, same: Mapping[str, int | str] = {}) -> str:
    """Return the statement that inserts a row; one that is there already is an error unless `replace`.

    `same`: what all rows have in further columns.
    """
    names = ", ".join((columns, *same))
    cells = ", ".join(["?"] * (columns.count(",") + 1) + list(map(repr, same.values())))
    return f"insert {'or replace ' if replace else ''}into {table} ({names}) values ({cells})"


def connection_row(connection: Connection) -> SqlRow:
    """Return `connection` in the order of `CONNECTION_COLUMNS`."""
    opened, closed = connection.opened, connection.closed
    return (
        opened.connection,
        opened.plane.value,
        _text(opened.url),
        _whole(connection.version),
        _text(connection.encoding),
        connection.compression,
        _text(opened.client),
        _whole(opened.status),
        _text(opened.refusal),
        json.dumps(dict(opened.headers)),
        int(opened.joined_late),
        int(opened.knows) ^ _NOT_WIRE,
        opened.at_ns,
        closed.at_ns if closed else None,
        _code(closed),
        _text(closed.reason) if closed else None,
        closed.by if closed else None,
        connection.session,
        connection.shard,
        connection.parent,
        _text(connection.dave),
        connection.unread_frames,
        connection.unread_bytes,
        _text(connection.account),
    )


def connection_of(row: SqlRow) -> Connection:
    """Return the connection of a row of `CONNECTION_COLUMNS`. Raises BadCell."""
    _CONNECTION.check(row)
    if row[1] not in _PLANES:
        raise _CONNECTION.bad(row, "has an unknown `plane`")
    if row[16] not in _SIDES:
        raise _CONNECTION.bad(row, "has an unknown `closed_by`")
    opened = Opened(
        connection=row[0],
        at_ns=row[12],
        plane=_PLANES[row[1]],
        url=row[2],
        client=row[6],
        status=row[7],
        refusal=row[8],
        headers=texts("connection", row[0], row[9]),
        joined_late=bool(row[10]),
        knows=Knows(row[11] ^ _NOT_WIRE),
    )
    closed = None if row[13] is None else Closed(row[0], row[13], row[14], row[15] or "", row[16])
    return Connection(
        opened,
        version=row[3],
        encoding=row[4],
        compression=row[5],
        closed=closed,
        session=row[17],
        shard=row[18],
        parent=row[19],
        dave=row[20],
        unread_frames=row[21],
        unread_bytes=row[22],
        account=row[23],
    )


def frame_row(number: int, happening: Numbered) -> SqlRow:
    """Return `happening` in the order of `FRAME_COLUMNS`."""
    connection, at_ns = happening.connection, happening.at_ns
    match happening:
        case Frame():
            # Nearly all are messages, and hardly any is marked.
            marks = 0 if happening.marks is Mark.NONE else int(happening.marks)
            forwarded = _NULL if happening.forwarded is None else happening.forwarded
            from_client, is_text = 1 if happening.from_client else 0, 1 if happening.is_text else 0
            return (number, connection, at_ns, _MESSAGE, from_client, is_text, marks, happening.data, forwarded)
        case Opened():
            return (number, connection, at_ns, _OPEN, None, None, 0, None, None)
        case Control():
            kind = _PING if happening.name == "ping" else _PONG
            return (number, connection, at_ns, kind, int(happening.from_client), None, 0, happening.data, None)
        case Gap():
            numbers = happening.since_ns, happening.until_ns, happening.sent, happening.received
            raw = _MISSING.pack(*numbers) + happening.reason.encode(errors="backslashreplace")
            return (number, connection, at_ns, _GAP, None, None, 0, raw, None)
        case Closed():
            by = {"client": 1, "server": 0}.get(happening.by or "")
            marks = int(happening.marks | (Mark.INJECTED if happening.by == "proxy" else Mark.NONE))
            # 0 stands for no code, but where the mark says that it was sent.
            raw = (_code(happening) or 0).to_bytes(2) + happening.reason.encode(errors="backslashreplace")
            return (number, connection, at_ns, _CLOSE, by, None, marks, raw, None)


def check_frame(row: SqlRow) -> None:
    """Raise BadCell where a row of `FRAME_COLUMNS` is not as we write them."""
    _FRAME.check(row)
    kind, from_client, raw = row[3], row[4], row[7]
    if kind > _GAP:
        raise _FRAME.bad(row, f"has {kind} as `kind`, and there are {_GAP}")
    if from_client not in _FLAGS or row[5] not in _FLAGS:
        raise _FRAME.bad(row, "has something other than 0 and 1 as `from_client` or `is_text`")
    if raw is None and kind in (_MESSAGE, _CLOSE, _GAP):
        raise _FRAME.bad(row, "has nothing as `raw`, expected bytes")


def happening_of(row: SqlRow, connection: Connection) -> Numbered:
    """Return what a row of `FRAME_COLUMNS` recorded on `connection`. Raises BadCell."""
    check_frame(row)
    _, number, at, kind, from_client, is_text, marks, raw, forwarded = row
    if kind == _MESSAGE:
        return Frame(number, at, bool(from_client), bool(is_text), raw, Mark(marks), forwarded)
    if kind == _OPEN:
        return connection.opened
    if kind == _CLOSE:
        by: Side | None = "proxy" if marks & Mark.INJECTED else _CLOSERS.get(from_client)
        own = Mark(marks) & _OF_CLOSES
        code = int.from_bytes(raw[:2])
        return Closed(
            number, at, code if code or own & Mark.FORBIDDEN else None, raw[2:].decode(errors="replace"), by, own
        )
    if kind == _GAP:
        known = len(raw) >= _MISSING.size
        since_ns, until_ns, sent, received = _MISSING.unpack_from(raw) if known else (at, at, 0, 0)
        sent, received = min(sent, MOST_MISSING), min(received, MOST_MISSING)
        return Gap(number, at, since_ns, until_ns, sent, received, raw[_MISSING.size :].decode(errors="replace"))
    return Control(number, at, bool(from_client), "ping" if kind == _PING else "pong", raw or b"")


def event_row(event: Event) -> SqlRow:
    """Return `event` in the order of `EVENT_COLUMNS`."""
    op, undecoded, gap, closed = event.op, event.undecoded, event.gap, event.closed
    reason, offset, note = None, None, event.note
    if undecoded is not None:
        reason, offset, note = undecoded.reason, undecoded.offset, undecoded.text
    elif gap is not None:
        reason = _said(gap.reason)
    return (
        event.n,
        event.connection,
        event.at_ns,
        event.plane.value,
        event.kind.value,
        event.from_client,
        event.first_frame,
        event.last_frame,
        op if op is None or isinstance(op, int) else _word(op),
        event.event and _word(event.event),
        event.seq,
        None if closed is None else _code(closed),
        event.wire_bytes,
        event.decoded_bytes,
        event.encoding,
        int(event.marks),
        cell_of(event.guild_id),
        cell_of(event.channel_id),
        cell_of(event.user_id),
        reason,
        offset,
        note and _said(note),
        event.answers,
        event.latency_ns,
        int(event.findings[0].severity) if event.findings else 0,
    )


_INSERT_EVENTS = {
    EVENT_COLUMNS.count(",") + 1: insert("event", EVENT_COLUMNS),
    _PLAIN_COLUMNS.count(",") + 1: insert("event", _PLAIN_COLUMNS, same=_SAME),
}
"""By the number of cells of a row."""


def event_inserts(events: Iterable[Event]) -> Iterator[tuple[str, Iterator[SqlRow]]]:
    """Yield the statements that insert `events`, in order, each with rows for it."""
    for width, some in groupby(map(_narrow_row, events), len):
        yield _INSERT_EVENTS[width], some


def _narrow_row(event: Event) -> SqlRow:
    """Return `event` in the order of `_PLAIN_COLUMNS` where nothing is in the others, as with nearly all."""
    if (
        event.kind is not Kind.PAYLOAD
        or event.findings
        or event.note is not None
        or event.answers is not None
        or event.latency_ns is not None
        or event.marks is not Mark.NONE
    ):
        return event_row(event)
    op, name, seq = event.op, event.event, event.seq
    guild, channel, user = event.guild_id, event.channel_id, event.user_id
    return (
        event.n,
        event.connection,
        event.at_ns,
        # The same as `value`, which is a property and takes five times as long.
        event.plane._value_,
        # sqlite3 seeks an adapter for truths, too.
        1 if event.from_client else 0,
        event.first_frame,
        event.last_frame,
        op if op is None or isinstance(op, int) else _word(op),
        name and _word(name),
        _NULL if seq is None else seq,
        event.wire_bytes,
        event.decoded_bytes,
        event.encoding,
        _NULL if guild is None else guild if 0 <= guild <= LARGEST else cell_of(guild),
        _NULL if channel is None else channel if 0 <= channel <= LARGEST else cell_of(channel),
        _NULL if user is None else user if 0 <= user <= LARGEST else cell_of(user),
    )


def events_of(found: Sequence[SqlRow], connection: Callable[[int], Connection]) -> list[Event]:
    """Return the events of rows of `EVENT_COLUMNS`. `connection` looks one up; only opens and closes need it.

    They are made a column at a time, as most of it is the same for all of them. Raises BadCell.
    """
    if not found:
        return []
    column = _EVENT.columns(found)
    planes, kinds, sides, marks = (column[name] for name in ("plane", "kind", "from_client", "marks"))
    is_known = _PLANES.keys() >= {*planes} and _KINDS.keys() >= {*kinds} and _FLAGS.keys() >= {*sides}
    if not is_known or max(column["severity"]) > _LAST_SEVERITY:
        raise next(filter(None, map(_unknown, found)))
    events = [
        *map(
            Event,
            *(column[name] for name in ("id", "connection", "at")),
            map(_PLANES.__getitem__, planes),
            map(_KINDS.__getitem__, kinds),
            map(_FLAGS.__getitem__, sides),
            *(column[name] for name in ("first_frame", "last_frame", "op", "event", "seq")),
            *(column[name] for name in ("wire_bytes", "decoded_bytes", "encoding")),
            map(Mark, marks) if any(marks) else repeat(Mark.NONE),
            *(_ids_of(column[name]) for name in ("guild_id", "channel_id", "user_id")),
            *(column[name] for name in ("note", "answers", "latency")),
        )
    ]
    for event in events if any(column["latency"]) else ():
        if event.latency_ns is not None and event.latency_ns < 0:
            # Captures of older versions may say less than 0, where a clock was set back.
            event.latency_ns = 0
    if {*kinds} != {Kind.PAYLOAD.value}:
        for event, row in zip(events, found, strict=True):
            _complete(event, row, connection)
    return events


def _ids_of(cells: Sequence[object]) -> Iterable[int | None]:
    return map(id_of, cells) if bytes in map(type, cells) else cells  # type: ignore[return-value]


def _unknown(row: SqlRow) -> BadCell | None:
    if row[3] in _PLANES and row[4] in _KINDS and row[5] in _FLAGS and row[24] <= _LAST_SEVERITY:
        return None
    return _EVENT.bad(row, "has an unknown `kind`, `plane`, `from_client` or `severity`")


def _complete(event: Event, row: SqlRow, connection: Callable[[int], Connection]) -> None:
    """Add what only some kinds of event have."""
    match event.kind:
        case Kind.UNDECODED:
            reason, offset, text = row[19:22]
            if reason is None or text is None:
                raise _EVENT.bad(row, "does not say why it is undecoded")
            event.undecoded, event.note = Undecoded(reason, text, offset), None
        case Kind.OPEN:
            event.opened = connection(event.connection).opened
        case Kind.CLOSE:
            closed = connection(event.connection).closed
            event.closed = replace(closed, marks=event.marks) if closed is not None and event.marks else closed


def finding_row(finding: Finding) -> SqlRow:
    """Return `finding` in the order of `FINDING_COLUMNS`."""
    return finding.event, finding.rule, int(finding.severity), _said(finding.text), json.dumps(finding.evidence)


def finding_of(row: SqlRow) -> Finding:
    """Return the finding of a row of `FINDING_COLUMNS`.

    Its texts are inert when a rule writes them, but anyone may have written a capture, so they are made so again.
    """
    _FINDING.check(row)
    event, rule, severity, text, evidence = row
    if not Severity.INFO <= severity <= _LAST_SEVERITY:
        raise _FINDING.bad(row, "has an unknown `severity`")
    named = numbers("finding", event, evidence)
    return Finding(inert(rule), Severity(severity), inert(mask_text(text)), event, named)


def verdict_row(verdict: Verdict) -> SqlRow:
    """Return `verdict` in the order of `VERDICT_COLUMNS`."""
    return (
        verdict.event,
        _said(verdict.cause),
        json.dumps(verdict.evidence),
        verdict.reconnect,
        verdict.resume,
        _said(verdict.advice),
        verdict.right,
        _said(verdict.then),
        verdict.then_event,
    )


def verdict_of(row: SqlRow) -> Verdict:
    """Return the verdict of a row of `VERDICT_COLUMNS`, with inert texts."""
    _VERDICT.check(row)
    event, cause, evidence, reconnect, resume, advice, right, then, then_event = row
    reconnect, resume, right = (None if answer is None else bool(answer) for answer in (reconnect, resume, right))
    cause, advice, then = (inert(mask_text(text)) for text in (cause, advice, then))
    named = numbers("verdict", event, evidence)
    return Verdict(event, cause, named, reconnect, resume, advice, right, then, then_event)


def name_rows(names: Mapping[int, str]) -> list[SqlRow]:
    """Return rows of the name table."""
    return [(cell, _said(name)) for number, name in names.items() if (cell := cell_of(number)) is not None]


def _code(closed: Closed | None) -> int | None:
    """A close frame has 16 bits for its code; other people's files may claim any number."""
    return closed.code if closed and closed.code is not None and 0 <= closed.code < 1 << 16 else None


def _whole(number: int | None) -> int | None:
    """SQLite has integers of 64 bits with sign; URLs and other people's files have any."""
    return number if number is not None and -(2**63) <= number < 2**63 else None


def _said(text: str | None) -> str | None:
    """What is derived holds no secrets, whatever was recorded."""
    return _text(text and mask_text(text))


def _word(name: str) -> str | None:
    """Return the same for a name of an event or an operation; most came before."""
    return _said_again(name) if len(name) <= _LONGEST_WORD else _said(name)


_said_again = lru_cache(maxsize=1024)(_said)


def _text(text: str | None) -> str | None:
    """SQLite stores UTF-8, which has no lone surrogates; JSON and close reasons may."""
    if text is None or text.isascii():
        return text
    return text.encode(errors="backslashreplace").decode()

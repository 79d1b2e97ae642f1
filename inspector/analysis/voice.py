"""Voice calls: what belongs together of the main gateway, voice sockets and media, and what came of it.

A call goes from a join to the leave after it, over every voice connection between: new ones, resumed ones, those that
came to nothing. Rows are read a slice at a time, and bodies only of the few that a call is made of, so that a capture
that grows costs only what is new. Whatever is kept has a bound.
"""

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

from inspector.analysis.beats import literal
from inspector.analysis.handshake import PAYLOADS, Course, Seen, StepKey, first_sentence
from inspector.analysis.voice_call import CallReading, Socket, Violation, VoiceCall, without_port
from inspector.model import ABSENT, Event, Kind, Payload, Plane, Severity
from inspector.protocol.hosts import address_of
from inspector.protocol.ops import BINARY, GatewayOp, VoiceOp
from inspector.session.dave import OPS
from inspector.session.messages import At, name
from inspector.session.proposals import number_in
from inspector.session.redact import mask_reason
from inspector.store import rows
from inspector.store.ids import id_of
from inspector.store.reader import Reader, explained
from inspector.wire.decoder import read_payload

# Rows looked at in a slice, and those of them that may be read: some 20 ms of work.
SLICE, READ = 20_000, 100
# Calls that are kept, the newest; connections; findings of each connection.
MOST_CALLS, MOST_SOCKETS, MOST_FINDINGS = 200, 1_000, 200
# Sessions of the main gateway whose user is remembered.
_MOST_USERS = 1_000

# Who speaks under which SSRC does not matter here, and is said often.
_OF_DAVE = OPS - {(False, VoiceOp.SPEAKING), (False, VoiceOp.VIDEO)}


def _ops(from_client: bool) -> str:
    return ", ".join(
        sorted(literal(op) for sent, op in PAYLOADS.keys() | _OF_DAVE if sent is from_client and op is not None)
    )


_ROWS = f"""
    select id, connection, at, plane, kind, from_client, op, event, guild_id, channel_id, user_id, close_code, answers,
        encoding
    from event where id > ? and id <= ? and (
        plane = 'gateway' and kind = 'payload' and (
            event in ('READY', 'VOICE_STATE_UPDATE', 'VOICE_SERVER_UPDATE')
            or op = {GatewayOp.VOICE_STATE_UPDATE} and from_client = 1)
        or plane = 'voice' and (kind in ('open', 'close') or kind = 'payload' and (
            from_client = 1 and op in ({_ops(True)}) or from_client = 0 and op in ({_ops(False)})))
        or plane = 'media' and op = 'discovery')
    order by id limit ?"""
_FACTS = "id, plane, url, version, refusal, joined_late, closed_by, parent, session"
_CONNECTIONS = f"select {_FACTS} from connection where id in (select value from json_each(?))"
_SHAPE = rows.shape("connection", _FACTS)
_FINDINGS = """
    select finding.id, finding.event, event.connection, event.at, event.plane, finding.severity, finding.rule,
        finding.text
    from finding join event on event.id = finding.event where finding.id > ? order by finding.id limit ?"""
_CAUSES = "select event, cause from verdict where event in (select value from json_each(?))"
# Whose bodies matter: who it is, and all of DAVE but the external sender and the key package.
_READ = _OF_DAVE - {(False, VoiceOp.MLS_EXTERNAL_SENDER), (True, VoiceOp.MLS_KEY_PACKAGE)} | {(True, VoiceOp.RESUME)}


@dataclass(frozen=True, slots=True)
class VoiceCalls:
    """All calls of a capture, in the order in which they began. Never changes, so threads may hand it to each other."""

    calls: tuple[VoiceCall, ...] = ()
    counted: int = 0
    """Rows that have been looked at: all up to this number."""
    last: int = 0
    """Rows there are."""

    def at(self, row: int) -> tuple[int, int] | None:
        """Return which call, and which attempt of it, a row belongs to or comes after; None before them all."""
        found = None
        for number, call in enumerate(self.calls):
            for attempt, shaken in enumerate(call.handshakes):
                if shaken.first_row <= row and (found is None or shaken.first_row > found[0]):
                    found = shaken.first_row, number, attempt
        return None if found is None else found[1:]


class VoiceReader:
    """Reads the calls of a capture, as far as it goes. Belongs to one thread, as `reader` does; snapshots do not."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._counted = self._last = self._last_finding = 0
        self._known: OrderedDict[int, _Connection] = OrderedDict()
        self._sockets: OrderedDict[int, Socket] = OrderedDict()
        self._calls: list[CallReading] = []
        self._users: OrderedDict[str, int] = OrderedDict()

    def advance(self, limit: int = SLICE) -> bool:
        """Look at no more than `limit` further rows, and say whether there are more.

        Raises CaptureError where the capture is damaged.
        """
        with explained(self._reader.path):
            return self._advance(limit)

    def snapshot(self) -> VoiceCalls:
        """Return what has been read so far."""
        views = [view for call in self._calls if (view := call.view()) is not None]
        views.sort(key=lambda call: call.first_row)
        return VoiceCalls(tuple(views), self._counted, self._last)

    def _advance(self, limit: int) -> bool:
        db = self._reader.db
        self._last = self._reader.last()
        after, upto = self._counted, self._reader.slice(self._counted, limit)
        found = [_row(found) for found in db.execute(_ROWS, (after, upto, READ)).fetchall()]
        if len(found) == READ:
            upto = found[-1].id
        self._learn({row.connection for row in found})
        for row in found:
            self._take(row)
        self._counted = max(after, upto)
        more = self._counted < self._last or self._find(limit)
        self._explain()
        return more

    def _learn(self, numbers: set[int]) -> None:
        """Read what is known by now of connections."""
        for known in self._reader.db.execute(_CONNECTIONS, (json.dumps([*numbers]),)).fetchall():
            _SHAPE.check(known)
            number, *facts = known
            self._known[int(number)] = _Connection(*facts)
            self._known.move_to_end(int(number))
        while len(self._known) > MOST_SOCKETS:
            self._known.popitem(last=False)

    def _find(self, limit: int) -> bool:
        noticed = self._reader.db.execute(_FINDINGS, (self._last_finding, limit)).fetchall()
        for number, row, connection, at_ns, plane, severity, rule, text in noticed:
            if row > self._counted:
                # Written meanwhile, of a connection that may not be known yet.
                return False
            self._last_finding = int(number)
            # What is noticed on media belongs to the voice connection that it was arranged on.
            owner = self._of(connection).parent if plane == Plane.MEDIA else connection
            socket = self._sockets.get(owner or 0)
            if socket is not None and len(socket.findings) < MOST_FINDINGS:
                found = Violation(int(at_ns), int(row), int(connection), Severity(severity), str(rule), str(text))
                socket.findings.append(found)
                self._touch(socket)
        return len(noticed) == limit

    def _explain(self) -> None:
        """Read the verdicts on closes that have none; one may be written after the close."""
        waiting = {
            socket.close_row: socket
            for socket in self._sockets.values()
            if socket.close_row is not None and not socket.course.cause
        }
        if waiting:
            for row, cause in self._reader.db.execute(_CAUSES, (json.dumps([*waiting]),)).fetchall():
                waiting[row].course.cause = first_sentence(str(cause))
                self._touch(waiting[row])

    def _touch(self, socket: Socket) -> None:
        if socket.call is not None:
            socket.call.shown = None

    def _take(self, row: "_Row") -> None:
        if row.plane == Plane.VOICE:
            self._on_voice(row)
        elif row.plane == Plane.MEDIA:
            self._on_media(row)
        elif row.event == "READY":
            self._log_in(row)
        else:
            self._on_main(row)

    # The main gateway.

    def _log_in(self, row: "_Row") -> None:
        session = self._of(row.connection).session
        if session is not None and row.user_id is not None:
            self._users[session] = row.user_id
            self._users.move_to_end(session)
            if len(self._users) > _MOST_USERS:
                self._users.popitem(last=False)

    def _on_main(self, row: "_Row") -> None:
        home, main = self._home(row.connection)
        where = row.guild_id if row.guild_id is not None else row.channel_id
        is_state = row.event == "VOICE_STATE_UPDATE"
        if is_state and row.answers is None and row.user_id != self._users.get(main or "", ABSENT):
            # Someone else's.
            return
        if where is None:
            # One leaves a private call without a word about which.
            for private in self._calls:
                if private.home == home and private.private and (is_state or row.op == GatewayOp.VOICE_STATE_UPDATE):
                    private.leave()
            return
        seen = Seen(int(row.at), row.id, row.connection)
        leaves = row.channel_id is None and row.event != "VOICE_SERVER_UPDATE"
        call = self._current(home, str(where))
        if leaves:
            if call is not None:
                call.leave()
            return
        if call is None:
            call = self._new(home, str(where), row.guild_id is None)
        call.main = row.connection if call.main is None else call.main
        if is_state:
            call.joined(seen, row.channel_id)
        elif row.event == "VOICE_SERVER_UPDATE":
            d = self._body(row, Plane.GATEWAY)
            endpoint = d.get("endpoint") if type(d) is dict else None
            call.served(seen, endpoint[:256] if type(endpoint) is str else None)
        else:
            call.ask(seen, row.channel_id)

    def _home(self, main: int | None) -> tuple[str | None, str | None]:
        """Return what tells a main connection, with all that resume its session, from others, and that session."""
        if main is None:
            return None, None
        session = self._of(main).session
        return session or f"#{main}", session

    def _current(self, home: str | None, server: str) -> CallReading | None:
        """Return the newest call there, unless it was left."""
        for call in reversed(self._calls):
            if call.server == server and (home is None or call.home is None or call.home == home):
                return None if call.left else call
        return None

    def _new(self, home: str | None, server: str | None, private: bool = False) -> CallReading:
        call = CallReading(home, server, private)
        self._calls.append(call)
        if len(self._calls) > MOST_CALLS:
            del self._calls[0]
        return call

    # Voice sockets.

    def _on_voice(self, row: "_Row") -> None:
        socket = self._sockets.get(row.connection)
        known = self._of(row.connection)
        if socket is None:
            socket = self._sockets[row.connection] = Socket(Course(row.connection, bool(known.joined_late)))
            if len(self._sockets) > MOST_SOCKETS:
                self._sockets.popitem(last=False)
        if socket.call is None:
            self._place(socket, known)
        assert socket.call is not None
        call, course = socket.call, socket.course
        seen = Seen(int(row.at), row.id, row.connection)
        if row.kind == Kind.OPEN:
            course.seen["open"] = seen
            course.refusal = known.refusal and mask_reason(str(known.refusal))
        elif row.kind == Kind.CLOSE:
            course.seen["close"] = seen
            course.closed, course.by = True, known.closed_by
            course.code = None if row.close_code is None else int(row.close_code)
            socket.close_row = row.id
            if call.active == row.connection:
                call.dave.end(At(row.id, seen.at_ns))
        elif type(row.op) is int:
            call = self._payload(row, row.op, socket, known, seen)
        call.last_ns = max(call.last_ns, seen.at_ns)
        call.shown = None

    def _payload(self, row: "_Row", op: int, socket: Socket, known: "_Connection", seen: Seen) -> CallReading:
        """Take in a payload, and return the call that it turns out to belong to."""
        from_client, course = bool(row.from_client), socket.course
        d = self._body(row, Plane.VOICE, known.version) if (from_client, op) in _READ else ABSENT
        if from_client and op in (VoiceOp.IDENTIFY, VoiceOp.RESUME):
            self._enter(socket, known, name(d.get("server_id")) if type(d) is dict else None)
        call = socket.call
        assert call is not None
        if from_client and op in (VoiceOp.IDENTIFY, VoiceOp.RESUME):
            call.active = row.connection
            if op == VoiceOp.IDENTIFY:
                call.dave.begin()
        course.take(from_client, op, seen._replace(op=op), number_in(d, "transition_id"))
        # A connection that another has replaced may still have things to say.
        if call.active in (None, row.connection):
            event = Event(row.id, row.connection, seen.at_ns, Plane.VOICE, Kind.PAYLOAD, from_client, op=op)
            call.dave.take(event, d)
            if op == VoiceOp.SESSION_DESCRIPTION and not from_client:
                course.version = call.dave.dave.version
        return call

    def _place(self, socket: Socket, known: "_Connection") -> None:
        """Find the call of a connection by its host, as long as it has not said more; else it has one of its own."""
        host = without_port(address_of(known.url))
        home, _ = self._home(known.parent)
        for call in reversed(self._calls):
            if host and call.host == host and not call.left and (home is None or call.home == home):
                call.begin(socket)
                return
        self._new(home, None).begin(socket)

    def _enter(self, socket: Socket, known: "_Connection", server: str | None) -> None:
        """Bring a connection to the call that it names."""
        call = socket.call
        if server is None or call is None or call.server == server:
            return
        home, _ = self._home(known.parent)
        there = self._current(home, server)
        if there is None:
            if call.server is None:
                call.server = server
                return
            there = self._new(home, server)
        call.drop(socket)
        if call.is_empty and call in self._calls:
            self._calls.remove(call)
        there.begin(socket)

    def _on_media(self, row: "_Row") -> None:
        socket = self._sockets.get(self._of(row.connection).parent or 0)
        if socket is not None:
            key: StepKey = "discover" if row.from_client else "discovered"
            socket.course.seen.setdefault(key, Seen(int(row.at), row.id, row.connection))
            self._touch(socket)

    def _of(self, number: int) -> "_Connection":
        known = self._known.get(number)
        if known is None:
            self._learn({number})
            known = self._known.get(number)
        return known or _Connection("", "", None, None, 1, None, None, None)

    def _body(self, row: "_Row", plane: Plane, version: int | None = None) -> Any:
        data = self._reader.payload(row.id)
        # What crosses in binary messages is read as such, and anything else as what it says it is.
        encoding = row.encoding or ("binary" if row.op in BINARY else "json")
        if data is None:
            return ABSENT
        read = read_payload(plane, encoding, data, from_client=bool(row.from_client), version=version)
        return read.d if isinstance(read, Payload) else ABSENT


class _Row(NamedTuple):
    """A row of `_ROWS`."""

    id: int
    connection: int
    at: Any
    plane: str
    kind: str
    from_client: Any
    op: Any
    event: str | None
    guild_id: int | None
    channel_id: int | None
    user_id: int | None
    close_code: Any
    answers: int | None
    encoding: str | None


def _row(found: tuple[Any, ...]) -> _Row:
    row = _Row(*found)
    return row._replace(guild_id=id_of(row.guild_id), channel_id=id_of(row.channel_id), user_id=id_of(row.user_id))


class _Connection(NamedTuple):
    """What is stored of a connection."""

    plane: str
    url: str
    version: int | None
    refusal: str | None
    joined_late: int
    closed_by: str | None
    parent: int | None
    session: str | None

"""One TCP connection, from its bytes to happenings: TLS if there is some, HTTP, WebSocket. And the UDP of calls.

Here is the only place where the layers meet. A `Conversation` follows a connection up to the point where it turns out
to be none of Discord's, or cannot be read; `Desk` is what all of them share: keys, the user's hosts, where happenings
go, and what there is to tell afterwards about those that could not be read.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address
from typing import Literal

from inspector.importers.candidates import MAX_FRAMES, confirm
from inspector.importers.mitm import is_allowed, is_discovery
from inspector.importers.pcap.http import Exchange, Http, is_request
from inspector.importers.pcap.keylog import KeyLog
from inspector.importers.pcap.tcp import Address
from inspector.importers.pcap.tls import NO_CIPHER, NO_KEYS, Tls, is_client_hello
from inspector.importers.pcap.websocket import BINARY, CLOSE, PING, TEXT, Frames, read_close
from inspector.importers.refusals import NO_TLS
from inspector.importers.source import clean, kept_headers, refusal_of
from inspector.model import Closed, Control, Frame, Gap, Happening, Mark, Opened, Plane, Side
from inspector.protocol.hosts import plane_of, shape_of
from inspector.session.messages import udp_url

# Bytes by which a stream is known for TLS or HTTP.
_FIRST_BYTES = 8
# Bytes of a server that wait for the client's first.
_MOST_EARLY = 16 * 1024
# Bytes of messages that are not whole, of all connections together.
_MOST_HELD = 256 * 1024 * 1024
# Happenings of one connection that wait until it is known whether it is one of Discord's.
_MOST_WAITING = 1000
# Bytes that wait for keys: of a connection to a gateway, of any other, and of all together.
_MOST_LOCKED, _MOST_LOCKED_ELSEWHERE, _MOST_LOCKED_IN_ALL = 16 * 1024**2, 64 * 1024, 64 * 1024**2
# Client randoms that are remembered, paths of UDP that are known, and names that are counted, at the same time.
_MOST_RANDOMS, _MOST_PATHS, _MOST_NAMES = 100_000, 20_000, 1000
_UDP_HEADER = 8
# Packets of a path among which the same one is looked for, and nanoseconds in which it comes again.
_RECENT, _TWICE_NS = 8, 20_000_000
_HTTP_2 = b"PRI * HTTP/2"

# Why there is no connection where an end, the client or not, hung up: as of `inspector.importers.refusals`.
_UNANSWERED = {
    True: "the client hung up before the server had answered the upgrade",
    False: "the server hung up without answering the upgrade",
}

# The name that a connection to any server behind Cloudflare, as Discord's are, has in clear where it hides the real one
# (ECH): https://developers.cloudflare.com/ssl/edge-certificates/ech/
_HIDDEN = "cloudflare-ech.com"

# What TLS's alerts are called: https://www.rfc-editor.org/rfc/rfc8446#section-6
_ALERTS = {
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}

LATE, HTTP_2, HOLE = "late", "http/2", "hole"
"""Reasons in `Desk.unread`, beside the problems of `Tls`."""


class Desk:
    """What all connections share.

    `keep` takes happenings, each connection's in order. `admit` takes how a WebSocket began, and its first messages as
    far as they matter, and returns that with its plane; None where it is none of Discord's. `patience_ns`: how long
    what TLS carries waits for its keys, where the key log still grows.
    """

    def __init__(
        self,
        keys: KeyLog,
        hosts: Iterable[str],
        keep: Callable[[Happening], None],
        admit: Callable[[Opened, list[Frame]], Opened | None],
        patience_ns: int = 0,
    ) -> None:
        self.keys = keys
        self.keep = keep
        self.admit = admit
        self.undecided: dict[int, int] = {}
        """When those connections began that may or may not be Discord's, by their number; since when those of gateways
        wait for keys."""
        self.unread: Counter[tuple[str, str]] = Counter()
        """Connections that could not be read: how many, by the reason and the name of the gateway, which is empty for
        all that were none."""
        self.ciphers: set[int] = set()
        """Numbers of cipher suites that are not read."""
        self.hidden = 0
        """Connections without keys that hide where they lead (ECH): in a key log they have another client random."""
        self.seen_twice = 0
        """Connections that the file has a second time, from another interface."""
        self.held = 0
        """Bytes of messages that are not whole."""
        self._patience_ns = patience_ns
        self._locked: dict[int, Conversation] = {}
        self.locked_bytes = 0
        """Bytes that wait for keys."""
        self._hosts = tuple(hosts)
        self._randoms: dict[bytes, int] = {}
        self._last = 0

    def begin(self, client: Address, server: Address, is_late: bool, at_ns: int) -> "Conversation":
        """Follow a new connection."""
        return Conversation(self, client, server, is_late)

    def number(self) -> int:
        """Return a number that nothing has had before."""
        self._last += 1
        return self._last

    def is_known(self, url: str) -> bool:
        """Say whether a URL is that of a gateway of Discord's or of the user's own."""
        return plane_of(url, self._hosts) is not None

    def is_first(self, random: bytes, conversation: int) -> bool:
        """Say whether no other connection began with these bytes."""
        if len(self._randoms) >= _MOST_RANDOMS:
            del self._randoms[next(iter(self._randoms))]
        return self._randoms.setdefault(random, conversation) == conversation

    def has_patience(self, random: bytes) -> bool:
        """Say whether a connection that began with these bytes is to wait for its keys."""
        return self._patience_ns > 0 and not self.keys.is_complete(random)

    def lock(self, conversation: "Conversation", number: int, at_ns: int, is_gateway: bool) -> None:
        """Remember a connection that waits for its keys."""
        self._locked[number] = conversation
        if is_gateway:
            self.undecided[number] = at_ns

    def make_room(self) -> None:
        """Where too much waits for keys, have those connections go on that have waited for longest."""
        while self.locked_bytes > _MOST_LOCKED_IN_ALL and self._locked:
            self.unlock(next(iter(self._locked)))

    def unlock(self, number: int) -> None:
        """Have a connection go on, with the keys that there are."""
        conversation = self._locked.pop(number)
        self.undecided.pop(number, None)
        conversation.unlock()

    def pass_time(self, now_ns: int | None) -> None:
        """Have those connections go on whose keys have come, or that waited for too long; all where it is over."""
        for number, each in list(self._locked.items()):
            waited = None if now_ns is None else now_ns - each.locked_ns
            if waited is None or waited > self._patience_ns or self.keys.is_complete(each.client_random):
                self.unlock(number)

    def count_unread(self, reason: str, host: str) -> None:
        """Count a connection that could not be read. `host`: to where, ``name:port``."""
        name = host.rpartition(":")[0]
        self.hidden += reason == NO_KEYS and name == _HIDDEN
        is_gateway = self.is_known(f"wss://{host}/") and len(self.unread) < _MOST_NAMES
        self.unread[reason, name if is_gateway else ""] += 1


class Conversation:
    """One connection: a stream of `inspector.importers.pcap.tcp`."""

    def __init__(self, desk: Desk, client: Address, server: Address, is_late: bool) -> None:
        self.is_over = False
        self.locked_ns = 0
        """Since when it waits for keys."""
        self._locked: list[Callable[[], None]] | None = None
        """What has happened since then; None while it does not wait."""
        self._locked_bytes = 0
        self._desk = desk
        self._number = desk.number()
        self._client, self._server = client, server
        self._is_late = is_late
        self._is_turned = False
        """Who is the client was guessed, and guessed wrong."""
        self._start: dict[bool, bytes] = {}
        """What each side has said while that is too little to know what is spoken."""
        self._tls: Tls | None = None
        self._is_recognized = False
        self._tunnel = ""
        """Where a tunnel leads to, by the request for it."""
        self._http: Http | None = None
        self._socket: _Socket | None = None

    def receive(self, from_client: bool, data: bytes, at_ns: int) -> None:
        """Take the next bytes of one side."""
        from_client ^= self._is_turned
        if not self._is_recognized:
            data = self._start.pop(from_client, b"") + data
            if not self._recognize(from_client, data):
                return
            waiting = self._start.pop(not from_client, b"")
            self._read(True, data, at_ns)
            if waiting:
                self._read(False, waiting, at_ns)
        else:
            self._read(from_client, data, at_ns)

    @property
    def client_random(self) -> bytes:
        """By which it is known in a key log; empty where there is no TLS."""
        return self._tls.client_random if self._tls is not None else b""

    def unlock(self) -> None:
        """Take in what has happened while it waited for keys."""
        locked, self._locked = self._locked or (), None
        self._desk.locked_bytes -= self._locked_bytes
        self._locked_bytes = 0
        for happen in locked:
            if not self.is_over:
                happen()
        if self.is_over and self._socket is not None:
            self._socket.leave()

    def _lock(self, at_ns: int) -> None:
        """Have all that follows wait for keys."""
        self._locked, self.locked_ns = [], at_ns
        self._desk.lock(self, self._number, at_ns, self._desk.is_known(f"wss://{self._host()}/"))

    def _put_off(self, happen: Callable[[], None], size: int = 0) -> None:
        """Keep what happens until the keys are there, or there is too much of it."""
        assert self._locked is not None
        self._locked.append(happen)
        self._locked_bytes += size
        self._desk.locked_bytes += size
        most = _MOST_LOCKED if self._number in self._desk.undecided else _MOST_LOCKED_ELSEWHERE
        if self._locked_bytes > most:
            self._desk.unlock(self._number)
        self._desk.make_room()

    def _read(self, from_client: bool, data: bytes, at_ns: int) -> None:
        """Take the next bytes of one side, now that it is known what they are."""
        if self._locked is not None:
            self._put_off(partial(self._read, from_client, data, at_ns), len(data))
            return
        tls = self._tls
        if tls is None:
            self._take(from_client, data, at_ns)
            return
        is_new = not tls.client_random
        for side, plain in tls.receive(from_client, data):
            self._take(side, plain, at_ns)
        if is_new and tls.client_random and not self._desk.is_first(tls.client_random, self._number):
            self._desk.seen_twice += 1
            self.is_over = True
        elif is_new and tls.client_random and self._desk.has_patience(tls.client_random):
            self._lock(at_ns)
        elif tls.failure is not None and self._http is None and self._socket is None and not self.is_over:
            self.is_over = True
            self._refuse(self._failed(tls, *tls.failure, at_ns))
        elif tls.problem is not None:
            self._give_up(tls, tls.problem, at_ns)

    def lose(self, from_client: bool, at_ns: int) -> None:
        """Take in that bytes of one side are missing."""
        if self._locked is not None:
            self._put_off(partial(self.lose, from_client, at_ns))
        elif self._socket is not None:
            self._socket.lose(at_ns, "packets", from_client ^ self._is_turned)
        elif not self.is_over:
            # Without its beginning nothing can be made of the rest.
            self.is_over = True
            self._desk.count_unread(HOLE, self._host())

    def finish(self, from_client: bool, at_ns: int) -> None:
        """Take in that one side has ended its stream."""
        self._hang_up(from_client ^ self._is_turned, at_ns, "TCP connection ended (FIN)")

    def reset(self, from_client: bool, at_ns: int) -> None:
        """Take in that one side has broken the connection off."""
        self._hang_up(from_client ^ self._is_turned, at_ns, "TCP connection reset (RST)")

    def leave(self, at_ns: int) -> None:
        """Take in that nothing more comes."""
        if self._locked is not None:
            self._put_off(partial(self.leave, at_ns))
        elif self._socket is not None:
            self._socket.leave()

    def _hang_up(self, from_client: bool, at_ns: int, how: str) -> None:
        if self._locked is not None:
            self._put_off(partial(self._hang_up, from_client, at_ns, how))
        elif self._socket is not None:
            self._socket.hang_up(at_ns, from_client, how)
        elif self._http is not None and not self.is_over:
            self.is_over = True
            exchange = self._http.unanswered()
            if exchange is not None and exchange.is_websocket:
                self._refuse(self._opened(exchange, at_ns, _UNANSWERED[from_client]))

    def _recognize(self, from_client: bool, data: bytes) -> bool:
        """Say whether it is known now what is spoken. `data`: all that one side has said."""
        # A recording may have an answer before its question.
        is_early = not (from_client or self._is_late)
        if len(data) < _FIRST_BYTES or (is_early and len(data) <= _MOST_EARLY):
            self._start[from_client] = data
            return False
        if is_client_hello(data):
            self._tls = Tls(self._desk.keys)
        elif not is_request(data):
            if data[0] in range(20, 24) and data[1] == 3:
                self._desk.count_unread(LATE, self._host())
            self.is_over = True
            return False
        self._is_recognized = True
        if not from_client:
            self._is_turned = True
            self._client, self._server = self._server, self._client
        return True

    def _take(self, from_client: bool, data: bytes, at_ns: int) -> None:
        """Take what one side has said, TLS undone."""
        if self._socket is not None:
            self._socket.receive(at_ns, from_client, data)
            self.is_over = not self._socket.is_wanted
            return
        if from_client and data.startswith(_HTTP_2):
            self._desk.count_unread(HTTP_2, self._host())
            self.is_over = True
            return
        if self._http is None:
            self._http = Http()
        exchange = self._http.receive(from_client, data)
        self.is_over = self._http.is_over
        if exchange is None:
            return
        if exchange.is_websocket:
            self._open(exchange, self._http, at_ns)
        elif exchange.is_switched and exchange.method == "CONNECT" and self._tls is None:
            self._enter(exchange.target, self._http, at_ns)

    def _enter(self, target: str, http: Http, at_ns: int) -> None:
        """Read on in a tunnel."""
        self._tunnel = target
        said = {side: http.rest(side) for side in (True, False)}
        self._http, self._is_recognized, self._is_late = None, False, False
        for side, rest in said.items():
            if rest:
                self.receive(side ^ self._is_turned, rest, at_ns)

    def _open(self, exchange: Exchange, http: Http, at_ns: int) -> None:
        """Begin the WebSocket that was asked for, or note that it was refused."""
        opened = self._opened(exchange, at_ns)
        if not exchange.is_switched:
            self._refuse(replace(opened, refusal=refusal_of(exchange.status, exchange.reason, dict(opened.headers))))
            return
        accepted = next((value for name, value in exchange.response if name == "sec-websocket-extensions"), "")
        self._socket = _Socket(self._desk, opened, accepted)
        for from_client in (True, False):
            self._socket.receive(at_ns, from_client, http.rest(from_client))
        self._http = None

    def _opened(self, exchange: Exchange, at_ns: int, refusal: str | None = None) -> Opened:
        scheme = "ws" if self._tls is None else "wss"
        target = exchange.target if exchange.target.startswith("/") else "/"
        return Opened(
            self._number,
            at_ns,
            Plane.GATEWAY,
            clean(f"{scheme}://{exchange.host or self._host()}{target}"),
            _written(self._client),
            exchange.status or None,
            refusal,
            kept_headers(exchange.request, exchange.response),
        )

    def _failed(self, tls: Tls, from_client: bool, alert: int, at_ns: int) -> Opened:
        """Return how a connection began that did not come as far as HTTP."""
        port = f":{self._server[1]}" if self._server[1] != 443 else ""
        why = f"the {_side(from_client)} broke it off with {_ALERTS.get(alert, 'an alert')} ({alert})"
        url = f"wss://{clean(tls.server_name)}{port}/"
        client = _written(self._client)
        return Opened(self._number, at_ns, Plane.GATEWAY, url, client, None, NO_TLS.format(why))

    def _refuse(self, opened: Opened) -> None:
        # It may be tried again on the same connection.
        admitted = self._desk.admit(opened, []) if self._desk.is_known(opened.url) else None
        if admitted is not None:
            self._desk.keep(replace(admitted, connection=self._desk.number()))

    def _give_up(self, tls: Tls, problem: str, at_ns: int) -> None:
        """Take in that what TLS carries cannot be read, or not any further."""
        if self._socket is not None:
            self._socket.lose(at_ns, "tls")
        elif not self.is_over:
            self.is_over = True
            self._desk.count_unread(HTTP_2 if tls.protocol == "h2" else problem, self._host())
            if problem == NO_CIPHER:
                self._desk.ciphers.add(tls.cipher)

    def _host(self) -> str:
        """Return to where the connection leads, by the best that is known: ``name:port``."""
        name = self._tls.server_name if self._tls is not None else ""
        if name:
            return f"{name}:{self._server[1]}"
        return self._tunnel or _written(self._server)


class _Socket:
    """An open WebSocket."""

    def __init__(self, desk: Desk, opened: Opened, accepted: str) -> None:
        self.is_wanted = True
        """It is one of Discord's, or may be."""
        self._desk = desk
        self._opened = opened
        self._frames = {side: Frames(side, accepted) for side in (True, False)}
        self._is_closed = False
        self._lost: set[bool] = set()
        """Sides of which nothing more can be read."""
        self._waiting: list[Happening] | None = []
        """What happened before it was known whether this is one of Discord's."""
        desk.undecided[opened.connection] = opened.at_ns
        self._guess = shape_of(opened.url)
        if desk.is_known(opened.url) or self._guess is None:
            self._decide([])

    def receive(self, at_ns: int, from_client: bool, data: bytes) -> None:
        """Take the next bytes of one side."""
        if not self.is_wanted or from_client in self._lost:
            return
        frames = self._frames[from_client]
        number = self._opened.connection
        held = frames.held
        messages = frames.receive(data)
        if frames.held != held:
            self._desk.held += frames.held - held
        for opcode, body in messages:
            if opcode <= BINARY:
                self._keep(Frame(number, at_ns, from_client, opcode == TEXT, body))
            elif opcode == CLOSE:
                self._close(at_ns, from_client, body)
            else:
                self._keep(Control(number, at_ns, from_client, "ping" if opcode == PING else "pong", body))
        if frames.problem is not None or self._desk.held > _MOST_HELD:
            self.lose(at_ns, "frames", from_client)

    def lose(self, at_ns: int, reason: Literal["packets", "tls", "frames"], *sides: bool) -> None:
        """Take in that nothing more can be read of some sides; of both where none is named."""
        lost = {side for side in sides or (True, False) if side not in self._lost}
        self._lost |= lost
        for side in lost:
            self._drop(side)
        if lost and not self._is_closed:
            number = self._opened.connection
            self._keep(Gap(number, at_ns, at_ns, at_ns, int(True in lost), int(False in lost), reason))

    def hang_up(self, at_ns: int, from_client: bool, how: str) -> None:
        """Take in that one side has ended the connection beneath."""
        # Behind a hole there may have been a close frame.
        code, reason = (None, "") if from_client in self._lost else (1006, how)
        self._end(Closed(self._opened.connection, at_ns, code, reason, _side(from_client)))

    def leave(self) -> None:
        """Take in that nothing more comes."""
        for side in (True, False):
            self._drop(side)
        if self._waiting is not None:
            self._decide([each for each in self._waiting if isinstance(each, Frame)])

    def _drop(self, side: bool) -> None:
        """Let go of a message that is not whole."""
        self._desk.held -= self._frames[side].held
        self._frames[side] = Frames(side, "")

    def _close(self, at_ns: int, from_client: bool, body: bytes) -> None:
        code, reason = read_close(body)
        marks = Mark.NONE if len(body) < 2 or is_allowed(code) else Mark.FORBIDDEN
        self._end(Closed(self._opened.connection, at_ns, code, clean(reason), _side(from_client), marks))

    def _end(self, closed: Closed) -> None:
        """Keep the first of all ends: what answers it is no news."""
        if not self._is_closed:
            self._is_closed = True
            self._keep(closed)

    def _keep(self, happening: Happening) -> None:
        if self._waiting is None:
            if self.is_wanted:
                self._desk.keep(happening)
            return
        self._waiting.append(happening)
        first = [each for each in self._waiting if isinstance(each, Frame)]
        assert self._guess is not None
        is_clear = confirm(replace(self._opened, plane=self._guess), first) is not None
        if is_clear or len(self._waiting) >= _MOST_WAITING or isinstance(happening, Closed):
            self._decide(first)

    def _decide(self, first: list[Frame]) -> None:
        """Find out whether this is one of Discord's, by its first messages."""
        admitted = self._desk.admit(self._opened, first)
        del self._desk.undecided[self._opened.connection]
        waiting, self._waiting = self._waiting, None
        self.is_wanted = admitted is not None
        if admitted is not None:
            self._desk.keep(replace(admitted, connection=self._opened.connection))
            for happening in waiting or ():
                self._desk.keep(happening)


@dataclass(slots=True)
class _Path:
    """UDP between two addresses."""

    client: bytes
    """Source, destination and ports of what the client sends."""
    last_ns: int
    waiting: list[tuple[int, bool, bytes]] | None
    """Packets before it is known whether this is a path to a voice server; None afterwards."""
    number: int = 0
    """0 where it is none."""
    recent: deque[tuple[int, bool, bytes]] = field(default_factory=lambda: deque(maxlen=_RECENT))
    """The last packets, where each may be in the file several times."""


class Paths:
    """The UDP of calls: paths to voice servers, which IP discovery tells from others."""

    def __init__(self, desk: Desk) -> None:
        self.opened = 0
        """How many there were."""
        self._desk = desk
        self._paths: dict[bytes, _Path] = {}
        # When each question of IP discovery was asked last, by itself and by whom it was asked.
        self._asked: dict[tuple[bytes, bytes], int] = {}

    def receive(self, at_ns: int, source: bytes, destination: bytes, datagram: bytes, is_any: bool) -> None:
        """Take a datagram: its header and its data. `is_any`: it may be there again, from another interface."""
        if len(datagram) < _UDP_HEADER:
            return
        size = int.from_bytes(datagram[4:6], "big")
        key = source + destination + datagram[:4]
        path = self._paths.get(key)
        if path is None:
            if len(self._paths) >= 2 * _MOST_PATHS:
                self._forget_some()
            path = _Path(key, at_ns, [])
            other = destination + source + datagram[2:4] + datagram[:2]
            self._paths[key] = self._paths[other] = path
        path.last_ns = at_ns
        if path.waiting is None and not path.number:
            return
        data = datagram[_UDP_HEADER : size if size >= _UDP_HEADER else None]
        from_client = key == path.client
        if is_any:
            if any(_is_again(at_ns, from_client, data, each) for each in path.recent):
                return
            path.recent.append((at_ns, from_client, data))
        if path.waiting is None:
            self._desk.keep(Frame(path.number, at_ns, from_client, False, data))
            return
        path.waiting.append((at_ns, from_client, data))
        if is_discovery(data):
            self._open(path, len(source))
        elif len(path.waiting) >= MAX_FRAMES:
            path.waiting = None

    def finish(self) -> None:
        """Say that nothing more will come."""
        for path in {id(path): path for path in self._paths.values()}.values():
            self._leave(path)
        self._paths.clear()

    def _open(self, path: _Path, size: int) -> None:
        waiting, path.waiting = path.waiting, None
        assert waiting is not None
        key = path.client
        asked = waiting[-1][2], key[size : 2 * size]
        last_ns = self._asked.pop(asked, -_TWICE_NS)
        self._asked[asked] = waiting[-1][0]
        if len(self._asked) > _MOST_NAMES:
            del self._asked[next(iter(self._asked))]
        if waiting[-1][0] - last_ns < _TWICE_NS:
            # The same question from another address: behind a router that translates them.
            self._desk.seen_twice += 1
            return
        path.number = self._desk.number()
        client = key[:size], int.from_bytes(key[2 * size : 2 * size + 2], "big")
        server = key[size : 2 * size], int.from_bytes(key[2 * size + 2 :], "big")
        url = udp_url(str(ip_address(server[0])), server[1])
        self.opened += 1
        self._desk.keep(Opened(path.number, waiting[0][0], Plane.MEDIA, url, _written(client), None))
        for at_ns, from_client, data in waiting:
            self._desk.keep(Frame(path.number, at_ns, from_client, False, data))

    def _leave(self, path: _Path) -> None:
        if path.number:
            self._desk.keep(Closed(path.number, path.last_ns, None))
            path.number = 0

    def _forget_some(self) -> None:
        """Forget half of the paths: those first that are none to a voice server, then those silent for longest."""
        order = sorted(self._paths.items(), key=lambda each: (each[1].number > 0, each[1].last_ns))
        for key, path in order[: len(order) // 2]:
            self._leave(path)
            del self._paths[key]


def _is_again(at_ns: int, from_client: bool, data: bytes, other: tuple[int, bool, bytes]) -> bool:
    """Say whether a packet is one that was there before. What voice sends is never twice the same."""
    return data == other[2] and from_client == other[1] and at_ns - other[0] < _TWICE_NS


def _side(from_client: bool) -> Side:
    return "client" if from_client else "server"


def _written(address: Address) -> str:
    host, port = ip_address(address[0]), address[1]
    return f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"

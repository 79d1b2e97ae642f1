"""Connections out of what a log says: one for each shard, and a new one with each Hello.

A log is gone through twice, as what can be known of a connection is known only at its end, and wanted at its beginning.
Both times the same entries make the same connections, so that the second time finds by number what the first time
learned.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from inspector.importers.logs.entries import Began, Ended, Said
from inspector.importers.logs.payloads import Envelope, is_clients, is_hello, plane_of, with_masked_token
from inspector.importers.logs.times import Time
from inspector.model import Closed, Frame, Happening, Knows, Mark, Opened, Plane
from inspector.protocol import hosts
from inspector.protocol.ops import GatewayOp, VoiceOp

_BEAT_AND_ACK = GatewayOp.HEARTBEAT, GatewayOp.HEARTBEAT_ACK
# Beyond the bits of `Knows`: the beginning is missing.
_LATE = 128


@dataclass(slots=True, eq=False)
class _Talk:
    number: int
    plane: Plane
    last_ns: int
    heard: bool = False
    """The server has said something."""
    answered: bool = False
    """And what is not an event: there are logs of events only."""
    spoke: bool = False
    """The client has, in a log that has all it says."""
    beats: int = 0
    """Heartbeats without an ACK so far."""
    unbeaten: int = 0
    """ACKs so far without a heartbeat before them: its log leaves heartbeats out."""
    welcomed: bool = False
    """The server has accepted a session."""


class Talks:
    """Makes happenings of entries.

    `own_hosts` are gateways, too. `learned` is what an earlier `Talks` learned of the same entries.
    """

    def __init__(self, own_hosts: Iterable[str] = (), learned: bytearray | None = None) -> None:
        self._hosts = tuple(own_hosts)
        self.learned = bytearray()
        """Of each connection, by number from 1: bits of `Knows`, and `_LATE`. Complete once `finish` was called."""
        self._known = learned
        self._open: dict[str, _Talk] = {}
        self._keys: set[str] = set()
        self._now_ns = 0
        self._coming: Began | None = None

    def receive(self, entry: Said | Began | Ended) -> Iterator[Happening]:
        """Yield what happened."""
        if entry.at is not None:
            self._now_ns = entry.at.ns
        key = self._key_of(entry)
        talk = self._open.get(key)
        match entry:
            case Began():
                if not entry.key:
                    # Whose it is, its first message says.
                    self._coming = entry
                    return
                yield from self._leave(key)
                yield self._begin(key, entry.at, entry.url, None)
            case Said():
                if talk is None or self._is_beginning(talk, entry):
                    yield from self._leave(key)
                    yield self._begin(key, entry.at, entry.url, entry.plane or plane_of(entry.envelope))
                    talk = self._open[key]
                yield self._said(talk, entry)
            case Ended() if talk is not None:
                del self._open[key]
                bits = Knows.END | (Knows.CLOSER if entry.by is not None else Knows.NOTHING)
                self.learned[talk.number - 1] |= bits
                self._time(talk, entry.at)
                yield Closed(talk.number, talk.last_ns, entry.code, entry.reason, entry.by)

    def finish(self) -> Iterator[Happening]:
        """Yield the ends of the connections of which no end is known."""
        for key in list(self._open):
            yield from self._leave(key)

    def _key_of(self, entry: Said | Began | Ended) -> str:
        """Return whose an entry is: of the only shard there is, where it does not say so."""
        if entry.key:
            self._keys.add(entry.key)
            return entry.key
        return next(iter(self._keys)) if len(self._keys) == 1 else ""

    @staticmethod
    def _is_beginning(talk: _Talk, said: Said) -> bool:
        if _is_clients(talk, said):
            # discord.py identifies at a voice gateway before it has heard its Hello.
            return talk.plane is Plane.VOICE and said.envelope.op in (VoiceOp.IDENTIFY, VoiceOp.RESUME) and talk.heard
        if said.envelope.event == "READY":
            return talk.welcomed
        return talk.heard and is_hello(said.envelope, talk.plane)

    def _begin(self, key: str, at: Time | None, url: str, plane: Plane | None) -> Opened:
        if self._coming is not None and plane is not Plane.VOICE:
            url = url or self._coming.url
            self._coming = None
        number = len(self.learned) + 1
        self.learned.append(int(Knows.TIMES))
        talk = self._open[key] = _Talk(number, self._plane(url, plane), 0)
        self._time(talk, at)
        known = self._known[number - 1] if self._known is not None else 0
        return Opened(
            number,
            talk.last_ns,
            talk.plane,
            url,
            joined_late=bool(known & _LATE),
            knows=Knows(known & ~_LATE),
        )

    def _plane(self, url: str, guess: Plane | None) -> Plane:
        known = hosts.plane_of(url, self._hosts) or hosts.shape_of(url) if url else None
        return known or guess or Plane.GATEWAY

    def _said(self, talk: _Talk, said: Said) -> Frame:
        self._time(talk, said.at)
        from_client = _is_clients(talk, said)
        if not from_client:
            if not talk.heard and not is_hello(said.envelope, talk.plane):
                self.learned[talk.number - 1] |= _LATE
            talk.heard = True
            talk.welcomed = talk.welcomed or said.envelope.event is not None
            talk.answered = talk.answered or said.envelope.event is None
        elif said.is_all:
            talk.spoke = True
        self._count_beats(talk, said.envelope, from_client=from_client)
        if talk.answered and talk.spoke and not talk.unbeaten:
            self.learned[talk.number - 1] |= Knows.BOTH_SIDES
        else:
            self.learned[talk.number - 1] &= ~Knows.BOTH_SIDES.value
        if not from_client or talk.plane is not Plane.GATEWAY:
            return Frame(talk.number, talk.last_ns, from_client, said.is_text, said.data)
        data = with_masked_token(said.data, said.envelope)
        marks = Mark.NONE if data is said.data else Mark.REDACTED
        return Frame(talk.number, talk.last_ns, True, True, data, marks)

    @staticmethod
    def _count_beats(talk: _Talk, envelope: Envelope, *, from_client: bool) -> None:
        beat, ack = (VoiceOp.HEARTBEAT, VoiceOp.HEARTBEAT_ACK) if talk.plane is Plane.VOICE else _BEAT_AND_ACK
        if from_client and envelope.op == beat:
            talk.beats += 1
        elif not from_client and envelope.op == ack:
            talk.unbeaten += not talk.beats
            talk.beats = max(talk.beats - 1, 0)

    def _leave(self, key: str) -> Iterator[Closed]:
        talk = self._open.pop(key, None)
        if talk is not None:
            yield Closed(talk.number, talk.last_ns, None)

    def _time(self, talk: _Talk, at: Time | None) -> None:
        if at is None or not at.is_exact:
            self.learned[talk.number - 1] &= ~Knows.TIMES.value
        talk.last_ns = max(talk.last_ns, at.ns if at is not None else self._now_ns)


def _is_clients(talk: _Talk, said: Said) -> bool:
    return is_clients(said.envelope, talk.plane) if said.from_client is None else said.from_client

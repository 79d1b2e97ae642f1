"""Connections with other payloads in them: what becomes of messages when something in their payloads is changed.

A message that stands alone is changed alone. In a compressed stream each message depends on all before it, so the
stream is built anew, in messages of about the same size. What could not be read cannot be read afterwards either.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from inspector.model import Closed, Control, Frame, Gap, Happening, Mark, Opened, Payload, Plane, StartLimit, Undecoded
from inspector.scrub.streams import Stream, broken
from inspector.wire.decoder import Decoder
from inspector.wire.dialect import Compression

# Happenings that wait for the rest of a payload before they are given without it.
_MOST_WAITING = 20_000


class Changes(ABC):
    """Says what becomes of what happened."""

    @abstractmethod
    def opened(self, opened: Opened) -> Opened:
        """Return the opening of a connection."""

    @abstractmethod
    def control(self, control: Control) -> Control:
        """Return a ping or pong."""

    @abstractmethod
    def closed(self, closed: Closed) -> Closed:
        """Return the end of a connection."""

    @abstractmethod
    def alone(self, frame: Frame, what: Payload | Undecoded | None, opened: Opened, decoder: Decoder) -> Frame:
        """Return a message that shares no state with others. `what`: what it says, None where it is not one payload."""

    @abstractmethod
    def payload(self, payload: Payload, opened: Opened, decoder: Decoder) -> bytes:
        """Return the decoded bytes of a payload that the server sent in a stream."""

    @abstractmethod
    def limit(self, limit: StartLimit) -> StartLimit:
        """Return what Discord told of session starts."""

    def moved(self, happening: Happening) -> Happening:
        """Return it at the time at which it is to be."""
        return happening


@dataclass(slots=True)
class _Talk:
    """A connection as it goes on."""

    opened: Opened
    decoder: Decoder
    stream: Stream | None = None
    waiting: list["_Slot"] = field(default_factory=list)
    """Messages of the stream whose payload has not come whole."""
    decoded: list[bytes] = field(default_factory=list)
    """What the payloads that came in them have become."""


@dataclass(slots=True)
class _Slot:
    """The place of a happening that may not be known yet."""

    happening: Happening
    is_ready: bool = True


class Recoder:
    """Changes the happenings of one recording. They come out in order; some only with a later one, or at the end."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._talks: dict[int, _Talk] = {}
        self._queue: deque[_Slot] = deque()

    def all(self, happenings: Iterator[Happening]) -> Iterator[Happening]:
        """Yield all of `happenings`, changed."""
        for happening in happenings:
            yield from self.feed(happening)
        yield from self.finish()

    def feed(self, happening: Happening) -> Iterator[Happening]:
        """Take the next happening and yield what is ready."""
        slot = _Slot(happening)
        self._queue.append(slot)
        talk = self._talks.get(happening.connection)
        match happening:
            case Opened():
                self._talks[happening.connection] = _Talk(
                    happening, Decoder(happening.plane, happening.url, joined_late=happening.joined_late)
                )
                slot.happening = self._changes.opened(happening)
            case Frame():
                if talk is None:
                    talk = self._talks[happening.connection] = _Talk(
                        Opened(happening.connection, happening.at_ns, Plane.GATEWAY, ""),
                        Decoder(Plane.GATEWAY, "", joined_late=True),
                    )
                self._frame(talk, slot, happening)
            case StartLimit():
                slot.happening = self._changes.limit(happening)
            case Control():
                slot.happening = self._changes.control(happening)
            case Closed():
                if talk is not None:
                    self._break(talk)
                    del self._talks[happening.connection]
                slot.happening = self._changes.closed(happening)
            case Gap() if talk is not None:
                if happening.received:
                    self._break(talk)
                talk.decoder.skip(happening.received)
        if len(self._queue) > _MOST_WAITING:
            for each in self._talks.values():
                self._break(each)
        yield from self._ready()

    def finish(self) -> Iterator[Happening]:
        """Yield what is left."""
        for talk in self._talks.values():
            self._break(talk)
        yield from self._ready()

    def _ready(self) -> Iterator[Happening]:
        queue = self._queue
        while queue and queue[0].is_ready:
            yield self._changes.moved(queue.popleft().happening)

    def _frame(self, talk: _Talk, slot: _Slot, frame: Frame) -> None:
        opened, decoder = talk.opened, talk.decoder
        if opened.plane is Plane.MEDIA:
            slot.happening = self._changes.alone(frame, None, opened, decoder)
            return
        was_lost = decoder.lost is not None
        readings = decoder.receive(frame)
        if frame.marks & Mark.WITHHELD or not self._is_of_stream(talk, frame):
            slot.happening = self._changes.alone(frame, readings[0].what if readings else None, opened, decoder)
            return
        if frame.forwarded:
            # Of the stream that the other end got no one knows more.
            frame = replace(frame, forwarded=broken(len(frame.forwarded)))
        slot.happening = frame
        if was_lost:
            slot.happening = replace(frame, data=broken(len(frame.data)))
            return
        talk.waiting.append(slot)
        slot.is_ready = False
        if decoder.lost is not None:
            self._break(talk)
            return
        for reading in readings:
            if isinstance(reading.what, Payload):
                talk.decoded.append(self._changes.payload(reading.what, opened, decoder))
            else:
                talk.decoded.append(unreadable(reading.what, reading.wire_bytes))
        if decoder.is_between_payloads:
            self._compress(talk)

    def _is_of_stream(self, talk: _Talk, frame: Frame) -> bool:
        own = not (frame.is_text or frame.from_client or frame.marks & Mark.INJECTED)
        compression = talk.decoder.compression
        return own and talk.opened.plane is Plane.GATEWAY and compression not in (None, Compression.NONE)

    def _compress(self, talk: _Talk) -> None:
        """Give the messages that wait what the payloads in them have become."""
        if talk.stream is None:
            assert talk.decoder.compression is not None
            talk.stream = Stream(talk.decoder.compression)
        frames = [slot.happening for slot in talk.waiting if isinstance(slot.happening, Frame)]
        made = talk.stream.messages(b"".join(talk.decoded), [len(frame.data) for frame in frames])
        for slot, frame, data in zip(talk.waiting, frames, made, strict=True):
            slot.happening = replace(frame, data=data)
            slot.is_ready = True
        talk.waiting, talk.decoded = [], []

    def _break(self, talk: _Talk) -> None:
        """Give up what waits: it never came whole, or could not be read."""
        for slot in talk.waiting:
            assert isinstance(slot.happening, Frame)
            slot.happening = replace(slot.happening, data=broken(len(slot.happening.data)))
            slot.is_ready = True
        talk.waiting, talk.decoded = [], []


def unreadable(why: Undecoded, size: int) -> bytes:
    """Return `size` bytes that cannot be read either, for a like reason."""
    if why.reason == "bad-etf":
        return b"\x83".ljust(size, b"\xff")
    if why.reason == "truncated":
        return b'{"'[:size].ljust(size, b"x")
    return b"x" * size

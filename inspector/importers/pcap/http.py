"""Requests that ask for another protocol, and their answers, out of both sides' bytes of HTTP/1.1.

Nothing here knows where the bytes come from. A connection may have any number of ordinary requests before. Each side is
read by h11, which is told what the other side said as if it had said it itself: so it knows what an answer belongs to,
where a body ends, and when what follows is HTTP no more.
"""

from dataclasses import dataclass

import h11

# Bytes of a request's or an answer's head, and of one side that wait for the other.
_LONGEST_HEAD, _MOST_WAITING = 16 * 1024, 64 * 1024
# Methods, of which a request begins with one.
_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"CONNECT ", b"OPTIONS ", b"PATCH ")

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request for another protocol (an upgrade, or CONNECT), and its answer."""

    method: str
    target: str
    request: Headers
    status: int
    """0 where there is no answer."""
    reason: str
    response: Headers
    is_switched: bool
    """What follows is of the other protocol: `Http.rest` has what of it is there."""

    @property
    def host(self) -> str:
        """Where the request was to go, by its header; empty where there is none."""
        return next((value for name, value in self.request if name == "host"), "")

    @property
    def is_websocket(self) -> bool:
        """Whether a WebSocket was asked for."""
        return any(name == "upgrade" and value.lower() == "websocket" for name, value in self.request)


class Http:
    """One connection."""

    def __init__(self) -> None:
        self.is_over = False
        """It is not HTTP/1.1, or not any more, without another protocol being agreed on."""
        self._asked: h11.Request | None = None
        self._waiting = {True: 0, False: 0}
        # One plays the server to what the client said, the other one the client.
        self._of_client = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
        self._of_server = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)

    def receive(self, from_client: bool, data: bytes) -> Exchange | None:
        """Take the next bytes of one side, and return an exchange if they make one whole."""
        try:
            (self._of_client if from_client else self._of_server).receive_data(data)
            self._waiting[from_client] += len(data)
            exchange = self._read()
        except (h11.ProtocolError, RuntimeError, AttributeError):
            # The last is h11's own, where it means to say that a client asks while a protocol may be switched.
            self.is_over = True
            return None
        self.is_over = self.is_over or self._waiting[from_client] > _MOST_WAITING
        return exchange

    def rest(self, from_client: bool) -> bytes:
        """Return what one side has said after the switch."""
        return bytes((self._of_client if from_client else self._of_server).trailing_data[0])

    def unanswered(self) -> Exchange | None:
        """Return the request for another protocol that nobody has answered; None where there is none."""
        asked = self._asked
        if asked is None or not _asks(asked):
            return None
        return Exchange(asked.method.decode("latin-1"), asked.target.decode("latin-1"), _text(asked), 0, "", [], False)

    def _read(self) -> Exchange | None:
        while not self.is_over:
            if self._step(self._of_client, self._of_server) is not None:
                continue
            # A recording may have an answer before its question.
            is_asked = self._of_server.our_state is not h11.IDLE
            event = self._step(self._of_server, self._of_client) if is_asked else None
            if event is None:
                if self._of_client.states == self._of_server.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                    self._of_client.start_next_cycle()
                    self._of_server.start_next_cycle()
                    continue
                return None
            if isinstance(event, h11.InformationalResponse | h11.Response) and event.status_code != 100:
                exchange = self._answered(event)
                if exchange is not None:
                    return exchange
        return None

    def _step(self, reader: h11.Connection, mirror: h11.Connection) -> h11.Event | None:
        """Take one event of a side; None where there is none now."""
        event = reader.next_event()
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return None
        if isinstance(event, h11.ConnectionClosed):
            self.is_over = True
            return None
        assert isinstance(event, h11.Event)
        self._waiting[reader is self._of_client] = 0
        if isinstance(event, h11.Request):
            self._asked = event
        mirror.send_with_data_passthrough(event)
        return event

    def _answered(self, answer: h11.InformationalResponse | h11.Response) -> Exchange | None:
        asked, self._asked = self._asked, None
        is_switched = self._of_server.their_state is h11.SWITCHED_PROTOCOL
        if asked is None or not (is_switched or _asks(asked)):
            return None
        return Exchange(
            asked.method.decode("latin-1"),
            asked.target.decode("latin-1"),
            _text(asked),
            answer.status_code,
            answer.reason.decode("latin-1"),
            _text(answer),
            is_switched,
        )


def is_request(data: bytes) -> bool:
    """Say whether a stream that begins with `data`, at least 8 bytes, may be that of an HTTP client."""
    return data.startswith(_METHODS)


def _asks(request: h11.Request) -> bool:
    return any(name == b"upgrade" for name, _ in request.headers)


def _text(message: h11.Request | h11.InformationalResponse | h11.Response) -> Headers:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message.headers]

"""Closes that stay what they were: both ends of a WebSocket see what they would see without the proxy.

mitmproxy ends a WebSocket by itself. It answers each close frame for the other end, hangs up on both at once, tells the
other end of a broken connection a clean 1000, and takes codes that RFC 6455 forbids for damage. A client that is told
1000 where the line broke starts a new session instead of resuming. So from the first close frame on, or where a
connection breaks, this takes over: close frames pass byte for byte, messages still on their way pass too, and where
an end hangs up the proxy hangs up on the other, without a word that no one said.

This replaces `WebsocketLayer.relay_messages` of mitmproxy and reaches into wsproto. So `install` first plays closes
through a layer that is no one's, and where that does not go as expected it changes nothing and says what is wrong.
Frames that break WebSocket's rules are still mitmproxy's to answer, with 1002 or 1007 to both ends.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import wsproto.events
from mitmproxy import connection, http, websocket
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.websocket import WebsocketConnection, WebsocketEndHook, WebsocketLayer
from wsproto.connection import ConnectionState

from inspector.importers.mitm import BAD_FRAME, BROKEN, FORBIDDEN, HOW_CLOSED, IN_FRAME, TIMED_OUT, is_allowed

# The first byte of a close frame: the last of its message, opcode 8.
_CLOSE = 0x88
_MASKED = 0x80
# Bytes of a close frame at most: 2 of header, 4 of mask, 125 of body.
_LONGEST_CLOSE = 131
# What stands for a close frame without a code, and for no close frame at all.
_NO_CODE, _BROKEN_OFF = 1005, 1006
# What mitmproxy closes with where a message is too big for it.
_TOO_BIG = 1009

# Bytes of a message that mitmproxy is to hold until all of it has come, once it is inflated: as many as are ever
# decoded. Each piece counts as some more, since an empty one takes memory too.
_MAX_MESSAGE = 64 * 1024 * 1024
_PIECE = 64

# Seconds that an end has to answer a close frame whose sender has hung up since.
_ANSWER_LIMIT = 2.0

Relay = Callable[[WebsocketLayer, events.Event], Iterator[commands.Command]]


class _End:
    """One end of a followed WebSocket: what it has said of its own end."""

    __slots__ = ("_parts", "_size", "bad", "gone", "is_client", "may_begin", "said", "ws")

    def __init__(self, ws: WebsocketConnection, *, is_client: bool) -> None:
        self.ws = ws
        self.is_client = is_client
        self.said: bytes | None = None
        """The body of its close frame."""
        self.bad = False
        """It sent a frame that breaks WebSocket's rules."""
        self.may_begin = False
        """What it sent last may end in the middle of a close frame."""
        self.gone = False
        """It hung up after its close frame. Perhaps it still listens."""
        self._parts: list[Any] = []
        self._size = 0

    def collect(self, event: Any) -> Any:
        """Take in a part of a message, and return the frame that it completes, if it does.

        mitmproxy copies all that it has of a frame with each part of it. So it gets frames whole.
        """
        self._size = self._size + len(event.data) + _PIECE
        if event.frame_finished and not self._parts:
            whole = event
        else:
            self._parts.append(event.data)
            if not event.frame_finished:
                return None
            data = event.data[:0].join(self._parts)
            whole = type(event)(data, frame_finished=True, message_finished=event.message_finished)
            self._parts = []
        if event.message_finished:
            self._size = 0
        return whole

    @property
    def says_too_much(self) -> bool:
        """Whether the message that is arriving is larger than any that can be held."""
        return self._size > _MAX_MESSAGE

    def tell_closed(self, body: bytes) -> commands.SendData:
        """Return the command that sends it a close frame with `body`."""
        if self.is_client:
            return commands.SendData(self.ws.conn, bytes((_CLOSE, len(body))) + body)
        key = os.urandom(4)
        masked = bytes(byte ^ key[at % 4] for at, byte in enumerate(body))
        return commands.SendData(self.ws.conn, bytes((_CLOSE, len(body) | _MASKED)) + key + masked)


class _Ends:
    """A followed WebSocket. From its making on, wsproto keeps close frames to it."""

    __slots__ = ("active", "client", "ended", "flow", "server")

    def __init__(self, layer: WebsocketLayer) -> None:
        self.flow = layer.flow
        self.client = _End(layer.client_ws, is_client=True)
        self.server = _End(layer.server_ws, is_client=False)
        self.active = time.monotonic()
        """When anything last came, from either."""
        self.ended = False
        """mitmproxy's hook for the end has been called."""
        for end in (self.client, self.server):
            self._listen(end)

    @property
    def closing(self) -> bool:
        """Whether a close frame has passed."""
        return self.client.said is not None or self.server.said is not None

    def says_no_close(self, event: events.DataReceived, layer: WebsocketLayer) -> bool:
        """Say whether `event` surely brings no close frame, and none passed before: then it is mitmproxy's alone."""
        if self.closing:
            return False
        data: bytes = event.data
        end = self.client if event.connection is layer.context.client else self.server
        was_open, end.may_begin = end.may_begin, _CLOSE in data[-_LONGEST_CLOSE:]
        if was_open or _CLOSE in data:
            return False
        self.active = time.monotonic()
        return True

    def _listen(self, end: _End) -> None:
        """Have wsproto take any close frame, and say nothing of it to mitmproxy."""
        protocol = end.ws._proto
        process_close, events_of = protocol._process_close, end.ws.events

        def take_close(frame: Any) -> Any:
            body = bytes(frame.payload)
            if len(body) == 1:
                # That is not a close frame, and wsproto says so.
                return process_close(frame)
            end.said = body
            return frame._replace(payload=_read(body))

        def events_but_closes() -> Iterator[wsproto.events.Event]:
            for event in events_of():
                if isinstance(event, wsproto.events.Message):
                    whole = end.collect(event)
                    if end.says_too_much:
                        yield from self._refuse(end)
                        return
                    if whole is not None:
                        yield whole
                elif not isinstance(event, wsproto.events.CloseConnection):
                    yield event
                elif end.said is not None:
                    # What the other end still has to say is to reach it.
                    end.ws._state = ConnectionState.OPEN
                else:
                    yield from self._found_bad(end, event)

        protocol._process_close = take_close
        end.ws.events = events_but_closes

    def _refuse(self, end: _End) -> Iterator[wsproto.events.Event]:
        """Have mitmproxy end a connection by which its memory would be filled, and with it all other connections."""
        reason = f"a message of more than {_MAX_MESSAGE >> 20} MiB"
        yield from self._found_bad(end, wsproto.events.CloseConnection(_TOO_BIG, reason))

    def _found_bad(self, end: _End, close: wsproto.events.CloseConnection) -> Iterator[wsproto.events.Event]:
        end.bad = True
        if not self.closing:
            self.flow.metadata[HOW_CLOSED] = BAD_FRAME
            yield close


class Closes:
    """Keeps closes what they were on flows for which `is_followed`, once it is installed.

    `began` is called with a flow when its first close frame passes: the hook ``websocket_end`` comes later, when the
    other end has answered, or has gone. `idle_limit` returns the seconds of silence after which mitmproxy hangs up.
    What became of a close is left in the flow's metadata, for `importers.mitm.closed_of`.
    """

    def __init__(
        self,
        is_followed: Callable[[http.HTTPFlow], bool],
        began: Callable[[http.HTTPFlow], object],
        idle_limit: Callable[[], float],
    ) -> None:
        self._is_followed = is_followed
        self._began = began
        self._idle_limit = idle_limit
        self._original: Relay | None = None
        self._relay: Relay | None = None

    def install(self) -> str | None:
        """Take over closes. Return why not, in words, where mitmproxy is not built as expected; None if all is well."""
        if self._original is not None:
            return None
        try:
            original = WebsocketLayer.__dict__["relay_messages"]
            _rehearse(original)
        except Exception as error:
            # Whatever another version of mitmproxy leads us into.
            return f"{type(error).__name__}: {error}".removesuffix(": ")
        self._original, self._relay = original, self._relay_of(original)
        WebsocketLayer.relay_messages = self._relay
        return None

    def uninstall(self) -> None:
        """Leave closes to mitmproxy again. Connections that are open stay ours."""
        # Somebody else may have put theirs over ours.
        if self._original is not None and WebsocketLayer.__dict__["relay_messages"] is self._relay:
            WebsocketLayer.relay_messages = self._original
        self._original = self._relay = None

    def _relay_of(self, original: Relay) -> Relay:
        """Return what is to stand in for `original`."""

        def relay_messages(layer: WebsocketLayer, event: events.Event) -> Iterator[commands.Command]:
            # On the layer itself: a look into a dictionary of weak references costs each message a microsecond.
            ends: _Ends | None = getattr(layer, "_gwinspect_ends", None)
            if ends is None and self._is_followed(layer.flow):
                ends = layer._gwinspect_ends = _Ends(layer)
            if ends is None or (type(event) is events.DataReceived and ends.says_no_close(event, layer)):
                return original(layer, event)
            return self._pass_on(layer, event, ends, original)

        return relay_messages

    def _pass_on(
        self, layer: WebsocketLayer, event: events.Event, ends: _Ends, original: Relay
    ) -> Iterator[commands.Command]:
        """Do what an event asks for: messages are for mitmproxy, closes for us."""
        if type(event) is events.DataReceived:
            # By far the most.
            from_client = event.connection is layer.context.client
        elif isinstance(event, events.Wakeup):
            yield from _hang_up(layer, ends)
            return
        elif isinstance(event, events.ConnectionEvent):
            from_client = event.connection == layer.context.client
        else:
            from_client = event.message.from_client
        end, other = (ends.client, ends.server) if from_client else (ends.server, ends.client)
        if isinstance(event, events.ConnectionClosed):
            if not ends.closing:
                _note(ends, end, (_BROKEN_OFF, ""), TIMED_OUT if self._was_idle(event, ends) else BROKEN)
            if end.said is not None and other.said is None and not other.gone and _can_receive(event.connection):
                end.gone = True
                yield commands.RequestWakeup(_ANSWER_LIMIT)
            else:
                yield from _hang_up(layer, ends)
            return
        ends.active = time.monotonic()
        if end.said is not None:
            # Nothing counts after a close frame.
            return
        was_closing = ends.closing
        yield from original(layer, event)
        if end.bad and was_closing:
            yield from _hang_up(layer, ends)
        elif end.said is not None:
            if not was_closing:
                code, reason = _read(end.said)
                _note(ends, end, (code, reason), IN_FRAME if not end.said or is_allowed(code) else FORBIDDEN)
                self._began(ends.flow)
            yield other.tell_closed(end.said)
            if was_closing:
                yield from _end(ends)
            if other.gone:
                yield from _hang_up(layer, ends)

    def _was_idle(self, event: events.ConnectionClosed, ends: _Ends) -> bool:
        """Say whether it was mitmproxy that gave the connection up."""
        given_up = not _can_receive(event.connection)
        return given_up and time.monotonic() - ends.active >= self._idle_limit() - 1


def _can_receive(side: connection.Connection) -> bool:
    """Say whether a connection that can no longer be read can be written to: so it is where the other side hung up."""
    return bool(side.state & connection.ConnectionState.CAN_WRITE)


def _read(body: bytes) -> tuple[int, str]:
    """Return the code and the reason of a close frame."""
    return (int.from_bytes(body[:2]) if body else _NO_CODE), body[2:].decode(errors="replace")


def _note(ends: _Ends, end: _End, close: tuple[int, str], how: str) -> None:
    """Write down, where mitmproxy does, how the connection ends: `end` was the first to close it."""
    ended = ends.flow.websocket
    ended.timestamp_end = time.time()
    ended.closed_by_client = end.is_client
    ended.close_code, ended.close_reason = close
    ends.flow.metadata[HOW_CLOSED] = how


def _hang_up(layer: WebsocketLayer, ends: _Ends) -> Iterator[commands.Command]:
    layer._handle_event = _nothing
    for end in (ends.server, ends.client):
        yield commands.CloseConnection(end.ws.conn)
    yield from _end(ends)


def _nothing(event: events.Event) -> Iterator[commands.Command]:
    yield from ()


def _end(ends: _Ends) -> Iterator[commands.Command]:
    if not ends.ended:
        ends.ended = True
        yield WebsocketEndHook(ends.flow)
        ends.flow.live = False


def _rehearse(original: Relay) -> None:
    """Play closes through a layer of the installed mitmproxy. Raises whatever it leads to if they go wrong."""
    relay = Closes(lambda flow: True, lambda flow: None, lambda: math.inf)._relay_of(original)
    for acts, code, how in _PLAYS:
        layer = _layer(relay)
        sides = {"client": layer.context.client, "server": layer.context.server}
        _told(layer, events.Start())
        for side, said, expected in acts:
            close = events.ConnectionClosed(sides[side])
            told = _told(layer, close if said is None else events.DataReceived(sides[side], said))
            if len(told) != len(expected) or not all(map(_is_like, told, expected)):
                raise ValueError(f"a close went wrong: expected {expected}, got {told}")
        found = (layer.flow.websocket.close_code, layer.flow.metadata.get(HOW_CLOSED))
        if found != (code, how):
            raise ValueError(f"a close was noted wrongly: expected {(code, how)}, got {found}")


_OVER = [("hang up", "server"), ("hang up", "client"), ("hook", "websocket_end")]
_PLAYS: tuple[tuple[list[tuple[str, bytes | None, list[tuple[str, str]]]], int, str], ...] = (
    # One end breaks off.
    ([("client", None, _OVER)], 1006, BROKEN),
    ([("server", b"\x81\x09cut o", []), ("server", None, _OVER)], 1006, BROKEN),
    # A close frame without a code, and no answer.
    ([("server", b"\x88\0", [("client", "")]), ("server", None, _OVER)], 1005, IN_FRAME),
    # A code that is not allowed, a message that comes after it, and an answer with a code of its own. Masks of zeros.
    (
        [
            ("server", b"\x88\x05\xff\xffbye", [("client", "ffff627965")]),
            ("client", b"\x81\x82\0\0\0\0hi", [("hook", "websocket_message"), ("server", "6869")]),
            ("client", b"\x88\x82\0\0\0\0\x03\xe9", [("server", "03e9"), ("hook", "websocket_end")]),
            ("server", None, _OVER[:2]),
        ],
        0xFFFF,
        FORBIDDEN,
    ),
    # A frame of no known opcode.
    ([("server", b"\x83\0", [("server", "03ea"), _OVER[0], ("client", "03ea"), *_OVER[1:]])], 1002, BAD_FRAME),
)
"""What each end says (None: it hangs up), what that is to lead to, and what the flow is to have in the end."""


def _is_like(found: tuple[str, str], wanted: tuple[str, str]) -> bool:
    """Say whether this was to happen; wsproto's own reasons for a close are not compared."""
    return found[0] == wanted[0] and found[1].startswith(wanted[1])


def _layer(relay: Relay) -> WebsocketLayer:
    client = connection.Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0)
    context = Context(client, Options())
    flow = http.HTTPFlow(client, context.server)
    flow.request = http.Request.make("GET", "http://127.0.0.1/")
    flow.response = http.Response.make(101)
    flow.websocket = websocket.WebSocketData()
    rehearsed: type[WebsocketLayer] = type("Rehearsal", (WebsocketLayer,), {"relay_messages": relay})
    return rehearsed(context, flow)


def _told(layer: WebsocketLayer, event: events.Event) -> list[tuple[str, str]]:
    """Return what a layer wants done after `event`, in words that can be compared."""
    told = []
    pending = [event]
    for each in pending:
        for command in layer.handle_event(each):
            if isinstance(command, commands.StartHook):
                told.append(("hook", command.name))
                pending.append(events.HookCompleted(command))
            elif isinstance(command, commands.ConnectionCommand):
                is_client = command.connection == layer.context.client
                side = "client" if is_client else "server"
                if isinstance(command, commands.SendData):
                    told.append((side, _body(command.data)))
                else:
                    told.append(("hang up", side))
    return told


def _body(frame: bytes) -> str:
    """Return the body of a short frame in hexadecimal."""
    if not frame[1] & _MASKED:
        return frame[2:].hex()
    return bytes(byte ^ frame[2 + at % 4] for at, byte in enumerate(frame[6:])).hex()

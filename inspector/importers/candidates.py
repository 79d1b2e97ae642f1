"""Whether a WebSocket at an unknown host speaks Discord's protocol, told by the first thing the server says.

A self-hosted server has any host, and its URL only suggests what it is (`inspector.protocol.hosts.shape_of`): its Hello
proves it. The same first message tells whether a recording begins in the middle of a connection.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from inspector.model import Frame, Mark, Opened, Payload, Plane, Undecoded
from inspector.protocol.hosts import plane_of, shape_of
from inspector.protocol.ops import GatewayOp, VoiceOp
from inspector.wire.decoder import Decoder

MAX_FRAMES = 16
"""Messages after which a connection that has not said Hello is none of Discord's."""

_HELLO: dict[Plane, int | str] = {
    Plane.GATEWAY: GatewayOp.HELLO,
    Plane.VOICE: VoiceOp.HELLO,
    Plane.REMOTE_AUTH: "hello",
}


def identify(opened: Opened, first: Sequence[Frame], hosts: Iterable[str] = ()) -> Opened | None:
    """Return `opened` with its plane, and whether its beginning is missing; None if it is not a gateway of Discord's.

    `first`: the first `MAX_FRAMES` messages of the connection, or all. `hosts` are the user's own.
    """
    plane = plane_of(opened.url, hosts)
    if plane is None:
        # The address may be missing where a file is torn.
        guess = shape_of(opened.url) if opened.url else Plane.GATEWAY
        if guess is not None and confirm(replace(opened, plane=guess), first):
            plane = guess
    if plane is None:
        return None
    opened = replace(opened, plane=plane)
    return replace(opened, joined_late=True) if begins_late(opened, first) else opened


def confirm(opened: Opened, frames: Sequence[Frame]) -> bool | None:
    """Say whether the server's first payload is the Hello of `opened.plane`.

    `frames`: what both sides sent from the beginning of the connection; those after the first `MAX_FRAMES` are not
    looked at. None where it cannot be told yet; never once there are `MAX_FRAMES` of them.
    """
    first = _first_reading(opened, frames)
    if first is None:
        return None if len(frames) < MAX_FRAMES else False
    return isinstance(first, Payload) and first.op == _HELLO.get(opened.plane)


def begins_late(opened: Opened, frames: Sequence[Frame]) -> bool:
    """Say whether there is a sign that `frames` do not begin with the connection.

    The sign is a first payload of the server that is not its Hello, or bytes no compressed stream begins with.
    """
    first = _first_reading(opened, frames)
    if isinstance(first, Undecoded):
        return first.reason == "joined-late"
    return first is not None and opened.plane in _HELLO and first.op not in (None, _HELLO[opened.plane])


def _first_reading(opened: Opened, frames: Sequence[Frame]) -> Payload | Undecoded | None:
    decoder = Decoder(opened.plane, opened.url)
    for frame in frames[:MAX_FRAMES]:
        if not frame.from_client and Mark.INJECTED not in frame.marks:
            for reading in decoder.receive(frame):
                return reading.what
    return None

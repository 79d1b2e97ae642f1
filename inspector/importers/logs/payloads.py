"""Payloads as logs hold them: JSON of Discord's envelope, told from all other JSON, and which side sent it."""

import re
from functools import cache

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from inspector.model import Plane
from inspector.protocol.ops import GatewayOp, VoiceOp
from inspector.protocol.registry import default
from inspector.wire import jsontext


class Envelope(Struct):
    """What is around the body of a payload. `UNSET` is what was not there."""

    op: int
    d: Raw | UnsetType = UNSET
    s: int | UnsetType | None = UNSET
    t: str | UnsetType | None = UNSET

    @property
    def event(self) -> str | None:
        """The name of a dispatch."""
        return self.t if isinstance(self.t, str) else None


_envelope = msgspec.json.Decoder(Envelope)
_object = msgspec.json.Decoder(dict[str, Raw])
# The token of a payload, and where its body begins.
_TOKEN = re.compile(rb'("token"\s*:\s*")([^"\\]{0,200})"')
_BODY = re.compile(rb'("d"\s*:\s*\{)(?=\s*")')
# What no token has in it, and words that stand for one.
_NO_TOKEN = re.compile(rb"[*\[\]<>{}\x80-\xff]")
_MASKS = frozenset({b"redacted", b"removed", b"hidden", b"masked", b"token"})
# Text in the body of a payload that no other protocol has under the same opcode.
_TELLING = {
    GatewayOp.HELLO: b'"heartbeat_interval"',
    GatewayOp.IDENTIFY: b'"properties"',
    GatewayOp.RESUME: b'"session_id"',
}


def envelope_of(data: bytes) -> Envelope | None:
    """Return what is around the body of a payload; None where `data` is not one."""
    found: Envelope | None
    try:
        found = _envelope.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _tolerantly(data)
    if found is None:
        return None
    has_more = found.d is not UNSET or found.s is not UNSET or found.t is not UNSET
    return found if has_more or found.op in (GatewayOp.HEARTBEAT_ACK, GatewayOp.RECONNECT) else None


def _tolerantly(data: bytes) -> Envelope | None:
    """Return what is around a body that JSON proper does not allow, half a character say, but clients do send."""
    try:
        value = jsontext.loads(data) if data.rstrip().endswith(b"}") else None
    except jsontext.JsonError:
        return None
    if not isinstance(value, dict) or type(value.get("op")) is not int:
        return None
    sequence, event = value.get("s", UNSET), value.get("t", UNSET)
    return Envelope(
        value["op"],
        Raw(data) if "d" in value else UNSET,
        sequence if type(sequence) is int or sequence in (None, UNSET) else None,
        event if isinstance(event, str) or event in (None, UNSET) else None,
    )


def members_of(data: bytes) -> dict[str, bytes] | None:
    """Return the values of a JSON object, each as its own text; None where `data` is not an object."""
    try:
        return {name: bytes(value) for name, value in _object.decode(data).items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def text_of(value: bytes | None) -> str | None:
    """Return the text that a JSON value is; None where it is not text."""
    if value is None or value[:1] != b'"':
        return None
    try:
        return msgspec.json.decode(value, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def with_masked_token(data: bytes, envelope: Envelope) -> bytes:
    """Return an Identify or Resume of a client with the mask of a token where its log has no token.

    Libraries leave it out (eris) or put something else there (hikari, oceanic.js), which is the same for all bots: as a
    token it would say that they are one.
    """
    if envelope.op not in (GatewayOp.IDENTIFY, GatewayOp.RESUME) or not isinstance(envelope.d, Raw):
        return data
    found = _TOKEN.search(data)
    if found is None:
        return _BODY.sub(rb'\1"token":"********",', data, count=1)
    said = found[2]
    if said.startswith(b"masked-") or not (_NO_TOKEN.search(said) or said.lower() in _MASKS):
        return data
    return data[: found.start(2)] + b"*" * len(said) + data[found.end(2) :]


def is_discords(envelope: Envelope) -> bool:
    """Say whether a payload can be nothing but Discord's: other protocols have op and d, too."""
    if envelope.op == GatewayOp.DISPATCH and envelope.event is not None:
        return isinstance(envelope.s, int) and envelope.event.isupper()
    return _has(envelope, _TELLING)


def is_hello(envelope: Envelope, plane: Plane) -> bool:
    """Say whether it is what a server says first."""
    return envelope.op == (VoiceOp.HELLO if plane is Plane.VOICE else GatewayOp.HELLO)


def plane_of(envelope: Envelope) -> Plane:
    """Return the protocol that the first payload of a connection is of: a voice gateway's Hello and Identify tell."""
    telling = {VoiceOp.HELLO: b'"heartbeat_interval"', VoiceOp.IDENTIFY: b'"server_id"'}
    is_dispatch = envelope.event is not None
    return Plane.VOICE if not is_dispatch and _has(envelope, telling) else Plane.GATEWAY


def is_clients(envelope: Envelope, plane: Plane) -> bool:
    """Say whether the client sends such a payload, not the server.

    Of a heartbeat, which both send, what the server sends has all keys of the envelope.
    """
    way = _way_of(plane, envelope.op)
    if way == "both":
        return envelope.s is UNSET and envelope.t is UNSET
    return way == "send"


def has_one_way(envelope: Envelope) -> bool:
    """Say whether only one side of a main gateway sends such a payload."""
    return _way_of(Plane.GATEWAY, envelope.op) in ("send", "receive")


def _has(envelope: Envelope, telling: dict[GatewayOp, bytes] | dict[VoiceOp, bytes]) -> bool:
    """Say whether the body has the text that tells what is under an opcode."""
    return isinstance(envelope.d, Raw) and any(
        envelope.op == op and text in bytes(envelope.d) for op, text in telling.items()
    )


@cache
def _way_of(plane: Plane, op: int) -> str:
    known = default().opcode(plane.value, op)
    return known.direction if known is not None else ""

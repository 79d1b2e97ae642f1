"""The packets behind a row of voice media, one by one; with their transport encryption undone where that is asked for.

The key is that of the Session Description which came over the voice connection, if it was recorded with secrets. What
comes out of that is told and not kept: sizes, header extensions, and how the end of a frame says that DAVE has
encrypted it once more, which cannot be undone by a witness.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from inspector.inert import inert
from inspector.model import Event, Payload, Plane
from inspector.protocol.ops import VoiceOp
from inspector.store.reader import Reader, StoredFrame, explained
from inspector.wire.decoder import read_payload
from inspector.wire.packets import described, read_packet
from inspector.words import clock, delta, iso

if TYPE_CHECKING:
    from inspector.wire.unsealed import Unsealed

# Session Descriptions of a connection, and of those that belong to the same session.
_KEYS = f"""
    select event.id, event.at from event join connection on connection.id = event.connection
    where typeof(event.at) = 'integer' and event.plane = 'voice' and event.from_client = 0
        and event.op = {VoiceOp.SESSION_DESCRIPTION}
        and (event.connection = ?1 or connection.session is not null
            and connection.session = (select session from connection where id = ?1))
    order by event.id"""


@dataclass(frozen=True, slots=True)
class TransportKey:
    """The key of a call's transport encryption."""

    at_ns: int
    """When it was told."""
    mode: str
    secret: bytes


class PacketReader:
    """Reads the packets of rows of a capture. With `decrypt` it tells what is in them, as far as the key goes."""

    def __init__(self, reader: Reader, *, decrypt: bool = False) -> None:
        self._reader = reader
        self._decrypt = decrypt
        self._keys = lru_cache(maxsize=64)(self._read_keys)

    def of(self, event: Event) -> Iterator[dict[str, Any]]:
        """Yield the packets of a row in order, as JSON has them; none where it is not a row of voice media."""
        if event.plane is not Plane.MEDIA or event.encoding is None:
            return
        for frame in self._reader.frames(event):
            found = {"at": iso(frame.at_ns), "bytes": len(frame.data), **described(frame.data)}
            if self._decrypt and event.op in ("rtp", "rtcp"):
                found |= self._inside(event.connection, frame)
            yield found

    def lines(self, event: Event) -> Iterator[str]:
        """Yield the packets of a row as lines of text, inert."""
        before: int | None = None
        for frame, packet in zip(self._reader.frames(event), self.of(event), strict=False):
            since = "" if before is None else delta(frame.at_ns - before)
            before = frame.at_ns
            yield f"{clock(frame.at_ns)}  {since:>8}  {line_of(packet)}"

    def _inside(self, connection: int, frame: StoredFrame) -> dict[str, Any]:
        # Ciphers take a while to load, and few ask for them.
        from inspector.wire.unsealed import SealedError, reports, unseal

        parent = self._reader.connection(connection).parent
        keys = self._keys(parent) if parent is not None else ()
        known = [key for key in keys if key.at_ns <= frame.at_ns] or list(keys[:1])
        if not known:
            return {"sealed": "the capture has no key for it"}
        if not any(any(key.secret) for key in known):
            return {"sealed": "its key was masked when it was recorded; --keep-secrets keeps it"}
        packet = read_packet(frame.data)
        why = ""
        # A call that was joined again has another key, and its packets may overtake the word of it.
        for key in reversed(known):
            try:
                if packet.kind == "rtcp":
                    return {"reports": reports(frame.data, key.mode, key.secret)}
                return {"opened": _opened(unseal(frame.data, packet, key.mode, key.secret))}
            except SealedError as error:
                why = why or str(error)
        return {"sealed": why}

    def _read_keys(self, connection: int) -> tuple[TransportKey, ...]:
        """Return the keys that were told on a voice connection, and on those that belong to the same session."""
        with explained(self._reader.path):
            found = self._reader.db.execute(_KEYS, (connection,)).fetchall()
        keys = []
        for number, at_ns in found:
            payload = read_payload(Plane.VOICE, "json", self._reader.payload(number) or b"{}")
            match payload.d if isinstance(payload, Payload) else None:
                case {"mode": str(mode), "secret_key": [*numbers]} if all(_is_byte(each) for each in numbers):
                    keys.append(TransportKey(int(at_ns), mode, bytes(numbers)))
        return tuple(keys)


_LABELS = {"ssrc": "ssrc", "sequence": "seq", "timestamp": "ts", "payload_type": "PT", "number": "number"}


def _is_byte(value: Any) -> bool:
    return type(value) is int and 0 <= value < 256


def _opened(found: "Unsealed") -> dict[str, Any]:
    from inspector.wire.unsealed import SILENCE, extension

    said: dict[str, Any] = {"bytes": len(found.payload)}
    if found.extensions:
        said["extensions"] = [extension(number, data) for number, data in found.extensions]
    if found.payload == SILENCE:
        said["silence"] = True
    if found.trailer is not None:
        said["dave"] = {
            "nonce": found.trailer.nonce,
            "generation": found.trailer.generation,
            "tag": found.trailer.tag.hex(),
            "clear_ranges": [list(each) for each in found.trailer.ranges],
            "trailer_bytes": found.trailer.size,
        }
    return said


def line_of(packet: dict[str, Any]) -> str:
    """Return a packet, as `PacketReader.of` gives it, as a line of text, inert."""
    parts = []
    for key, label in _LABELS.items():
        if key in packet:
            parts.append(f"{label} {packet[key]}")
    if isinstance(packet.get("type"), str):
        parts.append(packet["type"])
    if packet.get("marker"):
        parts.append("marker")
    if "extension" in packet:
        parts.append(f"extension {packet['extension']['bytes']} B")
    parts.append(f"{packet['bytes']} B")
    if "problem" in packet:
        parts.append(packet["problem"])
    if "sealed" in packet:
        parts.append(f"not decrypted: {packet['sealed']}")
    for each in packet.get("reports", ()):
        if "sent" in each:
            parts.append(f"{each['ssrc']} sent {each['sent']['packets']:,} packets")
        else:
            parts.append(
                f"of {each['ssrc']} lost {each['lost']:,} in all, {each['lost_percent']:g} % since the last report"
            )
    if "opened" in packet:
        parts.append(_inside_line(packet["opened"]))
    return inert("  ".join(parts))


def _inside_line(opened: dict[str, Any]) -> str:
    parts = [f"{opened['bytes']} B inside"]
    for each in opened.get("extensions", ()):
        flags = ", ".join(each.get("flags", ()))
        value = f"{each['dbov']} dBov" if "dbov" in each else flags or each.get("value", "none")
        parts.append(f"{each['name']} {value}")
    if opened.get("silence"):
        parts.append("silence")
    dave = opened.get("dave")
    if dave is not None:
        ranges = f", {len(dave['clear_ranges'])} ranges in clear" if dave["clear_ranges"] else ""
        parts.append(f"DAVE nonce {dave['nonce']}, key generation {dave['generation']}{ranges}")
    else:
        parts.append("no DAVE trailer")
    return ", ".join(parts)

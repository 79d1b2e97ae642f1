"""The voice gateway's binary messages and the packets of calls, rewritten in place.

MLS names people by their ids, and binds them to keys that some clients keep for good. Both are replaced wherever they
stand, and what is computed of them is computed anew.
"""

from collections.abc import Iterator
from typing import Any

from inspector.model import Payload
from inspector.protocol.snowflake import looks_like
from inspector.scrub.kinds import Kind
from inspector.scrub.payloads import Rewriter
from inspector.wire.packets import DISCOVERY, RTCP_HEADER, read_packet
from inspector.wire.voice import read_binary

# Bytes of a value from which on it is a key, a signature or something sealed.
_LEAST = 16
# Behind the contents of a packet: a counter that makes each nonce another.
_NONCE = 4
# What is not made up: it is computed of the rest.
_COMPUTED = frozenset({"ref", "proposal_refs"})


class Binary:
    """Rewrites the binary messages of a capture: what one introduces, another may refer to."""

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self._swaps: dict[bytes, bytes] = {}

    def message(self, data: bytes, d: Any, from_client: bool, version: int | None) -> bytes:
        """Return a message of the same length. `d` is what it says."""
        ids, opaque, unread = [], [], []
        for key, value in _values(d, ""):
            if isinstance(value, int) or (isinstance(value, str) and looks_like(value)):
                if looks_like(value):
                    ids.append(int(value))
            elif isinstance(value, str) and key not in _COMPUTED and (found := _bytes(value)) is not None:
                if key == "rest":
                    unread.append(found)
                else:
                    opaque.append(found)
        swaps: dict[bytes, bytes] = {}
        for number in ids:
            if Kind.ID not in self._rewriter.kept and number < 2**64:
                self._rewriter.counts[Kind.ID] += 1
                swaps[number.to_bytes(8)] = self._rewriter.pseudonyms.id(number).to_bytes(8)
        for value in opaque:
            if len(value) >= _LEAST and value not in self._swaps and Kind.SECRET not in self._rewriter.kept:
                self._rewriter.counts[Kind.SECRET] += 1
                swaps[value] = self._rewriter.pseudonyms.data("keys", value)
        # What could not be read may be anything.
        swaps |= {value: bytes(len(value)) for value in unread if value}
        made = self._swapped(data, swaps | self._swaps)
        if made != data and isinstance(after := read_binary(made, from_client, version), Payload):
            self._learn(d, after.d)
        return made

    def _learn(self, old: Any, new: Any) -> None:
        """Remember what values that are computed have become."""
        for before, after in zip(_values(old, ""), _values(new, ""), strict=False):
            (key, value), (_, changed) = before, after
            if key in _COMPUTED and isinstance(value, str) and isinstance(changed, str) and value != changed:
                old_bytes, new_bytes = _bytes(value), _bytes(changed)
                if old_bytes and new_bytes and len(old_bytes) == len(new_bytes):
                    self._swaps[old_bytes] = new_bytes

    @staticmethod
    def _swapped(data: bytes, swaps: dict[bytes, bytes]) -> bytes:
        # The longest first: a shorter one may be part of it.
        for old in sorted(swaps, key=len, reverse=True):
            if old in data:
                data = data.replace(old, swaps[old])
        return data

    def packet(self, data: bytes) -> bytes:
        """Return a packet of a call with its header as it was, and zeros for what it carries."""
        if Kind.VOICE in self._rewriter.kept:
            return data
        packet = read_packet(data)
        if packet.kind == "discovery":
            kind, length, ssrc, address, port = DISCOVERY.unpack(data)
            text = address.rstrip(b"\0").decode("ascii", "replace")
            new = (self._rewriter.text(Kind.ADDRESS, text, len(text)) or text) if text else ""
            return DISCOVERY.pack(kind, length, ssrc, new.encode()[:64], port)
        if packet.kind in ("ping", "pong", "keep-alive"):
            return data
        self._rewriter.counts[Kind.VOICE] += 1
        clear = packet.rtp.header if packet.rtp is not None else RTCP_HEADER if packet.kind == "rtcp" else 1
        nonce = data[-_NONCE:] if len(data) > clear + _NONCE and packet.kind in ("rtp", "rtcp") else b""
        return data[:clear].ljust(len(data) - len(nonce), b"\0") + nonce


def _values(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _values(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _values(item, key)
    else:
        yield key, value


def _bytes(value: str) -> bytes | None:
    try:
        return bytes.fromhex(value)
    except ValueError:
        return None

"""Payloads packed together: a third of the size of one by one, and faster to write."""

import struct
import threading
from collections.abc import Iterable
from itertools import chain

import zstandard

from inspector.wire.inflate import MAX_PAYLOAD

# Payloads in a chunk, and bytes after which it is full all the same: reading one payload inflates all of its chunk.
CHUNK_EVENTS = 64
CHUNK_BYTES = 512 * 1024

# Captures are passed around, so they may be made up: payloads that a chunk may have, and bytes that it may inflate to.
MAX_EVENTS = 1024
MAX_INFLATED = CHUNK_BYTES + MAX_PAYLOAD + 64 * 1024

_RECORD = struct.Struct("<QI")


class _Tools(threading.local):
    """zstandard's objects must not be used by two threads at once: what comes out is then silently wrong."""

    def __init__(self) -> None:
        # Level 3 takes 2.7 us a payload instead of 1.9 and makes a chunk 2 % smaller; reading takes the same.
        # Chunks of 128 would be 7 % smaller, and reading one payload would take twice as long.
        self.compressor = zstandard.ZstdCompressor(level=1)
        self.decompressor = zstandard.ZstdDecompressor()


_tools = _Tools()


def pack(payloads: Iterable[tuple[int, bytes]]) -> bytes:
    """Return one chunk of `payloads`, each an event id with its bytes."""
    events, bodies = zip(*payloads, strict=True)
    heads = map(_RECORD.pack, events, map(len, bodies))
    return _tools.compressor.compress(b"".join(chain.from_iterable(zip(heads, bodies, strict=True))))


def unpack(chunk: bytes) -> dict[int, bytes]:
    """Return what was packed: payloads by event id. Raises ValueError where the chunk is damaged."""
    try:
        if zstandard.frame_content_size(chunk) > MAX_INFLATED:
            raise ValueError("a chunk of payloads inflates to more than any of ours")
        data = _tools.decompressor.decompress(chunk)
        read, size, end = _RECORD.unpack_from, _RECORD.size, len(data)
        found: dict[int, bytes] = {}
        at = count = 0
        while at < end:
            count += 1
            if count > MAX_EVENTS:
                raise ValueError("a chunk has more payloads than any of ours")
            event, length = read(data, at)
            begin = at + size
            at = begin + length
            if length > MAX_PAYLOAD:
                raise ValueError("a chunk has a payload that is larger than any of ours")
            if at > end:
                raise ValueError("a chunk of payloads is cut short")
            found[event] = data[begin:at]
        return found
    except (zstandard.ZstdError, struct.error) as error:
        raise ValueError(f"a chunk of payloads is damaged: {error}") from error

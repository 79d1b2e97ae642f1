"""Compression anew: what a connection's stream carries after its payloads were rewritten."""

import zlib
from collections.abc import Sequence

import zstandard

from inspector.wire.dialect import Compression

_FLUSH = b"\x00\x00\xff\xff"
# Discord's zlib streams have the size of level 6; zstd's own default is what its servers' size is nearest to.
_ZLIB_LEVEL, _ZSTD_LEVEL = 6, 3
_BROKEN = b"\xff"


class Stream:
    """One direction of a connection, compressed as one stream."""

    def __init__(self, compression: Compression) -> None:
        if compression is Compression.ZLIB:
            self._deflate = zlib.compressobj(_ZLIB_LEVEL)
            self._zstd = None
        else:
            self._zstd = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()

    def messages(self, text: bytes, sizes: Sequence[int]) -> list[bytes]:
        """Return `text` compressed, in as many messages as `sizes` has, in proportion to them."""
        if self._zstd is not None:
            data = self._zstd.compress(text) + self._zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        else:
            data = self._deflate.compress(text) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _parts(data, sizes, cut_flush=self._zstd is None)


def broken(size: int) -> bytes:
    """Return bytes that no stream goes on with: they stand for those that could not be read."""
    return _BROKEN * size


def _parts(data: bytes, sizes: Sequence[int], *, cut_flush: bool) -> list[bytes]:
    """Cut `data` into pieces, none of them empty, and none but the last with the end of a payload."""
    total, parts, at, passed = sum(sizes) or 1, [], 0, 0
    for place, size in enumerate(sizes[:-1], 1):
        passed += size
        left = len(sizes) - place
        end = min(max(len(data) * passed // total, at + 1), max(len(data) - left, at + 1))
        if cut_flush and data[:end].endswith(_FLUSH) and end + left < len(data):
            end += 1
        parts.append(data[at:end])
        at = end
    parts.append(data[at:])
    return parts

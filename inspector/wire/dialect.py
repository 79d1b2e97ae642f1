"""What a connection's URL says about how it speaks: version, encoding, compression.

The URL is a claim and the bytes are the fact: `sniff` looks at the first bytes, and the decoder follows the fact.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from urllib.parse import urlsplit

from inspector.protocol.hosts import query_of


class Compression(StrEnum):
    """Transport compression of what the server sends; clients never compress."""

    NONE = "none"
    ZLIB = "zlib-stream"
    ZSTD = "zstd-stream"


@dataclass(frozen=True, slots=True)
class Dialect:
    """The query parameters of a gateway URL, as far as they were given."""

    version: int | None = None
    """``v``; None where it is missing or no number."""
    encoding: str | None = None
    """``encoding``, in lower case; None where it is missing, which the server reads as json."""
    compression: Compression | None = None
    """``compress``; None where it is missing or not one that we know."""


@lru_cache(maxsize=32)
def dialect_of(url: str) -> Dialect:
    """Return what `url` says. Any string will do; what cannot be read is left out."""
    try:
        query = query_of(urlsplit(url).query)
    except ValueError:
        return Dialect()
    version = query.get("v", [""])[-1]
    encoding = query.get("encoding", [""])[-1].lower()
    compression = query.get("compress", [""])[-1].lower()
    return Dialect(
        version=int(version) if version.isascii() and version.isdigit() and len(version) < 5 else None,
        encoding=encoding or None,
        compression=Compression(compression) if compression in {"zlib-stream", "zstd-stream"} else None,
    )


def sniff(data: bytes) -> Compression | None:
    """Return which compression the first bytes of a stream belong to, None where they tell nothing.

    A zlib header is two bytes: method 8 with a window of 32 KiB, and a check that makes them a multiple of 31
    (RFC 1950 section 2.2). A zstd frame begins with its magic number (RFC 8878 section 3.1.1).
    """
    if data[:1] == b"\x78" and len(data) > 1 and int.from_bytes(data[:2]) % 31 == 0:
        return Compression.ZLIB
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return Compression.ZSTD
    if data[:1] in (b"\x83", b"{"):
        return Compression.NONE
    return None

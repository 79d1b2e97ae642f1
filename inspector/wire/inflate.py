"""Bounded decompression: zlib-stream, zstd-stream, and payloads compressed one by one.

The rule: no call holds more output than it was allowed, because the bound is honoured while inflating, not after. A
stream is fed exactly what the sender sent, in order; after an error its context is lost, and it repeats the error.
How much is allowed is for a `Budget` to say: one for all that a connection compresses, in whichever way.

Formats: RFC 1950 (zlib), RFC 8878 (zstd).
"""

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# A zstd frame may ask its reader to keep up to this many bytes, as a power of two: 32 MiB, four times what RFC 8878
# recommends to support and enough for every level up to 19. The memory is taken as soon as a frame asks for it.
WINDOW_LOG_MAX = 25

# Bytes that one payload may inflate to. A user account's READY is some 10 MB.
MAX_PAYLOAD = 64 * 1024 * 1024
# Bytes that a connection may inflate to for each byte received, beyond the first `SPARE`. Real streams stay below 20;
# zlib cannot exceed 1032, zstd can reach many thousands.
MAX_RATIO = 100
SPARE = 4 * 1024 * 1024

# Bytes inflated in one step. A step that fails gives no output, so an error costs at most the output of one.
_STEP = 16 * 1024

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_MAGIC = b"\x2a\x4d\x18"


class InflateError(ValueError):
    """Compressed bytes that cannot be inflated, or may not."""

    def __init__(self, reason: str, offset: int, text: str, partial: bytes = b"") -> None:
        super().__init__(text)
        self.reason = reason
        """``corrupt``; ``limit`` where it takes more output or memory than allowed; ``joined-late`` where
        the very first bytes are not how a stream begins; ``ended`` where bytes follow the end of the stream."""
        self.offset = offset
        """Bytes of the stream that were read before the step that failed, over all calls."""
        self.partial = partial
        """What this call had inflated before."""


class Budget:
    """How much a connection may inflate: its stream, single payloads and ETF's compressed terms share it.

    What was inflated and came to nothing counts too, as it took as long.
    """

    __slots__ = ("_left",)

    def __init__(self, received: int = 0) -> None:
        """`received`: bytes that are there already."""
        self._left = SPARE + MAX_RATIO * received

    @property
    def left(self) -> int:
        """Bytes that the next payload may inflate to."""
        return max(0, min(MAX_PAYLOAD, self._left))

    def receive(self, size: int) -> None:
        """Count `size` bytes that were received."""
        self._left += MAX_RATIO * size

    def spend(self, size: int) -> None:
        """Count `size` bytes that something inflated to."""
        self._left -= size

    def inflate(self, how: Callable[[bytes, int], bytes], data: bytes, *, held: int = 0) -> bytes:
        """Return what `how`, a stream's `feed` or `inflate_whole`, makes of `data`, within what is left.

        `held`: bytes of the same payload that came before. Raises `InflateError`.
        """
        # Every message passes here, so this spells `left` and `spend` out.
        left, limit = self._left, MAX_PAYLOAD - held
        limit = left if left < limit else limit
        try:
            inflated = how(data, limit if limit > 0 else 0)
        except InflateError as error:
            self.spend(len(error.partial))
            raise
        self._left = left - len(inflated)
        return inflated


class _Context(Protocol):
    """What zlib's and zstd's objects have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Stream:
    """One direction of one connection: a context that lives as long as the connection does."""

    _name: str
    _longest_header: int
    """Bytes."""

    # These stand here, and not in `__init__`, as each payload that is compressed on its own makes a stream.
    _header = b""
    _offset = 0
    _lost: tuple[str, int, str] | None = None

    def __init__(self) -> None:
        self._context = self._new_context()
        self._missing = self._longest_header
        """Bytes that `_header` can still take."""

    @property
    def ended(self) -> bool:
        """Whether the sender has ended the stream; the official gateways never do."""
        return self._context.eof

    def feed(self, data: bytes, limit: int) -> bytes:
        """Return all that `data`, the next bytes of the stream, inflates to: at most `limit` bytes.

        Raises `InflateError`, and once it has, for every later call.
        """
        if self._lost:
            raise InflateError(*self._lost)
        pieces: list[bytes] = []
        size, at = len(data), 0
        try:
            while at < size:
                context = self._context
                if context.eof:
                    context = self._after_end()
                # Nearly every message is one step, and is not copied.
                step = data if not at and size <= _STEP else data[at : at + _STEP]
                if self._missing:
                    self._take_header(step)
                inflated = context.decompress(step, limit + 1)
                if len(inflated) > limit:
                    found = (
                        f"the bytes after byte {self._offset} of the {self._name} stream inflate to more than allowed"
                    )
                    raise InflateError("limit", self._offset, found, inflated[:limit])
                taken = len(step) - len(context.unused_data) if context.eof else len(step)
                self._offset += taken
                at += taken
                if at == size and not pieces:
                    return inflated
                pieces.append(inflated)
                limit -= len(inflated)
        except (zlib.error, zstd.ZstdError) as error:
            found = f"the bytes after byte {self._offset} of the {self._name} stream do not inflate ({error})"
            raise self._lose(InflateError("corrupt", self._offset, found), pieces) from error
        except InflateError as error:
            self._lose(error, pieces)
            raise
        return b"".join(pieces)

    def _take_header(self, step: bytes) -> None:
        """Add to `_header` what `step` has of it."""
        self._header += step[: self._missing]
        self._missing = self._longest_header - len(self._header)
        self._check_header()

    def _lose(self, error: InflateError, pieces: list[bytes]) -> InflateError:
        self._lost = error.reason, error.offset, str(error)
        error.partial = b"".join(pieces) + error.partial
        return error

    def _new_context(self) -> _Context:
        raise NotImplementedError

    def _check_header(self) -> None:
        """Raise where `_header`, the first bytes of the stream or of a frame in it, is none as far as it goes."""
        raise NotImplementedError

    def _after_end(self) -> _Context:
        """Return the context for what follows the end of the stream, or raise."""
        raise self._ended()

    def _ended(self) -> InflateError:
        found = f"the {self._name} stream ended after {self._offset} bytes, and more follow"
        return InflateError("ended", self._offset, found)

    def _not_a_header(self) -> InflateError:
        found = f"a {self._name} stream was expected, and it begins with {self._header[:4].hex(' ')}"
        return InflateError("joined-late", self._offset, found)


class Zlib(_Stream):
    """zlib-stream: one zlib stream over all messages."""

    _name = "zlib"
    _longest_header = 2

    def _new_context(self) -> _Context:
        return zlib.decompressobj()

    def _check_header(self) -> None:
        method, flags = self._header[0], self._header[-1]
        is_deflate = method & 15 == 8 and method >> 4 <= 7
        # Together they are a multiple of 31. Bit 5 of the second asks for a dictionary, and there is none.
        if not is_deflate or (len(self._header) == 2 and ((method << 8 | flags) % 31 or flags & 32)):
            raise self._not_a_header()


class Zstd(_Stream):
    """zstd-stream: one zstd frame over all messages. Another frame may follow one that has ended."""

    _name = "zstd"
    _longest_header = 18

    def __init__(self) -> None:
        super().__init__()
        self._is_first_frame = True

    def _new_context(self) -> _Context:
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX})

    def _after_end(self) -> _Context:
        self._context = self._new_context()
        self._header, self._missing = b"", self._longest_header
        self._is_first_frame = False
        return self._context

    def _check_header(self) -> None:
        magic = self._header[:4]
        if _ZSTD_MAGIC.startswith(magic):
            if _window_size(self._header) > 1 << WINDOW_LOG_MAX:
                found = f"a zstd frame asks for a window of {_window_size(self._header)} bytes"
                raise InflateError("limit", self._offset, f"{found}; the limit is {1 << WINDOW_LOG_MAX}")
        elif magic[0] >> 4 != 5 or not _SKIPPABLE_MAGIC.startswith(magic[1:]):
            raise self._not_a_header() if self._is_first_frame else self._ended()


def _window_size(header: bytes) -> int:
    """Return the bytes a zstd frame asks its reader to keep, 0 where `header` is too short to say.

    https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1
    """
    if len(header) < 6:
        return 0
    descriptor = header[4]
    if not descriptor & 32:
        power = 1 << 10 + (header[5] >> 3)
        return power + power // 8 * (header[5] & 7)
    # A frame in a single segment has no window; it is kept whole.
    begin = 5 + (0, 1, 2, 4)[descriptor & 3]
    return int.from_bytes(header[begin : begin + (1, 2, 4, 8)[descriptor >> 6]], "little")


def inflate_whole(data: bytes, limit: int) -> bytes:
    """Return what `data`, one complete zlib stream, inflates to: at most `limit` bytes.

    Raises `InflateError` with reason ``corrupt`` or ``limit``.
    """
    stream = Zlib()
    try:
        inflated = stream.feed(data, limit)
    except InflateError as error:
        if error.reason == "limit":
            raise
        raise InflateError("corrupt", error.offset, str(error), error.partial) from error
    if not stream.ended:
        raise InflateError("corrupt", len(data), f"the zlib stream is cut off after {len(data)} bytes", inflated)
    return inflated

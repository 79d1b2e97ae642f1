"""WebSocket messages, pings, pongs and closes, out of the bytes of one side.

Nothing here knows where the bytes come from. Fragments are joined and permessage-deflate is undone, both up to a limit
while it is being done. Whoever wants to answer frames has wsproto for it; a witness has to read those too that break
the rules, and must not inflate a kilobyte into a gigabyte, so this reads for itself.

Sources: https://www.rfc-editor.org/rfc/rfc6455#section-5 and https://www.rfc-editor.org/rfc/rfc7692
"""

import zlib

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_CONTINUATION = 0
_FIN, _COMPRESSED, _RESERVED, _MASKED = 0x80, 0x40, 0x30, 0x80

# Bytes of a message that are taken, inflated or not, as in `inspector.proxy.closes`; what a fragment counts besides.
_LONGEST, _FRAGMENT = 64 * 1024 * 1024, 64
_LONGEST_CONTROL = 125
# What a sender cuts off the end of each message: RFC 7692, section 7.2.2.
_TAIL = b"\0\0\xff\xff"

Message = tuple[int, bytes]
"""Its opcode, and its data: of a close code and reason as they were sent. A tuple, as there is one for each message."""


class Frames:
    """One side's frames. `extensions`: what the server accepted, the value of ``Sec-WebSocket-Extensions``."""

    def __init__(self, from_client: bool, extensions: str) -> None:
        self.problem: str | None = None
        """Why nothing can be read any further, in words."""
        self.held = 0
        """Bytes of messages that are not whole."""
        accepted = [part.strip() for part in extensions.lower().split(";")]
        self._is_deflated = accepted[0] == "permessage-deflate"
        self._forgets = f"{'client' if from_client else 'server'}_no_context_takeover" in accepted
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        # Pieces of a frame that is not whole, their size, and the size that is needed to go on.
        self._pieces: list[bytes] = []
        self._size = 0
        self._needed = 2
        # Fragments of a message that is not whole.
        self._fragments: list[bytes] = []
        self._fragments_size = 0
        self._opcode = 0
        self._is_packed = False

    def receive(self, data: bytes) -> list[Message]:
        """Take the next bytes, and return the messages that are whole now; nothing after a problem."""
        if self._pieces:
            self._pieces.append(data)
            self._size += len(data)
            if self._size < self._needed:
                self.held = self._size + self._fragments_size
                return []
            data = b"".join(self._pieces)
        found: list[Message] = []
        at, size = 0, len(data)
        while self.problem is None:
            self._needed = at + 2
            if self._needed > size:
                break
            first, second = data[at], data[at + 1]
            start, length = at + 2, second & 0x7F
            if length >= 126:
                start += 2 if length == 126 else 8
                self._needed = start
                if start > size:
                    break
                length = int.from_bytes(data[at + 2 : start], "big")
            if second & _MASKED:
                start += 4
            stop = self._needed = start + length
            problem = self._check(first, length)
            if problem:
                self.problem = problem
                break
            if stop > size:
                break
            body = data[start:stop]
            if second & _MASKED and start <= stop:
                body = _unmasked(body, data[start - 4 : start])
            at = stop
            if first & 0xF >= CLOSE:
                found.append((first & 0xF, body))
            else:
                message = self._message(first, body)
                if message is not None:
                    found.append(message)
        rest = data[at:] if self.problem is None else b""
        self._pieces, self._size, self._needed = [rest] if rest else [], len(rest), self._needed - at
        self.held = self._size + self._fragments_size
        return found

    def _check(self, first: int, length: int) -> str | None:
        """Return what is wrong with a frame, by its first byte and its length."""
        opcode = first & 0xF
        if first & _RESERVED or (first & _COMPRESSED and not self._is_deflated):
            return "a frame has bits set that mean nothing here"
        if opcode >= CLOSE:
            if opcode > PONG:
                return f"there is no frame of type {opcode}"
            if length > _LONGEST_CONTROL or not first & _FIN or first & _COMPRESSED:
                return "a control frame is longer than it may be, or in fragments"
        elif opcode > BINARY:
            return f"there is no frame of type {opcode}"
        elif (opcode == _CONTINUATION) != bool(self._opcode):
            return "a fragment has no beginning" if opcode == _CONTINUATION else "a message begins inside another"
        elif length + self._fragments_size > _LONGEST:
            return f"a message has more than {_LONGEST // 1024**2} MB"
        return None

    def _message(self, first: int, body: bytes) -> Message | None:
        """Take a frame of a message, and return that once it is whole."""
        opcode = first & 0xF
        if opcode != _CONTINUATION:
            self._is_packed = bool(first & _COMPRESSED)
        if not first & _FIN:
            self._opcode = self._opcode or opcode
            self._fragments.append(body)
            self._fragments_size += len(body) + _FRAGMENT
            return None
        if self._opcode:
            opcode, body = self._opcode, b"".join([*self._fragments, body])
            self._opcode, self._fragments, self._fragments_size = 0, [], 0
        if self._is_packed:
            unpacked = self._inflated(body)
            if unpacked is None:
                return None
            body = unpacked
        return opcode, body

    def _inflated(self, body: bytes) -> bytes | None:
        if self._forgets or self._inflater.eof:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = self._inflater.decompress(body + _TAIL, _LONGEST)
        except zlib.error:
            self.problem = "a compressed message cannot be inflated"
            return None
        if self._inflater.unconsumed_tail:
            self.problem = f"a message has more than {_LONGEST // 1024**2} MB"
            return None
        return data


def read_close(data: bytes) -> tuple[int, str]:
    """Return code and reason of a close frame's data; 1005 where it has none."""
    if len(data) < 2:
        return 1005, ""
    return int.from_bytes(data[:2], "big"), data[2:].decode("utf-8", "replace")


def _unmasked(body: bytes, key: bytes) -> bytes:
    size = len(body)
    mask = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(body, "big") ^ mask).to_bytes(size, "big")

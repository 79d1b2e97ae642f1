"""The voice gateway's binary messages: opcode, sequence and length.

Layout, by who sends and by the ``v`` of the URL:

    server, v >= 8      uint16 big-endian sequence, uint8 opcode, payload
    server, v < 8       uint8 opcode, payload
    client              uint8 opcode, payload

The frame type decides that a message is binary, never a table: opcode 29 is listed as JSON in some.
"""

from inspector.model import Payload, Undecoded

# Binary opcodes that only the server sends: they tell where the opcode stands when the version is unknown.
_FROM_SERVER = frozenset({25, 27, 29, 30})


def read_binary(data: bytes, from_client: bool, version: int | None) -> Payload | Undecoded:
    """Return the header of one binary message; `data` is the whole message, `version` the URL's ``v``.

    The body is described by its ``length`` in bytes.
    """
    header = 2 if not from_client and _has_sequence(data, version) else 0
    if len(data) <= header:
        found = f"a binary message of {len(data)} bytes is too short for {'a sequence and ' if header else ''}an opcode"
        return Undecoded("truncated", found, len(data))
    seq = int.from_bytes(data[:2]) if header else None
    return Payload("binary", data, data[header], None, seq, {"length": len(data) - header - 1})


def _has_sequence(data: bytes, version: int | None) -> bool:
    if version is not None:
        return version >= 8
    if len(data) > 2 and data[2] in _FROM_SERVER:
        return True
    return not data or data[0] not in _FROM_SERVER

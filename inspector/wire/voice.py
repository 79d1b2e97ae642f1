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
    if from_client:
        return _message(data, 0, None)
    if _has_sequence(data, version):
        if len(data) < 3:
            found = f"a binary message of {len(data)} bytes is too short for a sequence and an opcode"
            return Undecoded("truncated", found, len(data))
        return _message(data, 2, int.from_bytes(data[:2]))
    return _message(data, 0, None)


def _has_sequence(data: bytes, version: int | None) -> bool:
    if version is not None:
        return version >= 8
    if len(data) > 2 and data[2] in _FROM_SERVER:
        return True
    return data[0] not in _FROM_SERVER


def _message(data: bytes, opcode_at: int, seq: int | None) -> Payload:
    return Payload("binary", data, data[opcode_at], None, seq, {"length": len(data) - opcode_at - 1})

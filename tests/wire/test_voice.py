import pytest

from inspector.model import Payload, Undecoded
from inspector.wire.voice import read_binary

WITH_SEQUENCE = bytes.fromhex("01041b") + b"12345"
WITHOUT = bytes.fromhex("1b") + b"12345"


@pytest.mark.parametrize(
    ("data", "from_client", "version", "expected"),
    [
        (WITH_SEQUENCE, False, 8, (27, 260)),
        (WITH_SEQUENCE, False, 9, (27, 260)),
        (WITHOUT, False, 7, (27, None)),
        (WITHOUT, False, 4, (27, None)),
        # Without a version, the opcodes that only the server sends tell where the opcode stands.
        (WITH_SEQUENCE, False, None, (27, 260)),
        (WITHOUT, False, None, (27, None)),
        (b"\x00\x1d\x63!", False, None, (99, 29)),
        (b"\x1a" + b"key package", True, 8, (26, None)),
        (b"\x1c", True, None, (28, None)),
        (b"\x00\x00\x1d", False, 8, (29, 0)),
    ],
)
def test_a_binary_message_has_an_opcode_and_a_sequence(
    data: bytes, from_client: bool, version: int | None, expected: tuple[int, int | None]
) -> None:
    what = read_binary(data, from_client, version)
    assert isinstance(what, Payload)
    assert (what.op, what.seq) == expected
    assert (what.encoding, what.data) == ("binary", data)


@pytest.mark.parametrize(
    ("data", "from_client", "version"),
    [(b"\x00\x01", False, 8), (b"\x01", False, None), (b"", False, None), (b"", True, 8), (b"", False, 4)],
)
def test_a_message_too_short_for_its_header_is_truncated(data: bytes, from_client: bool, version: int | None) -> None:
    what = read_binary(data, from_client, version)
    assert isinstance(what, Undecoded)
    assert (what.reason, what.offset) == ("truncated", len(data))

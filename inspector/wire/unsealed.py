"""Transport encryption of voice packets undone, and what then shows: extensions, and the trailer of a DAVE frame.

Both modes that Discord still takes keep the RTP header in clear and authenticate it. The last four bytes of a packet
are a counter, and the nonce is that counter with zeros behind it:

    clear header | ciphertext | tag, 16 bytes | counter, 4 bytes

RTCP is encrypted likewise, behind its first eight bytes. The elements of a header extension are the first bytes of
the ciphertext. A DAVE frame is encrypted once more from end to end, for the people in the call alone; its trailer says
how, and cannot be undone by a witness:

    frame | tag, 8 bytes | nonce, ULEB128 | clear ranges, ULEB128 pairs | size of all this, uint8 | FA FA

Sources: https://docs.discord.com/developers/topics/voice-connections, https://daveprotocol.com, RFC 3550, RFC 8285.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt
from nacl.exceptions import CryptoError

from inspector.wire.packets import RTCP_HEADER, Packet

# RFC 3550, section 6.4: NTP time, RTP time, packets and octets of a sender; a block of a report.
_SENDER_REPORT, _RECEIVER_REPORT = 200, 201
_SENDER = struct.Struct(">QIII")
_BLOCK = struct.Struct(">IIIIII")

KEY_BYTES = 32
TAG_BYTES = 16
COUNTER_BYTES = 4
MAGIC = b"\xfa\xfa"
SILENCE = b"\xf8\xff\xfe"
"""An Opus frame of silence. The server may send it too, so that it passes without DAVE."""

_ONE_BYTE_PROFILE = 0xBEDE
# A tag, one byte each of nonce and size, the magic.
_SMALLEST_TRAILER = 12
_DAVE_TAG_BYTES = 8
# Ids of extensions on UDP; over WebRTC the SDP assigns them.
_EXTENSIONS = {
    1: "audio level",
    2: "transmission time offset",
    3: "absolute send time",
    4: "video orientation",
    5: "transport-wide sequence number",
    6: "playout delay",
    7: "video content type",
    8: "video timing",
    9: "speaker",
    10: "MID",
    11: "RID",
    12: "repaired RID",
}
_SPEAKER_FLAGS = {1: "PRIORITY", 2: "VOICE", 4: "SOUNDSHARE"}


class SealedError(Exception):
    """A packet that stays closed; its text says why, in words that go on a sentence."""


class Trailer(NamedTuple):
    """How the end of a DAVE frame says that it is encrypted."""

    size: int
    """Bytes of the trailer."""
    tag: bytes
    nonce: int
    """32 bits."""
    ranges: tuple[tuple[int, int], ...]
    """Offset and length of what is in clear."""

    @property
    def generation(self) -> int:
        """Which key of the sender's ratchet: the nonce's top byte."""
        return self.nonce >> 24


class Unsealed(NamedTuple):
    """An RTP packet without its transport encryption."""

    payload: bytes
    """What the codec made; with DAVE as it was encrypted once more."""
    extensions: tuple[tuple[int, bytes], ...]
    """Id and data of each."""
    trailer: Trailer | None
    """Of DAVE, where there is one. A video frame has it in its last packet."""


def unseal(data: bytes, packet: Packet, mode: str, key: bytes) -> Unsealed:
    """Undo the transport encryption of an RTP packet. Raises SealedError where that cannot be done."""
    rtp = packet.rtp
    if rtp is None or not rtp.is_whole:
        raise SealedError("it is not a complete RTP packet")
    plain = opened(data, rtp.header, mode, key)
    extensions: tuple[tuple[int, bytes], ...] = ()
    if rtp.profile is not None:
        length = 4 * rtp.words
        if length > len(plain):
            raise SealedError(f"its extension should have {length} bytes, there are {len(plain)}")
        extensions = tuple(_elements(plain[:length])) if rtp.profile == _ONE_BYTE_PROFILE else ()
        plain = plain[length:]
    if rtp.padded and plain:
        plain = plain[: max(0, len(plain) - plain[-1])]
    return Unsealed(plain, extensions, read_trailer(plain))


def reports(data: bytes, mode: str, key: bytes) -> list[dict[str, Any]]:
    """Undo the encryption of an RTCP packet, and return what its reports say of each source.

    A receiver says of a source how much of it got lost since its last report (a percentage) and in all, and its jitter,
    in units of the codec's clock; a sender how much it has sent. Raises SealedError where it stays closed.
    """
    body = opened(data, RTCP_HEADER, mode, key)
    found: list[dict[str, Any]] = []
    if data[1] == _SENDER_REPORT and len(body) >= _SENDER.size:
        _, timestamp, packets, octets = _SENDER.unpack_from(body)
        sent = {"timestamp": timestamp, "packets": packets, "octets": octets}
        found.append({"ssrc": int.from_bytes(data[4:8]), "sent": sent})
        body = body[_SENDER.size :]
    elif data[1] != _RECEIVER_REPORT:
        return []
    for at in range(0, min(len(body) - _BLOCK.size + 1, (data[0] & 0x1F) * _BLOCK.size), _BLOCK.size):
        ssrc, lost, highest, jitter, _, _ = _BLOCK.unpack_from(body, at)
        # A byte of the share since the last report, then 24 bits with sign of all that is missing.
        in_all = (lost & 0xFFFFFF) - ((lost & 0x800000) << 1)
        share = round(100 * (lost >> 24) / 256, 1)
        found.append({"ssrc": ssrc, "lost_percent": share, "lost": in_all, "highest": highest, "jitter": jitter})
    return found


def opened(data: bytes, header: int, mode: str, key: bytes) -> bytes:
    """Return the plaintext behind the `header` bytes in clear. Raises SealedError where there is none to be had."""
    decrypt = _CIPHERS.get(mode)
    if decrypt is None:
        raise SealedError(f"its mode is {mode}, and only {' and '.join(_CIPHERS)} are undone")
    if len(key) != KEY_BYTES:
        raise SealedError(f"the key has {len(key)} bytes, not {KEY_BYTES}")
    if len(data) < header + TAG_BYTES + COUNTER_BYTES:
        raise SealedError("it is too short for a tag and a counter")
    clear, sealed, counter = data[:header], data[header:-COUNTER_BYTES], data[-COUNTER_BYTES:]
    try:
        return decrypt(sealed, clear, counter, key)
    except (InvalidTag, CryptoError):
        raise SealedError("the key does not fit it") from None


def read_trailer(frame: bytes) -> Trailer | None:
    """Return the DAVE trailer that a frame ends with; None where it ends with none."""
    if not frame.endswith(MAGIC) or len(frame) < _SMALLEST_TRAILER:
        return None
    size = frame[-3]
    if not _SMALLEST_TRAILER <= size <= len(frame):
        return None
    trailer = frame[-size:-3]
    numbers = _uleb128(trailer[_DAVE_TAG_BYTES:])
    if numbers is None or not len(numbers) % 2 or numbers[0] >= 1 << 32:
        return None
    ranges = tuple(zip(numbers[1::2], numbers[2::2], strict=True))
    end = 0
    for offset, length in ranges:
        if offset < end:
            return None
        end = offset + length
    return None if end > len(frame) - size else Trailer(size, trailer[:_DAVE_TAG_BYTES], numbers[0], ranges)


def extension(number: int, data: bytes) -> dict[str, Any]:
    """Return an element of a header extension in words."""
    said: dict[str, Any] = {"id": number, "name": _EXTENSIONS.get(number, "unknown")}
    if number == 1 and data:
        said |= {"voice": data[0] > 0x7F, "dbov": -(data[0] & 0x7F)}
    elif number == 9 and data:
        said["flags"] = [name for bit, name in _SPEAKER_FLAGS.items() if data[0] & bit]
    elif number in (10, 11, 12):
        said["value"] = data.decode("ascii", "backslashreplace")
    else:
        said["value"] = data.hex()
    return said


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Return the elements of a one-byte extension, as far as they are whole."""
    found = []
    at = 0
    while at < len(data):
        number, length = data[at] >> 4, (data[at] & 0x0F) + 1
        at += 1
        if number == 15:
            break
        if number:
            found.append((number, data[at : at + length]))
            at += length
    return found


def _uleb128(data: bytes) -> list[int] | None:
    """Return the numbers that `data` consists of; None where the last is cut off, or one is far too large."""
    numbers: list[int] = []
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
        elif shift > 63:
            return None
    return None if shift or not numbers else numbers


def _aes256_gcm(sealed: bytes, clear: bytes, counter: bytes, key: bytes) -> bytes:
    return AESGCM(key).decrypt(counter.ljust(12, b"\0"), sealed, clear)


def _xchacha20_poly1305(sealed: bytes, clear: bytes, counter: bytes, key: bytes) -> bytes:
    plain: bytes = crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, clear, counter.ljust(24, b"\0"), key)
    return plain


_CIPHERS: dict[str, Callable[[bytes, bytes, bytes, bytes], bytes]] = {
    "aead_aes256_gcm_rtpsize": _aes256_gcm,
    "aead_xchacha20_poly1305_rtpsize": _xchacha20_poly1305,
}

"""What TLS 1.2 and 1.3 carry, out of both sides' bytes and the secrets in a key log.

Nothing here knows where the bytes come from or what is in them. `Tls.receive` takes them in pieces of any size and
returns what they carry; it never raises because of them. What stands in the way is in `Tls.problem`. Where a recording
has an answer before its question, the answer waits.

Sources: https://www.rfc-editor.org/rfc/rfc8446 and https://www.rfc-editor.org/rfc/rfc5246; for the ciphers of TLS 1.2
https://www.rfc-editor.org/rfc/rfc5288, https://www.rfc-editor.org/rfc/rfc5289 and https://www.rfc-editor.org/rfc/rfc7905
"""

import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from inspector.importers.pcap.keylog import MASTER, KeyLog

_CHANGE_CIPHER, _ALERT, _HANDSHAKE, _APPLICATION = 20, 21, 22, 23
_CLIENT_HELLO, _SERVER_HELLO, _ENCRYPTED_EXTENSIONS, _FINISHED, _KEY_UPDATE = 1, 2, 8, 20, 24
_SERVER_NAME, _PROTOCOLS, _EARLY_DATA, _VERSIONS = 0, 16, 42, 43
_CLOSE_NOTIFY, _FATAL = 0, 2
# The random of a ServerHello that asks for another ClientHello: RFC 8446, section 4.1.3.
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

# Bytes of a record (RFC 5246, section 6.2.3) and of a handshake message that are not taken for damage.
_LONGEST_RECORD, _LONGEST_MESSAGE = 2**14 + 2048, 64 * 1024
# Bytes of one side that wait for a hello of the other.
_MOST_WAITING = 64 * 1024

_RECORD = struct.Struct("!BHH").unpack_from

NO_KEYS, NO_START, NO_CIPHER, BROKEN = "no-keys", "no-start", "no-cipher", "broken"
"""Problems: the key log has no secrets of this connection; what was seen does not begin with a handshake; its cipher is
none that is read; its bytes are not what its secrets say, or no TLS."""

Aead = AESGCM | ChaCha20Poly1305


@dataclass(frozen=True, slots=True)
class _Suite:
    """A cipher suite."""

    make: Callable[[bytes], Aead]
    key_bytes: int
    digest: str
    fixed: int
    """Bytes of a record's nonce that TLS 1.2 derives with the keys; the record has those missing to 12."""


_AES_128 = _Suite(AESGCM, 16, "sha256", 4)
_AES_256 = _Suite(AESGCM, 32, "sha384", 4)
_CHACHA = _Suite(ChaCha20Poly1305, 32, "sha256", 12)
_SUITES = {
    **dict.fromkeys((0x1301, 0x009C, 0x009E, 0xC02B, 0xC02D, 0xC02F, 0xC031), _AES_128),
    **dict.fromkeys((0x1302, 0x009D, 0x009F, 0xC02C, 0xC02E, 0xC030, 0xC032), _AES_256),
    **dict.fromkeys((0x1303, 0xCCA8, 0xCCA9, 0xCCAA, 0xCCAB, 0xCCAC, 0xCCAD, 0xCCAE), _CHACHA),
}
"""Those of TLS 1.3, and the AEADs of TLS 1.2, by number."""


@dataclass(slots=True)
class _Side:
    """One side's bytes, and how to read them."""

    is_client: bool
    rest: bytes = b""
    """Of a record that is not whole."""
    handshake: bytes = b""
    """Of a handshake message that is not whole."""
    open: Callable[[int, bytes, bytes], bytes] | None = None
    """Decrypts a record, by its type, its header and its body; None while records are in clear."""
    secret: bytes = b""
    """From which the keys of TLS 1.3 are made."""
    next_secret: bytes = b""
    """From which those behind the handshake are."""
    sequence: int = 0
    is_early: bool = False
    """What cannot be read may be 0-RTT."""
    waits: bool = False
    """For a hello of the other side."""
    has_ended: bool = False
    """It has said that nothing more comes (close_notify)."""


@dataclass(slots=True)
class Tls:
    """One connection. `keys` has the secrets, of this connection among others."""

    keys: KeyLog
    server_name: str = ""
    """The name that the client asked for, in clear; empty before it has, or where it gave none."""
    protocol: str = ""
    """What both agreed to speak inside (ALPN), where the server has said so: ``http/1.1``, ``h2``."""
    client_random: bytes = b""
    """By which a connection is known in a key log; empty before the client's first message is whole."""
    problem: str | None = None
    """Why it cannot be read, or not any further: one of the slugs above."""
    cipher: int = 0
    """The number of the cipher suite; 0 before it is chosen."""
    failure: tuple[bool, int] | None = None
    """Whether the client broke it off with an alert, or the server, and which: the number of RFC 8446, section 6."""
    _is_13: bool = False
    _suite: _Suite | None = None
    _pending: dict[bool, Callable[[int, bytes, bytes], bytes]] = field(default_factory=dict)
    _client: _Side = field(default_factory=partial(_Side, True))
    _server: _Side = field(default_factory=partial(_Side, False, waits=True))

    def receive(self, from_client: bool, data: bytes) -> list[tuple[bool, bytes]]:
        """Take the next bytes of one side, and return what they carry, record by record, with whose it is.

        That may be the other side's, where it waited for this one. There is nothing after a problem.
        """
        side, other = (self._client, self._server) if from_client else (self._server, self._client)
        found: list[tuple[bool, bytes]] = []
        self._read(side, data, found)
        if other.rest and not other.waits:
            self._read(other, b"", found)
        return found

    def _read(self, side: _Side, data: bytes, found: list[tuple[bool, bytes]]) -> None:
        if self.problem is not None:
            return
        if side.rest:
            data = side.rest + data
        at, size = 0, len(data)
        while at + 5 <= size:
            kind, version, length = _RECORD(data, at)
            if not _CHANGE_CIPHER <= kind <= _APPLICATION or version >> 8 != 3 or length > _LONGEST_RECORD:
                self.problem = BROKEN if self.client_random else NO_START
                break
            if side.waits:
                if size > _MOST_WAITING or not (self.client_random or kind == _HANDSHAKE):
                    self.problem = NO_START
                break
            stop = at + 5 + length
            if stop > size:
                break
            plain = self._record(side, kind, data[at : at + 5], data[at + 5 : stop])
            if plain:
                found.append((side.is_client, plain))
            if self.problem is not None:
                break
            at = stop
        side.rest = data[at:] if self.problem is None else b""

    def has_ended(self, from_client: bool) -> bool:
        """Say whether a side has said that nothing more comes of it (close_notify)."""
        return (self._client if from_client else self._server).has_ended

    def _record(self, side: _Side, kind: int, header: bytes, body: bytes) -> bytes:
        """Take a record, and return what it carries."""
        if side.open is None or (self._is_13 and kind != _APPLICATION):
            # TLS 1.3 has records in clear between the others for the sake of old middleboxes.
            return self._clear(side, kind, body)
        try:
            plain = side.open(side.sequence, header, body)
        except (InvalidTag, ValueError):
            if not side.is_early:
                self.problem = BROKEN
            return b""
        side.sequence += 1
        side.is_early = side.is_early and bool(side.next_secret)
        if self._is_13:
            if not plain[-1:].strip(b"\0"):
                plain = plain.rstrip(b"\0")
            if not plain:
                self.problem = BROKEN
                return b""
            kind, plain = plain[-1], plain[:-1]
        if kind == _APPLICATION:
            return plain
        if kind == _HANDSHAKE:
            self._messages(side, plain)
        elif kind == _ALERT:
            self._alert(side, plain)
        return b""

    def _clear(self, side: _Side, kind: int, body: bytes) -> bytes:
        if side.open is not None:
            return b""
        if kind == _HANDSHAKE:
            self._messages(side, body)
        elif kind == _ALERT:
            self._alert(side, body)
        elif kind == _CHANGE_CIPHER and not self._is_13 and self.cipher:
            side.open, side.sequence = self._pending.get(side.is_client), 0
            if side.open is None:
                has_keys = MASTER in self.keys.of(self.client_random)
                self.problem = NO_CIPHER if has_keys else NO_KEYS
        elif kind == _APPLICATION and not (side.is_client and side.is_early):
            # 0-RTT comes before the server's answer has told the keys.
            self.problem = NO_KEYS if self._is_13 else BROKEN if self.client_random else NO_START
        return b""

    def _alert(self, side: _Side, body: bytes) -> None:
        if len(body) != 2:
            return
        if body[1] == _CLOSE_NOTIFY:
            side.has_ended = True
        elif body[0] == _FATAL:
            self.failure = self.failure or (side.is_client, body[1])

    def _messages(self, side: _Side, data: bytes) -> None:
        """Take handshake messages, which may be split over records, and several in one."""
        data = side.handshake + data
        at = 0
        while at + 4 <= len(data) and self.problem is None:
            kind, size = data[at], int.from_bytes(data[at + 1 : at + 4], "big")
            if size > _LONGEST_MESSAGE or (not self.client_random and kind != _CLIENT_HELLO):
                self.problem = BROKEN if self.client_random else NO_START
                return
            if at + 4 + size > len(data):
                break
            body, at = data[at + 4 : at + 4 + size], at + 4 + size
            try:
                self._message(side, kind, body)
            except (IndexError, struct.error):
                self.problem = BROKEN
        side.handshake = data[at:]

    def _message(self, side: _Side, kind: int, body: bytes) -> None:
        if side.open is None:
            if kind == _CLIENT_HELLO and side.is_client:
                self._client_hello(body)
            elif kind == _SERVER_HELLO and not side.is_client:
                self._server_hello(body)
        elif not self._is_13:
            if kind != _FINISHED:
                # Another handshake inside changes the keys; nobody speaks so to a WebSocket.
                self.problem = NO_CIPHER if kind == _CLIENT_HELLO else self.problem
        elif kind == _FINISHED and side.next_secret:
            self._use(side, side.next_secret)
            side.next_secret, side.is_early = b"", False
        elif kind == _FINISHED:
            # What follows cannot be read, if anything does.
            side.open = None
        elif kind == _KEY_UPDATE and not side.next_secret and self._suite is not None:
            self._use(side, _expanded(self._suite.digest, side.secret, b"traffic upd", len(side.secret)))
        elif kind == _ENCRYPTED_EXTENSIONS:
            self._take_protocol(_extensions(body, 0))

    def _client_hello(self, body: bytes) -> None:
        self.client_random = body[2:34]
        at = 35 + body[34]
        at += 2 + int.from_bytes(body[at : at + 2], "big")
        at += 1 + body[at]
        extensions = _extensions(body, at)
        # A list of names, of which there is one kind: RFC 6066, section 3.
        name = extensions.get(_SERVER_NAME, b"")
        if len(name) > 5 and name[2] == 0:
            self.server_name = name[5 : 5 + int.from_bytes(name[3:5], "big")].decode("ascii", "replace").lower()
        self._client.is_early = _EARLY_DATA in extensions
        self._client.waits, self._server.waits = True, False

    def _server_hello(self, body: bytes) -> None:
        self._client.waits = False
        random = body[2:34]
        if random == _RETRY:
            # What was sent early is lost, and the next ClientHello sends none.
            return
        at = 35 + body[34]
        self.cipher = int.from_bytes(body[at : at + 2], "big")
        extensions = _extensions(body, at + 3)
        self._is_13 = extensions.get(_VERSIONS) == b"\x03\x04"
        self._take_protocol(extensions)
        secrets = self.keys.of(self.client_random)
        suite = self._suite = _SUITES.get(self.cipher)
        if not self._is_13:
            # What comes before the change of ciphers can be read without.
            if suite is not None and MASTER in secrets:
                self._prepare_12(suite, secrets[MASTER], random)
        elif secrets and suite is None:
            self.problem = NO_CIPHER
        else:
            self._prepare_13(secrets)

    def _prepare_13(self, secrets: dict[str, bytes]) -> None:
        for side, name in ((self._client, "CLIENT"), (self._server, "SERVER")):
            handshake = secrets.get(f"{name}_HANDSHAKE_TRAFFIC_SECRET")
            traffic = secrets.get(f"{name}_TRAFFIC_SECRET_0")
            first = handshake or traffic
            # Of a handshake that failed there are not all secrets, and none may be needed.
            if first is None:
                continue
            side.next_secret = traffic or b"" if handshake else b""
            self._use(side, first)
            # Without the secrets of the handshake its records cannot be read, but what comes behind them can.
            side.is_early = side.is_early or handshake is None

    def _prepare_12(self, suite: _Suite, master: bytes, server_random: bytes) -> None:
        size = 2 * (suite.key_bytes + suite.fixed)
        block = _prf(suite.digest, master, b"key expansion" + server_random + self.client_random, size)
        keys, fixed = 2 * suite.key_bytes, suite.fixed
        for is_client, key, iv in (
            (True, block[: suite.key_bytes], block[keys : keys + fixed]),
            (False, block[suite.key_bytes : keys], block[keys + fixed :]),
        ):
            self._pending[is_client] = partial(_open_12, suite.make(key), iv)

    def _use(self, side: _Side, secret: bytes) -> None:
        """Have a side's next records read with the keys that a secret of TLS 1.3 gives."""
        assert self._suite is not None
        key = _expanded(self._suite.digest, secret, b"key", self._suite.key_bytes)
        iv = int.from_bytes(_expanded(self._suite.digest, secret, b"iv", 12), "big")
        side.secret, side.sequence = secret, 0
        side.open = partial(_open_13, self._suite.make(key), iv)

    def _take_protocol(self, extensions: dict[int, bytes]) -> None:
        chosen = extensions.get(_PROTOCOLS, b"")
        if len(chosen) > 3:
            self.protocol = chosen[3 : 3 + chosen[2]].decode("ascii", "replace")


def is_client_hello(data: bytes) -> bool:
    """Say whether a stream that begins with `data`, at least 6 bytes, is that of a TLS client."""
    return len(data) >= 6 and data[0] == _HANDSHAKE and data[1] == 3 and data[5] == _CLIENT_HELLO


def _open_13(aead: Aead, iv: int, sequence: int, header: bytes, body: bytes) -> bytes:
    return aead.decrypt((iv ^ sequence).to_bytes(12, "big"), body, header)


def _open_12(aead: Aead, iv: bytes, sequence: int, header: bytes, body: bytes) -> bytes:
    if len(iv) == 4:
        nonce, body = iv + body[:8], body[8:]
    else:
        nonce = (int.from_bytes(iv, "big") ^ sequence).to_bytes(12, "big")
    size = max(len(body) - 16, 0)
    return aead.decrypt(nonce, body, sequence.to_bytes(8, "big") + header[:3] + size.to_bytes(2, "big"))


def _expanded(digest: str, secret: bytes, label: bytes, size: int) -> bytes:
    """Return HKDF-Expand-Label without a context, of no more than one digest: RFC 8446, section 7.1."""
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0"
    return hmac.digest(secret, info + b"\x01", digest)[:size]


def _prf(digest: str, secret: bytes, seed: bytes, size: int) -> bytes:
    """Return `size` bytes of the pseudorandom function of TLS 1.2: RFC 5246, section 5."""
    found, step = b"", seed
    while len(found) < size:
        step = hmac.digest(secret, step, digest)
        found += hmac.digest(secret, step + seed, digest)
    return found[:size]


def _extensions(body: bytes, at: int) -> dict[int, bytes]:
    """Return the extensions of a hello, whose list begins at `at`."""
    found = {}
    stop = min(at + 2 + int.from_bytes(body[at : at + 2], "big"), len(body))
    at += 2
    while at + 4 <= stop:
        kind, size = struct.unpack_from("!HH", body, at)
        found[kind] = body[at + 4 : at + 4 + size]
        at += 4 + size
    return found

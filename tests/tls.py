"""Real TLS without sockets: both ends are Python's own `ssl`, and what they send each other is kept.

    pair = TlsPair("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    pair.shake_hands().say("client", b"…").update_keys("client").closes("server")
    pair.flights   # [(from_client, bytes), …]
    pair.log       # the key log

What `ssl` has no names for (the ciphers of TLS 1.3, new keys, 0-RTT) is asked of the OpenSSL behind it.
"""

import _ssl
import ctypes
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

import trustme

NAME = "gateway.discord.gg"
CIPHERS = {
    "TLSv1.2": (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
    ),
    "TLSv1.3": ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"),
}
ALL = [(version, cipher) for version, ciphers in CIPHERS.items() for cipher in ciphers]

_LIBRARY = ctypes.CDLL(_ssl.__file__)
# Where CPython's objects keep OpenSSL's: behind their head, and a socket's reference to its owner.
_CONTEXT_AT, _CONNECTION_AT = 16, 24
_UPDATE_REQUESTED = 1

_authority = trustme.CA()
_certificates = {
    "RSA": _authority.issue_cert(NAME, key_type=trustme.KeyType.RSA),
    "ECDSA": _authority.issue_cert(NAME, key_type=trustme.KeyType.ECDSA),
}


class Contexts:
    """A client and a server of one configuration, with one key log."""

    def __init__(
        self,
        version: str = "TLSv1.3",
        cipher: str = "TLS_AES_128_GCM_SHA256",
        protocols: tuple[str, ...] = (),
        *,
        trusts: bool = True,
    ) -> None:
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if trusts:
            _authority.configure_trust(self.client)
        _certificates["ECDSA" if "ECDSA" in cipher else "RSA"].configure_cert(self.server)
        for context in (self.client, self.server):
            context.minimum_version = context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
            if version == "TLSv1.2":
                context.set_ciphers(cipher)
            else:
                call("SSL_CTX_set_ciphersuites", of_context(context), cipher.encode())
            if protocols:
                context.set_alpn_protocols(list(protocols))
        self._folder = tempfile.TemporaryDirectory()
        self._log = Path(self._folder.name) / "keys.log"
        self.client.keylog_filename = str(self._log)

    @property
    def log(self) -> bytes:
        return self._log.read_bytes()


class TlsPair:
    """One connection."""

    def __init__(
        self,
        version: str = "TLSv1.3",
        cipher: str = "TLS_AES_128_GCM_SHA256",
        *,
        contexts: Contexts | None = None,
        session: ssl.SSLSession | None = None,
        early: bytes = b"",
    ) -> None:
        self.contexts = contexts or Contexts(version, cipher)
        self.flights: list[tuple[bool, bytes]] = []
        self._in = {side: ssl.MemoryBIO() for side in ("client", "server")}
        self._out = {side: ssl.MemoryBIO() for side in ("client", "server")}
        self.ends = {
            "client": self.contexts.client.wrap_bio(
                self._in["client"], self._out["client"], server_hostname=NAME, session=session
            ),
            "server": self.contexts.server.wrap_bio(self._in["server"], self._out["server"], server_side=True),
        }
        if early:
            written = ctypes.c_size_t()
            call("SSL_write_early_data", of_connection(self.ends["client"]), early, len(early), ctypes.byref(written))
            self._pass_on()

    @property
    def log(self) -> bytes:
        return self.contexts.log

    def shake_hands(self) -> Self:
        done: set[str] = set()
        while len(done) < 2:
            for side, end in self.ends.items():
                try:
                    end.do_handshake()
                    done.add(side)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError:
                    # It has told the other end why.
                    self._pass_on()
                    return self
                self._pass_on()
        # The server's tickets.
        self._hear("client")
        return self

    def say(self, side: str, data: bytes) -> Self:
        for start in range(0, len(data), 16_000) or (0,):
            self.ends[side].write(data[start : start + 16_000])
        self._pass_on()
        other = "server" if side == "client" else "client"
        assert self._hear(other) == data
        # What it answers, should the keys have been changed.
        self._pass_on()
        self._hear(side)
        return self

    def update_keys(self, side: str, *, both: bool = False) -> Self:
        call("SSL_key_update", of_connection(self.ends[side]), _UPDATE_REQUESTED if both else 0)
        return self

    def closes(self, side: str) -> Self:
        with suppress(ssl.SSLWantReadError):
            self.ends[side].unwrap()
        self._pass_on()
        return self

    def _hear(self, side: str) -> bytes:
        heard = b""
        try:
            while piece := self.ends[side].read(65_536):
                heard += piece
        except ssl.SSLWantReadError:
            pass
        return heard

    def _pass_on(self) -> None:
        for side, other in (("client", "server"), ("server", "client")):
            data = self._out[side].read()
            if data:
                self.flights.append((side == "client", data))
                self._in[other].write(data)


def of_context(context: ssl.SSLContext) -> ctypes.c_void_p:
    return ctypes.c_void_p.from_address(id(context) + _CONTEXT_AT)


def of_connection(end: ssl.SSLObject) -> ctypes.c_void_p:
    return ctypes.c_void_p.from_address(id(end._sslobj) + _CONNECTION_AT)  # type: ignore[attr-defined]


def call(name: str, *arguments: object) -> None:
    assert getattr(_LIBRARY, name)(*arguments) == 1, name

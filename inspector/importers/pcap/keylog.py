"""Key logs: the secrets of TLS connections, as SSLKEYLOGFILE and capture files hold them.

Lines that are none of these (comments, other programs' additions, one that is still being written) are passed over.

Source: https://www.rfc-editor.org/rfc/rfc9850
"""

import re

# Label, client random, secret: those of TLS 1.3 are as long as its hash, the master secret of TLS 1.2 has 48 bytes.
_LINE = re.compile(rb"^[ \t]*([A-Z0-9_]{1,64})[ \t]+([0-9a-fA-F]{64})[ \t]+((?:[0-9a-fA-F]{2}){16,64})[ \t]*\r?$", re.M)

MASTER = "CLIENT_RANDOM"
"""Label of the master secret of TLS 1.2; the others are those of TLS 1.3."""

_TLS_13 = frozenset(
    f"{side}_{secret}" for side in ("CLIENT", "SERVER") for secret in ("HANDSHAKE_TRAFFIC_SECRET", "TRAFFIC_SECRET_0")
)
"""What it takes to read a connection of TLS 1.3."""


class KeyLog:
    """Secrets by the client random of their connection; of so many connections, where `most` says so, the last."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._secrets: dict[bytes, dict[str, bytes]] = {}

    def __len__(self) -> int:
        """Return of how many connections there are secrets."""
        return len(self._secrets)

    def add(self, text: bytes) -> int:
        """Take the secrets in a key log, or in a part of one that ends with a line, and return how many there are.

        Of two for the same, the last counts.
        """
        found = _LINE.findall(text)
        for label, random, secret in found:
            self._secrets.setdefault(bytes.fromhex(random.decode()), {})[label.decode()] = bytes.fromhex(
                secret.decode()
            )
        while self._most is not None and len(self._secrets) > self._most:
            del self._secrets[next(iter(self._secrets))]
        return len(found)

    def of(self, client_random: bytes) -> dict[str, bytes]:
        """Return the secrets of a connection by their labels; none where there are none."""
        return self._secrets.get(client_random, {})

    def is_complete(self, client_random: bytes) -> bool:
        """Say whether all secrets are there that a connection needs: a client writes them one by one."""
        known = self.of(client_random).keys()
        return MASTER in known or known >= _TLS_13

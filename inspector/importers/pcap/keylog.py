"""Key logs: the secrets of TLS connections, as SSLKEYLOGFILE and capture files hold them.

Lines that are none of these (comments, other programs' additions, one that is still being written) are passed over.

Source: https://www.rfc-editor.org/rfc/rfc9850
"""

import re

# Label, client random, secret: those of TLS 1.3 are as long as its hash, the master secret of TLS 1.2 has 48 bytes.
_LINE = re.compile(rb"^[ \t]*([A-Z0-9_]{1,64})[ \t]+([0-9a-fA-F]{64})[ \t]+((?:[0-9a-fA-F]{2}){16,64})[ \t]*\r?$", re.M)

MASTER = "CLIENT_RANDOM"
"""Label of the master secret of TLS 1.2; the others are those of TLS 1.3."""


class KeyLog:
    """Secrets by the client random of their connection."""

    def __init__(self) -> None:
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
        return len(found)

    def of(self, client_random: bytes) -> dict[str, bytes]:
        """Return the secrets of a connection by their labels; none where there are none."""
        return self._secrets.get(client_random, {})

"""What to say of packets that could not be read, while they come and at the end, and what to do about it."""

import time
from collections.abc import Sequence

from inspector.importers.pcap.conversation import HOLE, LATE
from inspector.importers.pcap.keylog import KeyLog
from inspector.importers.pcap.notes import hidden, on_gateways
from inspector.importers.pcap.tls import NO_KEYS, NO_START
from inspector.importers.pcap.traffic import Traffic
from inspector.inert import short
from inspector.words import counted, listed

# Seconds between two looks.
_BEAT = 1.0
# Seconds after which it is worth a word that there is no gateway.
PATIENCE = 20.0
# Names that a sentence lists, that are remembered, and characters of one.
_NAMED, _MOST, _LONGEST = 5, 1000, 80


class Remarks:
    """Looks at what becomes of the packets.

    `key_files`: where the keys of clients are that were started by others; none where we have started the client, and
    told it where to write them.
    """

    def __init__(
        self, traffic: Traffic, keys: KeyLog, interfaces: Sequence[str], key_files: Sequence[str] = ()
    ) -> None:
        self.connections = 0
        """How many are recorded, those of gateways."""
        self._traffic = traffic
        self._keys = keys
        self._interfaces = interfaces
        self._no_keys = _no_keys(key_files)
        self._how = _how(self._no_keys)
        self._has_command = not key_files
        self._foreign: set[str] = set()
        self._told: dict[str, str] = {}
        self._began = self._looked = time.monotonic()

    def saw(self, host: str) -> None:
        """Note a WebSocket that is not a gateway."""
        if len(self._foreign) < _MOST:
            self._foreign.add(host)

    def news(self) -> list[str]:
        """Return what should be known now and was not said yet. Answers at once; looks once a second."""
        now = time.monotonic()
        if now - self._looked < _BEAT:
            return []
        self._looked = now
        said = on_gateways(self._traffic.desk, self._how)
        if not said and not self.connections and now - self._began > PATIENCE:
            said["nothing"] = f"no Discord gateway yet: {self._why_nothing()}"
        new = {reason: text for reason, text in said.items() if reason not in self._told}
        self._told |= new
        return list(new.values())

    def notes(self, dropped: int) -> list[str]:
        """Return what the recording lacks, as of its end. `dropped`: packets that nobody has read."""
        said = list(on_gateways(self._traffic.desk, self._how).values())
        if dropped:
            said.append(
                f"{counted(dropped, 'packet was/packets were')} dropped, as this machine was too busy; a connection "
                "that lacks one has a gap"
            )
        if not said and not self.connections:
            said.append(f"no Discord gateway was seen: {self._why_nothing()}")
        return [*said, *self._traffic.notes()]

    def _why_nothing(self) -> str:
        where = f"on {listed(self._interfaces)}"
        if not self._traffic.packets:
            return f"there were no packets of HTTPS {where}; --interface chooses another interface, --port another port"
        if self._foreign:
            names = [short(name, _LONGEST) for name in sorted(self._foreign)[:_NAMED]]
            return f"only WebSockets to {listed(names)}; --host adds a server of your own"
        unread = self._traffic.desk.unread
        late = sum(number for (why, _), number in unread.items() if why in (LATE, NO_START))
        if late and not self._has_command:
            return (
                f"{counted(late, 'TLS connection was/TLS connections were')} already open when the recording began, so "
                "they can't be decrypted; restart the client"
            )
        if self._traffic.desk.hidden:
            return hidden(self._traffic.desk)
        if not len(self._keys):
            return f"{counted(self._traffic.packets, 'packet')} {where}, but no keys: {self._no_keys}"
        return f"{counted(self._traffic.packets, 'packet')} {where} were of other programs or servers"


def _no_keys(key_files: Sequence[str]) -> str:
    """Return why there may be no keys, and what to do about it."""
    if key_files:
        return (
            f"the client does not write them into {listed(key_files)}; start it with SSLKEYLOGFILE={key_files[0]} "
            "(Node: with --tls-keylog)"
        )
    return (
        "the client does not write them; Python, Node, Chromium, Electron, Firefox and curl do, others need the proxy "
        "(leave --passive out)"
    )


def _how(no_keys: str) -> dict[str, str]:
    """Return what to say of gateways, for the reasons that depend on how packets are recorded."""
    late = "could not be decrypted: already open when the recording began; restart the client"
    return {
        NO_KEYS: f"could not be decrypted without keys: {no_keys}",
        NO_START: late,
        LATE: late,
        HOLE: "could not be read: this machine was too busy to record the first packets",
    }

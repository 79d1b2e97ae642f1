"""Packets in, happenings out, in the order of time: what reading a file and listening to a network have in common.

Happenings come out as soon as no earlier one can come any more: packets of several interfaces are not quite in order,
and whether a WebSocket at an unknown host is Discord's is known only by its first message.
"""

from collections.abc import Callable, Iterable

from inspector.importers.held import Held
from inspector.importers.pcap.conversation import Desk, Paths
from inspector.importers.pcap.keylog import KeyLog
from inspector.importers.pcap.network import ANY, TCP, UDP, Network
from inspector.importers.pcap.packetfile import Packet
from inspector.importers.pcap.tcp import Reassembly
from inspector.model import Frame, Happening, Opened
from inspector.words import counted, listed

# Numbers that a note lists.
_NAMED = 5


class Traffic:
    """Reads packets. `admit` is that of `Desk`, as is `patience_ns`."""

    def __init__(
        self,
        keys: KeyLog,
        hosts: Iterable[str],
        admit: Callable[[Opened, list[Frame]], Opened | None],
        patience_ns: int = 0,
    ) -> None:
        self._held = Held()
        self.desk = Desk(keys, hosts, self._held.keep, admit, patience_ns)
        self.packets = 0
        """How many there were."""
        self._cut_packets = 0
        self._network, self._streams, self._paths = Network(), Reassembly(self.desk.begin), Paths(self.desk)

    @property
    def calls(self) -> int:
        """How many paths to voice servers there were."""
        return self._paths.opened

    def receive(self, packets: Iterable[Packet]) -> None:
        """Take packets, in the order in which they were recorded."""
        network, streams, paths = self._network, self._streams, self._paths
        for at_ns, link, data, size in packets:
            self.packets += 1
            found = network.receive(at_ns, link, data)
            if size > len(data):
                self._cut_packets += 1
            if found is not None:
                protocol, source, destination, carried, missing = found
                if protocol == TCP:
                    streams.receive(at_ns, source, destination, carried, missing)
                elif protocol == UDP and not missing:
                    paths.receive(at_ns, source, destination, carried, link in ANY)

    def pass_time(self, now_ns: int) -> None:
        """Let time go by, where it does so without packets: keys may have come, and what is missing will not."""
        self.desk.pass_time(now_ns)
        self._streams.pass_time(now_ns)

    def released(self, until_ns: int, at_least_until_ns: int = 0) -> list[Happening]:
        """Return what happened until a time, in order; less, down to the other one, while something is undecided."""
        until_ns = min([until_ns, *self.desk.undecided.values()])
        return self._held.released(max(until_ns, at_least_until_ns))

    def finish(self) -> list[Happening]:
        """Say that nothing more will come, and return what is left."""
        self.desk.pass_time(None)
        self._streams.finish()
        self._paths.finish()
        return self._held.released(None)

    def notes(self) -> list[str]:
        """Return what could not be read, and what to do about it."""
        notes = []
        if self._network.unread_links:
            links = listed(str(link) for link, _ in self._network.unread_links.most_common(_NAMED))
            count = counted(self._network.unread_links.total(), "packet")
            notes.append(
                f"{count} skipped: gwinspect does not read link type {links}; record on Ethernet, Wi-Fi or loopback"
            )
        if self._cut_packets:
            notes.append(
                f"{counted(self._cut_packets, 'packet was/packets were')} recorded only in part; record whole packets "
                "(tcpdump -s 0, dumpcap -s 0)"
            )
        return notes

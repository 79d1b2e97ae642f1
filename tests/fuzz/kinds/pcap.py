"""Packet captures: damaged messages, streams, packets, blocks and bytes, of plain connections and of encrypted ones."""

from functools import cache
from random import Random

from inspector.importers.pcap.packetfile import PacketFile
from tests.fuzz import damage, talks
from tests.fuzz.mutant import Mutant
from tests.fuzz.usage import steps_for
from tests.importers.pcap.record import VERSIONS, path_of
from tests.packets import LINKS, Packet, packed, pcap, pcapng
from tests.wired import Wired

# Bytes of Ethernet's header, and of the headers of IP and TCP.
_ETHERNET, _HEADERS = 14, 40


def make(dice: Random) -> Mutant:
    frames, log = 0, b""
    if dice.random() < 0.3:
        recorded, log = _recorded(dice.choice(list(VERSIONS)))
        packets = list(recorded)
    else:
        happenings = talks.any_talk(dice)
        if dice.random() < 0.6:
            happenings, frames = talks.damaged(happenings, dice)
        wired = Wired(happenings, None, deflate=dice.random() < 0.3, segment=dice.choice((7, 50, 1400)))
        packets = wired.packets
    for _ in range(dice.choice((0, 1, 1, 3, 10))):
        packets = _changed(packets, dice)
    if log and dice.random() < 0.2:
        log = damage.bytes_of(log, dice)
    if dice.random() < 0.6:
        data = pcapng(packets, dice.choice(list(LINKS)), order=dice.choice("<>"), log=log, log_last=dice.random() < 0.5)
        beside = {}
    else:
        data = pcap(packets, order=dice.choice("<>"), snaplen=dice.choice((262_144, 262_144, 200)))
        beside = {"day.pcap.keys.log": log} if log else {}
    if dice.random() < 0.4:
        data = damage.bytes_of(data, dice)
    if dice.random() < 0.1:
        data = packed(data)
    return Mutant({"day.pcap": data, **beside}, steps_for("day.pcap", dice), frames)


@cache
def _recorded(name: str) -> tuple[tuple[Packet, ...], bytes]:
    """Return the packets of a recorded file, and its key log."""
    with path_of(name).open("rb") as raw:
        file = PacketFile(raw)
        log = b"".join(file.secrets())
        return tuple((at_ns, data[_ETHERNET:]) for at_ns, _, data, _ in file.packets()), log


def _changed(packets: list[Packet], dice: Random) -> list[Packet]:
    """Return packets of which one is lost, repeated, late, early or damaged."""
    if not packets:
        return packets
    place = dice.randrange(len(packets))
    at_ns, packet = packets[place]
    rest = packets[:place] + packets[place + 1 :]
    match dice.randrange(7):
        case 0:
            return rest
        case 1:
            return packets[: place + 1] * dice.choice((1, 2)) + packets[place:]
        case 2:
            other = dice.randrange(len(packets))
            return rest[:other] + [(at_ns, packet)] + rest[other:]
        case 3:
            at_ns = max(0, at_ns + dice.choice((-(10**10), -1, 10**9, 10**12)))
            return packets[:place] + [(min(at_ns, 2**31 * 10**9), packet)] + packets[place + 1 :]
        case 4:
            return packets[place:] + packets[:place]
        case 5:
            head = damage.bytes_of(packet[:_HEADERS], dice, 1)
            return packets[:place] + [(at_ns, head + packet[_HEADERS:])] + packets[place + 1 :]
        case _:
            body = damage.bytes_of(packet[_HEADERS:], dice)
            return packets[:place] + [(at_ns, packet[:_HEADERS] + body)] + packets[place + 1 :]

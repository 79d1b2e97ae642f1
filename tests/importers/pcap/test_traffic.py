"""Packets that come while somebody waits: keys come late or never, and time goes by without packets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import pytest

from inspector.importers.candidates import identify
from inspector.importers.pcap import conversation
from inspector.importers.pcap.keylog import KeyLog
from inspector.importers.pcap.tls import NO_KEYS
from inspector.importers.pcap.traffic import Traffic
from inspector.model import Frame, Happening
from tests.conversation import NOON, usual
from tests.packets import LINKS, RAW, Packet
from tests.tls import ALL
from tests.wired import Wired

SECOND = 1_000_000_000
PATIENCE = 3 * SECOND
TALK = usual().happenings


@dataclass
class Heard:
    """Traffic, and all that has come out of it."""

    keys: KeyLog = field(default_factory=KeyLog)
    found: list[Happening] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.traffic = Traffic(self.keys, (), lambda opened, first: identify(opened, first, ()), PATIENCE)

    def hears(self, packets: Sequence[Packet]) -> "Heard":
        self.traffic.receive(
            (at_ns, RAW, data, len(data)) for at_ns, packet in packets for data in [LINKS[RAW](packet)]
        )
        return self

    def waits_until(self, at_ns: int) -> "Heard":
        self.traffic.pass_time(at_ns)
        self.found += self.traffic.released(at_ns, at_ns - PATIENCE)
        return self

    def ends(self) -> "Heard":
        self.found += self.traffic.finish()
        return self


def told(happenings: Sequence[Happening]) -> list[tuple[str, int]]:
    """Return what happened when."""
    return [(type(each).__name__, each.at_ns) for each in happenings]


def test_what_has_happened_comes_out_by_time_not_with_the_next_packet() -> None:
    wired = Wired(TALK)
    heard = Heard()
    heard.keys.add(wired.log)
    middle = TALK[4].at_ns
    heard.hears([packet for packet in wired.packets if packet[0] <= middle]).waits_until(middle)
    assert told(heard.found) == told(TALK[:5])


@pytest.mark.parametrize(("version", "cipher"), [ALL[0], ALL[-1]])
def test_keys_that_come_late_give_everything_at_its_time(version: str, cipher: str) -> None:
    wired = Wired(TALK, version, cipher)
    heard = Heard().hears(wired.packets).waits_until(NOON + SECOND)
    assert not heard.found
    heard.keys.add(wired.log)
    heard.waits_until(NOON + SECOND)
    assert told(heard.found) == told(TALK)


def test_keys_may_come_one_by_one() -> None:
    wired = Wired(TALK)
    heard = Heard().hears(wired.packets)
    for line in wired.log.splitlines(keepends=True):
        assert not heard.waits_until(NOON + SECOND).found
        heard.keys.add(line)
    assert told(heard.waits_until(NOON + SECOND).found) == told(TALK)


def test_a_connection_that_waits_for_keys_does_not_hold_others_up_for_long() -> None:
    first, second = Wired(usual().happenings), Wired(TALK, server=("10.0.0.9", 443))
    heard = Heard()
    heard.keys.add(second.log)
    later = [(at_ns + SECOND // 2, packet) for at_ns, packet in second.packets]
    heard.hears([*first.packets, *later])
    assert not heard.waits_until(NOON + 2 * SECOND).found
    heard.waits_until(NOON + 5 * SECOND)
    assert len(heard.found) == len(TALK)


def test_keys_that_never_come_are_said() -> None:
    wired = Wired(TALK)
    heard = Heard().hears(wired.packets).waits_until(NOON + PATIENCE - SECOND)
    assert not heard.traffic.desk.unread
    heard.waits_until(NOON + 2 * PATIENCE)
    assert heard.traffic.desk.unread == {(NO_KEYS, "gateway.discord.gg"): 1}
    assert not heard.found
    assert not heard.traffic.desk.locked_bytes


def test_the_end_of_a_recording_waits_for_nothing() -> None:
    wired = Wired(TALK)
    heard = Heard().hears(wired.packets)
    heard.keys.add(wired.log)
    assert told(heard.ends().found) == told(TALK)


def test_what_waits_for_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "_MOST_LOCKED", 2000)
    heard = Heard().hears(Wired(TALK).packets)
    assert heard.traffic.desk.unread == {(NO_KEYS, "gateway.discord.gg"): 1}
    monkeypatch.setattr(conversation, "_MOST_LOCKED", 2**24)
    monkeypatch.setattr(conversation, "_MOST_LOCKED_IN_ALL", 2000)
    heard.hears(Wired(TALK, server=("10.0.0.9", 443)).packets)
    assert heard.traffic.desk.unread == {(NO_KEYS, "gateway.discord.gg"): 2}
    assert not heard.traffic.desk.locked_bytes


@pytest.mark.parametrize("seed", range(10))
def test_whenever_keys_and_packets_come_the_same_comes_out(seed: int) -> None:
    dice = Random(seed)
    talk = usual("json", dice.choice(("none", "zlib-stream"))).happenings
    wired = Wired(talk, *dice.choice(ALL), segment=dice.choice((60, 1400)))
    lines = wired.log.splitlines(keepends=True)
    heard, packets = Heard(), list(wired.packets)
    while packets or lines:
        if lines and (not packets or dice.random() < 0.05):
            heard.keys.add(lines.pop(0))
        else:
            count = dice.randrange(1, 5)
            heard.hears(packets[:count])
            heard.waits_until(packets[:count][-1][0])
            del packets[:count]
    heard.ends()
    assert told(heard.found) == told(talk)
    assert [each.data for each in heard.found if isinstance(each, Frame)] == [
        each.data for each in talk if isinstance(each, Frame)
    ]

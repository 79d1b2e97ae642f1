"""What programs that record packets are asked for, and what is made of their refusals."""

import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from inspector.passive import dumper
from inspector.passive.dumper import (
    Dumper,
    default_interfaces,
    dumpers,
    first_words,
    how_to_get_rights,
    lacks_right,
    packet_filter,
)
from tests.conversation import NOON
from tests.packets import COOKED_2, ETHERNET, NULL, RAW, TcpTalk, fragments, pcap, udp

HERE, THERE = ("10.0.0.2", 50_000), ("203.0.113.7", 50_004)
HERE_6, THERE_6 = ("2001:db8::2", 50_000), ("2001:db8::7", 50_004)
RTP = bytes([0x90, 0x78]) + bytes(30)
VOICE = {
    "discovery": struct.pack(">HHI64sH", 1, 70, 1, b"", 0),
    "rtp": RTP,
    "rtcp": bytes([0x81, 201]) + bytes(30),
    "keep-alive": bytes(8),
    "stun": struct.pack(">HHI", 1, 0, 0x2112A442) + bytes(12),
    "ping": b"\x13\x37\xca\xfe" + bytes(4),
    "pong": b"\x13\x37\xf0\x0d" + bytes(20),
}
OTHERS = (b"\x12\x34\x01\x00" + bytes(25), bytes([0xC3]) + bytes(1200), bytes([0x45]) + bytes(40))
"""DNS, QUIC, QUIC later on."""


def passes(folder: Path, packets: Sequence[bytes], wanted: str, link: int) -> int:
    """Return how many packets pass a filter, by libpcap's word."""
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed")
    file = folder / "x.pcap"
    file.write_bytes(pcap([(NOON, packet) for packet in packets], link))
    command = ["tcpdump", "-n", "-t", "-q", "-r", str(file), wanted]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return len(said.stdout.splitlines())


@pytest.mark.parametrize("link", [ETHERNET, RAW, COOKED_2, NULL])
@pytest.mark.parametrize("ends", [(HERE, THERE), (HERE_6, THERE_6)], ids=["IPv4", "IPv6"])
def test_all_of_a_voice_servers_packets_pass_and_few_others(tmp_path: Path, ends, link: int) -> None:
    if link == NULL and ends[0] == HERE_6:
        pytest.skip("how that link marks IPv6 differs between systems")
    source, target = ends
    wanted = packet_filter()
    for data in VOICE.values():
        assert passes(tmp_path, [udp(source, target, data), udp(target, source, data)], wanted, link) == 2
        assert passes(tmp_path, [udp(source, target, data)], packet_filter(media=False), link) == 0
    for data in OTHERS:
        assert passes(tmp_path, [udp(source, target, data)], wanted, link) == 0


@pytest.mark.parametrize("link", [ETHERNET, RAW, COOKED_2, NULL])
def test_what_goes_to_gateways_passes(tmp_path: Path, link: int) -> None:
    wanted = packet_filter(["own.example:9000", "other.example"], [7000])
    for port in (443, 2053, 8443, 6463, 6472, 9000, 80, 7000):
        talk = TcpTalk(server=("203.0.113.7", port)).opens().client(b"x").ends_with("server")
        packets = [packet for _, packet in talk.packets]
        assert passes(tmp_path, packets, wanted, link) == len(packets)
    packets = [packet for _, packet in TcpTalk(server=("203.0.113.7", 22)).opens().packets]
    assert passes(tmp_path, packets, wanted, link) == 0
    pieces = fragments("10.0.0.2", "203.0.113.7", 17, bytes(3000), 1400)
    assert passes(tmp_path, pieces, wanted, link) == len(pieces)


def test_dumpcap_can_record_several_interfaces_and_tcpdump_one() -> None:
    assert Dumper("dumpcap", "/usr/bin/dumpcap").command(["en0", "lo0"], "udp") == [
        *("/usr/bin/dumpcap", "-q", "-p", "-s", "0", "-B", "32", "-f", "udp", "-i", "en0", "-i", "lo0", "-w", "-")
    ]
    assert Dumper("tcpdump", "tcpdump").command(["any"], "udp")[:3] == ["tcpdump", "-i", "any"]


def test_all_interfaces_are_recorded_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert default_interfaces() == ["any"]
    monkeypatch.setattr("sys.platform", "darwin")
    # Loopback is always up, with an address.
    assert [name for name in default_interfaces() if name.startswith("lo")] != []
    assert "any" not in default_interfaces()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dumper, "_FOLDERS", ())
    return tmp_path


def test_the_program_without_delay_comes_first(path: Path) -> None:
    assert dumpers(["any"]) == []
    for name in ("dumpcap", "tcpdump"):
        (path / name).touch(0o755)
    assert [each.name for each in dumpers(["any"])] == ["tcpdump", "dumpcap"]
    assert [each.name for each in dumpers(["en0", "lo0"])] == ["dumpcap"]


def test_a_program_that_only_others_may_run_is_found(path: Path) -> None:
    (path / "dumpcap").touch(0o640)
    assert dumpers(["any"]) == [Dumper("dumpcap", str(path / "dumpcap"))]


REFUSED = """Capturing on 'any'
dumpcap: You do not have permission to capture on device "any".
(socket: Operation not permitted)
Please check to make sure you have sufficient permissions.
"""


@pytest.mark.parametrize(
    ("said", "words", "is_right"),
    [
        (REFUSED, 'You do not have permission to capture on device "any".', True),
        (
            "tcpdump: any: You don't have permission to perform this capture on that device\n(socket: …)\n",
            "any: You don't have permission to perform this capture on that device",
            True,
        ),
        ("tcpdump: data link type LINUX_SLL2\ntcpdump: x: No such device exists\n", "x: No such device exists", False),
        ("dumpcap: said \x1b[2J\n", r"said \x1b[2J", False),
        ("", "it did not say why", False),
    ],
)
def test_a_refusal_is_read(said: str, words: str, is_right: bool) -> None:
    assert first_words(said) == words
    assert lacks_right(said) == is_right


@pytest.mark.parametrize(
    ("platform", "program", "words"),
    [
        ("linux", "dumpcap", "usermod -aG wireshark"),
        ("linux", "tcpdump", "setcap cap_net_raw,cap_net_admin=eip /x/tcpdump"),
        ("linux", None, "apt install tcpdump"),
        ("darwin", "dumpcap", "ChmodBPF"),
        ("darwin", None, "ChmodBPF"),
    ],
)
def test_how_to_get_a_right_fits_the_system(
    platform: str, program: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    assert words in how_to_get_rights(Dumper(program, f"/x/{program}") if program else None)

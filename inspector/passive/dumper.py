"""The programs that record packets, and what they need: tcpdump or dumpcap, whichever may.

tcpdump gives each packet at once. dumpcap, which comes with Wireshark and is what users are given the right to,
collects packets for a quarter of a second (measured with 4.0.17: 4 to 250 ms), and no option of it says otherwise.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, AF_INET6

import psutil

from inspector.inert import inert
from inspector.protocol.hosts import RPC_PORTS, redirects

# Ports of Discord's gateways: HTTPS, and what Cloudflare, which is in front of them, has besides.
_PORTS = (443, 2053, 2083, 2087, 2096, 8443)
# Megabytes of the kernel's buffer, in which packets wait while we are busy. They are there for as long as we listen.
_BUFFER = 32
# Where programs may be that are in no PATH: of administrators, and of Wireshark on macOS.
_FOLDERS = ("/usr/sbin", "/sbin", "/Applications/Wireshark.app/Contents/MacOS")
# Characters of what a program said that are shown.
_LONGEST = 300

# Of a packet of voice (RTP, RTCP) the first byte of data begins with 10; others are a keep-alive of 8 bytes, IP
# discovery of 74, STUN by its cookie, ping and pong: as in `inspector.wire.packets`. Of IPv6 a filter cannot say where
# UDP begins.
_VOICE = (
    "(udp[8] & 0xc0 = 0x80 or udp[4:2] = 16 or udp[4:2] = 82 or udp[12:4] = 0x2112a442 or udp[8:4] = 0x1337cafe"
    " or udp[8:4] = 0x1337f00d)",
    "(ip6[6] = 17 and (ip6[48] & 0xc0 = 0x80 or ip6[44:2] = 16 or ip6[44:2] = 82 or ip6[52:4] = 0x2112a442"
    " or ip6[48:4] = 0x1337cafe or ip6[48:4] = 0x1337f00d))",
)
# They have no ports. There are hardly any.
_FRAGMENTS = ("ip[6:2] & 0x3fff != 0", "ip6[6] = 44")


def packet_filter(hosts: Iterable[str] = (), ports: Iterable[int] = (), *, media: bool = True) -> str:
    """Return which packets may be Discord's, in the language of libpcap.

    `hosts` are the user's own (see `inspector.protocol.hosts.plane_of`), `ports` more of TCP; `media`: the UDP of voice
    too.
    """
    own = [port for each in redirects(hosts) for port in each.ports]
    single = dict.fromkeys((*_PORTS, *own, *ports))
    tcp = [*(f"port {port}" for port in single), f"portrange {RPC_PORTS.start}-{RPC_PORTS.stop - 1}"]
    return " or ".join([f"(tcp and ({' or '.join(tcp)}))", *(_VOICE if media else ()), *_FRAGMENTS])


@dataclass(frozen=True, slots=True)
class Dumper:
    """A program that records packets."""

    name: str
    """``tcpdump`` or ``dumpcap``."""
    path: str

    def command(self, interfaces: Sequence[str], wanted: str) -> list[str]:
        """Return the command that records packets of `interfaces` that pass the filter `wanted`, to its stdout."""
        if self.name == "tcpdump":
            options = ["-n", "-p", "-s", "0", "-U", "--immediate-mode", "-B", str(_BUFFER * 1024)]
            # Elsewhere it ends where it is asked for what the system has not.
            precision = ["--time-stamp-precision=nano"] if sys.platform == "linux" else []
            # Of several interfaces it takes one.
            return [self.path, "-i", interfaces[0], *options, *precision, "-w", "-", wanted]
        which = [part for name in interfaces for part in ("-i", name)]
        # Each interface has the options before it otherwise.
        return [self.path, "-q", "-p", "-s", "0", "-B", str(_BUFFER), "-f", wanted, *which, "-w", "-"]


def dumpers(interfaces: Sequence[str]) -> list[Dumper]:
    """Return the programs that are installed here and can record on `interfaces`, the best first."""
    found = []
    for name in ("tcpdump", "dumpcap"):
        path = _path_of(name)
        if path is not None and (name == "dumpcap" or len(interfaces) == 1):
            found.append(Dumper(name, path))
    return found


def default_interfaces() -> list[str]:
    """Return what to listen on where nobody names anything: all interfaces of this machine that are in use."""
    if sys.platform == "linux":
        return ["any"]
    states = psutil.net_if_stats()
    return [
        name
        for name, addresses in psutil.net_if_addrs().items()
        if name in states and states[name].isup and any(each.family in (AF_INET, AF_INET6) for each in addresses)
    ]


def known_interfaces() -> list[str]:
    """Return all that can be listened on here, by name."""
    return [*(["any"] if sys.platform == "linux" else []), *psutil.net_if_stats()]


def first_words(said: str) -> str:
    """Return the line in which a program says why it ended: that about a right, else the first."""
    lines = [line.strip() for line in said.splitlines()]
    told = [line for line in lines if line and not line.startswith(("Capturing on", "File:", "tcpdump: data link"))]
    line = next((line for line in told if lacks_right(line)), told[0] if told else "it did not say why")
    return inert(line.removeprefix("tcpdump: ").removeprefix("dumpcap: "))[:_LONGEST]


def lacks_right(said: str) -> bool:
    """Say whether a program tells that it may not do what it was to do."""
    return any(words in said.lower() for words in ("permission", "not permitted"))


def how_to_get_rights(dumper: Dumper | None) -> str:
    """Return how a user gets the right to record packets with a program; None: how to get one of the programs."""
    if dumper is None:
        if sys.platform == "darwin":
            return "Install Wireshark with its ChmodBPF package (brew install --cask wireshark)."
        return "Install tcpdump, or Wireshark's dumpcap (Debian: apt install tcpdump; Fedora: dnf install tcpdump)."
    if sys.platform == "darwin":
        return (
            "Install ChmodBPF, which comes with Wireshark, and log in again: it lets the group access_bpf record "
            "packets. Or run gwinspect with sudo."
        )
    if dumper.name == "dumpcap":
        return (
            "Let your user record packets: sudo dpkg-reconfigure wireshark-common (answer Yes), then sudo usermod -aG "
            f"wireshark $USER, and log in again. Elsewhere: sudo setcap cap_net_raw,cap_net_admin=eip {dumper.path}"
        )
    return f"Let your user record packets: sudo setcap cap_net_raw,cap_net_admin=eip {dumper.path}"


def _path_of(name: str) -> str | None:
    """Return where a program is, also where only others may run it: then it is a right that is missing."""
    found = shutil.which(name)
    return found or next(_candidates(name), None)


def _candidates(name: str) -> Iterator[str]:
    for folder in (*os.environ.get("PATH", "").split(os.pathsep), *_FOLDERS):
        path = Path(folder, name)
        if folder and path.is_file():
            yield str(path)

"""A call whose UDP comes to mitmproxy through WireGuard, as that of a phone does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from inspector.proxy.mitmdump import Proxy, Settings, free_udp_port
from inspector.simulator.server.media import MediaServer, Speaker, discovery_request, speech
from tests.e2e.playing import records
from tests.e2e.wireguard import DEVICE, Address, Datagram, Tunnel, tunnel
from tests.rows import rows_in

pytestmark = pytest.mark.e2e

SSRC, THEIRS = 1001, 2001
MODE = "aead_aes256_gcm_rtpsize"
KEEP_ALIVE = b"\x07" + bytes(7)
PORT, OTHER_PORT = 40_000, 40_001
# Seconds that an answer may take.
PATIENCE = 10


class Echo(asyncio.DatagramProtocol):
    """A server that has nothing to do with Discord."""

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._transport.sendto(data, addr)


def test_a_call_is_recorded_and_what_else_passes_is_not(tmp_path: Path) -> None:
    voice = asyncio.run(_call(tmp_path))

    rows = _rows(tmp_path)
    assert [row["open"]["url"] for row in rows if row["kind"] == "open"] == ["udp://{}:{}".format(*voice)]
    assert {row["plane"] for row in rows} == {"media"}
    asked, told = (row for row in rows if row["op"] == "discovery")
    assert (asked["direction"], told["direction"], told["answers"]) == ("send", "receive", asked["n"])
    spoken = {(row["direction"], row["d"]["ssrc"]): row["d"] for row in rows if row["op"] == "rtp"}
    assert {who: (said["packets"], said["lost"]) for who, said in spoken.items()} == {
        ("send", SSRC): (10, 0),
        ("receive", THEIRS): (8, 0),
    }
    assert [row["direction"] for row in rows if row["op"] == "keep-alive"] == ["send", "receive"]


async def _call(folder: Path) -> Address:
    """Have a call, and talk with another server meanwhile; return where the voice server is."""
    server = MediaServer()
    async with _device(folder) as device, _serving(server) as voice, _serving(Echo()) as echo:
        device.send(PORT, voice, discovery_request(SSRC))
        assert (await _next(device)).source == voice
        for data in (b"short", b"\x01\x02 a game" + bytes(100)):
            device.send(PORT, echo, data)
            assert await _next(device) == Datagram(echo, (DEVICE, PORT), data)
        mine, theirs = (Speaker(ssrc, MODE, bytes(32)) for ssrc in (SSRC, THEIRS))
        for frame in speech(5):
            device.send(PORT, voice, mine.packet(frame))
        device.send(PORT, voice, KEEP_ALIVE)
        assert await _next(device) == Datagram(voice, (DEVICE, PORT), KEEP_ALIVE)
        assert server.heard == {SSRC: 10}
        for frame in speech(3):
            packet = theirs.packet(frame)
            server.send(SSRC, packet)
            assert await _next(device) == Datagram(voice, (DEVICE, PORT), packet)
        return voice


def test_a_path_that_begins_in_the_middle_of_a_call_is_recorded_too(tmp_path: Path) -> None:
    """As it does after a long silence: the voice server is known from before."""
    asyncio.run(_call_twice(tmp_path))

    assert [(row["connection"], row["op"]) for row in _rows(tmp_path) if row["kind"] == "payload"] == [
        (1, "discovery"),
        (1, "discovery"),
        (2, "keep-alive"),
        (2, "keep-alive"),
    ]


async def _call_twice(folder: Path) -> None:
    async with _device(folder) as device, _serving(MediaServer()) as voice:
        for port, data in ((PORT, discovery_request(SSRC)), (OTHER_PORT, KEEP_ALIVE)):
            device.send(port, voice, data)
            assert (await _next(device)).to == (DEVICE, port)


@asynccontextmanager
async def _serving(server: asyncio.DatagramProtocol) -> AsyncIterator[Address]:
    """Give the address of a server on this machine."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    yield transport.get_extra_info("sockname")
    transport.close()


@asynccontextmanager
async def _device(folder: Path) -> AsyncIterator[Tunnel]:
    """Give a tunnel to a mitmdump that records."""
    listens = "127.0.0.1", free_udp_port("127.0.0.1")
    mode = "wireguard@{}:{}".format(*listens)
    options = {"confdir": str(folder / "mitmproxy"), "termlog_verbosity": "warn"}
    proxy = Proxy(Settings(folder / "played.gwcap", modes=(mode,), options=options))
    await asyncio.to_thread(proxy.__enter__)
    try:
        async with tunnel(folder / "mitmproxy" / "wireguard.conf", listens) as device:
            yield device
    finally:
        await asyncio.to_thread(proxy.__exit__, None, None, None)


async def _next(device: Tunnel) -> Datagram:
    return await asyncio.wait_for(device.receive(), PATIENCE)


def _rows(folder: Path) -> list[dict[str, Any]]:
    return list(records(rows_in(folder / "played.gwcap")))

"""Encrypted calls over sockets, with the scripted client."""

import asyncio
import socket
import struct
import sys
from dataclasses import replace

import pytest

from inspector.errors import EnvironmentProblem
from inspector.protocol.ops import BINARY, GatewayOp, VoiceOp
from inspector.simulator.client.scripted import play
from inspector.simulator.content import ADA, BJORN, BOT, LOUNGE
from inspector.simulator.journal import JournalEntry
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.scenarios.voice import join, join_encrypted
from inspector.simulator.script import Scenario, Script
from inspector.simulator.server.call import ServerCall
from inspector.simulator.server.connection import ScriptError
from inspector.simulator.server.media import answer_to
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord
from tests.simulator.direct import closes, run, sent

pytestmark = pytest.mark.compat


def _ops(journal: list[JournalEntry], connection: int = 2) -> list[int]:
    """Return the opcodes of one connection, the client's negative, without what beats."""
    said = [each for each in journal if each.connection == connection and each.kind == "message"]
    return [-each.op if each.from_client else each.op for each in said if each.op is not None and each.op not in (3, 6)]


def _scenario(script: Script) -> Scenario:
    return Scenario("test", "A test", "", script, dave=True)


@pytest.mark.parametrize("version", range(4, 10))
def test_a_call_is_played_in_every_version(version: int) -> None:
    journal, _ = run(replace(scenario("dave-call"), voice_version=version))
    binary = [each for each in journal if each.op in BINARY and "media" in each.host]
    assert {each.op for each in binary} == BINARY
    for entry in binary:
        (frame,) = entry.frames
        numbered = version >= 8 and not entry.from_client
        assert (entry.seq is not None) is numbered
        assert frame[2 * numbered] == entry.op
        assert not entry.is_text
    identify = next(each for each in journal if each.op == VoiceOp.IDENTIFY and each.connection == 2)
    assert ("channel_id" in identify.payload["d"]) is (version == 9)
    beat = next(each for each in journal if each.op == VoiceOp.HEARTBEAT and each.connection == 2)
    assert isinstance(beat.payload["d"], dict if version >= 8 else int)


def test_binary_and_json_messages_share_one_count() -> None:
    journal, _ = run(scenario("dave-call"))
    numbered = [each for each in sent(journal, 2) if each.seq is not None]
    assert [each.seq for each in numbered] == list(range(1, len(numbered) + 1))
    assert all(each.seq == int.from_bytes(each.frames[0][:2]) for each in numbered if not each.is_text)


def test_a_healthy_call_reads_as_documented() -> None:
    ops = _ops(run(scenario("dave-call"))[0])
    # What the client sends when it comes to it, and the key that is told meanwhile.
    settled = [op for op in ops if op not in (-5, 25, -26, -28)]
    assert settled == [
        *(8, 0, 2, 11, -1, 4, 27, 29, 5),
        *(11, 27, 29, -23, 22, 5),
        *(13, 27, 29, -23, 22),
        *(21, -23, 22),
        *(24, 27, 30, -23, 22, 5),
    ]
    assert [ops.count(op) for op in (-5, 25, -26, -28)] == [1, 1, 2, 4]


def test_the_loop_of_a_bot_without_encryption_goes_on_and_on() -> None:
    journal, _ = run(scenario("dave-required"))
    assert closes(journal)[1:] == [(4017, "server")] * 3
    identifies = [each.payload["d"] for each in journal if each.op == VoiceOp.IDENTIFY and "media" in each.host]
    assert {each["max_dave_protocol_version"] for each in identifies} == {0}
    assert len({each["token"] for each in identifies}) == 3
    asked = [each for each in journal if each.op == GatewayOp.VOICE_STATE_UPDATE and each.connection == 1]
    assert len(asked) == 4


def test_a_negligent_client_is_never_ready_and_offers_one_key_package() -> None:
    ops = _ops(run(scenario("dave-transition"))[0])
    assert -VoiceOp.DAVE_TRANSITION_READY not in ops
    assert ops.count(-VoiceOp.MLS_KEY_PACKAGE) == 1
    assert ops[-3:] == [29, -31, 22]


def test_a_resume_sends_json_and_binary_again_in_their_order() -> None:
    journal, _ = run(scenario("voice-resume"))
    resume = next(each for each in journal if each.op == VoiceOp.RESUME and each.connection == 3)
    assert resume.payload["d"]["seq_ack"] == 7
    assert resume.payload["d"]["channel_id"] == LOUNGE
    replayed = [(each.op, each.seq) for each in sent(journal, 3) if each.op not in (3, 6)]
    assert replayed[:6] == [(8, None), (9, None), (11, 8), (27, 9), (5, 10), (29, 11)]


def test_a_client_that_lost_step_is_let_in_again() -> None:
    async def script(discord: Discord) -> None:
        gateway, voice, call = await join_encrypted(discord)
        await voice.commit()
        call.guest(BJORN)
        call.add(BJORN)
        await voice.commit(by=ADA)
        await voice.expect(VoiceOp.MLS_INVALID_COMMIT_WELCOME)
        await voice.key_package()
        call.remove(BOT)
        await voice.commit(by=ADA)
        await voice.add(BOT)
        transition = await voice.commit(by=BJORN)
        assert int(BOT["id"]) in transition.welcomes
        await voice.ready()
        await voice.execute()
        await voice.close(1000)
        await gateway.goodbye()

    ops = _ops(run(_scenario(script))[0])
    assert ops[-6:] == [29, -31, -26, 30, -23, 22]


def test_a_proposal_is_withdrawn() -> None:
    async def script(discord: Discord) -> None:
        gateway, voice, call = await join_encrypted(discord)
        await voice.commit()
        call.guest(BJORN)
        await voice.add(BJORN)
        await voice.withdraw(BJORN)
        await voice.remove(ADA)
        await voice.expect(VoiceOp.MLS_COMMIT_WELCOME)
        await voice.commit()
        assert list(call.group.members.values()) == [int(BOT["id"])]
        await voice.close(1000)
        await gateway.goodbye()

    journal, _ = run(_scenario(script))
    revokes = [each for each in sent(journal, 2) if each.op == 27 and each.frames[0][3] == 1]
    assert [len(each.frames[0]) for each in revokes] == [38]


def test_readiness_for_another_transition_fails_the_script() -> None:
    async def script(discord: Discord) -> None:
        call = ServerCall(LOUNGE)
        _, voice = await join(discord, call)
        await voice.prepare_transition(version=0)
        call.next_transition()
        await voice.ready()

    async def both() -> None:
        async with Simulator(_scenario(script), pace=0) as simulator:
            client = asyncio.ensure_future(
                play(simulator.scenario, ca=[simulator.ca_path], connect_to=("127.0.0.1", simulator.port))
            )
            try:
                await simulator.finished()
            finally:
                client.cancel()
                await asyncio.wait([client])

    with pytest.raises(ScriptError, match="ready for 1, and not for 2"):
        asyncio.run(both())


def test_without_davey_neither_side_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "davey", None)

    async def simulate() -> None:
        async with Simulator(scenario("dave-call"), pace=0):
            pass

    for begin in (simulate(), play(scenario("dave-call"), ca=[])):
        with pytest.raises(EnvironmentProblem, match="install davey and try again"):
            asyncio.run(begin)


def test_a_client_learns_its_address_over_udp() -> None:
    async def ask() -> tuple[bytes, tuple[str, int]]:
        async with Simulator(_scenario(lambda discord: asyncio.sleep(30)), pace=0) as simulator:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(udp, ("127.0.0.1", simulator.udp_port))
                await loop.sock_sendall(udp, b"\x13\x37\xca\xfe")
                await loop.sock_sendall(udp, struct.pack(">HHI66x", 1, 70, 1001))
                return await asyncio.wait_for(loop.sock_recv(udp, 100), 5), udp.getsockname()

    answer, (host, port) = asyncio.run(ask())
    kind, length, ssrc, address, seen = struct.unpack(">HHI64sH", answer)
    assert (kind, length, ssrc) == (2, 70, 1001)
    assert (address.rstrip(b"\0").decode(), seen) == (host, port)


@pytest.mark.parametrize("packet", [b"", bytes(74), struct.pack(">HHI66x", 2, 70, 1), struct.pack(">HHI65x", 1, 70, 1)])
def test_other_packets_are_not_answered(packet: bytes) -> None:
    assert answer_to(packet, "127.0.0.1", 50000) is None

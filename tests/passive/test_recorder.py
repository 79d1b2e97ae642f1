"""The recorder's process, with a program in place of tcpdump that gives packets of ours."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from inspector.errors import EnvironmentProblem
from inspector.model import Opened, Plane
from inspector.passive import dumper
from inspector.passive.packets import Unrecordable, recording
from inspector.passive.process import PacketRecorder
from inspector.passive.recorder import Job
from inspector.store.reader import Reader
from tests.conversation import TOKEN, usual
from tests.e2e.playing import talks_of_capture
from tests.fuzz.talks import talks
from tests.packets import CLIENT, SERVER, pcap, pcapng
from tests.voice_call import introduced, voice
from tests.wired import Wired

TALK = usual().happenings
CLIENT_IP = ip_address(CLIENT[0]).packed
MEDIA = next(talk for talk in talks() if isinstance(talk[0], Opened) and talk[0].plane is Plane.MEDIA)

# Gives what is in a file piece by piece, as a program that sees packets does, and then waits to be ended.
PROGRAM = """#!{python}
import signal, sys, time
if "--die" in {words!r}:
    print("tcpdump: out of memory", file=sys.stderr)
signal.signal(signal.SIGINT, lambda *_: (print("{words}", file=sys.stderr), sys.exit(0)))
data = open({file!r}, "rb").read()
for start in range(0, len(data), 500):
    sys.stdout.buffer.write(data[start : start + 500])
    sys.stdout.buffer.flush()
    time.sleep(0.01)
{then}
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a program in place of tcpdump: what it gives, what it says at its end, what it does then."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(dumper, "_FOLDERS", ())
    (tmp_path / "bin").mkdir()

    def put(data: bytes, words: str = "", then: str = "time.sleep(100)") -> None:
        file = tmp_path / "packets"
        file.write_bytes(data)
        script = tmp_path / "bin" / "tcpdump"
        script.write_text(PROGRAM.format(python=sys.executable, file=str(file), words=words, then=then))
        script.chmod(0o755)

    return put


def job(folder: Path, **more) -> Job:
    return Job(str(folder / "own.gwcap"), (str(folder / "keys.log"),), ("any",), keep_secrets=True, **more)


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def last(capture: Path) -> int:
    with closing(Reader(capture)) as reader:
        return reader.last()


def kinds(capture: Path) -> list[str]:
    with closing(Reader(capture)) as reader:
        return [event.kind.value for event in reader.all_events()]


def test_rows_are_there_while_packets_come(tmp_path: Path, program) -> None:
    wired = Wired(TALK)
    program(pcapng(wired.packets))
    (tmp_path / "keys.log").write_bytes(wired.log)
    with PacketRecorder(job(tmp_path)) as recorder:
        assert recorder.dumper == "tcpdump"
        until(lambda: last(tmp_path / "own.gwcap") == len(TALK))
    assert recorder.poll() == 0
    (talk,) = talks_of_capture(tmp_path / "own.gwcap")
    assert talk.close[0] == 4004
    assert (tmp_path / "own.gwcap").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "own.gwcap-wal").exists()


def test_secrets_are_masked_unless_they_are_asked_for(tmp_path: Path, program) -> None:
    wired = Wired(TALK)
    program(pcapng(wired.packets))
    (tmp_path / "keys.log").write_bytes(wired.log)
    with PacketRecorder(replace(job(tmp_path), keep_secrets=False)):
        until(lambda: last(tmp_path / "own.gwcap") == len(TALK))
    assert TOKEN.encode() not in (tmp_path / "own.gwcap").read_bytes()
    with PacketRecorder(job(tmp_path)):
        until(lambda: last(tmp_path / "own.gwcap") == 2 * len(TALK))
    assert TOKEN.encode() in (tmp_path / "own.gwcap").read_bytes()


def test_keys_may_come_a_moment_after_the_packets(tmp_path: Path, program) -> None:
    # Later than now, as the process takes its time to start.
    wired, soon = Wired(TALK), time.time_ns() + 3_000_000_000
    begin = wired.packets[0][0]
    program(pcap([(at_ns - begin + soon, packet) for at_ns, packet in wired.packets]))
    with PacketRecorder(job(tmp_path)):
        time.sleep(0.5)
        assert last(tmp_path / "own.gwcap") == 0
        (tmp_path / "keys.log").write_bytes(wired.log)
        until(lambda: last(tmp_path / "own.gwcap") == len(TALK))


def test_a_recording_continues_a_capture_that_is_there(tmp_path: Path, program) -> None:
    wired = Wired(TALK)
    program(pcapng(wired.packets))
    (tmp_path / "keys.log").write_bytes(wired.log)
    for times in (1, 2):
        with PacketRecorder(job(tmp_path)):
            until(lambda times=times: last(tmp_path / "own.gwcap") == times * len(TALK))
    with closing(Reader(tmp_path / "own.gwcap")) as reader:
        assert [each.opened.connection for each in reader.connections()] == [1, 2]


def test_a_program_that_dies_ends_the_recording_with_a_word(tmp_path: Path, program) -> None:
    wired = Wired(TALK)
    program(pcapng(wired.packets), then='print("tcpdump: no such luck", file=sys.stderr); sys.exit(3)')
    (tmp_path / "keys.log").write_bytes(wired.log)
    log = tmp_path / "log"
    with PacketRecorder(job(tmp_path), log) as recorder:
        assert recorder.wait(20) == 1
    said = "tcpdump ended with exit code 3 (tcpdump: no such luck); nothing was recorded after that"
    assert f"gwinspect: {said}\n" in log.read_text()
    with closing(Reader(tmp_path / "own.gwcap")) as reader:
        assert reader.notes() == [said]
        assert reader.last() == len(TALK)


def test_packets_that_the_kernel_dropped_are_noted(tmp_path: Path, program) -> None:
    wired = Wired(TALK)
    program(pcap(wired.packets), words="7 packets captured\\n3 packets dropped by kernel")
    (tmp_path / "keys.log").write_bytes(wired.log)
    with PacketRecorder(job(tmp_path)):
        until(lambda: last(tmp_path / "own.gwcap") == len(TALK))
    with closing(Reader(tmp_path / "own.gwcap")) as reader:
        assert reader.notes() == [
            "3 packets were dropped, as this machine was too busy; a connection that lacks one has a gap"
        ]


def test_a_packet_that_is_missing_is_a_row_without_further_packets(tmp_path: Path, program) -> None:
    talk = usual().happenings[:6]
    wired = Wired(talk)
    # The last but one that the server says, by its size: TLS, and what TCP and IP add.
    said = [place for place, (_, packet) in enumerate(wired.packets) if packet[16:20] == CLIENT_IP and len(packet) > 60]
    packets = [packet for place, packet in enumerate(wired.packets) if place != said[-2]]
    program(pcap(packets))
    (tmp_path / "keys.log").write_bytes(wired.log)
    with PacketRecorder(job(tmp_path)):
        until(lambda: "gap" in kinds(tmp_path / "own.gwcap"))
    assert kinds(tmp_path / "own.gwcap").count("gap") == 1


def test_a_gateway_without_keys_is_said_while_it_goes_on(tmp_path: Path, program) -> None:
    program(pcapng(Wired(TALK).packets))
    log = tmp_path / "log"
    with PacketRecorder(job(tmp_path), log):
        until(lambda: "1 connection to gateway.discord.gg could not be decrypted" in log.read_text())
    with closing(Reader(tmp_path / "own.gwcap")) as reader:
        assert ["the client does not write them" in note for note in reader.notes()] == [True]


def test_one_that_is_killed_leaves_what_it_had(tmp_path: Path, program) -> None:
    wired = Wired(TALK)
    program(pcapng(wired.packets))
    (tmp_path / "keys.log").write_bytes(wired.log)
    with PacketRecorder(job(tmp_path)) as recorder:
        until(lambda: last(tmp_path / "own.gwcap") == len(TALK))
        os.kill(recorder.pid, signal.SIGKILL)
        recorder.wait()
    assert last(tmp_path / "own.gwcap") == len(TALK)


def test_without_a_program_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dumper, "_FOLDERS", ())
    with pytest.raises(EnvironmentProblem, match="neither tcpdump nor dumpcap is installed"), recording(["any"], "udp"):
        pass


def test_a_program_that_may_not_run_is_a_right_that_is_missing(tmp_path: Path, program) -> None:
    (tmp_path / "bin" / "dumpcap").touch(0o640)
    refused = pytest.raises(Unrecordable, match=r"dumpcap cannot be run: Permission denied\. Let your user record")
    with refused, recording(["any"], "udp"):
        pass


def test_a_job_is_the_same_on_the_other_side(tmp_path: Path) -> None:
    made = job(tmp_path, hosts=("own.example",), ports=(8000,), max_concurrency=16)
    assert Job.loads(made.dumps()) == made


@pytest.mark.parametrize(("port", "planes"), [(50_001, ["voice", "media"]), (50_002, ["voice"])], ids=["own", "other"])
def test_only_calls_that_a_voice_gateway_named_are_those_of_the_command(
    tmp_path: Path, program, port: int, planes: list[str]
) -> None:
    talk = introduced(voice(1, ms=0))
    ready = {"ssrc": 1001, "ip": SERVER[0], "port": port, "modes": ["aead_aes256_gcm_rtpsize"]}
    spoken = talk.server({"op": 2, "d": ready}).waits(2000).closes(1000, by="client").happenings
    said = [replace(each, connection=2, at_ns=each.at_ns + 1_000_000_000) for each in MEDIA]
    wired = Wired([*spoken, *said])
    program(pcap(wired.packets))
    (tmp_path / "keys.log").write_bytes(wired.log)
    with PacketRecorder(job(tmp_path, own_calls=True)):
        until(lambda: last(tmp_path / "own.gwcap") >= len(spoken))
        time.sleep(0.2)
    with closing(Reader(tmp_path / "own.gwcap")) as reader:
        assert [each.opened.plane.value for each in reader.connections()] == planes

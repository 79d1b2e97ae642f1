"""Makes a capture of packets and keys while both come: a process of its own, so that a screen is never kept waiting.

One thread reads what tcpdump or dumpcap says, one makes happenings of it on a short beat, and the scribe's writes them.
It ends when it is told to by SIGTERM, or when the packets end.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inspector.errors import GwinspectError
from inspector.faults import is_ours, marked
from inspector.importers.candidates import identify
from inspector.importers.pcap.keylog import KeyLog
from inspector.importers.pcap.traffic import Traffic
from inspector.model import Frame, Happening, Opened, Payload, Plane
from inspector.passive.dumper import packet_filter
from inspector.passive.keys import KeyTail
from inspector.passive.packets import PAUSE, Packets, recording
from inspector.passive.remarks import Remarks
from inspector.protocol.hosts import host_of
from inspector.protocol.ops import VoiceOp
from inspector.protocol.registry import default
from inspector.proxy.clock import Clock
from inspector.proxy.eventlog import log
from inspector.proxy.intake import Stream
from inspector.proxy.scribe import ALERT, MAX_MEDIA, Scribe
from inspector.session.messages import udp_url
from inspector.wire.decoder import read_payload

# Seconds between two looks at what has come, where nothing does.
BEAT = 0.02
# Seconds that packets may be on their way through a program, which loses those that it still has when it is ended.
_ON_THEIR_WAY = {"tcpdump": 0.1, "dumpcap": 0.4}
# Nanoseconds that what TLS carries waits for its keys. Clients write them before they use them, most within
# milliseconds.
PATIENCE_NS = 3_000_000_000
# Nanoseconds by which packets may be too late: of one interface, where only processors differ; of several, which
# dumpcap reads in turn.
_LATE_NS, _LATE_BETWEEN_NS = 10_000_000, 300_000_000
# Connections whose keys are known.
_MOST_KEYS = 50_000


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be recorded."""

    capture: str
    keys: tuple[str, ...]
    """Files into which clients write TLS keys."""
    interfaces: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    """The user's own hosts that are gateways."""
    ports: tuple[int, ...] = ()
    """Ports of TCP to look at beside the usual."""
    media: bool = True
    """Record the UDP of voice calls."""
    keep_secrets: bool = False
    max_concurrency: int | None = None
    theirs: tuple[str, ...] = ()
    """Those of `keys` that belong to clients which others start; none where we start the client."""
    own_calls: bool = False
    """Of UDP, take only what goes to a voice server that a voice gateway has named: others on this machine may talk,
    too, and nothing else tells whose it is."""

    def dumps(self) -> str:
        """Return it as text, for `loads`."""
        return json.dumps(asdict(self))

    @staticmethod
    def loads(text: str) -> "Job":
        """Return what was made a text."""
        said: Any = {
            name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
        }
        return Job(**said)


class Recorder:
    """Makes happenings of packets, and hands them to a scribe."""

    def __init__(self, job: Job, packets: Packets, scribe: Scribe) -> None:
        self._packets = packets
        self._scribe = scribe
        self._keys = KeyLog(_MOST_KEYS)
        self._tails = [KeyTail(Path(path), self._keys) for path in job.keys]
        self._hosts = job.hosts
        self._traffic = Traffic(self._keys, job.hosts, self._admit, PATIENCE_NS)
        self._late_ns = _LATE_NS if len(job.interfaces) == 1 else _LATE_BETWEEN_NS
        self._streams: dict[int, Stream | None] = {}
        # The URLs of voice servers that were named; None where any is taken.
        self._named: set[str] | None = set() if job.own_calls else None
        self._voices: set[int] = set()
        self._clock = Clock()
        self._faults: set[str] = set()
        self.remarks = Remarks(self._traffic, self._keys, job.interfaces, job.theirs)

    def run(self, stopping: threading.Event) -> None:
        """Record until somebody stops it or the packets end."""
        until = None
        while not self._packets.is_over and (until is None or time.monotonic() < until):
            if stopping.is_set() and until is None:
                until = time.monotonic() + _ON_THEIR_WAY[self._packets.dumper.name]
            self._packets.news.wait(BEAT)
            self._packets.news.clear()
            self._take()
            for remark in self.remarks.news():
                log.log(ALERT, "gwinspect: %s", remark)
            if not self._packets.are_waiting:
                # Where packets keep coming, many are taken at once.
                time.sleep(PAUSE)

    def finish(self) -> None:
        """Take what is left; the packets have ended."""
        while self._packets.are_waiting:
            self._take()
        self._read_keys()
        for happening in self._traffic.finish():
            self._put(happening)

    def _take(self) -> None:
        """Take what has come, and give what can be given by now."""
        packets = self._packets.take()
        # After the packets, so that what they need is there.
        self._read_keys()
        try:
            self._traffic.receive(packets)
        except Exception as error:
            # What follows can be read all the same; what these packets had is a hole.
            if not is_ours(error):
                raise
            self._say_fault(error)
        # Where packets come faster than they are read, it is as late as they say.
        now_ns = packets[-1][0] if packets and self._packets.are_waiting else time.time_ns()
        self._traffic.pass_time(now_ns)
        if self._clock.step():
            # Somebody has set the clock: what waits has times of before.
            now_ns = sys.maxsize
        for happening in self._traffic.released(now_ns - self._late_ns, now_ns - PATIENCE_NS):
            self._put(happening)

    def _say_fault(self, error: Exception) -> None:
        """Say a bug of ours, each once."""
        said = marked("some packets could not be read", error)
        if said not in self._faults:
            self._faults.add(said)
            log.error("gwinspect: %s", said)

    def _read_keys(self) -> None:
        for tail in self._tails:
            tail.read()

    def _admit(self, opened: Opened, first: list[Frame]) -> Opened | None:
        found = identify(opened, first, self._hosts)
        if found is None:
            self.remarks.saw(host_of(opened.url))
        return found

    def _put(self, happening: Happening) -> None:
        """Hand over what has happened, under the number that its connection has in the capture."""
        if isinstance(happening, Opened):
            if happening.plane is Plane.MEDIA and self._named is not None and happening.url not in self._named:
                self._streams[happening.connection] = None
                return
            self.remarks.connections += happening.plane is not Plane.MEDIA
            if happening.refusal is not None:
                self._scribe.refuse(happening)
                return
            if happening.plane is Plane.VOICE:
                self._voices.add(happening.connection)
            self._streams[happening.connection] = self._scribe.begin(host_of(happening.url), certain=True)
        elif isinstance(happening, Frame) and happening.connection in self._voices:
            self._look_for_server(happening)
        stream = self._streams[happening.connection]
        if stream is not None:
            self._scribe.put(stream, happening)

    def _look_for_server(self, frame: Frame) -> None:
        """Remember the voice server that a voice gateway names: what goes there is said after that."""
        if self._named is None or frame.from_client or not frame.is_text:
            return
        payload = read_payload(Plane.VOICE, "json", frame.data)
        if isinstance(payload, Payload) and payload.op == VoiceOp.READY:
            match payload.d:
                case {"ip": str(ip), "port": int(port)} if len(self._named) < MAX_MEDIA:
                    self._named.add(udp_url(ip, port))


def main() -> None:
    """Run the process: a `Job` as its argument. What becomes of its start is said on stdout, in one line of JSON."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    job = Job.loads(sys.argv[1])
    logging.basicConfig(format="%(message)s")
    log.setLevel(ALERT)
    try:
        with recording(job.interfaces, packet_filter(job.hosts, job.ports, media=job.media)) as packets:
            is_well = _record(job, packets, stopping)
    except GwinspectError as error:
        _answer(problem=str(error), shown=error.shown)
        sys.exit(2)
    sys.exit(0 if is_well else 1)


def _record(job: Job, packets: Packets, stopping: threading.Event) -> bool:
    """Record until `stopping`, and return whether packets came until then. Raises CaptureError."""
    made_by = f"packets recorded by {packets.dumper.name}"
    registry = default().allowing(job.max_concurrency)
    scribe = Scribe(Path(job.capture), registry, keep_secrets=job.keep_secrets, made_by=made_by)
    scribe.start()
    is_well = False
    try:
        recorder = Recorder(job, packets, scribe)
        _answer(dumper=packets.dumper.name, pid=packets.process.pid)
        recorder.run(stopping)
        is_well = stopping.is_set()
        packets.end()
        recorder.finish()
        notes = recorder.remarks.notes(packets.dropped)
        if not is_well:
            death = f"{packets.dumper.name} {packets.end_in_words}; nothing was recorded after that"
            log.error("gwinspect: %s", death)
            notes = [death, *(notes if recorder.remarks.connections else ())]
        scribe.notes = notes
    except Exception as error:
        log.error("gwinspect: %s", marked("the recording stopped; everything before that is saved", error))
        is_well = False
    finally:
        scribe.stop()
    return is_well


def _answer(**said: str | int) -> None:
    with suppress(OSError):
        os.write(sys.stdout.fileno(), json.dumps(said).encode() + b"\n")

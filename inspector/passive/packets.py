"""A program that records packets while it does: tcpdump or dumpcap, and what it says, read by a thread."""

import fcntl
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from inspector.errors import EnvironmentProblem
from inspector.importers.pcap.packetfile import Packet, PacketPipe
from inspector.inert import inert
from inspector.passive.dumper import Dumper, dumpers, first_words, how_to_get_rights, lacks_right
from inspector.proxy.process import LAST_LIMIT, end

# Seconds between two looks where somebody waits for the other.
PAUSE = 0.005
# Seconds that a program may take until it records, and to end.
START_LIMIT, STOP_LIMIT = 10.0, 5.0
# Packets, and bytes of them, that wait at most; more wait in the kernel, or are dropped there.
_MOST_PACKETS, _MOST_BYTES = 100_000, 64 * 1024 * 1024
# Packets that are taken at once.
_TAKE = 2000
# Linux's F_SETPIPE_SZ, and bytes that the pipe is to have.
_SET_PIPE_SIZE, _PIPE_BYTES = 1031, 1024 * 1024
# Characters of what a program said last that are shown.
_LONGEST = 300

_DROPPED = re.compile(rb"^(\d+) packets? dropped by kernel", re.M)


class Packets:
    """What a program records, read by a thread, as `take` asks for it."""

    def __init__(self, dumper: Dumper, process: "subprocess.Popen[bytes]", errors: IO[bytes]) -> None:
        self.dumper = dumper
        self.process = process
        self.news = threading.Event()
        """Set when there are packets, or have ended."""
        self.is_over = False
        """No more are read."""
        assert process.stdout is not None
        self._errors = errors
        self._pipe = PacketPipe(process.stdout)
        self._queue: deque[Packet] = deque()
        # Each is written by one thread alone.
        self._put_bytes = self._taken_bytes = 0
        self._thread = threading.Thread(target=self._read, name="gwinspect packets", daemon=True)
        self._thread.start()

    def take(self) -> list[Packet]:
        """Return the oldest of what has come."""
        taken = [self._queue.popleft() for _ in range(min(len(self._queue), _TAKE))]
        self._taken_bytes += sum(len(packet[2]) for packet in taken)
        return taken

    @property
    def have_begun(self) -> bool:
        """Whether the program records."""
        return self._pipe.has_begun

    @property
    def are_waiting(self) -> bool:
        """Whether there are more."""
        return bool(self._queue)

    def end(self) -> None:
        """Have the program say what it has, and end it."""
        if self.is_over:
            # It is about to end on its own, and how is to be known.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(LAST_LIMIT)
        end(self.process, STOP_LIMIT)
        self._thread.join(LAST_LIMIT)

    @property
    def words(self) -> str:
        """What the program has said."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    @property
    def end_in_words(self) -> str:
        """How the program ended on its own."""
        code = self.process.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        last = self.words.strip().splitlines()[-1:]
        return f"{how} ({inert(last[0])[:_LONGEST]})" if last and code > 0 else how

    @property
    def dropped(self) -> int:
        """How many packets were lost because they were not read in time; known once the program has ended."""
        found = _DROPPED.search(self.words.encode())
        return self._pipe.dropped + (int(found[1]) if found else 0)

    def _read(self) -> None:
        try:
            for packet in self._pipe.packets():
                self._queue.append(packet)
                self._put_bytes += len(packet[2])
                if not self.news.is_set():
                    self.news.set()
                while len(self._queue) > _MOST_PACKETS or self._put_bytes - self._taken_bytes > _MOST_BYTES:
                    time.sleep(PAUSE)
        except (OSError, ValueError):
            pass
        finally:
            self.is_over = True
            self.news.set()


class Unrecordable(EnvironmentProblem):
    """No packets can be recorded here."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(f"{why}. {fix}" if fix else why)
        self.why = why
        """What was tried, and what came of it; without a full stop."""
        self.fix = fix
        """How the user gets what is missing, in sentences; empty where that is not known."""


@contextmanager
def recording(interfaces: Sequence[str], wanted: str) -> Iterator[Packets]:
    """Record packets meanwhile, with the first program that may. Raises Unrecordable where none does."""
    problem = Unrecordable("neither tcpdump nor dumpcap is installed, which record packets", how_to_get_rights(None))
    for dumper in dumpers(interfaces):
        with tempfile.TemporaryFile() as errors:
            try:
                packets = _start(dumper, dumper.command(interfaces, wanted), errors)
            except Unrecordable as error:
                problem = error
                continue
            try:
                yield packets
            finally:
                packets.end()
            return
    raise problem


def _start(dumper: Dumper, command: list[str], errors: IO[bytes]) -> Packets:
    """Start a program, and return when it records. Raises Unrecordable."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, bufsize=0, start_new_session=True
        )
    except OSError as error:
        why = f"{dumper.name} cannot be run: {error.strerror or error}"
        raise _refused(dumper, why, is_right=isinstance(error, PermissionError)) from error
    assert process.stdout is not None
    if sys.platform == "linux":
        with suppress(OSError):
            fcntl.fcntl(process.stdout, _SET_PIPE_SIZE, _PIPE_BYTES)
    packets = Packets(dumper, process, errors)
    # What the file begins with comes when the interface is open.
    deadline = time.monotonic() + START_LIMIT
    while not packets.have_begun and not packets.is_over and time.monotonic() < deadline:
        time.sleep(PAUSE)
    if packets.have_begun:
        return packets
    packets.end()
    said = packets.words
    raise _refused(dumper, f"{dumper.name} cannot record packets: {first_words(said)}", is_right=lacks_right(said))


def _refused(dumper: Dumper, why: str, *, is_right: bool) -> Unrecordable:
    return Unrecordable(why.rstrip("."), how_to_get_rights(dumper) if is_right else "")

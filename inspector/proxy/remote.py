"""The scribe in a process of its own, so that decoding and storing cost the proxied connections next to nothing.

In one process with mitmproxy the scribe takes turns with mitmproxy's loop at Python's lock. That cost a fifth of the
throughput and up to four times the p99; this costs a tenth, and up to 1.2 times the p99 (`make bench`). Here a thread
hands over what hooks have queued, on a beat, and holds the lock for a copy. The process stands back where cores are
short: traffic comes first, and the recording catches up. Politeness alone (nice 10 to 19, SCHED_BATCH, sched_yield)
left the p99 at 1.6 to 1.9 times: only an idle task lets one go first that wakes up.

It ends when the pipe to it ends. So a proxy that is killed leaves a finished capture, with all that it had handed over.
What crosses the pipes goes between two processes of ours that trust each other: marshal and pickle are made for that.
"""

import logging
import marshal
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO, Any

from inspector.errors import CaptureError, GwinspectError
from inspector.faults import marked
from inspector.garbage import end_quickly
from inspector.model import Closed, Event, Frame, Happening, Mark, Opened, StartLimit
from inspector.pipeline import MAX_LEFT
from inspector.proxy.eventlog import log
from inspector.proxy.intake import Intake, Stream
from inspector.proxy.scribe import BEAT, MAX_MEDIA, Amendment, Scribe

# Things in one write, so that Python's lock is held for a millisecond at most.
_BATCH = 500
# Seconds that the process may take to write all it has and finish the capture.
_STOP_LIMIT = 120
# How far the recording stands back behind the traffic, as nice(1) counts.
_NICENESS = 10
_LENGTH_BYTES = 8
# Bytes of messages that may wait for the scribe; more of them wait in the pipe, and before it.
_MAX_WAITING = 32 * 1024 * 1024

# What a message to the process begins with. Behind it: a frame's fields; a stream's key and what happened on it,
# pickled; a stream's key, host, and whether it surely is a gateway; a connection that did not come about, pickled; what
# Discord told of session starts, pickled; a host; host and port; nothing.
_FRAME, _HAPPENING, _BEGIN, _REFUSE, _LIMIT, _SAW, _LEARN, _STOP = range(8)


class RemoteScribe:
    """Has a `Scribe` write `path` in another process; used as that is. Raises GwinspectError where it cannot begin."""

    def __init__(self, path: Path, *, keep_secrets: bool = False, max_concurrency: int | None = None) -> None:
        self.path = path
        self.media: set[tuple[str, int]] = set()
        """Addresses that voice gateways have named for media, or that clients have asked for their own."""
        self.on_close: Callable[[Event], None] = lambda close: None
        """Is told of each close, in a thread, once it is written."""
        self._intake = Intake()
        self._keys = count(1)
        self._streams: dict[int, Stream] = {}
        self._stopping = threading.Event()
        script = "from inspector.proxy.remote import main; main()"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-c", script, str(path)),
                *("keep" if keep_secrets else "mask", str(max_concurrency or 0)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What it has to say comes by the pipe: mitmproxy may have the terminal.
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._pipe, self._answers = self._process.stdin, _received(self._process.stdout)
        self._await_ready()
        self._feeder = threading.Thread(target=self._feed, name="gwinspect feeder", daemon=True)
        self._listener = threading.Thread(target=self._listen, name="gwinspect listener", daemon=True)

    def start(self) -> None:
        """Begin to hand over."""
        self._feeder.start()
        self._listener.start()

    def begin(self, host: str, *, certain: bool) -> Stream:
        """Return the stream for a connection to `host` that begins. `certain`: it is known to be a gateway."""
        stream = Stream(host, key=next(self._keys))
        self._streams[stream.key] = stream
        self._intake.put(None, (_BEGIN, stream.key, host, certain))
        return stream

    def refuse(self, opened: Opened) -> None:
        """Hand over a connection that did not come about."""
        self._intake.put(None, (_REFUSE, pickle.dumps(opened)))

    def learn_limit(self, limit: StartLimit) -> None:
        """Hand over what Discord told of session starts."""
        self._intake.put(None, (_LIMIT, pickle.dumps(limit)))

    def put(self, stream: Stream, what: Happening | Amendment) -> bool:
        """Hand over what happened on `stream`, and return whether there was room. To be called by one thread only."""
        return stream.refused or self._intake.put(stream, what)

    def saw(self, host: str) -> None:
        """Note a WebSocket to `host` that is not a gateway."""
        self._intake.put(None, (_SAW, host))

    def learn(self, host: str, port: int) -> None:
        """Remember an address of media, for as long as the capture is written."""
        if len(self.media) < MAX_MEDIA:
            self.media.add((host, port))
        self._intake.put(None, (_LEARN, host, port))

    def stop(self) -> None:
        """Hand over what is left, and wait until the capture is finished."""
        self._stopping.set()
        self._feeder.join()
        try:
            self._process.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            log.error("gwinspect: %s was not finished within %d s; its recorder was ended", self.path, _STOP_LIMIT)
            self._process.kill()
            self._process.wait()
        self._listener.join()

    def _feed(self) -> None:
        """Hand over on a beat. A wake-up for each message would cost the connections more than the beat does."""
        try:
            while not self._stopping.wait(BEAT):
                self._hand_over()
            self._intake.readmit()
            while len(self._intake):
                self._hand_over()
            _send(self._pipe, marshal.dumps([(_STOP,)]))
        except OSError:
            # The listener says why.
            pass
        finally:
            with suppress(OSError):
                self._pipe.close()

    def _hand_over(self) -> None:
        while batch := self._intake.take(_BATCH):
            _send(self._pipe, marshal.dumps([_packed(stream, what) for stream, what in batch]))

    def _await_ready(self) -> None:
        answer: Any = next(self._answers, None)
        match answer:
            case ("ready",):
                return
            case ("error", GwinspectError() as error):
                self._process.wait()
                raise error
        code = self._process.wait()
        raise CaptureError(f"the process that writes {self.path} did not start (exit code {code})")

    def _listen(self) -> None:
        for answer in self._answers:
            match answer:
                case ("log", int(level), str(text)):
                    # A traceback is among what has several lines.
                    for line in text.split("\n"):
                        log.log(level, "%s", line)
                case ("number", int(key), int(number)) if key in self._streams:
                    self._streams[key].connection = number
                case ("gone", int(key), bool(refused)) if key in self._streams:
                    self._streams.pop(key).refused = refused
                case ("media", str(host), int(port)):
                    self.media.add((host, port))
                case ("path", str(path)):
                    self.path = Path(path)
                case ("closed", Event() as close):
                    self.on_close(close)
        code = self._process.wait()
        if code or not self._stopping.is_set():
            log.error(
                "gwinspect: the process that writes %s has ended (exit code %d): nothing more is recorded; start again",
                self.path,
                code,
            )


class _Desk:
    """The other end: has the scribe do what comes by the pipe, and sends back what it finds out."""

    def __init__(self, scribe: Scribe, answers: IO[bytes]) -> None:
        self._scribe = scribe
        self._answers = answers
        self._lock = threading.Lock()
        self._streams: dict[int, Stream] = {}
        # Those whose close has passed. The other end may still speak.
        self._left: dict[int, Stream] = {}
        self._room: dict[int, bool] = {}
        scribe.on_close = lambda close: self.answer("closed", close)
        scribe.on_decided = self._decided
        scribe.on_media = lambda host, port: self.answer("media", host, port)
        scribe.on_path = lambda path: self.answer("path", str(path))

    def answer(self, *what: Any) -> None:
        """Send something back. A proxy that is gone hears nothing, and nothing is lost by that."""
        with self._lock, suppress(OSError):
            _send(self._answers, pickle.dumps(what))

    def take(self, message: tuple[Any, ...]) -> bool:
        """Do what one message says; return whether it was the last."""
        kind, *fields = message
        if kind in (_FRAME, _HAPPENING):
            stream = self._streams.get(fields[0]) or self._left.get(fields[0])
            while self._scribe.waiting_bytes > _MAX_WAITING:
                time.sleep(BEAT)
            if stream is not None and kind == _FRAME:
                self._room[stream.key] = self._scribe.put(stream, _frame(stream, *fields[1:]))
            elif stream is not None:
                self._happened(stream, pickle.loads(fields[1]))
        elif kind == _BEGIN:
            self._begin(*fields)
        elif kind == _REFUSE:
            self._scribe.refuse(pickle.loads(*fields))
        elif kind == _LIMIT:
            self._scribe.learn_limit(pickle.loads(*fields))
        elif kind == _SAW:
            self._scribe.saw(*fields)
        elif kind == _LEARN:
            self._scribe.learn(*fields)
        return bool(kind == _STOP)

    def cut_off(self) -> None:
        """Close all connections: the proxy between their ends is gone, without a word."""
        for stream in self._streams.values():
            gone = Closed(stream.connection, time.time_ns(), None, "mitmproxy was killed", "proxy")
            self._scribe.put(stream, gone)

    def _begin(self, key: int, host: str, certain: bool) -> None:
        stream = self._streams[key] = self._scribe.begin(host, certain=certain)
        stream.key = key
        if certain:
            self._decided(stream)

    def _happened(self, stream: Stream, what: Happening | Amendment) -> None:
        if isinstance(what, Amendment) and not self._room.get(stream.key, True):
            # The message itself found no room.
            return
        self._scribe.put(stream, what)
        if isinstance(what, Closed):
            self._streams.pop(stream.key, None)
            self._left[stream.key] = stream
            if len(self._left) > MAX_LEFT:
                oldest = next(iter(self._left))
                del self._left[oldest]
                self._room.pop(oldest, None)
            self.answer("gone", stream.key, stream.refused)

    def _decided(self, stream: Stream) -> None:
        if stream.refused:
            self.answer("gone", stream.key, True)
        else:
            self.answer("number", stream.key, stream.connection)


class _LogSender(logging.Handler):
    """Has mitmproxy's event log say what the scribe says."""

    def __init__(self, answer: Callable[..., None]) -> None:
        super().__init__()
        self._answer = answer

    def emit(self, record: logging.LogRecord) -> None:
        self._answer("log", record.levelno, self.format(record))


def main() -> None:
    """Run the process: ``PATH keep|mask MAX_CONCURRENCY``, with the pipes as stdin and stdout."""
    for number in ("SIGINT", "SIGTERM", "SIGHUP"):
        # They end the proxy, which still has something to say then.
        if hasattr(signal, number):
            signal.signal(getattr(signal, number), signal.SIG_IGN)
    _lower_priority()
    end_quickly()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    path, secrets, max_concurrency = sys.argv[1:]
    from inspector.protocol.registry import default

    try:
        registry = default().allowing(int(max_concurrency) or None)
        scribe = Scribe(Path(path), registry, keep_secrets=secrets == "keep", stands_aside=True)
    except GwinspectError as error:
        _send(answers, pickle.dumps(("error", error)))
        sys.exit(1)
    desk = _Desk(scribe, answers)
    log.setLevel(logging.INFO)
    log.addHandler(_LogSender(desk.answer))
    desk.answer("ready")
    scribe.start()
    try:
        if not any(desk.take(message) for batch in _received(sys.stdin.buffer, marshal.loads) for message in batch):
            desk.cut_off()
    except Exception as error:
        log.error("gwinspect: %s", marked(f"recording into {path} stopped; everything before that is saved", error))
        sys.exit(3)
    finally:
        scribe.stop()


def _lower_priority() -> None:
    """Have the traffic come first where cores are short: run later, and never right when something arrives."""
    with suppress(OSError, AttributeError):
        os.nice(_NICENESS)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _packed(stream: Stream | None, what: Any) -> tuple[Any, ...]:
    """Return a message: tuples of plain values, which marshal writes fastest."""
    if stream is None:
        message: tuple[Any, ...] = what
        return message
    if type(what) is Frame:
        marks = int(what.marks) if what.marks else 0
        return _FRAME, stream.key, what.at_ns, what.from_client, what.is_text, what.data, marks, what.forwarded
    return _HAPPENING, stream.key, pickle.dumps(what)


def _frame(
    stream: Stream, at_ns: int, from_client: bool, is_text: bool, data: bytes, marks: int, forwarded: bytes | None
) -> Frame:
    known = Mark(marks) if marks else Mark.NONE
    return Frame(stream.connection, at_ns, from_client, is_text, data, known, forwarded)


def _send(pipe: IO[bytes], data: bytes) -> None:
    """Write one message. Raises OSError where the other end is gone."""
    # At once: after each write, a thread has to wait for Python's lock.
    pipe.write(len(data).to_bytes(_LENGTH_BYTES) + data)
    pipe.flush()


def _received(pipe: IO[bytes], loads: Callable[[bytes], Any] = pickle.loads) -> Iterator[Any]:
    """Yield messages until the other end is gone. What it did not come to write whole is left out."""
    while len(head := pipe.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
        data = pipe.read(length := int.from_bytes(head))
        if len(data) < length:
            return
        yield loads(data)


def _environment() -> dict[str, str]:
    """Return the environment of the process: it finds the package where this file is, and is hooked by no one."""
    path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "GWINSPECT_HOOKS": "off"}

"""The thread that writes the capture, so that mitmproxy's hooks have nothing to do but hand things over.

It wakes on a beat instead of for each message: a wake-up per message costs the proxied connection more than the
decoding does (measured: 1.55 times the latency, against 1.06).
"""

import json
import logging
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, ParamSpec

from inspector.errors import CaptureError
from inspector.faults import is_ours, marked
from inspector.importers.candidates import confirm
from inspector.model import (
    Closed,
    Event,
    Finding,
    Frame,
    Gap,
    Happening,
    Kind,
    Mark,
    Numbered,
    Opened,
    Payload,
    Plane,
    Severity,
    StartLimit,
)
from inspector.protocol.ops import VoiceOp
from inspector.protocol.registry import Registry
from inspector.proxy.clock import Clock
from inspector.proxy.eventlog import log
from inspector.proxy.intake import SPARE, Intake, Stream
from inspector.proxy.missing import Missing
from inspector.session.redact import mask_event, mask_text
from inspector.store.parts import LOOK
from inspector.store.writer import Writer
from inspector.wire.decoder import read_payload
from inspector.words import roughly

# Seconds between two looks at the queue; with the commit it keeps a row from waiting more than 50 ms.
BEAT = 0.04
# Happenings taken at once, so that a burst is committed in steps.
TAKE = 5000
# Happenings held in memory while the disk refuses them, and bytes of their messages; further messages are counted.
MAX_UNSAVED, MAX_UNSAVED_BYTES = 200_000, 256 * 1024 * 1024
# Seconds between two attempts to write to a disk that refuses.
RETRY = 0.5
# Seconds that a step may take or come late, before the recording asks for its share of the processor.
MAX_LATE = 1.0
# Seconds between two times that the rules are asked what they make of the silence, if any connection is silent.
TICK = 1.0
# Seconds after which WebSockets without a gateway among them are worth a word.
PATIENCE = 60

# Times that mitmproxy's event log tells of one rule; the capture has them all.
MOST_LOGGED = 5

# Addresses for media that are remembered.
MAX_MEDIA = 10_000

# mitmproxy's level for what a person should see although it is no warning.
ALERT = logging.INFO + 1

P = ParamSpec("P")


class Amendment(NamedTuple):
    """What became of a stream's newest message after we had copied it."""

    mark: Mark
    forwarded: bytes | None


class Scribe:
    """Takes happenings from `put` and writes them to `path` until `stop`. Raises CaptureError where it cannot begin.

    `stands_aside`: it has a process of its own, and works there while no one else wants the processor, as long as it
    keeps up. In one process with mitmproxy it would hold Python's lock meanwhile. `made_by` is what the capture says of
    its making.
    """

    def __init__(
        self,
        path: Path,
        registry: Registry,
        *,
        keep_secrets: bool = False,
        stands_aside: bool = False,
        made_by: str = "mitmproxy addon",
    ) -> None:
        self._thread = threading.Thread(target=self._work, name="gwinspect", daemon=True)
        # Linux lets no one come back from that policy, so that another thread has to continue.
        self._aside = (
            threading.Thread(target=self._work_aside, name="gwinspect aside", daemon=True)
            if stands_aside and hasattr(os, "SCHED_IDLE")
            else None
        )
        self._registry = registry
        self._writer = Writer(path, registry, made_by=made_by, keep_secrets=keep_secrets)
        if self._writer.lock is not None and self._writer.lock.problem:
            log.warning(
                "gwinspect: a second recorder could write to %s at the same time: %s", path, self._writer.lock.problem
            )
        self._intake = Intake()
        self._stopping = threading.Event()
        self._next_connection = self._writer.first_connection
        self._numbering = threading.Lock()
        self._failing = False
        self._held = False
        """The writer holds something that is in no batch."""
        self._full = False
        self._held_bytes = 0
        self._next_try = 0.0
        self._unwritten: Missing[Stream] = Missing("disk")
        self._stranded = False
        self._began = self._looked = self._ticked = self._worked = time.monotonic()
        self._hosts: set[str] = set()
        self._told: Counter[str] = Counter()
        self._faults: set[str] = set()
        self._patient = True
        self.media: set[tuple[str, int]] = set()
        """Addresses that voice gateways have named for media, or that clients have asked for their own."""
        self._clock = Clock(self._writer.newest_ns)
        self.path = path
        self.notes: list[str] | None = None
        """Sentences about what the recording lacks, for the capture to keep; None where nobody knows."""
        self.on_close: Callable[[Event], None] = lambda close: None
        """Is told of each close, in this thread, once it is written."""
        self.on_decided: Callable[[Stream], None] = lambda stream: None
        """Is told of each stream of which it was not certain, once it is known what it is, in this thread."""
        self.on_media: Callable[[str, int], None] = lambda host, port: None
        """Is told of addresses of media that were found, in this thread."""
        self.on_path: Callable[[Path], None] = lambda path: None
        """Is told of the file in which the recording continues, in this thread."""
        if self._clock.late_ns:
            self._note_clock(-self._clock.late_ns, "has been")

    def start(self) -> None:
        """Begin to write."""
        self._worked = time.monotonic()
        # A thread begins with the policy of the one that starts it.
        if self._aside is not None:
            self._aside.start()
        self._thread.start()

    def begin(self, host: str, *, certain: bool) -> Stream:
        """Return the stream for a connection to `host` that begins. `certain`: it is known to be a gateway."""
        return Stream(host, self._number() if certain else 0)

    def refuse(self, opened: Opened) -> None:
        """Hand over a connection that did not come about."""
        self._intake.put(None, replace(opened, connection=self._number()))

    def learn_limit(self, limit: StartLimit) -> None:
        """Hand over what Discord told of session starts."""
        self._intake.put(None, limit)

    def put(self, stream: Stream, what: Happening | Amendment) -> bool:
        """Hand over what happened on `stream`, and return whether there was room. To be called by one thread only."""
        return self._intake.put(stream, what)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of messages that were handed over and wait to be written."""
        return self._intake.size

    def saw(self, host: str) -> None:
        """Note a WebSocket to `host` that is not a gateway."""
        if len(self._hosts) < 1000:
            self._hosts.add(host)

    def learn(self, host: str, port: int) -> None:
        """Remember an address of media, for as long as the capture is written."""
        if len(self.media) < MAX_MEDIA:
            self.media.add((host, port))

    def stop(self) -> None:
        """Write all that was handed over and finish the capture."""
        self._stopping.set()
        self._thread.join()

    def _number(self) -> int:
        """Return the number for a new connection."""
        with self._numbering:
            number = self._next_connection
            self._next_connection += 1
            return number

    def _work_aside(self) -> None:
        """Work while no other process wants this processor, until the end or until that leaves us behind."""
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while not self._stopping.wait(BEAT) and not self._is_behind():
            self._step()

    def _is_behind(self) -> bool:
        """Say whether the step before was long, or long ago, or left more than one takes."""
        return time.monotonic() - self._worked > MAX_LATE or len(self._intake) > TAKE

    def _step(self) -> None:
        """Do what is due on a beat."""
        self._worked = time.monotonic()
        if time.monotonic() - self._looked >= LOOK:
            self._look_at_file()
        self._drain()
        self._tick()
        self._mention_hosts()

    def _work(self) -> None:
        if self._aside is not None:
            self._aside.join()
        while not self._stopping.wait(BEAT):
            self._step()
        self._look_at_file()
        self._intake.readmit()
        while len(self._intake):
            self._drain()
        self._end()

    def _look_at_file(self) -> bool:
        """Go on in another file if somebody has taken this one away: no one would ever find what is written to it.

        Returns whether that was so.
        """
        self._looked = time.monotonic()
        trouble = self._writer.trouble()
        if trouble is None:
            return False
        before = self.path
        try:
            is_copy = self._writer.move(is_damaged=trouble.is_damaged)
        except CaptureError as error:
            if not self._stranded:
                self._stranded = True
                log.error(
                    "gwinspect: %s %s, and %s; free some space; gwinspect will try again", before, trouble.text, error
                )
            return False
        self._stranded = False
        self.path = self._writer.path
        self.on_path(self.path)
        what = "with all that was recorded so far" if is_copy else "without what was recorded so far; a row says so"
        log.error("gwinspect: %s %s; the recording continues in %s, %s", before, trouble.text, self.path, what)
        return True

    def _end(self) -> None:
        """Write what is left, and finish the capture."""
        gaps = self._take_gaps()
        try:
            self._writer.hold(gaps)
            if self.notes is not None:
                self._writer.take_over({"notes": json.dumps(self.notes)}, [])
            self._writer.finish()
            if self._failing:
                self._say_recovered(gaps)
        except sqlite3.Error as error:
            log.error(
                "gwinspect: the recording could not be continued: %s cannot be written (%s); %d events%s are "
                "missing from it",
                self.path,
                error,
                self._writer.unsaved,
                f" and {sum(gap.missing for gap in gaps):,} messages" if gaps else "",
            )
            self._writer.abandon()
        except Exception as error:
            log.error("gwinspect: %s; `gwinspect reindex` does it", marked(f"{self.path} could not be finished", error))

    def _drain(self) -> None:
        self._look_at_clock()
        batch: list[Happening] = []
        for stream, what in self._intake.take(TAKE):
            self._contained("a message could not be stored", self._sort, stream, what, batch)
        if batch or self._failing or self._held:
            self._write(batch)

    def _sort(self, stream: Stream | None, what: Happening | Amendment, batch: list[Happening]) -> None:
        if isinstance(what, Amendment):
            if stream is not None:
                self._amend(stream, what, batch)
            return
        if (at_ns := self._clock.read(what.at_ns)) != what.at_ns:
            what = replace(what, at_ns=at_ns)
        if isinstance(what, StartLimit):
            # It has no number, so it is not among those that are counted here.
            self._append(what, batch)
            self._writer.hold(batch)
            batch.clear()
            self._held = True
        elif stream is None:
            self._append(what, batch)
        elif stream.connection:
            self._take(stream, what, batch)
        elif not stream.refused:
            self._consider(stream, what, batch)

    def _contained(self, problem: str, step: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Take a step. A bug of ours in it is said, and the recording continues."""
        try:
            step(*args, **kwargs)
        except Exception as error:
            if not is_ours(error):
                raise
            self._say_fault(problem, error)

    def _say_fault(self, problem: str, error: Exception) -> None:
        """Say a bug of ours, each once: a traceback could hold what was in the messages."""
        said = marked(problem, error)
        if said not in self._faults:
            self._faults.add(said)
            log.error("gwinspect: %s", said)

    def _tick(self) -> None:
        """Let the rules look into the silence, once a second: one connection may be silent while others are busy.

        A tick behind, as what came in that time may still be on its way to us.
        """
        if len(self._intake) or self._failing or time.monotonic() - self._ticked < TICK:
            return
        self._ticked = time.monotonic()
        try:
            noticed = self._writer.tick(self._clock.now() - int(TICK * 1e9))
        except sqlite3.Error as error:
            self._fail(error)
        except Exception as error:
            self._say_fault("a rule failed; the messages are recorded", error)
        else:
            for finding in noticed:
                self._tell_finding(finding, "")

    def _take(self, stream: Stream, what: Numbered, batch: list[Happening]) -> None:
        if what.connection != stream.connection:
            what = replace(what, connection=stream.connection)
        if isinstance(what, Frame):
            if self._failing and not self._has_room(what, batch):
                self._unwritten.add(stream, what)
                stream.last_frame = 0
                return
            stream.last_frame = self._writer.next_frame + len(batch)
        elif self._failing and self._writer.unsaved + len(batch) >= MAX_UNSAVED + SPARE:
            return
        elif isinstance(what, Closed) and (gap := self._unwritten.take(stream)) is not None:
            self._append(gap, batch)
        self._append(what, batch)

    def _append(self, what: Happening, batch: list[Happening]) -> None:
        """Put it into the capture's order of time: what waited to be known for a gateway's comes late."""
        at_ns = self._clock.in_order(what.at_ns)
        batch.append(what if at_ns == what.at_ns else replace(what, at_ns=at_ns))

    def _look_at_clock(self) -> None:
        """Note where somebody has set the machine's clock."""
        by_ns = self._clock.step()
        if by_ns:
            self._note_clock(by_ns, "was")

    def _note_clock(self, by_ns: int, how: str) -> None:
        self._writer.note_clock(self._clock.now(), by_ns)
        log.warning(
            "gwinspect: the clock %s set %s; times in %s still follow the earlier clock",
            how,
            f"{'back' if by_ns < 0 else 'forward'} by {roughly(abs(by_ns))}",
            self.path,
        )

    def _has_room(self, frame: Frame, batch: list[Happening]) -> bool:
        """Say whether one more message can be held while the disk refuses. Once not, none is until it is written."""
        self._held_bytes += len(frame.data)
        if not self._full and (
            self._writer.unsaved + len(batch) >= MAX_UNSAVED or self._held_bytes > MAX_UNSAVED_BYTES
        ):
            self._full = True
            log.error(
                "gwinspect: no memory left to hold messages for %s; from here on they are counted, not recorded",
                self.path,
            )
        return not self._full

    def _consider(self, stream: Stream, what: Numbered, batch: list[Happening]) -> None:
        """Decide, as far as it can be decided yet, whether a connection that looks like a gateway is one."""
        stream.waiting.append(what)
        opened = stream.waiting[0]
        if not isinstance(opened, Opened):
            # Its beginning is among what a full queue refused.
            stream.refused = True
            stream.waiting.clear()
            return
        frames = [h for h in stream.waiting if isinstance(h, Frame)]
        verdict = confirm(opened, frames)
        if verdict is None and isinstance(what, Closed):
            verdict = False
        if verdict is False:
            stream.refused = True
            self.saw(stream.host)
            stream.waiting.clear()
            self.on_decided(stream)
        elif verdict:
            stream.connection = self._number()
            self.on_decided(stream)
            for happening in stream.waiting:
                self._take(stream, happening, batch)
            stream.waiting.clear()

    def _amend(self, stream: Stream, what: Amendment, batch: list[Happening]) -> None:
        held = batch if stream.connection else stream.waiting
        if stream.connection and not stream.last_frame:
            # The message itself is not recorded.
            return
        if stream.connection:
            at = stream.last_frame - self._writer.next_frame
        else:
            at = max((i for i, happening in enumerate(held) if isinstance(happening, Frame)), default=-1)
        if at >= 0:
            frame = held[at]
            assert isinstance(frame, Frame)
            held[at] = replace(frame, marks=frame.marks | what.mark, forwarded=what.forwarded)
        elif stream.connection:
            self._held = True
            self._writer.amend(stream.last_frame, what.mark, what.forwarded)

    def _write(self, batch: list[Happening]) -> None:
        if self._failing and time.monotonic() < self._next_try:
            self._writer.hold(batch)
            return
        try:
            events = self._writer.write(batch)
        except sqlite3.Error as error:
            self._fail(error)
            return
        except Exception as error:
            self._say_fault("decoding failed; the messages are recorded, and `gwinspect reindex` reads them", error)
            return
        self._held = False
        for event in events:
            self._contained("a row could not be printed here; it is recorded", self._tell, event)
        if self._failing:
            self._recover()

    def _recover(self) -> None:
        """Go on as before: the disk can be written again. What is missing is said in the capture."""
        self._failing = self._full = False
        self._held_bytes = 0
        gaps = self._take_gaps()
        self._say_recovered(gaps)
        if gaps:
            self._write([*gaps])

    def _take_gaps(self) -> list[Gap]:
        """Return what could not be written, a gap for each connection, in the capture's order of time."""
        return [
            replace(gap, connection=stream.connection, at_ns=self._clock.in_order(gap.at_ns))
            for stream, gap in self._unwritten.take_all()
        ]

    def _say_recovered(self, gaps: Sequence[Gap]) -> None:
        lost = f"{sum(gap.missing for gap in gaps):,} messages are missing" if gaps else "nothing was lost"
        log.warning("gwinspect: %s can be written again; %s", self.path, lost)

    def _fail(self, error: sqlite3.Error) -> None:
        self._next_try = time.monotonic() + RETRY
        if self._look_at_file():
            self._next_try = 0.0
            self._write([])
            return
        if not self._failing:
            self._failing = True
            log.error(
                "gwinspect: %s cannot be written (%s); traffic continues, messages are held in memory: free some space",
                self.path,
                error,
            )

    def _tell(self, event: Event) -> None:
        """Say in mitmproxy's event log what a person would want to know at once."""
        event = mask_event(event)
        if event.kind is Kind.OPEN and event.opened is not None:
            if event.opened.refusal:
                log.warning("gwinspect: no connection to %s: %s", event.opened.url, event.opened.refusal)
            else:
                log.info("gwinspect: #%d %s %s", event.connection, event.plane.value, event.opened.url)
        elif event.kind is Kind.CLOSE and event.closed is not None and event.plane is not Plane.MEDIA:
            code = event.closed.code
            row = self._registry.close_code(event.plane, code) if code is not None else None
            sent = row.sent_by(event.closed.by) if row is not None else None
            what = f"{f'{code} {sent.name}'.strip()}: {sent.meaning}" if sent is not None else f"{code}"
            log.log(ALERT, "gwinspect: #%d closed by %s, %s", event.connection, event.closed.by or "?", what)
            self.on_close(event)
        elif event.plane is Plane.VOICE and event.op == VoiceOp.READY and not event.from_client:
            self._read_ready(event)
        for finding in event.findings:
            self._tell_finding(finding, f"#{event.connection} ")

    def _read_ready(self, event: Event) -> None:
        """Remember where media go, so that the hooks know it: a client may have begun before we were there."""
        payload = read_payload(Plane.VOICE, event.encoding or "json", event.payload or b"")
        match payload.d if isinstance(payload, Payload) else None:
            case {"ip": str(ip), "port": int(port)}:
                self.learn(ip, port)
                self.on_media(ip, port)

    def _tell_finding(self, finding: Finding, where: str) -> None:
        """Say what was noticed, where somebody should do something about it and the rule has not been told often."""
        if finding.severity >= Severity.WARN and self._told[finding.rule] < MOST_LOGGED:
            self._told[finding.rule] += 1
            log.log(ALERT, "gwinspect: %srow %d %s: %s", where, finding.event, finding.rule, mask_text(finding.text))

    def _mention_hosts(self) -> None:
        if self._patient and time.monotonic() - self._began > PATIENCE:
            self._patient = False
            if self._hosts and self._next_connection == self._writer.first_connection:
                log.log(
                    ALERT,
                    "gwinspect: no Discord gateway yet, only WebSockets to %s; a server of your own is recorded with "
                    "--set gwinspect_hosts=HOST",
                    ", ".join(sorted(self._hosts)[:10]),
                )

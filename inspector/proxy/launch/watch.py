"""Notices a launched command that the proxy does not see, and finds out why.

It looks from outside: at the capture, at what hooks report, and at the command's processes with their connections. It
says what it saw and no more: an address does not tell which host it is, or whether a gateway is there.
"""

import os
import shutil
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

import psutil

from inspector.errors import CaptureError
from inspector.inert import inert
from inspector.protocol.hosts import redirects
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.reports import Report, read_reports
from inspector.proxy.launch.runtimes import Runtime, Way, runtime_of, unhooked_by, ways_in
from inspector.proxy.mitmdump import Settings
from inspector.proxy.process import Process
from inspector.store.parts import Trail
from inspector.store.reader import Reader

# Seconds that a command may run without a connection before that is worth a word.
PATIENCE = 20.0
# Seconds that a connection past the proxy has to last: a call of a web API is over by then, a gateway's continues.
LASTING = 15.0
# Seconds between two looks; one takes 2 to 30 ms.
BEAT = 1.0
# The same once a connection was seen: then it is about others, which have no hurry.
SLOW_BEAT = 5.0
# Seconds after the end of a command in which its last connection may still come into the capture.
GRACE = 1.0
# The same at the start: a program that fails at once is to be seen before it is gone.
FIRST_BEAT = 0.05
# Processes of a command that are remembered, and those that are named.
_MOST, _NAMED = 1000, 3


@dataclass(frozen=True, slots=True)
class Unseen:
    """Why nothing of a command has been recorded."""

    what: str
    """One sentence: that it is so."""
    why: tuple[str, ...]
    """What speaks for which cause; at least one sentence."""
    ways: tuple[Way, ...]
    """What to try, the best first."""

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        width = max((len(way.name) for way in self.ways), default=0) + 3
        tries = [f"  {way.name:<{width}}{way.how}" for way in self.ways]
        return [self.what, *self.why, *(["Try:", *tries] if tries else [])]


class Lookout(Protocol):
    """Looks after one command, whichever way it is recorded."""

    @property
    def unseen(self) -> Unseen | None:
        """Why nothing is recorded; None while that is too early to say, or once something is."""

    def begin(self, client: Process, command: Sequence[str]) -> None:
        """Begin to look, once the command runs."""

    def stop(self) -> None:
        """Have a last look, once the recorder has written its last."""

    def past_it(self) -> list[str]:
        """Return what is to be said of processes that were missed while others of the command were seen."""


@dataclass(slots=True)
class Program:
    """A process of the command, as it was last seen."""

    pid: int
    name: str
    runtime: Runtime
    option: str | None = None
    """What on its command line keeps our hook out."""
    has_hook: bool | None = None
    """Whether our hooks are in its environment; None where that may not be read."""
    came: bool = False
    """It had a connection to the proxy."""
    passing: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Connections that do not lead to the proxy, by address: when they were first and last seen."""


class Watch:
    """Looks after one command: `begin` once it runs, `stop` once the recorder has written its last."""

    def __init__(self, settings: Settings, folder: Folder) -> None:
        self._unseen: Unseen | None = None
        self._settings = settings
        self._folder = folder
        # Discord's, and those of the user's own hosts.
        self._ports = {443}.union(*(each.ports for each in redirects(settings.hosts)))
        self._client: Process | None = None
        self._trail: Trail
        self._command: Sequence[str] = ()
        self._began = self._ended = 0.0
        self._before = 0
        self._thread = threading.Thread(target=self._run, name="gwinspect watch", daemon=True)
        self._stopping = threading.Event()
        self._programs: dict[int, Program] = {}
        self._connected = False
        self._refusals: list[str] = []

    @property
    def unseen(self) -> Unseen | None:
        """Why nothing is recorded; None while that is too early to say, or once something is."""
        return self._unseen

    def begin(self, client: Process, command: Sequence[str]) -> None:
        """Begin to look, in a thread."""
        self._client, self._command = client, command
        self._trail = Trail(self._settings.capture)
        with closing(Reader(self._trail.path)) as reader:
            # A capture that is continued has connections of before.
            self._before = reader.db.execute("select coalesce(max(id), 0) from connection").fetchone()[0]
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Have a last look, at what the recorder has left, and end. What is to be said then is in the log too."""
        if self._client is None:
            return
        self._stopping.set()
        self._thread.join()
        self._look(final=True)
        if self.unseen is not None and self._folder.command_log.exists():
            with self._folder.command_log.open("a", encoding="utf-8") as log:
                log.writelines(f"gwinspect: {line}\n" for line in self.unseen.lines())
            self._folder.keep_command_log = True

    def _run(self) -> None:
        beat = FIRST_BEAT
        while not self._stopping.wait(beat):
            self._look()
            beat = SLOW_BEAT if self._connected else min(2 * beat, BEAT)

    def past_it(self) -> list[str]:
        """Return what is to be said of processes that talked past the proxy while others of the command were seen."""
        if not self._connected:
            return []
        others = [program for program in self._programs.values() if not program.came]
        return self._passing(others, 2 * LASTING)

    def _conclude(self, final: bool) -> Unseen | None:
        assert self._client is not None
        now = time.monotonic()
        over = self._client.poll() is not None
        if over and not self._ended:
            self._ended = now
        # What it said last may still be on its way into the capture.
        is_certain = final or (over and now - self._ended >= GRACE)
        if self._connected or not (is_certain or now - self._began >= PATIENCE):
            return None
        name = inert(Path(self._command[0]).name)
        span = "ended" if over else f"has run for {time.monotonic() - self._began:.0f} s"
        reports = read_reports(self._folder.reports)
        programs = list(self._programs.values()) or [self._guess()]
        why = self._why(reports, programs)
        known = [each for each in programs if each.runtime is not Runtime.UNKNOWN] or programs
        # Most likely the client: one with connections past us, else the last that was started.
        main = max(known, key=lambda each: (len(each.passing), each.pid))
        # A refused certificate is mended by trust, not by another way in.
        ways = _trust(main.runtime, self._folder.bundle) if self._refusals else self._ways(main, name)
        return Unseen(f"{name} {span}, and no gateway connection came to the proxy.", tuple(why), tuple(ways))

    def _look(self, *, final: bool = False) -> None:
        self._read_capture()
        for process in self._processes():
            with suppress(psutil.Error, OSError):
                self._see(process)
        self._unseen = self._conclude(final)

    def _read_capture(self) -> None:
        try:
            self._trail.moved()
            reader = Reader(self._trail.path)
        except CaptureError:
            return
        try:
            wanted = "select refusal from connection where plane != 'media' and id > ? limit 1000"
            rows = reader.db.execute(wanted, (self._before,)).fetchall()
        finally:
            reader.close()
        self._connected = any(refusal is None for (refusal,) in rows)
        self._refusals = [str(refusal) for (refusal,) in rows if refusal is not None]

    def _processes(self) -> Iterable[psutil.Process]:
        assert self._client is not None
        try:
            parent = psutil.Process(self._client.pid)
            return [parent, *parent.children(recursive=True)][:_MOST]
        except psutil.Error:
            return []

    def _see(self, process: psutil.Process) -> None:
        program = self._programs.get(process.pid)
        if program is None:
            if len(self._programs) >= _MOST:
                return
            path = Path(process.exe())
            runtime = runtime_of(path)
            program = Program(process.pid, path.name, runtime, unhooked_by(runtime, process.cmdline()))
            with suppress(psutil.Error, OSError):
                program.has_hook = str(self._folder.hooks) in "".join(process.environ().values())
            self._programs[process.pid] = program
        now = time.monotonic()
        for connection in process.net_connections("tcp"):
            if connection.status != psutil.CONN_ESTABLISHED or not connection.raddr:
                continue
            host, port = connection.raddr
            if port == self._settings.port and ip_address(host.partition("%")[0]).is_loopback:
                program.came = True
            elif port in self._ports and len(program.passing) < _MOST:
                address = f"{host}:{port}"
                program.passing[address] = program.passing.get(address, (now, now))[0], now

    def _guess(self) -> Program:
        """Return what the command line says of a program that ended before it was seen."""
        path = Path(os.path.realpath(shutil.which(self._command[0]) or self._command[0]))
        runtime = runtime_of(path)
        assert self._client is not None
        return Program(self._client.pid, path.name, runtime, unhooked_by(runtime, self._command))

    def _why(self, reports: list[Report], programs: list[Program]) -> list[str]:
        why = []
        for refusal in dict.fromkeys(self._refusals[:_NAMED]):
            why.append(f"A connection came, and failed: {inert(refusal)}.")
        loaded = {report.pid: report.runtime for report in reports if report.what == "loaded"}
        # Hooks that could not even be laid are reported by us, for a runtime that may have no part in this.
        runtimes = {program.runtime.value.lower() for program in programs}
        failed = [report for report in reports if report.what == "failed"]
        failed = [report for report in failed if report.pid != os.getpid() or report.runtime in runtimes]
        led = dict.fromkeys(report.name for report in reports if report.what == "redirected")
        own = dict.fromkeys(report.name for report in reports if report.what == "own-proxy")
        for report in failed[:_NAMED]:
            why.append(f"The hook in process {report.pid} ({inert(report.runtime)}) failed: {inert(report.text)}")
        if led and not self._refusals:
            why.append(f"Its connection to {_few(led)} was sent to the proxy, but no WebSocket was opened on it.")
        elif own:
            why.append(
                f"It connects to {_few(own)} through a proxy of its own, which takes precedence. To record it, remove "
                "the proxy from the program and start gwinspect with --mode upstream:URL-OF-THE-PROXY."
            )
        elif loaded and not self._refusals:
            where = _few(f"process {pid} ({runtime})" for pid, runtime in loaded.items())
            why.append(f"The hook is loaded in {where}, but the program did not look up a gateway's address.")
        for program in programs[:_MOST]:
            if program.pid not in loaded and len(why) < 2 * _NAMED:
                reason = _not_hooked(program)
                if reason is not None:
                    why.append(reason)
        why += self._passing(programs, LASTING)
        return why or ["Its runtime is one that gwinspect has no hook for."]

    def _passing(self, programs: list[Program], lasting: float) -> list[str]:
        return [
            f"Process {program.pid} ({inert(program.name)}) held a connection to {address} for {last - first:.0f} s "
            "that did not come through this proxy. If that is the gateway, it is not recorded."
            for program in programs
            for address, (first, last) in program.passing.items()
            if last - first >= lasting
        ][:_NAMED]

    def _ways(self, main: Program, name: str) -> list[Way]:
        found = ways_in(main.runtime, name, self._settings.address)
        return found if self._settings.is_http_proxy else [way for way in found if "--mode" in way.how]


def _not_hooked(program: Program) -> str | None:
    """Return why our hook is not in a process that could have it; None where there is nothing to say."""
    who = f"Process {program.pid} ({inert(program.name)})"
    if program.option is not None:
        return f"{who} runs with {program.option}, so Python does not load the hook. Leave that option out."
    if program.runtime.hooked and program.has_hook is False:
        return f"{who} was started with an environment of its own, without the hook. Pass the environment on to it."
    if program.runtime.hooked:
        return f"{who} did not load the hook."
    if program.runtime is Runtime.CONTAINER:
        return f"{who} starts containers, and what runs in them does not get this environment."
    if program.runtime is Runtime.UNKNOWN:
        return None
    return f"{who} is made with {program.runtime.value}: there is no hook for it, only settings in its environment."


def _trust(runtime: Runtime, bundle: Path) -> list[Way]:
    """Return how a client of that kind is made to trust the proxy's authority."""
    match runtime:
        case Runtime.PYTHON:
            return [Way("in code", f"ssl_context.load_verify_locations({str(bundle)!r}), or take GWINSPECT_CA")]
        case Runtime.NODE | Runtime.BUN | Runtime.DENO:
            return [Way("in code", "remove its own `ca`, or add the file that GWINSPECT_CA names to it")]
        case Runtime.JAVA:
            return [Way("in code", "remove its own trust store; gwinspect's is in JAVA_TOOL_OPTIONS")]
    return [Way("in code", "have it trust the file that GWINSPECT_CA names")]


def _few(names: Iterable[str]) -> str:
    known = [inert(name) for name in names]
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return ", ".join(known[:_NAMED]) + more

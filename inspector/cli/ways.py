"""The two ways by which traffic gets into a capture: through a proxy of ours, or as packets that pass by.

What `record` and `live` do is the same for both: start what records, perhaps a client, and end both.
"""

import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from inspector.cli.proxying import ProxyChoice, job_of, settings_of, start_client, start_in, way_in
from inspector.cli.underway import advice_for
from inspector.passive.keys import key_environment, key_file
from inspector.passive.process import PacketRecorder
from inspector.passive.process import stop as stop_recorder
from inspector.passive.recorder import Job
from inspector.passive.watch import PacketWatch
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.watch import Lookout, Watch
from inspector.proxy.livefile import Live
from inspector.proxy.mitmdump import Proxy, Settings, stop
from inspector.proxy.process import Process
from inspector.tui.live_proxy import Advice


class Way(Protocol):
    """One of them, with all that was chosen for it."""

    name: str
    """What records, in a word: see `inspector.tui.live_proxy.LiveProxy`."""
    has_notes: bool
    """It notes in the capture what that lacks."""

    @property
    def capture(self) -> Path:
        """The file that it records into."""

    @property
    def address(self) -> str:
        """Where it records, in a word or two: see `inspector.tui.live_proxy.LiveProxy`."""

    @property
    def ca(self) -> Path | None:
        """The certificate that clients must trust, known once it records; None where there is none to trust."""

    @property
    def hosts(self) -> Sequence[str]:
        """The user's own hosts that are gateways."""

    def recording(self, folder: Folder, log: Path | None = None) -> AbstractContextManager[Process]:
        """Record within the block. `log`: the file for what the recorder says. Raises EnvironmentProblem."""

    def stop(self, process: Process) -> None:
        """End a recorder that an earlier gwinspect has started, and wait until the capture is written."""

    def start(self, command: Sequence[str], folder: Folder, *, screenless: bool = False) -> "subprocess.Popen[bytes]":
        """Start a client that is recorded; see `inspector.cli.proxying.start_client`."""

    def watch(self, folder: Folder) -> Lookout:
        """Return what notices that nothing of a client is recorded."""

    def told(self) -> str:
        """Return what a person should know of it, once it records."""

    def advice(self) -> list[Advice]:
        """Return how clients get to it."""

    def remembered(self, live: Live) -> Live:
        """Return what a later gwinspect must know, with what is special to this way."""


def way_of(chosen: ProxyChoice, capture: Path, *, has_command: bool) -> Way:
    """Return the way that was chosen. Raises CaptureError, UsageError."""
    if chosen.passive:
        return Passing(job_of(chosen, capture, has_command=has_command))
    return Through(settings_of(chosen, capture, has_command=has_command), chosen.through)


def way_again(found: Live, capture: Path, through: str | None) -> Way:
    """Return the way of a recording that continues."""
    if found.keys:
        return Passing(Job(str(capture), (), (found.address,), found.hosts), Path(found.keys))
    host, _, port = found.address.rpartition(":")
    return Through(Settings(capture, host.strip("[]"), int(port), found.modes, found.hosts), through, Path(found.ca))


class Through:
    """Through a proxy. `through`: the program that leads a command there, where its hooks do not."""

    name = "proxy"
    has_notes = False

    def __init__(self, settings: Settings, through: str | None = None, ca: Path | None = None) -> None:
        self.settings = settings
        self._ca = ca or Path()
        self._through = through

    @property
    def capture(self) -> Path:
        return self.settings.capture

    @property
    def address(self) -> str:
        return way_in(self.settings)

    @property
    def hosts(self) -> Sequence[str]:
        return self.settings.hosts

    @property
    def ca(self) -> Path:
        return self._ca

    @contextmanager
    def recording(self, folder: Folder, log: Path | None = None) -> Iterator[Process]:
        with Proxy(replace(self.settings, log=log, hooks=folder.reports)) as proxy:
            self._ca = proxy.ca_path
            yield proxy

    def stop(self, process: Process) -> None:
        stop(process, self.capture)

    def start(self, command: Sequence[str], folder: Folder, *, screenless: bool = False) -> "subprocess.Popen[bytes]":
        return start_client(command, self.settings, self.ca, folder, through=self._through, screenless=screenless)

    def watch(self, folder: Folder) -> Lookout:
        return Watch(self.settings, folder)

    def told(self) -> str:
        return f"proxy {self.address}, certificate {self.ca}"

    def advice(self) -> list[Advice]:
        return advice_for(self.settings)

    def remembered(self, live: Live) -> Live:
        return replace(live, address=self.settings.address, modes=tuple(self.settings.modes), ca=str(self.ca))


class Passing:
    """As packets that pass by."""

    name = "recorder"
    has_notes = True

    def __init__(self, job: Job, keys: Path | None = None) -> None:
        self.ca = None
        self._job = job
        # Where a command writes its keys; known once it records.
        self._keys = keys or Path()
        self._dumper = ""

    @property
    def capture(self) -> Path:
        return Path(self._job.capture)

    @property
    def address(self) -> str:
        return ", ".join(self._job.interfaces)

    @property
    def hosts(self) -> Sequence[str]:
        return self._job.hosts

    @contextmanager
    def recording(self, folder: Folder, log: Path | None = None) -> Iterator[Process]:
        self._keys = key_file(folder)
        job = replace(self._job, keys=(*self._job.keys, str(self._keys)))
        with PacketRecorder(job, log) as recorder:
            self._dumper = recorder.dumper
            yield recorder

    def stop(self, process: Process) -> None:
        stop_recorder(process, self.capture)

    def start(self, command: Sequence[str], folder: Folder, *, screenless: bool = False) -> "subprocess.Popen[bytes]":
        return start_in(key_environment(folder, self._keys), command, folder, screenless=screenless)

    def watch(self, folder: Folder) -> Lookout:
        return PacketWatch(self.capture, folder)

    def told(self) -> str:
        return f"{self._dumper or 'it'} records packets of Discord on {self.address}"

    def advice(self) -> list[Advice]:
        capture = shlex.quote(str(self.capture))
        return [Advice("any command", f"gwinspect run --capture {capture} -- python bot.py")] + [
            Advice("a client", f"start it with SSLKEYLOGFILE={path}") for path in self._job.keys
        ]

    def remembered(self, live: Live) -> Live:
        return replace(live, address=self.address, keys=str(self._keys))

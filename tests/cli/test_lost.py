"""What can befall a recording while a real client talks through a real mitmdump: the client never notices.

Faults that a test cannot make from outside (a small memory, a clock that is set) are put into mitmdump, and into the
process that writes its capture, by a module that their Python imports at the start.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from inspector.errors import CaptureError
from inspector.model import Event, Kind
from inspector.protocol.registry import default
from inspector.proxy.process import Identity, descendants
from inspector.report.rows import CaptureRows
from inspector.store.reader import Reader
from inspector.store.writer import Writer

from .test_live import Place, confdir, place, until

__all__ = ["confdir", "place"]

pytestmark = pytest.mark.e2e

# Beats until it is told to stop, and takes offence at every reply that is late; says how often it beat.
CLIENT = """
import asyncio, os, sys, aiohttp
async def main():
    beats = 0
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.ws_connect(sys.argv[1]) as ws:
            await ws.receive_str()
            while not os.path.exists(__file__ + ".stop"):
                await ws.send_str('{"op":1,"d":%d}' % beats)
                assert await asyncio.wait_for(ws.receive_str(), 5) == '{"op":11}'
                beats += 1
                with open(__file__ + ".beats", "w") as file:
                    file.write(str(beats))
                await asyncio.sleep(0.005)
            await ws.close(code=4000)
asyncio.run(main())
"""
# In those two only: the client has nothing to do with it.
HOOK = """
import sys
if any("mitmdump" in word or "inspector.proxy.remote" in word for word in sys.orig_argv):
    {}
"""


# A client that is gone before anybody tells it to.
SHORT = """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async with session.ws_connect(sys.argv[1]) as ws:
            await ws.receive_str()
asyncio.run(main())
"""


class Scene:
    """A recording with a client that goes on until `stop`."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self._client = place.client(CLIENT)
        self._script = Path(self._client[1])
        self.process: subprocess.Popen | None = None
        self.family: list[Identity] = []
        place.capture = folder / "own.gwcap"

    def start(self, name: str = "record", *options: str) -> None:
        self.process = self.place.start(*options, command=self._client, name=name)
        until(lambda: self.beats() > 20)
        self.family = descendants(self.process.pid)

    def beats(self) -> int:
        try:
            return int(Path(f"{self._script}.beats").read_text() or 0)
        except FileNotFoundError:
            return 0

    def beat_on(self, count: int = 30) -> None:
        before = self.beats()
        until(lambda: self.beats() > before + count)

    def says(self, text: str) -> None:
        try:
            until(lambda: text in self.place.err())
        except AssertionError:
            raise AssertionError(self.place.err()) from None

    def stop(self) -> int:
        assert self.process is not None
        Path(f"{self._script}.stop").touch()
        return self.process.wait(60)

    def rows(self, capture: Path) -> list[Event]:
        with closing(Reader(capture)) as reader:
            assert "finished_at" in reader.meta()
            return list(reader.all_events())

    def heartbeats(self, capture: Path) -> int:
        return sum(event.op == 1 for event in self.rows(capture))


@pytest.fixture
def scene(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    (tmp_path / "captures").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    scene = Scene(place, tmp_path / "captures")
    yield scene
    # What a test that failed has left.
    for identity in scene.family:
        if identity.lives():
            os.kill(identity.pid, signal.SIGKILL)


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def put(code: str) -> None:
        (tmp_path / "hooks").mkdir()
        (tmp_path / "hooks" / "sitecustomize.py").write_text(HOOK.format(code.strip().replace("\n", "\n    ")))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hooks"), prepend=os.pathsep)

    return put


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("only root can make a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(1024))
        except OSError:
            return


def _delete(capture: Path) -> None:
    capture.unlink()


def _replace(capture: Path) -> None:
    other = capture.with_name("other.gwcap")
    Writer(other, default(), made_by="test").finish()
    os.replace(other, capture)


def _take_folder(capture: Path) -> None:
    shutil.rmtree(capture.parent)


@pytest.mark.parametrize(("take_away", "name"), [(_delete, "record"), (_replace, "live"), (_take_folder, "record")])
def test_a_capture_that_is_taken_away_goes_on_elsewhere_whole(
    scene: Scene, name: str, take_away: Callable[[Path], None]
) -> None:
    scene.start(name)
    take_away(scene.place.capture)
    target = scene.folder / "own-2.gwcap" if scene.folder.exists() else Path.cwd() / "own-2.gwcap"
    scene.says(f"the recording continues in {target}, with all that was recorded so far")
    scene.beat_on()
    assert scene.stop() == 0, scene.place.err()
    assert f"the recording is in {target}" in scene.place.err()
    assert f"{target}: 1 connection, " in scene.place.err()
    assert scene.heartbeats(target) == scene.beats()
    if name == "live":
        assert scene.place.out().count("Heartbeat ACK") == scene.beats()


def test_a_capture_that_is_cut_goes_on_with_what_is_left_or_says_what_is_missing(scene: Scene) -> None:
    scene.start()
    # Enough for a checkpoint: what is in the write-ahead log alone is not cut off.
    until(lambda: scene.place.capture.stat().st_size > 100_000, 60)
    os.truncate(scene.place.capture, 8192)
    target = scene.folder / "own-2.gwcap"
    scene.says(f"the recording continues in {target}, without what was recorded so far")
    scene.beat_on()
    assert scene.stop() == 2, scene.place.err()
    rows = scene.rows(target)
    (gap,) = [event.gap for event in rows if event.kind is Kind.GAP]
    assert gap is not None
    assert gap.reason == "file"
    assert gap.sent + scene.heartbeats(target) == scene.beats()
    assert rows[-1].kind is Kind.CLOSE
    assert f"{gap.missing:,} messages are missing from it" in scene.place.err()


def test_a_full_disk_costs_nothing_while_there_is_memory(scene: Scene, small_disk: Path) -> None:
    scene.place.capture = small_disk / "own.gwcap"
    scene.start()
    _fill(small_disk)
    scene.says("cannot be written")
    scene.beat_on()
    (small_disk / "filler").unlink()
    scene.says("can be written again; nothing was lost")
    scene.beat_on()
    assert scene.stop() == 0, scene.place.err()
    assert scene.heartbeats(scene.place.capture) == scene.beats()


@pytest.mark.parametrize("name", ["record", "live"])
def test_what_a_full_disk_costs_is_said_by_all(
    scene: Scene, small_disk: Path, hook: Callable[[str], None], name: str, run
) -> None:
    hook("import inspector.proxy.scribe as scribe\nscribe.MAX_UNSAVED = 20")
    scene.place.capture = capture = small_disk / "own.gwcap"
    scene.start(name)
    _fill(small_disk)
    scene.says("they are counted, not recorded")
    scene.beat_on()
    (small_disk / "filler").unlink()
    scene.says("messages are missing")
    scene.beat_on()
    assert scene.stop() == 2, scene.place.err()
    rows = scene.rows(capture)
    (gap,) = [event.gap for event in rows if event.kind is Kind.GAP]
    assert gap is not None
    assert gap.sent + scene.heartbeats(capture) == scene.beats()
    assert gap.sent + gap.received == gap.missing > 50
    assert [event.at_ns for event in rows] == sorted(event.at_ns for event in rows)
    assert f"{gap.missing:,} messages are missing from it" in scene.place.err()
    shown = run("show", capture)
    assert f"{gap.missing:,} messages missing, over" in shown.out
    assert f"{gap.missing:,} messages are missing from this recording" in shown.err
    diagnosed = run("diagnose", capture, "--fail-on", "warn")
    assert diagnosed.code == 1
    assert "recording-gap" in diagnosed.out
    assert "heartbeat-late" not in diagnosed.out


def test_a_disk_that_stays_full_is_said_at_the_end(scene: Scene, small_disk: Path) -> None:
    scene.place.capture = small_disk / "own.gwcap"
    scene.start()
    _fill(small_disk)
    scene.says("cannot be written")
    scene.beat_on()
    assert scene.stop() == 2, scene.place.err()
    assert "the recording could not be continued" in scene.place.err()
    assert "its end is missing" in scene.place.err()


@pytest.mark.parametrize(("by_s", "way"), [(-3600, "back"), (3600, "forward")])
def test_a_clock_that_is_set_keeps_rows_in_order(
    scene: Scene, hook: Callable[[str], None], tmp_path: Path, by_s: int, way: str
) -> None:
    hook(
        f"""
import os, time
real, real_ns = time.time, time.time_ns
# At once for all processes, as when a clock is set.
by_s = lambda: {by_s} if os.path.exists({str(tmp_path / "set")!r}) else 0
time.time = lambda: real() + by_s()
time.time_ns = lambda: real_ns() + by_s() * 10**9
"""
    )
    scene.start()
    (tmp_path / "set").touch()
    scene.says(f"the clock was set {way} by 60 min")
    scene.beat_on()
    assert scene.stop() == 0, scene.place.err()
    rows = scene.rows(scene.place.capture)
    times = [event.at_ns for event in rows]
    assert times == sorted(times)
    assert times[-1] - times[0] < 60 * 10**9
    assert scene.heartbeats(scene.place.capture) == scene.beats()
    with closing(Reader(scene.place.capture)) as reader:
        shown = CaptureRows(reader)
        shown.conclude()
        assert any(f"clock was set {way} by 1 h 00 min" in note for note in shown.notes)
    assert not [
        finding
        for event in rows
        for finding in event.findings
        if finding.rule in ("heartbeat-late", "heartbeat-overdue")
    ]


def test_a_second_recorder_is_refused_and_the_first_goes_on(scene: Scene) -> None:
    scene.start()
    first = scene.process
    second = Place(scene.place.folder / "here", 1)
    second.capture = scene.place.capture
    try:
        assert second.run(command=["true"], name="record") == 2
        assert "own.gwcap is being written by another gwinspect (process " in second.err()
    finally:
        second.end()
    scene.process = first
    scene.beat_on()
    assert scene.stop() == 0
    assert scene.heartbeats(scene.place.capture) == scene.beats()


def test_a_killed_recorder_leaves_no_lock(scene: Scene) -> None:
    scene.start()
    lock = scene.place.capture.with_name("own.gwcap.lock")
    # Its holder writes the capture for mitmdump, whose child it is.
    os.kill(psutil.Process(int(lock.read_text())).ppid(), signal.SIGKILL)
    assert scene.process is not None
    scene.process.wait(60)
    until(lambda: not lock.exists())
    Writer(scene.place.capture, default(), made_by="test").finish()
    assert not lock.exists()
    with pytest.raises(CaptureError):
        Reader(lock)


def test_a_writing_process_that_is_killed_is_said_and_the_client_goes_on(scene: Scene) -> None:
    scene.start()
    os.kill(int(scene.place.capture.with_name("own.gwcap.lock").read_text()), signal.SIGKILL)
    scene.says("nothing more is recorded")
    scene.beat_on()
    assert scene.stop() == 2
    assert "its end is missing" in scene.place.err()


@pytest.mark.parametrize("name", ["record", "live"])
def test_ctrl_c_on_a_full_disk_is_no_usual_end(place: Place, small_disk: Path, name: str) -> None:
    place.capture = small_disk / "own.gwcap"
    process = place.start(name=name)
    until(lambda: "Ctrl-C ends it" in place.err())
    _fill(small_disk)
    address = place.err().partition("proxy ")[2].partition(",")[0]
    client = place.client(SHORT)
    subprocess.run(client, env={**os.environ, "http_proxy": f"http://{address}"}, check=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 2, place.err()
    assert "its end is missing" in place.err()

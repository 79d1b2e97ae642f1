"""A live proxy between a hostile server and a hostile client: it goes on, what it shows is harmless, all is recorded.

The table is in `attacks`. Large things in it are small here; HOSTILE=1 in the environment gives them their full size.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from inspector.model import Closed, Control, Frame, Opened
from inspector.proxy.mitmdump import free_port
from inspector.store.reader import Reader, stored_happenings
from tests.e2e.attacking import Account, Battlefield, Heard, Lasting, Outcome, battlefield, open_and_abort
from tests.e2e.attacks import EXTENSIONS, MARK, attacks
from tests.e2e.plain import converted, running
from tests.e2e.playing import ROOT
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.e2e

# Large things are smaller by this.
SCALE = int(os.environ.get("HOSTILE", "100"))
# Connections that are opened at once and aborted, through `gwinspect live` and through what else is to go on.
ABORTED, FEWER_ABORTED = 500, 100
# Bytes of memory that the proxy and its recorder may take.
MOST_MEMORY = 500 * 1024 * 1024
# Seconds that a program may take to do what it must before it counts as hanging.
PATIENCE = 120

# What mitmproxy fails over while the addon cannot help it: no trace of the attempt but in mitmproxy's own log.
LEFT_TO_MITMPROXY = {f"extension-{name}" for name in EXTENSIONS} | {"url-mebibyte"}

TABLE = {attack.name: attack for attack in attacks(SCALE)}
GWINSPECT = [sys.executable, "-c", "from inspector.cli.start import main; main()"]
# What a terminal takes for more than text; of the rest of the control characters, line ends are ours.
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069]")


@dataclass
class Recorded:
    """One connection, as a capture has it."""

    opened: Opened
    frames: dict[bool, list[Heard]]
    """By direction (True: of the client)."""
    controls: list[Control]
    closed: Closed | None


@dataclass
class Played:
    """The table, played through one proxy."""

    accounts: dict[str, Account]
    beats: int
    """Messages of the client that behaves, each of which was answered."""
    most_memory: int
    """Bytes that the largest process took at most."""
    printed: str
    said: str
    """What went to stderr."""
    code: int | None
    capture: Path
    recorded: dict[str, Recorded]
    aborted: list[Recorded]


async def fight(field: Battlefield, port: int, turned: int | None, aborted: int) -> tuple[dict[str, Account], int]:
    """Play all attacks, one after the other, with a client that behaves beside them and after each."""
    accounts = {}
    lasting = Lasting(port, field.port, "lasting")
    await lasting.open()
    for attack in field.attacks.values():
        way = turned if attack.reverse else port
        assert way is not None
        accounts[attack.name] = await field.play(attack, way)
        await lasting.beat()
    await open_and_abort(port, field.port, aborted)
    await lasting.beat()
    late = Lasting(port, field.port, "late")
    await late.open()
    await late.beat()
    await late.close()
    await lasting.close()
    return accounts, lasting.beats


class Memory:
    """Looks at the memory of some processes, in a thread, and remembers the most that any of them took."""

    def __init__(self, *processes: psutil.Process) -> None:
        self.most = 0
        self._processes = processes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            for process in self._processes:
                try:
                    self.most = max(self.most, process.memory_info().rss)
                except psutil.Error:
                    continue


def recorders_below(process: int) -> list[psutil.Process]:
    """Return mitmproxy and its recorder, below a process."""
    found = psutil.Process(process).children(recursive=True)
    return [each for each in found if any("mitm" in word or "inspector.proxy" in word for word in each.cmdline())]


def read(capture: Path) -> tuple[dict[str, Recorded], list[Recorded]]:
    """Return what was recorded of each attack, by name, and of the connections that were aborted."""
    reader = Reader(capture)
    happenings = [each for batch in stored_happenings(reader.db) for each in batch]
    reader.close()
    numbers: dict[int, Recorded] = {}
    found: dict[str, Recorded] = {}
    aborted: list[Recorded] = []
    for each in happenings:
        if isinstance(each, Opened):
            recorded = numbers[each.connection] = Recorded(each, {True: [], False: []}, [], None)
            name = re.split(r"[/?]", each.url.partition("://")[2].partition("/")[2])[0]
            if name == "aborted":
                aborted.append(recorded)
                continue
            assert name not in found, f"{name} has two rows for one attempt"
            found[name] = recorded
        elif isinstance(each, Frame):
            numbers[each.connection].frames[each.from_client].append(Heard.of(each.is_text, each.data))
        elif isinstance(each, Control):
            numbers[each.connection].controls.append(each)
        elif isinstance(each, Closed):
            numbers[each.connection].closed = each
    return found, aborted


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The table through `gwinspect live --plain`, with a command that goes on for as long as we want."""
    folder = tmp_path_factory.mktemp("hostile")
    capture = folder / "hostile.gwcap"

    async def play() -> Played:
        async with battlefield(TABLE.values()) as field:
            port, turned = free_port("127.0.0.1"), free_port("127.0.0.1")
            command = _live(field.port, port, turned, capture, folder)
            command += [
                "--plain",
                "--",
                sys.executable,
                "-c",
                f"import sys; open({str(folder / 'stop')!r}).read(); sys.exit(0)",
            ]
            os.mkfifo(folder / "stop")
            with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
                live = await asyncio.to_thread(
                    subprocess.Popen, command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder
                )
            try:
                await _until(lambda: "recording into" in (folder / "err").read_text("utf-8", "replace"), live)
                with Memory(*recorders_below(live.pid)) as memory:
                    accounts, beats = await fight(field, port, turned, ABORTED)
                    # The command ends, and `live` with it.
                    await asyncio.to_thread((folder / "stop").write_bytes, b"")
                    code = await asyncio.to_thread(live.wait, PATIENCE)
            finally:
                if live.poll() is None:
                    live.send_signal(signal.SIGTERM)
                    live.wait(PATIENCE)
        printed, said = ((folder / name).read_bytes().decode("utf-8") for name in ("out", "err"))
        return Played(accounts, beats, memory.most, printed, said, code, capture, *read(capture))

    return asyncio.run(play())


def _live(server: int, port: int, turned: int, capture: Path, folder: Path) -> list[str]:
    command = [*GWINSPECT, "live", "--listen", f"127.0.0.1:{port}", "--capture", str(capture), "--keep-secrets"]
    command += ["--confdir", str(folder / "mitmproxy"), "--mode", "regular"]
    command += ["--mode", f"reverse:http://localhost:{server}@{turned}"]
    return command + ["--host", f"localhost:{server}", "--host", f"127.0.0.1:{turned}"]


async def _until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            assert process.poll() is None, "it did not start"
            await asyncio.sleep(0.05)


def test_it_goes_on_and_ends_as_it_should(played: Played) -> None:
    assert {name: each.problem for name, each in played.accounts.items() if each.problem} == {}
    assert played.beats == len(TABLE) + 1
    assert played.code == 0, played.said
    # mitmproxy has bugs of its own, where a client leaves while it connects say. They end the one connection.
    assert str(ROOT / "inspector") not in played.said
    assert "which is our bug" not in played.said


def test_the_client_that_behaves_is_recorded_whole(played: Played) -> None:
    lasting = played.recorded["lasting"]
    assert [len(lasting.frames[side]) for side in (True, False)] == [played.beats] * 2
    assert len(played.recorded["late"].frames[True]) == 1


def test_what_crossed_is_recorded(played: Played) -> None:
    wrong = {name: found for name, account in played.accounts.items() if (found := _wrong(account, played.recorded))}
    assert wrong == {}


def _wrong(account: Account, found: Mapping[str, Recorded], breaker: str = "the proxy") -> str:
    """Return what is wrong with the record of an attack, in words; empty where nothing is."""
    attack = account.attack
    recorded = found.get(attack.name)
    if recorded is None:
        return "it is not recorded at all"
    if attack.outcome in (Outcome.REFUSED, Outcome.SILENT):
        return "" if recorded.opened.refusal else "there is no word that no WebSocket came about"
    if account.server is None or account.client is None:
        return "its ends did not meet"
    sides = [(True, account.by_client, account.server), (False, account.by_server, account.client)]
    for from_client, said, ear in sides:
        kept, heard = recorded.frames[from_client], ear.heard
        said = said if from_client else kept[: attack.extra] + said
        side = "client" if from_client else "server"
        if kept != said[: len(kept)]:
            return f"what is recorded is not what the {side} said"
        if attack.outcome is Outcome.CROSSES and len(kept) < len(said):
            return f"{len(said) - len(kept)} messages of the {side} are not recorded"
        if not (attack.rewritten and not from_client) and heard != kept[: len(heard)]:
            return f"what the other end heard of the {side} is not recorded"
        if attack.outcome is Outcome.CROSSES and len(heard) < len(kept) and not attack.rewritten:
            return f"messages of the {side} were held back"
    closed = recorded.closed
    if closed is None:
        return "its end is not recorded"
    if attack.outcome is Outcome.BROKEN and breaker == "the proxy" and closed.by != "proxy":
        return f"the proxy broke it off, and the row says {closed.by}"
    return ""


def test_connections_that_are_aborted_are_ended(played: Played) -> None:
    """mitmproxy fails over some of them. None may be left for as long as the proxy lives."""
    assert played.aborted
    open_ended = [each for each in played.aborted if each.opened.refusal is None]
    assert [each.closed.reason for each in open_ended if each.closed is None or "stopped" in each.closed.reason] == []


def test_pings_are_recorded(played: Played) -> None:
    count = {name: len(played.recorded[name].controls) for name in ("pings", "ping-bytes", "pongs")}
    assert count == {"pings": 2 * (5000 // SCALE), "ping-bytes": 512, "pongs": 6}


def test_each_row_is_printed_and_nothing_of_it_is_raw(played: Played) -> None:
    for text in (played.printed, played.said):
        assert MARK in text
        assert RAW.findall(text) == []
    assert "displaying this row failed" not in played.printed


def test_memory_is_bounded(played: Played) -> None:
    assert played.most_memory < MOST_MEMORY


@pytest.mark.parametrize("arguments", [["show"], ["show", "--format", "jsonl"], ["diagnose"]])
def test_the_capture_can_be_read(played: Played, arguments: list[str]) -> None:
    result = _run(*arguments, played.capture)
    assert result.returncode in ((0, 1) if "diagnose" in arguments else (0,)), result.stderr[-2000:]
    for text in (result.stdout, result.stderr):
        assert RAW.findall(text) == []
    if "jsonl" in arguments:
        assert all("n" in json.loads(line) for line in result.stdout.splitlines())


def _run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*GWINSPECT, *map(str, arguments)], capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False
    )


STANDALONE = [each for name, each in TABLE.items() if not each.reverse and name not in LEFT_TO_MITMPROXY]


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The table through a mitmproxy that has the addon and nothing else of ours."""
    folder = tmp_path_factory.mktemp("standalone")

    async def play() -> Played:
        async with battlefield(STANDALONE) as field:
            # The second is what `redirect` makes of the first.
            own = [f"gwinspect_hosts={host}:{field.port}" for host in ("localhost", "127.0.0.1")]
            own += ["gwinspect_keep_secrets=true", "gwinspect_trim=true"]
            more = [word for each in own for word in ("--set", each)] + ["--flow-detail", "0"]
            with (
                running(folder, field.port, folder / "none.pem", *more) as plain,
                Memory(psutil.Process(plain.process.pid)) as memory,
            ):
                port = int(plain.url.rpartition(":")[2])
                accounts, beats = await fight(field, port, None, FEWER_ABORTED)
        said = plain.screen.decode("utf-8", "replace")
        capture = converted(plain.frames)
        return Played(accounts, beats, memory.most, "", said, plain.process.returncode, capture, *read(capture))

    return asyncio.run(play())


def test_without_gwinspect_it_goes_on_too(standalone: Played) -> None:
    assert {name: each.problem for name, each in standalone.accounts.items() if each.problem} == {}
    assert standalone.beats == len(STANDALONE) + 1
    assert "gwinspect.py" not in standalone.said.partition("to watch it")[2]
    assert standalone.most_memory < MOST_MEMORY


def test_without_gwinspect_what_crossed_is_recorded_too(standalone: Played) -> None:
    """Of a bad frame it says whose it was, as mitmproxy does."""
    found = {name: _wrong(each, standalone.recorded, "who sent it") for name, each in standalone.accounts.items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_what_it_wrote_can_be_read(standalone: Played) -> None:
    result = _run("show", standalone.capture.with_name("by-hand.frames.jsonl"))
    assert result.returncode == 0, result.stderr[-2000:]
    assert RAW.findall(result.stdout + result.stderr) == []


# What a screen shows of: what is said in rows, and what of it acts on a terminal.
SHOWN = [each for name, each in TABLE.items() if not each.reverse and not name.startswith(("burst", "zstd", "host"))][
    ::2
]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_the_screen_goes_on(tmp_path: Path) -> None:
    """What the pane gets is kept as bytes: tmux itself would make sense of an escape sequence."""
    terminal = Terminal(tmp_path)

    async def play() -> None:
        async with battlefield(SHOWN) as field:
            port, turned = free_port("127.0.0.1"), free_port("127.0.0.1")
            command = _live(field.port, port, turned, tmp_path / "screen.gwcap", tmp_path)
            await asyncio.to_thread(terminal.start, *command[len(GWINSPECT) :])
            terminal.keep_output(tmp_path / "pane")
            await asyncio.to_thread(terminal.shows, "LIVE")
            accounts, _ = await fight(field, port, turned, FEWER_ABORTED)
            assert {name: each.problem for name, each in accounts.items() if each.problem} == {}
            await asyncio.to_thread(_use, terminal)

    try:
        asyncio.run(play())
    finally:
        terminal.end()
    written = (tmp_path / "pane").read_bytes()
    assert MARK.encode() in written
    for harm in (b"\x1b]0;" + MARK.encode(), b"\x9b31m", "\x9b31m".encode(), "\u202e".encode(), "\u2028".encode()):
        assert harm not in written


def _use(terminal: Terminal) -> None:
    """Look into rows, at the plots and the help, and end it."""
    terminal.press("?")
    terminal.shows("keys", "Narrow the timeline with a filter")
    terminal.leave("Narrow the timeline with a filter")
    terminal.press("f")
    terminal.shows("Enter applies")
    terminal.type("PWNED and kind == close")
    terminal.press("Enter")
    terminal.shows("filtered", "4004")
    terminal.press("Enter")
    terminal.shows("Payload", "4004", "next tab")
    terminal.leave("next tab")
    terminal.press("q")
    terminal.shows("EXIT 0")

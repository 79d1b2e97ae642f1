"""What is found out about commands that the proxy does not see: real processes, and a capture that stays empty."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inspector.model import Opened, Plane
from inspector.protocol.registry import default
from inspector.proxy.launch import watch
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.install import launch_environment
from inspector.proxy.launch.watch import Unseen, Watch
from inspector.proxy.mitmdump import Settings
from inspector.proxy.process import descendants, finish_off
from inspector.store.writer import Writer

pytestmark = pytest.mark.compat

SLEEP = "import time; time.sleep(60)"
OPENED = Opened(1, 1_769_860_800_000_000_000, Plane.GATEWAY, "wss://gateway.discord.gg/?v=10&encoding=json")


class Place:
    """A launch without a proxy."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path)
        self.capture = path / "bot.gwcap"
        self.settings = Settings(self.capture, port=9)
        self._ca = path / "ca.pem"
        self._ca.write_text("-----BEGIN CERTIFICATE-----\n")
        self._processes: list[subprocess.Popen[bytes]] = []

    def record(self, *happenings: Opened) -> None:
        writer = Writer(self.capture, default(), made_by="test")
        writer.write(happenings)
        writer.finish()

    def report(self, what: str, pid: int = 7, **more: object) -> None:
        with self.folder.reports.open("a") as reports:
            reports.write(json.dumps({"pid": pid, "runtime": "python 3.11.7", "what": what, **more}) + "\n")

    def start(self, *command: str, hooked: bool = True, **more: str) -> Watch:
        watching = Watch(self.settings, self.folder)
        environment = launch_environment(self.settings, self._ca, self.folder) if hooked else dict(os.environ)
        process = subprocess.Popen(command, env=environment | more)
        self._processes.append(process)
        watching.begin(process, command)
        return watching

    def end(self) -> None:
        for process in self._processes:
            started = descendants(process.pid)
            process.kill()
            process.wait()
            finish_off(started)
        self.folder.clear()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(watch, "PATIENCE", 0.3)
    monkeypatch.setattr(watch, "LASTING", 0.3)
    monkeypatch.setattr(watch, "BEAT", 0.1)
    monkeypatch.setattr(watch, "SLOW_BEAT", 0.1)
    monkeypatch.setattr(watch, "GRACE", 0.1)
    made = Place(tmp_path)
    made.record()
    yield made
    made.end()


def wait_for(condition: Callable[[], object]) -> object:
    deadline = time.monotonic() + 20
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def why(watching: Watch, words: str = "") -> Unseen:
    """Wait until `words` are among the reasons, and return them all."""
    wait_for(lambda: watching.unseen is not None and words in " ".join(watching.unseen.why))
    unseen = watching.unseen
    watching.stop()
    assert unseen is not None
    return unseen


def test_a_command_that_is_seen_is_no_news(place: Place) -> None:
    watching = place.start(sys.executable, "-c", "pass")
    place.record(OPENED)
    time.sleep(0.5)
    watching.stop()
    assert watching.unseen is None


def test_nothing_is_said_too_early(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PATIENCE", 60.0)
    watching = place.start(sys.executable, "-c", SLEEP)
    time.sleep(0.5)
    assert watching.unseen is None
    watching.stop()


def test_a_hook_that_was_not_asked_says_so(place: Place) -> None:
    found = why(place.start(sys.executable, "-c", SLEEP), "The hook is loaded")
    assert "and no gateway connection came to the proxy" in found.what
    assert "did not look up a gateway's address" in found.why[0]


def test_an_option_that_keeps_the_hook_out_is_named(place: Place) -> None:
    found = why(place.start(sys.executable, "-I", "-c", SLEEP), "-I")
    assert any("runs with -I, so Python does not load the hook" in each for each in found.why)
    assert any("GWINSPECT_PROXY" in way.how for way in found.ways)


def test_an_environment_of_its_own_is_named(place: Place) -> None:
    found = why(place.start(sys.executable, "-c", SLEEP, hooked=False), "environment of its own")
    assert "Pass the environment on" in " ".join(found.why)


def test_a_command_that_ended_before_it_was_looked_at_is_judged_by_its_name(place: Place) -> None:
    watching = place.start(sys.executable, "-I", "-c", "pass")
    time.sleep(0.2)
    watching.stop()
    assert watching.unseen is not None
    assert "ended, and no gateway connection" in watching.unseen.what
    assert "-I" in " ".join(watching.unseen.why)


def test_a_proxy_of_its_own_is_named(place: Place) -> None:
    place.report("loaded")
    place.report("own-proxy", name="gateway.discord.gg")
    found = why(place.start("sleep", "60"), "proxy of its own")
    assert "gateway.discord.gg" in " ".join(found.why)
    assert "--mode upstream:" in " ".join(found.why)


def test_a_refused_certificate_comes_with_how_to_trust_it(place: Place) -> None:
    refusal = "TLS failed, the client did not accept the proxy's certificate"
    watching = place.start(sys.executable, "-c", SLEEP)
    place.record(Opened(1, OPENED.at_ns, Plane.GATEWAY, OPENED.url, status=None, refusal=refusal))
    place.report("redirected", name="gateway.discord.gg", port=443)
    found = why(watching, "A connection came, and failed")
    assert [way.name for way in found.ways] == ["in code"]
    assert "GWINSPECT_CA" in found.ways[0].how


def test_a_hook_that_failed_is_quoted(place: Place) -> None:
    place.report("failed", text="aiohttp.connector: AttributeError('\x1b[2J')")
    found = why(place.start("sleep", "60"), "failed: aiohttp.connector")
    assert "\x1b" not in " ".join(found.lines())


def test_a_connection_that_lasts_past_the_proxy_is_named_for_what_it_is(place: Place) -> None:
    """No address tells which host it is, so it is never called the gateway."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        place.settings = Settings(place.capture, port=9, hosts=(f"chat.example.org:{port}",))
        code = f"import socket, time; s = socket.create_connection(('127.0.0.1', {port})); time.sleep(60)"
        found = why(place.start(sys.executable, "-c", code), "held a connection")
    said = next(each for each in found.why if "held a connection" in each)
    assert f"held a connection to 127.0.0.1:{port} for" in said
    assert said.endswith("If that is the gateway, it is not recorded.")


def test_a_process_beside_those_that_are_seen_is_named(place: Place) -> None:
    """A shard in a process of its own, say."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        place.settings = Settings(place.capture, port=9, hosts=(f"chat.example.org:{port}",))
        code = f"import socket, time; s = socket.create_connection(('127.0.0.1', {port})); time.sleep(60)"
        watching = place.start(sys.executable, "-c", code)
        place.record(OPENED)
        wait_for(lambda: watching.past_it())
        watching.stop()
    assert watching.unseen is None
    assert f"held a connection to 127.0.0.1:{port}" in watching.past_it()[0]


def test_connections_of_a_recording_before_do_not_count(place: Place) -> None:
    place.record(OPENED)
    found = why(place.start(sys.executable, "-c", SLEEP), "The hook is loaded")
    assert "no gateway connection came" in found.what


def test_children_are_looked_at_too(place: Place) -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', '''{SLEEP}'''])"
    found = why(place.start(sys.executable, "-c", code), "-I")
    assert "The hook is loaded in process" in " ".join(found.why)


def test_what_was_found_is_in_the_log_of_the_command(place: Place) -> None:
    place.folder.command_log.write_text("the bot's own words\n")
    watching = place.start("sleep", "60")
    wait_for(lambda: watching.unseen)
    watching.stop()
    assert place.folder.keep_command_log
    assert "gwinspect: sleep has run for" in place.folder.command_log.read_text()

"""mitmproxy's own windows with the addon: flow files of a real mitmdump, mitmweb as a browser sees it, the console."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from mitmproxy import contentviews
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader
from mitmproxy.test import taddons

from inspector.model import Kind
from inspector.protocol.registry import default
from inspector.proxy.mitmdump import addon_path, free_port
from inspector.proxy.process import end
from inspector.proxy.views import Views
from inspector.report.cells import UNICODE, direction, what
from inspector.report.present import Presenter
from inspector.simulator import redirect
from inspector.simulator.client import scripted as client
from inspector.simulator.scenarios.catalogue import scenario
from inspector.simulator.server.simulator import Simulator
from tests.e2e.terminal import PATIENCE, Terminal
from tests.rows import rows_in
from tests.simulator.proxy import mitmdump

pytestmark = [pytest.mark.compat, pytest.mark.e2e]

SCENARIOS = ("login-failure", "resume", "voice", "zstd-stream")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Flow files that a real mitmdump wrote, by scenario."""

    async def play(name: str, folder: Path) -> Path:
        async with Simulator(scenario(name), pace=0) as simulator, mitmdump(simulator, folder) as proxy:
            await client.play(simulator.scenario, ca=[proxy.ca], proxy=proxy.url)
            await simulator.finished()
        return proxy.flows

    return {name: asyncio.run(play(name, tmp_path_factory.mktemp(name))) for name in SCENARIOS}


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_message_of_a_flow_file_reads_as_its_row(name: str, recorded: dict[str, Path]) -> None:
    rows = rows_in(recorded[name])
    presenter = Presenter(default())
    payloads = [presenter.show(event, rows) for event in rows if event.kind is Kind.PAYLOAD]
    wanted = [(direction(each.event, UNICODE)[1], *what(each, "…"), each.event.at_ns) for each in payloads]
    found = []
    with taddons.context(Views()), recorded[name].open("rb") as file:
        for flow in FlowReader(file).stream():
            if isinstance(flow, HTTPFlow) and flow.websocket is not None:
                found += [(message.timestamp, _shown(flow, message)) for message in flow.websocket.messages]
    assert len(found) == len(wanted)
    # Rows come by time; flows stand in the order in which they ended.
    found.sort(key=lambda each: each[0])
    for (_, text), (word, number, event, _) in zip(found, wanted, strict=True):
        row = next(line for line in text.split("\n") if re.search(rf" #1  . {word} ", line))
        assert re.search(rf" {word} +{number} {re.escape(event[:20])}", row), (row, word, number, event)


def _shown(flow: HTTPFlow, message: Any) -> str:
    if hasattr(contentviews, "prettify_message"):
        return str(contentviews.prettify_message(message, flow).text)
    _, lines, error = contentviews.get_message_content_view("auto", message, flow)
    assert error is None
    return _joined(lines)


def _joined(lines: Iterable[Iterable[tuple[str, str]]]) -> str:
    return "\n".join("".join(text for _, text in line) for line in lines)


class Mitmweb:
    """A running mitmweb, and its address with the token that newer ones want."""

    def __init__(self, port: int, query: str) -> None:
        self.port = port
        self.query = query

    def url(self, path: str) -> str:
        mark = "&" if "?" in path else "?"
        return f"http://127.0.0.1:{self.port}{path}" + (f"{mark}{self.query}" if self.query else "")

    def get(self, path: str) -> Any:
        with urlopen(self.url(path), timeout=PATIENCE) as answer:
            return json.load(answer)

    def call(self, command: str, *arguments: str) -> Any:
        """Run a command as the page does, which says in a header what stands in its cookie."""
        token = "0" * 32
        cookies = f"_xsrf={token}; _mitmproxy_xsrf={token}"
        headers = {"Content-Type": "application/json", "Cookie": cookies, "X-XSRFToken": token}
        body = json.dumps({"arguments": arguments}).encode()
        with urlopen(Request(self.url(f"/commands/{command}"), body, headers), timeout=PATIENCE) as answer:
            return json.load(answer)

    def gateways(self) -> list[dict[str, Any]]:
        """Return the WebSocket flows in its list."""
        return [flow for flow in self.get("/flows") if flow.get("websocket")]


@contextmanager
def mitmweb(folder: Path, *more: str) -> Iterator[Mitmweb]:
    port, said = free_port("127.0.0.1"), folder / "mitmweb.log"
    options = {"confdir": folder / "conf", "gwinspect_capture": folder / "web.gwcap"}
    command = [str(Path(sys.executable).with_name("mitmweb")), "-s", str(addon_path()), "--no-web-open-browser", *more]
    command += ["--web-port", str(port), "--listen-host", "127.0.0.1", "--listen-port", str(free_port("127.0.0.1"))]
    command += [part for name, value in options.items() for part in ("--set", f"{name}={value}")]
    with said.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        ready = _until(lambda: re.search(r"Web server listening at \S+/(?:\?(token=\w+))?", said.read_text()), said)
        yield Mitmweb(port, ready[1] or "")
    finally:
        end(process, 10)


def _until(condition: Any, said: Path) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.05)
    return found


def test_mitmweb_shows_a_loaded_flow_file_in_our_words(recorded: dict[str, Path], tmp_path: Path) -> None:
    with mitmweb(tmp_path, "-r", str(recorded["login-failure"])) as web:
        flow = _until(
            lambda: next((each for each in web.gateways() if each["comment"]), None), tmp_path / "mitmweb.log"
        )
        assert flow["comment"].startswith("gwinspect: The server closed with 4004 Authentication failed: ")
        assert flow["marked"] == "🔴"
        messages = web.get(f"/flows/{flow['id']}/messages/content/auto.json?lines=80")
        texts = [message["text"] if "text" in message else _joined(message["lines"]) for message in messages]
        assert [message["from_client"] for message in messages][:2] == [False, True]
        assert "◀ receive 10 Hello                    heartbeat every 41.25 s" in texts[0]
        assert '  "heartbeat_interval": 41250,' in texts[0].split("\n")
        assert "▶ send     2 Identify                 token ••••" in texts[1]
        assert "✕ server     close 4004" in texts[-1]
        assert "Disallowed intent(s)" in json.dumps(web.call("gwinspect.explain", "4014"))
        assert web.call("gwinspect.open") == {"value": f"gwinspect open {tmp_path / 'web.gwcap'} --follow"}


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_a_browser_draws_it(recorded: dict[str, Path], tmp_path: Path) -> None:
    assert CHROMIUM is not None
    with mitmweb(tmp_path, "-r", str(recorded["login-failure"])) as web:
        flow = _until(lambda: next(iter(web.gateways()), None), tmp_path / "mitmweb.log")
        switches = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
        more = [f"--{name}" for name in f"{switches} disable-component-update disable-sync dump-dom".split()]
        page = [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000"]
        url = web.url("/") + f"#/flows/{flow['id']}/websocket"
        run = subprocess.run([CHROMIUM, *more, *page, url], capture_output=True, timeout=120, check=True)
    assert "▶ send     2 Identify" in re.sub(r"<[^>]*>", "", run.stdout.decode())


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    made = Terminal(tmp_path)
    yield made
    made.end()


def _console(terminal: Terminal, folder: Path, *more: str, variables: dict[str, str] | None = None) -> None:
    options = {"confdir": folder / "conf", "gwinspect_capture": folder / "console.gwcap"}
    command = [str(Path(sys.executable).with_name("mitmproxy")), "-s", str(addon_path()), *more]
    command += ["--listen-host", "127.0.0.1"]
    command += [part for name, value in options.items() for part in ("--set", f"{name}={value}")]
    terminal.run(command, columns=130, lines=45, variables=variables)


def test_the_console_shows_a_loaded_flow_file_in_our_words(
    terminal: Terminal, recorded: dict[str, Path], tmp_path: Path
) -> None:
    _console(terminal, tmp_path, "--listen-port", "0", "-r", str(recorded["login-failure"]))
    terminal.shows("gateway/bot", "🔴")
    terminal.press("Down", "Enter")
    terminal.shows("Upgrade:")
    terminal.press("Right", "Right")
    terminal.shows("◀ receive 10 Hello                    heartbeat every 41.25 s", '"heartbeat_interval": 41250')
    terminal.press("End")
    terminal.shows("✕ server     close 4004", "Do: Stop reconnecting.", "Connection closed: 4004")
    terminal.type(":gwinspect.explain 4014")
    terminal.press("Enter")
    terminal.shows("Data viewer", "4014 Disallowed intent(s)  (close code of the gateway)")
    terminal.press("q")
    terminal.press("Right")
    terminal.shows("Comment: gwinspect: The server closed with 4004")


def test_the_timeline_opens_in_the_console_while_traffic_goes_on_and_ends_with_it(
    terminal: Terminal, tmp_path: Path
) -> None:
    """What mitmproxy itself does for an editor would hold every connection up until the editor is closed."""

    async def play() -> None:
        async with Simulator(scenario("login-failure"), pace=0) as simulator:
            port = free_port("127.0.0.1")
            more = ["-s", redirect.__file__, "--set", f"ssl_verify_upstream_trusted_ca={simulator.ca_path}"]
            variables = {"GWINSPECT_SIMULATOR_PORT": str(simulator.port)}
            _console(terminal, tmp_path, "--listen-port", str(port), *more, variables=variables)
            await asyncio.to_thread(terminal.shows, f"[127.0.0.1:{port}]")
            terminal.type(":gwinspect.open")
            terminal.press("Enter")
            await asyncio.to_thread(terminal.shows, "gwinspect", "console.gwcap")
            authority = tmp_path / "conf" / "mitmproxy-ca-cert.pem"
            await client.play(simulator.scenario, ca=[authority], proxy=f"http://127.0.0.1:{port}")
            await simulator.finished()
            await asyncio.to_thread(terminal.shows, "Identify", "close 4004")

    asyncio.run(play())
    terminal.press("q")
    terminal.shows("WSS", "🔴", "[scripts:2]")
    terminal.type(":gwinspect.open")
    terminal.press("Enter")
    terminal.shows("FOLLOWING", "close 4004")
    os.kill(terminal.process(), signal.SIGTERM)
    terminal.shows("EXIT 0")
    assert not (tmp_path / "console.gwcap-wal").exists()

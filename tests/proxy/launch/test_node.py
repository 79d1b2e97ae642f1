"""The hook for Node: what a program connects to then, on this machine's Node and with packages from npm."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.install import launch_environment
from inspector.proxy.launch.reports import read_reports
from inspector.proxy.mitmdump import Proxy, Settings, free_port
from inspector.simulator import content, redirect
from inspector.simulator.script import Scenario
from inspector.simulator.server.connection import ScriptError
from inspector.simulator.server.gateway import GatewaySocket
from inspector.simulator.server.simulator import Simulator
from inspector.simulator.server.stage import Discord
from inspector.store.reader import Reader
from tests.installing import made_once

ROOT = Path(__file__).parents[3]
BOTS = ROOT / "tests" / "e2e" / "clients" / "bots"
PACKAGES = ("discord.js@14.28.1", "undici@7.30.2", "ws@8.23.0")
# Seconds that a program may take on a busy machine, and npm to install.
LIMIT, INSTALL_LIMIT = 60, 600

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


@dataclass
class StandIn:
    """Listens where the proxy would, takes TLS for some gateways, and says hello. Runs programs as a launch does."""

    port: int
    folder: Folder
    environment: Mapping[str, str]
    names: list[str] = field(default_factory=list)
    """Whom clients asked for in their handshakes."""
    requests: list[bytes] = field(default_factory=list)
    """How those began that came without TLS."""

    def run(self, program: str, *flags: str, **environment: str) -> str:
        """Return what a program says. It ends when nothing keeps it."""
        command = ["node", *flags, "--eval", program]
        ran = subprocess.run(
            command, env={**self.environment, **environment}, capture_output=True, text=True, timeout=LIMIT
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def reports(self) -> list[tuple[str, str, int]]:
        """What the hook said, without that the folder's name is none for Bun."""
        reports = read_reports(self.folder.reports)
        return [(each.what, each.name, each.port) for each in reports if each.runtime.startswith("node ")]


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[StandIn]:
    authority = trustme.CA()
    certificate = authority.issue_cert("gateway.discord.gg", "us-1.discord.media")
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    (tmp_path / "with a space").mkdir()
    folder = Folder(tmp_path / "with a space")
    settings = Settings(tmp_path / "x.gwcap", port=port, hosts=["chat.example"])
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    proxy = StandIn(port, folder, launch_environment(settings, ca, folder, clean))
    context.sni_callback = lambda _, name, __: proxy.names.append(name or "")

    def serve() -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            with contextlib.suppress(OSError), client:
                if client.recv(1, socket.MSG_PEEK) == b"\x16":
                    with context.wrap_socket(client, server_side=True) as opened:
                        opened.sendall(b"hello")
                        opened.recv(1)
                else:
                    proxy.requests.append(client.recv(4096))
                    client.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield proxy
    # A close alone does not wake a thread that waits in accept().
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


SAY = """
const tls = require("node:tls");
function say(socket) {
    socket.on("data", (data) => { console.log(String(data)); socket.destroy(); });
    socket.on("error", (error) => console.log(error.code));
}
"""


@pytest.mark.parametrize(
    "connect",
    [
        "tls.connect(443, 'gateway.discord.gg')",
        "tls.connect({ port: '443', host: 'Gateway.Discord.GG.' , servername: 'gateway.discord.gg' })",
        "tls.connect({ port: 443, host: '192.0.2.1', servername: 'gateway.discord.gg' })",
        "tls.connect({ port: 443, host: 'gateway.discord.gg', ca: [tls.rootCertificates[0]] })",
        "tls.connect({ port: 443, host: 'gateway.discord.gg', secureContext: tls.createSecureContext({ ca: [] }) })",
        "tls.connect({ port: 443, host: 'gateway.discord.gg', localAddress: '192.0.2.1' })",
        "tls.connect({ host: 'gateway.discord.gg', socket: require('net').connect(443, 'gateway.discord.gg') })",
    ],
)
def test_a_gateway_is_reached_at_the_proxy_whatever_way_it_is_asked_for(proxy: StandIn, connect: str) -> None:
    assert proxy.run(f"{SAY} say({connect})", NODE_EXTRA_CA_CERTS="") == "hello"
    assert proxy.names == ["gateway.discord.gg"]
    assert proxy.reports() == [("loaded", "", 0), ("redirected", "gateway.discord.gg", 443)]


def test_the_port_is_reported_for_a_voice_server(proxy: StandIn) -> None:
    assert proxy.run(f"{SAY} say(tls.connect(2096, 'us-1.discord.media'))") == "hello"
    assert proxy.reports()[-1] == ("redirected", "us-1.discord.media", 2096)


def test_a_proxy_on_another_address_is_led_to_there(proxy: StandIn, tmp_path: Path) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        settings = Settings(tmp_path / "x.gwcap", host="::1", port=listener.getsockname()[1])
        launch_environment(settings, tmp_path / "ca.pem", proxy.folder, {})
        thread = threading.Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        assert proxy.run(f"{SAY} say(tls.connect(443, 'gateway.discord.gg'))") == "ECONNRESET"
        thread.join()


def test_an_es_module_imports_the_changed_functions(proxy: StandIn) -> None:
    program = """
    import { connect } from "node:tls";
    const socket = connect(443, "gateway.discord.gg", () => { console.log("hello"); socket.destroy(); });
    """
    assert proxy.run(program, "--input-type=module") == "hello"


def test_a_host_of_the_users_own_is_led_without_tls_too_but_at_its_ports_alone(proxy: StandIn) -> None:
    program = """
    const http = require("node:http");
    http.get("http://chat.example/", (answer) => {
        console.log(answer.statusCode);
        http.get("http://chat.example:5432/").on("error", (error) => console.log(error.code));
    });
    """
    status, code = proxy.run(program).split()
    assert (status, code in ("ENOTFOUND", "EAI_AGAIN")) == ("204", True)
    assert len(proxy.requests) == 1
    assert re.match(rb"GET / HTTP/1.1\r\nHost: chat.example\r\n", proxy.requests[0])


@pytest.mark.parametrize("name", ["gateway.discord.gg.example", "evilgateway.discord.gg", "localhost"])
def test_other_names_are_left_alone(proxy: StandIn, name: str) -> None:
    closed = free_port("127.0.0.1")
    assert proxy.run(f"{SAY} say(tls.connect({closed}, '{name}'))") in ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED")
    assert (proxy.names, proxy.reports()) == ([], [("loaded", "", 0)])


@pytest.mark.parametrize("options", ["{}", "{ NODE_OPTIONS: '--no-warnings' }"])
@pytest.mark.parametrize(
    "start",
    [
        "new (require('worker_threads').Worker)(program, { eval: true, env })",
        "require('child_process').spawn(process.execPath, ['-e', program], { stdio: 'inherit', env })",
        "require('child_process').exec('node -', { env }, (_, said) => process.stdout.write(said)).stdin.end(program)",
    ],
    ids=["Worker", "spawn", "exec"],
)
def test_threads_and_processes_with_an_environment_of_their_own_are_followed(
    proxy: StandIn, start: str, options: str
) -> None:
    program = json.dumps(f"{SAY} say(tls.connect(443, 'gateway.discord.gg'))")
    path = json.dumps(proxy.environment["PATH"])
    env = f"{{ PATH: {path}, ...{options} }}"
    assert proxy.run(f"const program = {program}, env = {env}; {start}") == "hello"
    assert [what for what, *_ in proxy.reports()] == ["loaded", "loaded", "redirected"]


def test_a_tunnel_of_the_clients_own_is_left_alone_and_reported(proxy: StandIn) -> None:
    """It does not get to trust the proxy's authority there either."""
    program = f"""
    const net = require("node:net"), tls = require("node:tls");
    const elsewhere = net.createServer((client) => client.pipe(net.connect({proxy.port})).pipe(client));
    elsewhere.listen(0, "127.0.0.1", () => {{
        const tunnel = net.connect(elsewhere.address().port, "127.0.0.1");
        const opened = tls.connect({{ servername: "gateway.discord.gg", socket: tunnel }});
        opened.on("error", (error) => {{ console.log(error.code); process.exit(); }});
    }});
    """
    assert proxy.run(program, NODE_EXTRA_CA_CERTS="") == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
    assert proxy.names == ["gateway.discord.gg"]
    assert proxy.reports() == [("loaded", "", 0), ("own-proxy", "gateway.discord.gg", 0)]


def test_an_address_of_this_machine_is_a_tunnel_too(proxy: StandIn) -> None:
    closed = free_port("127.0.0.1")
    connect = f"tls.connect({{ port: {closed}, host: '127.0.0.1', servername: 'gateway.discord.gg' }})"
    assert proxy.run(f"{SAY} say({connect})") == "ECONNREFUSED"
    assert proxy.reports()[-1] == ("own-proxy", "gateway.discord.gg", closed)


def test_nothing_is_led_once_the_launch_is_over(proxy: StandIn) -> None:
    end = f"require('fs').unlinkSync({json.dumps(str(proxy.folder.reports))})"
    assert proxy.run(f"{SAY} {end}; say(tls.connect(443, 'gateway.discord.gg'))") in ("ENOTFOUND", "EAI_AGAIN")
    assert not proxy.folder.reports.exists()


def test_a_program_that_is_left_behind_can_start_others(proxy: StandIn) -> None:
    """Node ends at once if a file that NODE_OPTIONS names is missing."""
    waiting = subprocess.Popen(["node", "--eval", "setInterval(() => {}, 1000)"], env=dict(proxy.environment))
    try:
        _wait_until(lambda: bool(proxy.reports()))
        proxy.folder.clear()
        assert proxy.run("console.log('goes on')") == "goes on"
        assert not proxy.folder.reports.exists()
    finally:
        waiting.kill()
        waiting.wait()


def test_hooks_can_be_turned_off(proxy: StandIn) -> None:
    assert proxy.run(f"{SAY} say(tls.connect(443, 'gateway.discord.gg'))", GWINSPECT_HOOKS="off") != "hello"
    assert proxy.reports() == []


def test_what_fails_in_the_hook_is_reported_and_the_program_goes_on(proxy: StandIn) -> None:
    closed = free_port("127.0.0.1")
    program = (
        f"{SAY} RegExp.prototype.test = () => {{ throw new Error('no'); }}; say(tls.connect({closed}, 'localhost'))"
    )
    assert proxy.run(program) == "ECONNREFUSED"
    assert set(proxy.reports()) == {("loaded", "", 0), ("failed", "", 0)}


@dataclass(frozen=True)
class Launcher:
    """A real proxy that leads to a simulator, and a folder with packages of npm."""

    settings: Settings
    ca: Path
    packages: Path

    def await_ready(self, folder: Path, *arguments: str) -> list[tuple[bool, str | int | None, str | None]]:
        """Run a bot until it says that it is ready. Return what was recorded of it: direction, op, event."""
        hooks = Folder(folder)
        hooks.reports = self.settings.hooks or hooks.reports
        clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment = launch_environment(self.settings, self.ca, hooks, clean)
        before = len(self._recorded())
        bot = subprocess.Popen(
            ["node", arguments[0], content.TOKEN, *arguments[1:]],
            cwd=self.packages,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        timer = threading.Timer(LIMIT, bot.kill)
        timer.start()
        try:
            assert bot.stdout is not None
            said = []
            for line in bot.stdout:
                said.append(line)
                if line.strip() == "ready":
                    break
            else:
                pytest.fail("".join(said))
        finally:
            timer.cancel()
            bot.kill()
            bot.communicate()
        _wait_until(lambda: any(event == "READY" for *_, event in self._recorded()[before:]))
        return self._recorded()[before:]

    def _recorded(self) -> list[tuple[bool, str | int | None, str | None]]:
        reader = Reader(self.settings.capture)
        try:
            return [(bool(each.from_client), each.op, each.event) for each in reader.all_events()]
        finally:
            reader.close()


@pytest.fixture(scope="module")
def packages() -> Path:
    """Installed from npm on first use, and kept."""
    folder = ROOT / ".venv" / "clients" / "npm-launch"
    with made_once(folder) as to_make:
        if to_make:
            if shutil.which("npm") is None:
                pytest.skip("needs npm")
            folder.mkdir()
            (folder / "package.json").write_text('{"private": true}\n')
            install = ["npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES]
            if subprocess.run(install, cwd=folder, timeout=INSTALL_LIMIT).returncode != 0:
                pytest.skip("npm cannot install what is needed")
        for bot in (*BOTS.glob("*.cjs"), *BOTS.glob("*.mjs")):
            target = folder / bot.name
            # Other tests may be running it.
            if not target.exists() or target.read_bytes() != bot.read_bytes():
                shutil.copyfile(bot, target)
    return folder


@pytest.fixture(scope="module")
def launcher(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    folder = tmp_path_factory.mktemp("launcher")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulator = Simulator(Scenario("bots", "Any bot", "", _welcome_all))
    asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result(LIMIT)
    settings = Settings(
        folder / "bots.gwcap",
        port=free_port("127.0.0.1"),
        # The simulator answers for the REST API too.
        hosts=["discord.com"],
        hooks=folder / "hooks.jsonl",
        scripts=[Path(redirect.__file__)],
        options={"confdir": str(folder / "mitmproxy"), "ssl_verify_upstream_trusted_ca": str(simulator.ca_path)},
        environment={"GWINSPECT_SIMULATOR_PORT": str(simulator.port), "PYTHONPATH": str(ROOT)},
    )
    try:
        with Proxy(settings) as proxy:
            yield Launcher(settings, proxy.ca_path, packages)
    finally:
        asyncio.run_coroutine_threadsafe(simulator.__aexit__(), loop).result(LIMIT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _welcome_all(discord: Discord) -> None:
    async def welcome(gateway: GatewaySocket) -> None:
        with contextlib.suppress(ScriptError):  # it left
            await gateway.welcome(content.guild())

    welcomes = set()
    while True:
        welcomes.add(asyncio.ensure_future(welcome(await discord.gateway_arrivals.get())))


@pytest.mark.e2e
@pytest.mark.parametrize(
    "bot",
    [
        "ws_bot.cjs",
        "ws_bot.cjs own-ca",
        "ws_bot.mjs",
        "undici_bot.mjs",
        "discordjs_bot.cjs",
        "discordjs_bot.cjs workers",
        "own_env_bot.cjs worker",
    ],
)
def test_an_unmodified_bot_is_recorded(launcher: Launcher, tmp_path: Path, bot: str) -> None:
    recorded = launcher.await_ready(tmp_path, *bot.split())
    assert (True, 2, None) in recorded
    assert recorded.index((False, 0, "READY")) > recorded.index((True, 2, None))


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)

"""The Python hook in real programs: what it leads to the proxy, what it leaves alone, and that it breaks nothing."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.install import launch_environment
from inspector.proxy.launch.reports import Report, read_reports
from inspector.proxy.mitmdump import Settings

PORT = 9137
Run = Callable[..., str]

# Has no name server asked.
NUMERIC = int(socket.AI_NUMERICHOST)
MINE = f"127.0.0.1:{PORT}"
# Prints where each lookup leads, as ``address:port``.
LOOK_UP = """
import socket
def look_up(*arguments, **named):
    found = socket.getaddrinfo(*arguments, **named)
    assert found
    print(*sorted({"%s:%d" % address[:2] for *_, address in found}))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    launch = tmp_path / "a launch"
    launch.mkdir()
    return Folder(launch)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    authority = tmp_path / "mine.pem"
    code = "import sys, trustme; trustme.CA().cert_pem.write_to_path(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(authority)], check=True)
    return authority


@pytest.fixture
def run(folder: Folder, authority: Path) -> Run:
    """Run a program in the environment of a launch; what it prints comes back, without the line's end."""

    def call(code: str, *flags: str, python: str = sys.executable, path: str = "", **variables: str) -> str:
        own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        own |= variables | ({"PYTHONPATH": path} if path else {})
        environment = launch_environment(Settings(folder.path / "x.gwcap", port=PORT), authority, folder, own)
        done = subprocess.run([python, *flags, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.strip()

    return call


def reports(folder: Folder) -> list[Report]:
    """Return what the hook said. The launch itself has something to say of the space in the folder's name, to Bun."""
    return [each for each in read_reports(folder.reports) if each.runtime.startswith("python")]


def told(folder: Folder, *what: str) -> list[Report]:
    return [each for each in reports(folder) if each.what in what]


def test_gateways_lead_to_the_proxy(run: Run, folder: Folder) -> None:
    assert run(LOOK_UP + "look_up('gateway.discord.gg', 443)") == MINE
    [loaded, redirected] = reports(folder)
    assert (loaded.what, loaded.runtime) == ("loaded", f"python {sys.version.split()[0]}")
    assert (redirected.what, redirected.name, redirected.port) == ("redirected", "gateway.discord.gg", 443)
    assert loaded.pid == redirected.pid


@pytest.mark.parametrize(
    "host", ["'GateWay.Discord.GG.'", "b'gateway.discord.gg'", "bytearray(b'gateway-us-east1-b.discord.gg')"]
)
def test_a_name_may_come_in_any_form(run: Run, host: str) -> None:
    assert run(LOOK_UP + f"look_up({host}, 443)") == MINE


@pytest.mark.parametrize("port", ["'https'", "'443'", "b'443'"])
def test_a_port_may_be_a_word(run: Run, port: str) -> None:
    assert run(LOOK_UP + f"look_up('gateway.discord.gg', {port})") == MINE


def test_a_lookup_for_ipv6_alone_leads_to_the_proxy(run: Run) -> None:
    """On a socket of that family, 127.0.0.1 is reached by an address of its own."""
    lookup = "look_up('gateway.discord.gg', 443, socket.AF_INET6, socket.SOCK_STREAM)"
    assert run(LOOK_UP + lookup) == f"::ffff:{MINE}"


def test_other_lookups_are_as_without_it(run: Run, folder: Folder) -> None:
    lookups = [
        "socket.getaddrinfo(None, 7)",
        "socket.getaddrinfo('127.0.0.1', None, flags=socket.AI_NUMERICHOST)",
        "socket.getaddrinfo(host=b'127.0.0.1', port='80', proto=socket.IPPROTO_TCP)",
        "socket.getaddrinfo('localhost', 80, type=socket.SOCK_STREAM)",
    ]
    code = "import socket\n" + "\n".join(f"print({lookup})" for lookup in lookups)
    assert run(code) == run(code, GWINSPECT_HOOKS="off")
    assert told(folder, "redirected", "failed") == []


@pytest.mark.parametrize("code", ["'gateway.discord.gg.example', 443", "object(), 443", "'gateway.discord.gg', {}"])
def test_it_raises_nothing_of_its_own(run: Run, folder: Folder, code: str) -> None:
    """Errors are those of the socket module."""
    lookup = f"socket.getaddrinfo({code}, flags={NUMERIC})"
    asked = f"import socket\ntry:\n    {lookup}\nexcept Exception as error:\n    print(type(error))"
    assert run(asked) == run(asked, GWINSPECT_HOOKS="off")
    assert told(folder, "redirected", "failed") == []


def test_it_loads_nothing_that_a_program_does_not_need(run: Run) -> None:
    code = "import sys; print(*(name for name in ('ssl', 'asyncio', 'json', 're', 'socket') if name in sys.modules))"
    assert run(code) == run(code, GWINSPECT_HOOKS="off")


def test_an_existing_sitecustomize_is_run_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "sitecustomize.py").write_text("import builtins\nbuiltins.theirs = __file__")
    path = str(tmp_path / "theirs")
    assert run(LOOK_UP + "print(theirs); look_up('gateway.discord.gg', 443)", path=path).split() == [
        f"{path}/sitecustomize.py",
        MINE,
    ]
    assert run("import sitecustomize; print(sitecustomize.__file__)", path=path) == f"{path}/sitecustomize.py"


def test_a_hook_that_fails_lets_the_program_go_on(run: Run, folder: Folder, tmp_path: Path) -> None:
    """As where a library looks otherwise in its next version."""
    (tmp_path / "uvloop.py").write_text("name = 'not what it was'")
    assert run("import uvloop; print(uvloop.name)", path=str(tmp_path)) == "not what it was"
    [failed] = told(folder, "failed")
    assert failed.text.startswith("uvloop: AttributeError")


def test_after_the_launch_a_program_goes_its_own_way(run: Run, folder: Folder) -> None:
    """The file of the reports has gone, and so has the proxy."""
    lookup = f"socket.getaddrinfo('gateway.discord.gg', 443, flags={NUMERIC})"
    code = f"import os, socket; os.remove({str(folder.reports)!r})\ntry: {lookup}\nexcept OSError: print('unknown')"
    assert run(code) == "unknown"
    assert not folder.reports.exists()


def test_processes_that_a_program_starts_are_hooked_and_reported(run: Run, folder: Folder, tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        LOOK_UP
        + """
import multiprocessing, sys
if __name__ == "__main__":
    for how in ("fork", "spawn"):
        child = multiprocessing.get_context(how).Process(target=look_up, args=("gateway.discord.gg", 443))
        child.start()
        print(child.pid)
        sys.stdout.flush()
        child.join()
"""
    )
    said = run(f"import runpy, sys; sys.argv = [{str(program)!r}]; runpy.run_path(sys.argv[0], run_name='__main__')")
    pids = [int(word) for word in said.split() if word != MINE]
    assert said.split().count(MINE) == len(pids) == 2
    for what in ("loaded", "redirected"):
        assert set(pids) <= {each.pid for each in told(folder, what)}


def test_a_gateway_reached_by_a_proxy_of_the_programs_own_is_reported(run: Run, folder: Folder) -> None:
    """It never asks for the gateway's address, and then speaks TLS with it."""
    code = """
import ssl
ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="gateway.discord.gg")
"""
    run(code)
    [own] = told(folder, "own-proxy")
    assert own.name == "gateway.discord.gg"


def test_the_authority_is_trusted_for_gateways_alone(run: Run) -> None:
    code = """
import ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
for name in ("discord.com", "gateway.discord.gg", "gateway.discord.gg"):
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)
    print(len(context.get_ca_certs()))
"""
    assert run(code).split() == ["0", "1", "1"]


def test_a_program_with_pysocks_keeps_its_proxy(run: Run, folder: Folder, tmp_path: Path) -> None:
    """PySocks puts its class in place of the socket module's, and looks the name up first."""
    (tmp_path / "socks.py").write_text(
        "import socket\nclass socksocket(socket.socket): pass\nsocket.socket = socksocket"
    )
    lookup = f"socket.getaddrinfo('gateway.discord.gg', 443, flags={NUMERIC})"
    run(f"import socket, socks\ntry: {lookup}\nexcept OSError: pass", path=str(tmp_path))
    assert told(folder, "redirected") == []


def test_a_lookup_for_udp_is_left_alone(run: Run, folder: Folder) -> None:
    lookup = f"socket.getaddrinfo('c1.discord.media', 5000, type=socket.SOCK_DGRAM, flags={NUMERIC})"
    run(f"import socket\ntry: {lookup}\nexcept OSError: pass")
    assert told(folder, "redirected") == []


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_what_cannot_be_hooked_goes_on_unhooked(run: Run, folder: Folder, flag: str) -> None:
    assert run("print('on')", flag) == "on"
    assert reports(folder) == []


def test_a_proxy_on_another_address_is_led_to_there(folder: Folder, authority: Path) -> None:
    settings = Settings(folder.path / "x.gwcap", host="::1", port=PORT)
    environment = launch_environment(settings, authority, folder, dict(os.environ))
    code = LOOK_UP + "look_up('gateway.discord.gg', 443)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"::1:{PORT}"


@pytest.mark.parametrize("minor", range(6, 15))
def test_any_python_from_3_6_on_loads_it(run: Run, folder: Folder, minor: int) -> None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python3.{minor}"), *map(str, sorted(pyenv.glob(f"3.{minor}.*/bin/python3")))]
    for python in filter(None, found):
        # A shim of pyenv's may be there for a version that is not chosen.
        if subprocess.run([python, "-c", "import ssl"], capture_output=True).returncode == 0:
            break
    else:
        pytest.skip(f"there is no Python 3.{minor}")
    code = "import asyncio, ssl, json, sys\n" + LOOK_UP + "look_up('gateway.discord.gg', 443)"
    assert run(code, python=python) == MINE
    assert [each.what for each in reports(folder)] == ["loaded", "redirected"]
    assert all(each.runtime.startswith(f"python 3.{minor}.") for each in reports(folder))
    assert json.loads(folder.reports.read_text().splitlines()[0])["at"] > 1e9

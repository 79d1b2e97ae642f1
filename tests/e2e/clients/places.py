"""Where a client is installed: a folder of its own below ``.venv/clients/``, made on first use and kept."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.clients.setups import Setup
from tests.installing import made_once

_HERE = Path(__file__).parent
BOTS = _HERE / "bots"
CLIENTS = _HERE.parents[2] / ".venv" / "clients"
# Debian's packages of Go libraries lie there; the Go module proxy cannot be reached everywhere.
_GO_LIBRARIES = "/usr/share/gocode"
_JAVA_LIBRARIES = Path("/usr/share/java")
# Seconds that an installation may take.
_LIMIT = 600


class Missing(Exception):
    """What a setup needs is not here and cannot be installed; says what, and where it comes from."""


@dataclass(frozen=True, slots=True)
class Place:
    """An installed client."""

    command: Sequence[str]
    """Runs it; the token and its arguments are added."""
    folder: Path
    """Where it is run."""
    runtime: str
    """Name and version of what it runs on: ``Python 3.11.7``."""
    environment: Mapping[str, str] = field(default_factory=dict)


def installed(setup: Setup) -> Place:
    """Install what a setup needs, unless it is there, and say how it is run. Raises Missing."""
    return {
        "python": _python,
        "node": _node,
        "bun": _bun,
        "deno": _deno,
        "go": _go,
        "java": _java,
    }[setup.kind](setup)


def _python(setup: Setup) -> Place:
    interpreter, version = _interpreter(setup.runtime)
    if setup.packages:
        folder = _folder(f"python{version}", setup.packages)
        with made_once(folder) as to_make:
            if to_make:
                _run([interpreter, "-m", "venv", str(folder)])
                pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
                _run([*pip, *setup.packages])
        interpreter = str(folder / "bin" / "python")
    else:
        folder = CLIENTS
        folder.mkdir(parents=True, exist_ok=True)
        module = setup.client.removesuffix(".py")
        if subprocess.run([interpreter, "-c", f"import {module}"], capture_output=True).returncode != 0:
            raise Missing(f"{setup.client} is not installed for {interpreter}")
    said = _said([interpreter, "-c", "import platform; print(platform.python_version())"])
    return Place([interpreter, *setup.flags, str(BOTS / setup.bot)], folder, f"Python {said}")


def _interpreter(versions: str) -> tuple[str, str]:
    """Return our own Python if it is one of ``<=3.11`` or ``>=3.12``, else the newest that is; and its version."""
    limit = int(versions.rpartition(".")[2]) if versions else 0
    fits = {"": lambda minor: True, "<": lambda minor: minor <= limit, ">": lambda minor: minor >= limit}[versions[:1]]
    if fits(sys.version_info.minor):
        return sys.executable, f"3.{sys.version_info.minor}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in filter(fits, range(14, 8, -1)):
        candidates = [shutil.which(f"python3.{minor}"), *map(str, sorted(pyenv.glob(f"3.{minor}.*/bin/python3")))]
        for candidate in filter(None, candidates):
            # A shim of pyenv's may be there for a version that is not chosen.
            if subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:
                return candidate, f"3.{minor}"
    raise Missing(f"needs Python {versions}")


def _node(setup: Setup) -> Place:
    # Any version is good for what names none.
    node = _tool("node")
    if setup.runtime:
        machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        package = f"node-{sys.platform}-{machine}"
        node = str(_npm((f"{package}@{setup.runtime}",)) / "node_modules" / package / "bin" / "node")
    folder = _npm(setup.packages)
    return _with_bots(Place([node, *setup.flags, setup.bot], folder, f"Node {_said([node, '--version'])[1:]}"))


def _bun(setup: Setup) -> Place:
    bun = _npm_program("bun", setup.runtime)
    folder = _npm(setup.packages)
    return _with_bots(Place([bun, *setup.flags, setup.bot], folder, f"Bun {_said([bun, '--version'])}"))


def _deno(setup: Setup) -> Place:
    deno = _npm_program("deno", setup.runtime)
    folder = _npm(setup.packages)
    version = _said([deno, "--version"]).split()[1]
    command = [deno, "run", "--allow-all", "--node-modules-dir=manual", *setup.flags, setup.bot]
    # Where it keeps what it compiles.
    return _with_bots(Place(command, folder, f"Deno {version}", {"DENO_DIR": str(CLIENTS / "deno")}))


def _npm_program(name: str, version: str) -> str:
    return str(_npm((f"{name}@{version}",)) / "node_modules" / ".bin" / name)


def _npm(packages: Sequence[str]) -> Path:
    npm = _tool("npm")
    folder = _folder("npm", packages or ("nothing",))
    with made_once(folder) as to_make:
        if to_make:
            folder.mkdir()
            (folder / "package.json").write_text('{"private": true}\n')
            if packages:
                _run([npm, "install", "--prefix", str(folder), "--silent", "--no-audit", "--no-fund", *packages])
    return folder


def _with_bots(place: Place) -> Place:
    """Put the programs beside the packages: that is where they are looked for."""
    for bot in (*BOTS.glob("*.cjs"), *BOTS.glob("*.mjs")):
        target = place.folder / bot.name
        if not target.exists() or target.read_bytes() != bot.read_bytes():
            shutil.copyfile(bot, target)
    return place


def _go(setup: Setup) -> Place:
    go = _tool("go", "golang-go")
    folder = _folder("go", (setup.bot,))
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / setup.bot
    modules = {"GOPATH": _GO_LIBRARIES, "GO111MODULE": "off", "GOCACHE": str(folder / "cache"), "CGO_ENABLED": "0"}
    try:
        _run([go, "build", "-o", str(program), "."], cwd=BOTS / setup.bot, environment=modules)
    except Missing as missing:
        raise Missing(f"{missing}; it needs apt-get install {' '.join(setup.packages)}") from None
    return Place([str(program)], folder, f"Go {_said([go, 'env', 'GOVERSION'])[2:]}")


def _java(setup: Setup) -> Place:
    java = _tool("java", "default-jdk-headless")
    _tool("javac", "default-jdk-headless")
    CLIENTS.mkdir(parents=True, exist_ok=True)
    version = _said([java, "-version"]).split('"')[1]
    jars = [_JAVA_LIBRARIES / f"{name}.jar" for name in setup.packages]
    if not all(jar.exists() for jar in jars):
        raise Missing(f"needs {', '.join(map(str, jars))}: apt-get install lib{setup.packages[0]}-java")
    classes = ["--class-path", ":".join(map(str, jars))] if jars else []
    return Place([java, *classes, *setup.flags, str(BOTS / setup.bot)], CLIENTS, f"Java {version}")


def _folder(runtime: str, packages: Sequence[str]) -> Path:
    return CLIENTS / re.sub(r"[^\w.+=@-]", "_", "-".join((runtime, *packages)))


def _tool(name: str, package: str = "") -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"needs {name}" + (f": apt-get install {package}" if package else ""))
    return found


def _run(command: Sequence[str], cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
    result = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=_LIMIT
    )
    if result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip()).splitlines()[-1:]
        raise Missing(f"{' '.join(command[:4])} … failed: {' '.join(said)}")


def _said(command: Sequence[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return (result.stdout + result.stderr).strip()

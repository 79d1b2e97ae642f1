"""A scenario played for real: the simulator, a mitmdump with the addon, and a client that talks through it.

Each is a process of its own, as with a real bot. For the demo, the samples and the end-to-end tests.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from inspector import leaving
from inspector.errors import EnvironmentProblem
from inspector.proxy.launch.environment import write_bundle
from inspector.proxy.mitmdump import Proxy, Settings, free_port, free_udp_port
from inspector.proxy.process import end, output_to
from inspector.simulator.scenarios.catalogue import scenario

# Seconds that the simulator may take to end once its client has gone.
SIMULATOR_LIMIT = 30
# Seconds that client and simulator may each take to end where they are told to.
CLIENT_LIMIT = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """A scenario that is being played."""

    proxy: Proxy
    client: "subprocess.Popen[bytes]"
    simulator: "subprocess.Popen[bytes]"
    journal: Path
    """What the simulator really sent and received; written when it ends."""

    def stop(self) -> None:
        """End it before its end."""
        end(self.client, CLIENT_LIMIT)
        end(self.simulator, CLIENT_LIMIT)


def client_for(name: str) -> str:
    """Return the client that is to play a scenario: ``discord.py`` where it can and is there, else ``scripted``.

    In an encrypted call it can where the two libraries are there which it takes for voice.
    """
    chosen = scenario(name)
    needed = ("discord", "nacl", "davey") if chosen.dave else ("discord",)
    return "discord.py" if chosen.client == "any" and all(map(find_spec, needed)) else "scripted"


@contextmanager
def staged(
    name: str,
    capture: Path,
    folder: Path,
    *,
    client: Sequence[str] | str | None = None,
    pace: float = 1.0,
    keep_secrets: bool = False,
    options: Mapping[str, str] | None = None,
    scripts: Sequence[Path] = (),
    log: Path | None = None,
) -> Iterator[Stage]:
    """Play the scenario `name` and record it into `capture`; everything has ended when the context has.

    `folder` takes certificates and the journal. `client` is one of ours by name or a command, to which ``--proxy URL
    --ca PEM`` are added; by default the one that `client_for` names. `pace` is a factor of the scenario's pauses;
    `options` and `scripts` are for mitmdump. What they all say goes into the file `log`, by default to our stderr.
    """
    module = [sys.executable, "-m"]
    clients = {
        "discord.py": [*module, "inspector.simulator.client.discordpy", name],
        "scripted": [*module, "inspector.simulator.client.scripted", name],
    }
    client = client or client_for(name)
    command = clients[client] if isinstance(client, str) else list(client)
    journal = folder / "journal.jsonl"
    # Media go through mitmproxy too, which has to be told where to and from where.
    media_port = free_udp_port("127.0.0.1") if scenario(name).media else 0
    modes: tuple[str, ...] = ()
    clock = folder / "clock"
    told = ["--journal", str(journal), "--pace", str(pace), "--media-port", str(media_port), "--clock", str(clock)]
    with output_to(log) as output:
        simulator = leaving.start(
            [*module, "inspector.simulator", name, *told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            # Out of reach of the terminal's Ctrl-C: who stages it ends it, and removes what it had in its folder.
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(folder)},
        )
    try:
        assert simulator.stdout is not None
        ready = simulator.stdout.readline()
        if not ready:
            problem = EnvironmentProblem("the simulator did not start; its output is above")
            problem.shown = "" if log is None else log.read_text("utf-8", "replace")
            raise problem
        where = json.loads(ready)
        if media_port:
            modes = ("regular", f"reverse:udp://127.0.0.1:{where['udp_port']}@127.0.0.1:{media_port}")
        settings = Settings(
            capture,
            port=free_port("127.0.0.1"),
            modes=modes,
            keep_secrets=keep_secrets,
            scripts=(Path(str(files("inspector.simulator"))) / "redirect.py", *scripts),
            options={
                "confdir": str(folder / "mitmproxy"),
                "ssl_verify_upstream_trusted_ca": where["ca"],
                "termlog_verbosity": "warn",
                **(options or {}),
            },
            environment={"GWINSPECT_SIMULATOR_PORT": str(where["port"]), "GWINSPECT_SIMULATOR_CLOCK": str(clock)},
            log=log,
        )
        with Proxy(settings) as proxy:
            bundle = write_bundle(folder / "ca-bundle.pem", proxy.ca_path, Path(where["ca"]))
            with output_to(log) as output:
                process = leaving.start(
                    [*command, "--proxy", f"http://{proxy.address}", "--ca", str(bundle)],
                    stdin=subprocess.DEVNULL,
                    stdout=None if log is None else output,
                    stderr=output,
                    start_new_session=True,
                    env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
                )
            try:
                yield Stage(proxy, process, simulator, journal)
                process.wait(SIMULATOR_LIMIT)
                simulator.wait(SIMULATOR_LIMIT)
            finally:
                process.kill()
                process.wait()
    finally:
        simulator.kill()
        simulator.communicate()

"""A real mitmdump between a client and the simulator."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from inspector.simulator import redirect
from inspector.simulator.server.simulator import Simulator


@dataclass(frozen=True, slots=True)
class Proxy:
    url: str
    ca: Path
    flows: Path
    """mitmproxy's own recording, complete once the block is left."""


@contextlib.asynccontextmanager
async def mitmdump(simulator: Simulator, folder: Path) -> AsyncIterator[Proxy]:
    """Run a mitmdump that leads every connection to the simulator, with a certificate authority of its own."""
    flows = folder / "flows"
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("mitmdump"),
        *("--listen-host", "127.0.0.1", "--listen-port", "0", "-w", flows, "-s", redirect.__file__),
        *("--set", f"confdir={folder / 'conf'}", "--set", f"ssl_verify_upstream_trusted_ca={simulator.ca_path}"),
        env=os.environ | {"GWINSPECT_SIMULATOR_PORT": str(simulator.port), "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            async for line in process.stdout:
                if b"listening at" in line:
                    break
        port = line.decode().rstrip().rstrip(".").rpartition(":")[2]
        drain = asyncio.ensure_future(process.stdout.read())
        yield Proxy(f"http://127.0.0.1:{port}", folder / "conf" / "mitmproxy-ca-cert.pem", flows)
    finally:
        process.terminate()
        await process.wait()
        sys.stdout.write((await drain).decode(errors="replace"))

"""What a real browser tells the script of docs/browsers.md is read."""

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web

from inspector.importers.formats import open_source
from inspector.importers.hints import Hints
from inspector.model import Closed, Frame, Opened
from tests.installing import made_once

ROOT = Path(__file__).parents[2]
PLAYWRIGHT = "playwright-core@1.65.1"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Seconds that a browser may take on a busy machine, and npm to install.
LIMIT, INSTALL_LIMIT = 120, 600

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs node and npm"),
]

HELLO = '{"op":10,"d":{"heartbeat_interval":41250}}'
IDENTIFY = '{"op":2,"d":{"token":"not-a-real-token"}}'
PAGE = """<title>talking</title><script>
const socket = new WebSocket(`ws://${location.host}/gateway?v=10&encoding=json`);
socket.binaryType = "arraybuffer";
socket.onmessage = message => { if (typeof message.data === "string") socket.send(%s); };
socket.onclose = () => document.title = "done";
</script>"""


@pytest.fixture(scope="module")
def packages() -> Path:
    """A folder with Playwright, which downloads no browser of its own."""
    folder = ROOT / ".venv" / "clients" / f"npm-{PLAYWRIGHT}"
    with made_once(folder) as to_make:
        if to_make:
            folder.mkdir()
            (folder / "package.json").write_text('{"private": true}\n')
            install = ["npm", "install", "--prefix", str(folder), "--silent", "--no-audit", "--no-fund", PLAYWRIGHT]
            subprocess.run(install, check=True, timeout=INSTALL_LIMIT)
    return folder / "node_modules"


def script(url: str) -> str:
    """The script of the page, for a page that ends by itself and a browser without a window."""
    text = (ROOT / "docs" / "browsers.md").read_text("utf-8")
    found = re.search(r"^```js\n(import .*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    changes = {
        "'playwright'": "'playwright-core'",
        "headless: false": f"executablePath: {json.dumps(CHROMIUM)}, args: ['--no-sandbox']",
        "https://discord.com/app": url,
        "page.waitForEvent('close', { timeout: 0 })": "page.waitForFunction(() => document.title === 'done')",
    }
    changed = found[1]
    for old, new in changes.items():
        assert changed.count(old) == 1
        changed = changed.replace(old, new)
    return changed


async def page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE % json.dumps(IDENTIFY), content_type="text/html")


async def gateway(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str(HELLO)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_bytes(b"\x83m\0\0\0\0")
            await socket.close(code=4004, message=b"no")
    return socket


async def test_the_script_of_the_page_writes_what_is_read(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(packages)
    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/gateway", gateway)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        (tmp_path / "listen.mjs").write_text(script(f"http://127.0.0.1:{port}/"), "utf-8")
        ran = await asyncio.create_subprocess_exec("node", "listen.mjs", cwd=tmp_path)
        assert await asyncio.wait_for(ran.wait(), LIMIT) == 0
    finally:
        await runner.cleanup()
    path = tmp_path / "discord.cdp.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    source = open_source(path, Hints(("127.0.0.1",)))
    opened, *said, closed = source
    assert isinstance(opened, Opened)
    assert (opened.url, opened.status) == (f"ws://127.0.0.1:{port}/gateway?v=10&encoding=json", 101)
    assert [(each.from_client, each.is_text, each.data) for each in said if isinstance(each, Frame)] == [
        (False, True, HELLO.encode()),
        (True, True, IDENTIFY.encode()),
        (False, False, b"\x83m\0\0\0\0"),
    ]
    assert isinstance(closed, Closed)
    assert closed.code is None
    assert source.notes == []

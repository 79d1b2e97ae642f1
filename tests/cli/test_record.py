"""``gwinspect record`` with a gateway of our own on loopback, a real mitmdump and a client process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from inspector.store.reader import Reader

from .conftest import CLIENT

SCRIPT = """
import logging
def running():
    logging.getLogger("of a script").error("said \\x1b]0;pwned\\x07\\u202e")
"""


@pytest.mark.e2e
def test_what_another_addon_logs_is_inert(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GWINSPECT_CONFDIR", str(tmp_path / "mitmproxy"))
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    result = subprocess.run(
        [sys.executable, "-c", "from inspector.cli.start import main; main()", "record", "--listen", "127.0.0.1:0"]
        + ["--capture", str(tmp_path / "own.gwcap"), "-s", str(script), "--", sys.executable, "-c", "pass"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert r"said \x1b]0;pwned\x07\u202e" in result.stderr
    assert "\x1b" not in result.stderr


@pytest.mark.e2e
def test_a_command_is_run_through_the_proxy_and_its_exit_code_kept(gateway: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GWINSPECT_CONFDIR", str(tmp_path / "mitmproxy"))
    capture = tmp_path / "own.gwcap"
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    result = subprocess.run(
        [sys.executable, "-c", "from inspector.cli.start import main; main()", "record", "--listen", "127.0.0.1:0"]
        + ["--capture", str(capture), "--host", f"127.0.0.1:{gateway}"]
        + ["--", sys.executable, str(script), f"http://127.0.0.1:{gateway}/?v=10&encoding=json"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 7, result.stderr
    assert [json.loads(line)["op"] for line in result.stdout.splitlines()] == [10, 11]
    assert "closed by client, 4000: The client left" in result.stderr
    events = Reader(capture).events()
    assert [(event.kind.value, event.op) for event in events] == [
        ("open", None),
        ("payload", 10),
        ("payload", 1),
        ("payload", 11),
        ("close", None),
    ]
    assert capture.stat().st_mode & 0o777 == 0o600
    assert not capture.with_name("own.gwcap-wal").exists()

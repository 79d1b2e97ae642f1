"""Makes the sample captures: each is a scenario of the simulator, recorded through a real mitmproxy.

``python sample_captures/make.py`` makes the captures and what `gwinspect show` prints of them; with ``--expected``
only the latter. The rule: nothing in a sample tells of the machine or the person that made it.
"""

import argparse
import os
import platform
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from click.testing import CliRunner

from inspector.cli.show import show
from inspector.cli.staging import staged
from inspector.simulator.scenarios.catalogue import scenario

HERE = Path(__file__).parent
EXPECTED = HERE / "expected"

SAMPLES = (
    "plain-json",
    "zlib-stream",
    "zstd-stream",
    "etf",
    "payload-compression",
    "resume",
    "login-failure",
    "voice",
    "hostile",
    "dave-call",
    "voice-resume",
    "blocked-loop",
    "zombie-unnoticed",
    "resume-wrong-url",
    "identify-storm",
    "send-flood",
    "message-content",
    "voice-kicked",
    "voice-4006",
    "dave-required",
    "dave-transition",
)
FORMATS = {"text": ".txt", "jsonl": ".jsonl"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the sample captures, and what show prints of them.")
    parser.add_argument("--expected", action="store_true", help="only write anew what show prints of them")
    options = parser.parse_args()
    EXPECTED.mkdir(exist_ok=True)
    for name in SAMPLES:
        capture = HERE / f"{name}.gwcap"
        if not options.expected:
            record(name, capture)
        for output_format, suffix in FORMATS.items():
            (EXPECTED / f"{name}{suffix}").write_bytes(shown(capture, output_format))
        print(f"{capture.name}: {capture.stat().st_size:,} bytes", file=sys.stderr)


def record(name: str, capture: Path) -> None:
    """Play a scenario with the scripted client, which is the same everywhere, and record it into `capture`."""
    capture.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="gwinspect-samples-") as folder:
        # The key of a call would be masked, and with it nobody could try `show --decrypt`.
        keep = scenario(name).media
        with staged(name, capture, Path(folder), client="scripted", keep_secrets=keep) as stage:
            pass
        if stage.client.returncode or stage.simulator.returncode:
            raise SystemExit(f"{name} was not played to its end")
    db = sqlite3.connect(capture)
    db.execute("update meta set value = 'sample' where key = 'host'")
    db.commit()
    # Small pages halve a small file; the vacuum leaves nothing of what was replaced.
    db.execute("pragma page_size = 1024")
    db.execute("vacuum")
    db.close()
    for trace in (str(Path.home()), tempfile.gettempdir(), str(HERE), platform.node(), platform.release()):
        # A name as short as "vm" is found anywhere.
        if len(trace) > 5 and trace.encode() in capture.read_bytes() + shown(capture, "jsonl"):
            raise SystemExit(f"{capture.name} tells of this machine: {trace} is in it")


def shown(capture: Path, output_format: str) -> bytes:
    """Return what ``gwinspect show`` prints of `capture`, with times in UTC."""
    before = os.environ.get("TZ")
    _set_zone("UTC")
    try:
        result = CliRunner().invoke(show, [str(capture), "--format", output_format], catch_exceptions=False)
    finally:
        _set_zone(before)
    if result.exit_code:
        raise SystemExit(result.output)
    return result.stdout_bytes


def _set_zone(name: str | None) -> None:
    if name is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = name
    time.tzset()


if __name__ == "__main__":
    main()

"""SIGINT, SIGTERM and SIGHUP, at any moment: a command ends at once, says nothing of it, and leaves nothing behind."""

import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import URL
from .processes import PATIENCE, ROOT, Home, code_of, end_all, hears_signals, until, write_large

pytestmark = pytest.mark.e2e

SAMPLES = ROOT / "sample_captures"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Moments, in seconds from when a command first hears signals.
MOMENTS = [random.Random(12 + n).uniform(0, limit) for n, limit in enumerate((0.1, 0.6, 1.5))]

PLAIN = {
    "show": ["show", "LARGE", "--where", "d.a.* == 7"],
    "show jsonl": ["show", "LARGE", "--format", "jsonl"],
    "show follow": ["show", "LARGE", "--follow", "--format", "jsonl"],
    "show frames": ["show", "FRAMES"],
    "stats": ["stats", "LARGE", "--where", "d.a.* == 7"],
    "stats frames": ["stats", "FRAMES"],
    "diagnose": ["diagnose", "LARGE"],
    "convert": ["convert", "LARGE", "-o", "made.gwcap"],
    "convert frames": ["convert", "FRAMES", "-o", "made.gwcap"],
    "reindex": ["reindex", "COPY"],
    "sql": ["sql", "LARGE", "select count(payload(id)) from event"],
    "explain": ["explain", "rules"],
    "addon": ["addon"],
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_large(tmp_path_factory.mktemp("large") / "large.gwcap", 200_000)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames") / "large.frames.jsonl", 100_000)


def write_frames(path: Path, rows: int) -> Path:
    at = "2026-01-31T12:00:00.000001Z"
    header = {"format": "gwinspect-frames", "version": 1, "tool": "invented", "created_at": at}
    opened = {"kind": "open", "connection": 1, "at": at, "url": URL}
    said = {"kind": "message", "connection": 1, "at": at, "direction": "receive", "text": '{"op":11}'}
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, opened, *[said] * rows)))
    return path


def test_a_filter_over_payloads_ends_with_the_signal_and_without_a_word(tmp_path: Path, large: Path) -> None:
    """What a handler raises inside a function that SQLite calls comes back as an error of SQLite's."""
    said = []
    for n, number in enumerate(SIGNALS):
        home = Home(tmp_path / str(n))
        process = home.start("show", large, "--where", "d.a.* == 7")
        try:
            until(lambda process=process: hears_signals(process))
            time.sleep(0.5 + n / 20)
            process.send_signal(number)
            _, err = process.communicate(timeout=PATIENCE)
        finally:
            end_all(process)
        said.append((code_of(process), err))
    assert said == [(128 + number, b"") for number in SIGNALS]


@pytest.mark.parametrize("name", PLAIN)
def test_a_command_that_only_works_ends_at_any_moment(tmp_path: Path, large: Path, frames: Path, name: str) -> None:
    # Each signal at one moment, and another one for the next command.
    turned = list(PLAIN).index(name) % len(MOMENTS)
    for n, (number, moment) in enumerate(zip(SIGNALS, MOMENTS[turned:] + MOMENTS[:turned], strict=True)):
        home = Home(tmp_path / str(n))
        copy = home.work / "copy.gwcap"
        if "COPY" in PLAIN[name]:
            shutil.copy(large, copy)
            before = copy.read_bytes()
        places = {"LARGE": large, "FRAMES": frames, "COPY": copy}
        there = home.files()
        process = home.start(*(places.get(word, word) for word in PLAIN[name]), stdout=subprocess.DEVNULL)
        try:
            until(lambda process=process: hears_signals(process))
            time.sleep(moment)
            process.send_signal(number)
            _, err = process.communicate(timeout=PATIENCE)
        finally:
            end_all(process)
        code = code_of(process)
        # It may have been faster than us.
        assert code in (0, 128 + number), err
        if code:
            assert err == b""
            assert home.files() == there
            if "COPY" in PLAIN[name]:
                assert copy.read_bytes() == before


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
def test_a_signal_that_is_to_be_ignored_is(tmp_path: Path, number: int) -> None:
    """As SIGHUP under nohup, and SIGINT in the background of a shell's script."""
    home = Home(tmp_path / "home")
    process = home.start(
        "show",
        "-",
        stdin=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
    )
    try:
        # Its folder is there: it has handlers for what it hears, and reads.
        until(lambda: list(home.temporary.iterdir()))
        process.send_signal(number)
        out, err = process.communicate((SAMPLES / "resume.gwcap").read_bytes(), timeout=PATIENCE)
    finally:
        end_all(process)
    assert code_of(process) == 0, err
    assert b"close 1000" in out
    assert home.files() == set()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
def test_what_is_read_from_stdin_is_gone_with_the_command(tmp_path: Path, number: int) -> None:
    home = Home(tmp_path / "home")
    process = home.start("show", "-", stdin=subprocess.PIPE)
    try:
        until(lambda: list(home.temporary.rglob("stdin")))
        process.send_signal(number)
        # Nobody closes stdin before it ends.
        assert code_of(process) == 128 + number
        assert b"Traceback" not in process.communicate()[1]
    finally:
        end_all(process)
    assert home.files() == set()

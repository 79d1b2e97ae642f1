"""The word that a recording leaves for the next gwinspect, and when it is not taken."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from inspector.proxy import livefile
from inspector.proxy.livefile import Live
from inspector.proxy.process import Identity, identify

HERE = identify(os.getpid())
GONE = Identity(HERE.pid, "long ago")
LIVE = Live(GONE, HERE, None, "python", "127.0.0.1:8080", ("regular", "local:x"), "/ca.pem", "/tmp/folder")


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return tmp_path / "bot.gwcap"


def test_what_was_written_is_read_again(capture: Path) -> None:
    for live in (LIVE, replace(LIVE, client=HERE, command=None, modes=())):
        livefile.write(capture, live)
        assert livefile.read(capture) == live


def test_it_is_for_its_owner_alone_and_nothing_else_is_left(capture: Path) -> None:
    livefile.write(capture, LIVE)
    assert [(path.name, path.stat().st_mode & 0o777) for path in capture.parent.iterdir()] == [
        ("bot.gwcap.live", 0o600)
    ]


def test_one_whose_proxy_has_ended_is_removed(capture: Path) -> None:
    livefile.write(capture, replace(LIVE, proxy=GONE))
    assert livefile.read(capture) is None
    assert not livefile.path_of(capture).exists()


def test_without_a_recording_there_is_none(capture: Path) -> None:
    assert livefile.read(capture) is None
    livefile.remove(capture)


def test_one_that_others_may_write_is_not_believed(capture: Path) -> None:
    livefile.write(capture, LIVE)
    livefile.path_of(capture).chmod(0o620)
    assert livefile.read(capture) is None


def test_a_link_and_a_pipe_are_not_followed(capture: Path) -> None:
    livefile.write(capture, LIVE)
    other = capture.with_name("other.gwcap")
    livefile.path_of(other).symlink_to(livefile.path_of(capture))
    assert livefile.read(other) is None
    piped = capture.with_name("piped.gwcap")
    os.mkfifo(livefile.path_of(piped), 0o600)
    assert livefile.read(piped) is None


@pytest.mark.parametrize(
    "change",
    [
        {"proxy": None},
        {"proxy": {"pid": 0, "began": "now"}},
        {"proxy": {"pid": -1, "began": "now"}},
        {"proxy": {"pid": True, "began": "now"}},
        {"proxy": {"pid": "17", "began": "now"}},
        {"owner": []},
        {"client": {"pid": 17}},
        {"address": "nowhere"},
        {"address": 8080},
        {"folder": None},
        {"modes": 3},
        {"more": 1},
    ],
)
def test_one_that_is_not_as_we_write_it_is_not_believed_and_stays(capture: Path, change: dict) -> None:
    livefile.write(capture, LIVE)
    path = livefile.path_of(capture)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert livefile.read(capture) is None
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"[" * 60_000, b'"text"'])
def test_any_other_file_of_that_name_is_left_alone(capture: Path, content: bytes) -> None:
    path = livefile.path_of(capture)
    path.write_bytes(content)
    path.chmod(0o600)
    assert livefile.read(capture) is None
    assert path.read_bytes() == content


def test_a_number_that_is_used_again_is_not_the_process_that_was_meant(capture: Path) -> None:
    child = subprocess.Popen(["true"])
    was = identify(child.pid)
    child.wait()
    livefile.write(capture, replace(LIVE, proxy=was or GONE))
    assert livefile.read(capture) is None

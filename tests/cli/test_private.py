"""What is written is for its owner's eyes, whatever the umask is and whatever mode a file had before."""

import os
import signal
import stat
from pathlib import Path

import pytest

from inspector.importers.cache import private_folder
from inspector.model import Frame
from inspector.protocol.registry import default
from inspector.proxy.mitmdump import Proxy, Settings, free_udp_port
from inspector.store.writer import Writer
from inspector.tui.widgets.input.history import History

from .conftest import START, happenings
from .processes import PATIENCE, ROOT, Home, code_of, end_all, until
from .test_told_to_end import write_frames

pytestmark = pytest.mark.e2e

SAMPLE = ROOT / "sample_captures" / "resume.gwcap"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def open_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Return what others may read or enter; what is in a folder that they may not enter is out of their reach."""
    found = []
    for path in folder.iterdir():
        if mode(path) & 0o077:
            found.append(f"{path} {mode(path):o}")
            if path.is_dir():
                found += open_to_others(path)
    return found


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.usefixtures("open_umask")
def test_nothing_is_open_to_others_under_an_open_umask(home: Home, tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "some.frames.jsonl", 10)
    assert home.run("show", frames).returncode == 0
    assert home.run("stats", frames).returncode == 0
    assert home.run("convert", SAMPLE, frames, "-o", "made.gwcap").returncode == 0
    assert home.run("demo", "plain-json", "--capture", "demo.gwcap").returncode == 0
    process = home.start(
        *("live", "--capture", "live.gwcap", "--listen", "127.0.0.1:0", "--confdir", tmp_path / "mitmproxy"),
        *("--", "sleep", "1000"),
    )
    try:
        until(lambda: (home.work / "live.gwcap.live").exists() or process.poll() is not None)
        found = open_to_others(home.work) + open_to_others(home.temporary)
        names = {path.name for path in home.work.iterdir()}
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    finally:
        end_all(process)
    assert code_of(process) == 143
    assert {"live.gwcap", "live.gwcap-wal", "live.gwcap-shm", "live.gwcap.lock", "live.gwcap.live"} <= names
    assert found == []
    assert open_to_others(home.work) == open_to_others(home.temporary) == []
    assert open_to_others(home.folder / ".cache") == []
    assert mode(home.folder / ".cache") == 0o700


@pytest.mark.usefixtures("open_umask")
def test_folders_are_closed_up_to_those_that_were_there(tmp_path: Path) -> None:
    private_folder(tmp_path / "cache" / "gwinspect" / "imports")
    history = History(tmp_path / "state" / "gwinspect" / "filters")
    history.add("op == 1")
    assert open_to_others(tmp_path) == []


def test_a_capture_that_is_continued_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "old.gwcap"
    said = list(happenings())
    writer = Writer(path, default(), made_by="test")
    writer.write(said)
    writer.finish()
    path.chmod(0o644)
    writer = Writer(path, default(), made_by="test")
    writer.write([Frame(1, START + 10**9, False, True, b'{"op":11}')])
    modes = {path.name: mode(path) for path in tmp_path.iterdir()}
    writer.finish()
    assert modes == dict.fromkeys(("old.gwcap", "old.gwcap-wal", "old.gwcap-shm", "old.gwcap.lock"), 0o600)
    assert mode(path) == 0o600


@pytest.mark.parametrize("there_is_one", [False, True])
@pytest.mark.parametrize("is_named", [False, True])
def test_the_keys_of_wireguard_are_closed_to_others(
    tmp_path: Path, there_is_one: bool, is_named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    confdir = tmp_path / "mitmproxy"
    keys = tmp_path / "keys.conf" if is_named else confdir / "wireguard.conf"
    if there_is_one:
        confdir.mkdir()
        key = "A" * 42 + "0="
        keys.write_text(f'{{"server_key": "{key}", "client_key": "{key}"}}')
        keys.chmod(0o644)
    named = f":{keys}" if is_named else ""
    settings = Settings(
        tmp_path / "own.gwcap",
        modes=(f"wireguard{named}@127.0.0.1:{free_udp_port('127.0.0.1')}",),
        options={"confdir": str(confdir)},
        log=tmp_path / "log",
    )
    with Proxy(settings):
        until(keys.exists)
        assert mode(keys) == 0o600
    if not there_is_one:
        assert mode(confdir) == 0o700

"""The command that proxychains is started with. Clients on it: ``tests/e2e/clients/test_proxychains.py``."""

from pathlib import Path

import pytest

from inspector.errors import EnvironmentProblem
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.proxychains import through_proxychains
from inspector.proxy.mitmdump import Settings


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, the only one there is."""
    program = tmp_path / "bin" / "proxychains4"
    program.parent.mkdir()
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def test_a_command_is_run_by_it_with_a_configuration_of_the_launch(program: Path, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    command = through_proxychains(["python", "bot.py"], Settings(tmp_path / "x.gwcap", port=9137), folder)
    assert command == [str(program), "-q", "-f", str(folder.proxychains), "python", "bot.py"]
    lines = folder.proxychains.read_text().splitlines()
    assert lines[-2:] == ["[ProxyList]", "http 127.0.0.1 9137"]
    assert "proxy_dns" in lines


def test_the_configuration_goes_with_the_launch(program: Path, tmp_path: Path) -> None:
    folder = Folder()
    through_proxychains(["true"], Settings(tmp_path / "x.gwcap"), folder)
    folder.clear()
    assert not folder.path.exists()


def test_where_it_is_missing_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="apt-get install proxychains4"):
        through_proxychains(["true"], Settings(tmp_path / "x.gwcap"), Folder(tmp_path))


@pytest.mark.usefixtures("program")
def test_it_needs_a_proxy_for_http(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="mode regular or upstream, not wireguard"):
        through_proxychains(["true"], Settings(tmp_path / "x.gwcap", modes=("wireguard",)), Folder(tmp_path))

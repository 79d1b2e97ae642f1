"""What a client is made with, told from real programs and from command lines."""

import shutil
import sys
from pathlib import Path

import pytest

from inspector.proxy.launch.runtimes import Runtime, can_capture_locally, runtime_of, unhooked_by, ways_in


@pytest.mark.parametrize(
    ("name", "runtime"),
    [
        ("python3.11", Runtime.PYTHON),
        ("pypy3", Runtime.PYTHON),
        ("node", Runtime.NODE),
        ("nodejs", Runtime.NODE),
        ("bun", Runtime.BUN),
        ("deno", Runtime.DENO),
        ("java", Runtime.JAVA),
        ("dotnet", Runtime.DOTNET),
        ("docker", Runtime.CONTAINER),
        ("pythonic", Runtime.UNKNOWN),
    ],
)
def test_a_runtime_is_known_by_its_name(name: str, runtime: Runtime) -> None:
    assert runtime_of(Path("/opt", name)) is runtime


@pytest.mark.skipif(shutil.which("gofmt") is None, reason="there is no program made with Go here")
def test_a_program_made_with_go_is_known_by_what_its_linker_left() -> None:
    assert runtime_of(Path(str(shutil.which("gofmt"))).resolve()) is Runtime.GO


@pytest.mark.parametrize(
    ("content", "runtime"),
    [
        (b"\x7fELF" + bytes(100) + b"MEI\x0c\x0b\x0a\x0b\x0e" + bytes(80), Runtime.FROZEN_PYTHON),
        (b"\x7fELF" + bytes(100) + b"\n---- Bun! ----\n", Runtime.BUN),
        (b"\x7fELF" + bytes(100) + b"\xff Go buildinf:" + bytes(20_000), Runtime.GO),
        (
            b"\x7fELF" + bytes(100) + b"NODE_SEA_FUSE_0000:1" + bytes(20_000),
            Runtime.FROZEN_NODE,
        ),
        (b"\x7fELF" + bytes(100), Runtime.UNKNOWN),
        (b"", Runtime.UNKNOWN),
    ],
)
def test_a_packed_program_is_known_by_what_its_packer_left(content: bytes, runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / "bot").write_bytes(content)
    assert runtime_of(tmp_path / "bot") is runtime


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["python", "-I", "bot.py"], "-I"),
        (["python", "-u", "-Es", "bot.py"], "-E"),
        (["python", "-OS", "bot.py"], "-S"),
        (["python", "-u", "bot.py", "-I"], None),
        (["python", "-m", "bot", "-E"], None),
        (["python"], None),
    ],
)
def test_options_that_keep_the_hook_out_are_found(arguments: list[str], option: str | None) -> None:
    assert unhooked_by(Runtime.PYTHON, arguments) == option


def test_no_way_is_named_that_cannot_work_here(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [way.how for way in ways_in(Runtime.DOTNET, "bot", "127.0.0.1:8080")]
    assert any("--mode local:bot" in how for how in ways) is (can_capture_locally() is None)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("inspector.proxy.launch.runtimes.version", lambda name: "11.0.2")
    assert "needs mitmproxy 11.1" in str(can_capture_locally())
    monkeypatch.setattr("inspector.proxy.launch.runtimes.version", lambda name: "12.3.1")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "needs root" in str(can_capture_locally())
    assert not any("--through" in way.how for way in ways_in(Runtime.GO, "bot", "127.0.0.1:8080"))

import json
import subprocess
import sys
from pathlib import Path

from inspector.simulator.journal import load

_ROOT = Path(__file__).parents[2]


def _start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "inspector.simulator", *arguments]
    return subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_the_process_ends_with_the_scenario_and_leaves_the_journal(tmp_path: Path) -> None:
    with _start("etf", "--journal", str(tmp_path / "journal"), "--pace", "0") as simulator:
        assert simulator.stdout is not None
        told = json.loads(simulator.stdout.readline())
        client = [
            "inspector.simulator.client.scripted",
            "etf",
            "--connect-to",
            f"127.0.0.1:{told['port']}",
            "--ca",
            told["ca"],
        ]
        assert subprocess.run([sys.executable, "-m", *client], cwd=_ROOT, timeout=20).returncode == 0
        assert simulator.wait(10) == 0
    assert [entry.kind for entry in load(tmp_path / "journal")][:: len(load(tmp_path / "journal")) - 1] == [
        "open",
        "close",
    ]


def test_the_process_ends_when_its_stdin_does() -> None:
    with _start("hello") as simulator:
        assert simulator.stdin is not None
        assert simulator.stdout is not None
        told = json.loads(simulator.stdout.readline())
        simulator.stdin.close()
        assert simulator.wait(10) == 1
        assert not Path(told["ca"]).exists()


def test_an_unknown_scenario_is_wrong_usage() -> None:
    with _start("nothing") as simulator:
        assert simulator.wait(10) == 2

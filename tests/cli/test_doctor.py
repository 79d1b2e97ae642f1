"""``gwinspect doctor`` on this machine."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


def test_the_doctor_sends_a_websocket_through_a_proxy(run, tmp_path: Path) -> None:
    result = run("doctor", "--confdir", tmp_path, "--", "sleep")
    assert result.code == 0, result.out
    assert "1 WebSocket through a proxy on loopback: 2" in result.out
    assert "rows recorded" in result.out
    assert [line.split()[1] for line in result.out.splitlines() if not line.startswith(" ")][:2] == [
        "versions",
        "certificate",
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_problem_ends_with_1(run, tmp_path: Path) -> None:
    result = run("doctor", "--confdir", tmp_path, "--", "no-such-program")
    assert result.code == 1
    assert "problem  command" in result.out

"""A process is known by more than its number, and ended as gently as it lets itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from inspector.proxy import process
from inspector.proxy.process import UNKNOWN, Found, Identity, end, exit_code, identify

Child = "subprocess.Popen[str]"


@pytest.fixture
def start() -> Iterator:
    children = []

    def run(script: str, **options) -> Child:
        child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, **options)
        children.append(child)
        assert child.stdout.readline() == "ready\n"
        return child

    yield run
    for child in children:
        child.kill()
        child.communicate()


_SLEEP = "import time; print('ready', flush=True); time.sleep(100)"
# Whoever started the tests may have had SIGINT ignored, and that is inherited.
SLEEPER = f"import signal; signal.signal(2, signal.SIG_DFL); {_SLEEP}"
STUBBORN = f"import signal; signal.signal(2, lambda *a: None); signal.signal(15, signal.SIG_IGN); {_SLEEP}"


def test_a_process_keeps_its_identity_and_loses_it_with_its_end(start) -> None:
    child = start(SLEEPER)
    identity = identify(child.pid)
    assert identity == identify(child.pid)
    assert identity.lives()
    child.kill()
    # Nobody has asked for its exit code yet, so its number is still taken.
    while identity.lives():
        time.sleep(0.01)
    child.wait()
    assert identify(child.pid) is None


def test_another_process_with_the_same_number_is_not_taken_for_it() -> None:
    assert not Identity(os.getpid(), "once upon a time").lives()


def test_ps_is_asked_where_there_is_no_proc(start, monkeypatch: pytest.MonkeyPatch) -> None:
    child = start(SLEEPER)
    first = process._asked(child.pid)
    if first is None:
        pytest.skip("there is no ps here")
    assert first == process._asked(child.pid)
    child.kill()
    child.wait()
    assert process._asked(child.pid) is None


def test_a_found_process_is_seen_to_end_but_its_exit_code_is_not_known(start) -> None:
    child = start(SLEEPER)
    found = Found(identify(child.pid))
    assert found.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        found.wait(0)
    end(found, 5)
    assert found.poll() == UNKNOWN
    assert child.wait() == -signal.SIGINT


def test_who_does_not_heed_is_killed(start) -> None:
    child = start(STUBBORN)
    end(child, 0.1)
    assert child.returncode == -signal.SIGKILL


def test_a_group_is_ended_with_its_leader(start) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', " + repr(SLEEPER) + "])"
    leader = start(script, start_new_session=True)
    end(leader, 5, group=True)
    # Its pipe is closed by the last who had it.
    assert leader.communicate(timeout=5)[0] == ""


@pytest.mark.parametrize(("code", "shell"), [(0, 0), (7, 7), (-2, 130), (-9, 137), (UNKNOWN, -1)])
def test_exit_codes_are_those_of_a_shell(code: int, shell: int) -> None:
    assert exit_code(code) == shell

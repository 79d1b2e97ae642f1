"""Signals end the program in order, at whatever moment they come."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")

# A signal comes while a process is being started: it lives already, and nobody knows of it yet.
INTERRUPTED = """
import os, subprocess, sys
from inspector import leaving
class Interrupted(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid, flush=True)
        os.kill(os.getpid(), int(sys.argv[1]))
subprocess.Popen = Interrupted
leaving.install()
"""
AT_ONCE = 'leaving.start(["sleep", "1000"])'
TIDILY = """
with leaving.tidily():
    try:
        leaving.start(["sleep", "1000"])
    finally:
        print("tidied up")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("script", "said"), [(AT_ONCE, []), (TIDILY, ["tidied up"])], ids=["at once", "tidily"])
def test_a_signal_while_a_process_is_started_leaves_none_behind(script: str, said: list[str], number: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-u", "-c", INTERRUPTED + script, str(int(number))], capture_output=True, text=True, timeout=60
    )
    pid, *others = ended.stdout.split("\n")[:-1]
    assert (ended.returncode, others, ended.stderr) == (128 + number, said, "")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)

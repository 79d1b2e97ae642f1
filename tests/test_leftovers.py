"""A run that leaves something behind fails and names it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.leftovers import ROOT

LEAVING = {
    "process": "subprocess.Popen(['sleep', '1001'], start_new_session=True)",
    "temporary gwinspect-": "tempfile.mkdtemp(prefix='gwinspect-')",
    "": "pass",
}


@pytest.mark.parametrize("what", LEAVING)
@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["alone", "with a worker"])
def test_what_is_left_behind_fails_the_run(tmp_path: Path, what: str, workers: list[str]) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(f"import subprocess, tempfile\ndef test_it():\n    {LEAVING[what]}\n")
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers, str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=_environment())
    assert done.returncode == (1 if what else 0), done.stdout + done.stderr
    assert ("The tests left behind:\n" + what in done.stdout) is bool(what)


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    return {**own, "PYTHONPATH": str(ROOT), "GWINSPECT_TEST_GRACE": "1"}

"""The search for cycles is off where it is told to be, and nowhere else."""

import gc
import subprocess
import sys

import pytest

from inspector.garbage import without_collector


def test_the_collector_is_off_meanwhile_and_on_again_whatever_happens() -> None:
    found = []

    def fail() -> None:
        with without_collector():
            found.append(gc.isenabled())
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert [*found, gc.isenabled()] == [False, True]


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with without_collector():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_process_that_is_to_end_quickly_searches_for_nothing_at_its_end() -> None:
    script = """
import atexit, gc
from inspector.garbage import end_quickly
atexit.register(lambda: print(bool(gc.get_freeze_count())))
end_quickly()
print(bool(gc.get_freeze_count()))
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\nTrue\n"


def test_what_was_imported_is_not_looked_through_again() -> None:
    """In a process of its own, as what is frozen stays so."""
    code = (
        "import gc\n"
        "from inspector.garbage import importing\n"
        "with importing():\n"
        "    pass\n"
        "assert not gc.get_freeze_count()\n"
        "with importing():\n"
        "    import inspector.words\n"
        "    assert not gc.isenabled()\n"
        "assert gc.isenabled() and gc.get_freeze_count()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

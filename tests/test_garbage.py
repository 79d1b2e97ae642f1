"""The search for cycles is off where it is told to be, and nowhere else."""

import gc

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

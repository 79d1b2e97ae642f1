"""Whatever the machine's clock is set to meanwhile, a recording's times go on."""

import time

import pytest

from inspector.proxy import clock
from inspector.proxy.clock import Clock

SECOND = 10**9
HOUR = 3600 * SECOND


class Machine:
    """A machine whose clock can be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall_ns, self.steady_ns = 1_800_000_000 * SECOND, 5 * SECOND
        monkeypatch.setattr(clock.time, "time_ns", lambda: self.wall_ns)
        monkeypatch.setattr(clock.time, "clock_gettime_ns", lambda which: self.steady_ns)

    def passes(self, ns: int) -> None:
        self.wall_ns += ns
        self.steady_ns += ns


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.mark.parametrize("by_ns", [-HOUR, HOUR, -SECOND, 10 * 365 * 24 * HOUR])
def test_a_step_is_noticed_once_and_taken_off_again(machine: Machine, by_ns: int) -> None:
    going = Clock()
    began = going.now()
    machine.passes(SECOND)
    assert going.step() == 0
    before = machine.wall_ns
    machine.passes(SECOND // 20)
    machine.wall_ns += by_ns
    assert going.step() == by_ns
    # What was stamped just before it, and just after.
    assert going.read(before) == began + SECOND
    assert going.read(machine.wall_ns) == began + SECOND + SECOND // 20
    machine.passes(SECOND - SECOND // 20)
    assert going.step() == 0
    assert (going.now(), going.read(machine.wall_ns)) == (began + 2 * SECOND, began + 2 * SECOND)


def test_what_was_stamped_before_a_step_is_read_right_several_looks_later(machine: Machine) -> None:
    going = Clock()
    began, before = going.now(), machine.wall_ns
    for by_ns in (-HOUR, HOUR // 2):
        machine.passes(SECOND)
        machine.wall_ns += by_ns
        assert going.step() == by_ns
    for _ in range(20):
        machine.passes(SECOND // 20)
        assert going.step() == 0
    assert going.read(before) == began
    assert going.read(machine.wall_ns) == began + 3 * SECOND


def test_a_clock_that_is_pulled_right_bit_by_bit_has_not_stepped(machine: Machine) -> None:
    going = Clock()
    for _ in range(1000):
        machine.passes(SECOND)
        machine.wall_ns += SECOND // 2000
        assert going.step() == 0
    assert going.now() == machine.wall_ns


def test_a_capture_from_the_future_is_gone_on_with_from_its_end(machine: Machine) -> None:
    newest = machine.wall_ns + HOUR
    going = Clock(newest)
    assert going.late_ns == HOUR
    machine.passes(SECOND)
    assert going.read(machine.wall_ns) == newest + SECOND


def test_a_machine_that_is_busy_between_two_looks_is_no_step(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    going = Clock()

    def slow(which: int) -> int:
        machine.passes(SECOND)
        return machine.steady_ns

    monkeypatch.setattr(clock.time, "clock_gettime_ns", slow)
    assert going.step() == 0


def test_what_comes_late_is_put_at_the_end(machine: Machine) -> None:
    going = Clock()
    assert [going.in_order(at_ns) for at_ns in (5, 7, 6, 8)] == [5, 7, 7, 8]


def test_sleep_of_the_machine_is_no_step() -> None:
    assert getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC) == clock._STEADY

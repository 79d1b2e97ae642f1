import pytest

from inspector.model import Plane
from inspector.session.phases import (
    ANYWHERE,
    CONNECTION_PHASES,
    MOVING_EVENTS,
    OPENED,
    SESSION_PHASES,
    connection_phase,
    session_phase,
)

SENT, RECEIVED = True, False


def through(plane: Plane, *steps: tuple[bool, int | str]) -> str:
    phase = OPENED
    for from_client, key in steps:
        event = key if plane is Plane.GATEWAY and isinstance(key, str) else None
        phase = connection_phase(plane, phase, from_client, 0 if event else key, event)
    return phase


@pytest.mark.parametrize(
    ("steps", "phase"),
    [
        ([(RECEIVED, 10)], "hello"),
        ([(RECEIVED, 10), (SENT, 2)], "identifying"),
        ([(SENT, 2)], "identifying"),
        ([(RECEIVED, 10), (SENT, 2), (RECEIVED, "READY")], "ready"),
        ([(RECEIVED, 10), (SENT, 6)], "resuming"),
        ([(RECEIVED, 10), (SENT, 6), (RECEIVED, "RESUMED")], "resumed"),
        ([(RECEIVED, 10), (SENT, 6), (RECEIVED, 9)], "invalid session"),
        ([(RECEIVED, 10), (SENT, 6), (RECEIVED, 9), (SENT, 2), (RECEIVED, "READY")], "ready"),
        ([(RECEIVED, 10), (SENT, 2), (RECEIVED, "READY"), (RECEIVED, 7)], "reconnect asked"),
        ([(RECEIVED, 7)], "reconnect asked"),
    ],
)
def test_a_main_connection_comes_as_far_as_it_was_taken(steps: list[tuple[bool, int | str]], phase: str) -> None:
    assert through(Plane.GATEWAY, *steps) == phase


def test_a_second_identify_leaves_a_connection_ready() -> None:
    assert through(Plane.GATEWAY, (SENT, 2), (RECEIVED, "READY"), (SENT, 2)) == "ready"


def test_an_opcode_from_the_wrong_side_moves_nothing() -> None:
    assert through(Plane.GATEWAY, (SENT, 10), (RECEIVED, 2), (SENT, "READY")) == OPENED


def test_hello_and_identify_of_voice_may_cross() -> None:
    assert through(Plane.VOICE, (SENT, 0), (RECEIVED, 8)) == through(Plane.VOICE, (RECEIVED, 8), (SENT, 0))


def test_an_opcode_that_nobody_knows_moves_nothing() -> None:
    assert connection_phase(Plane.GATEWAY, "ready", RECEIVED, 97, None) == "ready"
    assert connection_phase(Plane.RPC, "ready", SENT, None, None) == "ready"


def test_every_plane_has_phases_and_every_phase_that_is_named_can_be_reached() -> None:
    for plane in Plane:
        phases = CONNECTION_PHASES[plane]
        reached = {OPENED, ANYWHERE} | {after for triggers in phases.values() for after in triggers.values()}
        assert phases.keys() <= reached


def test_events_that_move_a_connection_are_those_of_the_table() -> None:
    assert {"READY", "RESUMED"} <= MOVING_EVENTS


@pytest.mark.parametrize(
    ("transition", "phase"),
    [
        (["dropped"], "dropped"),
        (["dropped", "asks"], "resuming"),
        (["dropped", "asks", "resumed"], "live"),
        (["dropped", "asks", "invalidated"], "ended"),
        (["destroyed"], "ended"),
        (["destroyed", "asks"], "resuming"),
        (["may resume", "asks", "dropped"], "dropped"),
    ],
)
def test_a_session_lives_until_it_is_destroyed(transition: list[str], phase: str) -> None:
    now = "live"
    for what in transition:
        now = session_phase(now, what)
    assert now == phase


def test_every_phase_of_a_session_has_a_row() -> None:
    assert {after for row in SESSION_PHASES.values() for after in row.values()} <= SESSION_PHASES.keys()

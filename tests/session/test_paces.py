from inspector.model import Event, Kind, Plane
from inspector.session.paces import LONGEST, MAX_KINDS, Pace, start_pace


def test_kinds_without_end_are_not_followed_nor_names_without_end() -> None:
    paces: dict[str, Pace] = {}
    for number in range(2 * MAX_KINDS):
        name = f"EVENT_{number}" if number else "E" * (LONGEST + 1)
        start_pace(paces, Event(number, 1, number, Plane.GATEWAY, Kind.PAYLOAD, event=name), number)
    assert list(paces) == [f"EVENT_{number}" for number in range(1, MAX_KINDS + 1)]

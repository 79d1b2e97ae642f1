"""How steadily each kind of event comes in a session, so that one that stops can be told from one that is rare."""

from dataclasses import dataclass

from inspector.model import Event

# Kinds of events that are followed in one session; bots mostly see some twenty. Characters of a name; Discord's have
# at most some forty.
MAX_KINDS, LONGEST = 40, 64


@dataclass(slots=True)
class Pace:
    """How one kind of event has come so far. `inspector.session.tracker` counts: that is done for each event."""

    first_ns: int
    first_seq: int
    last_ns: int
    last_seq: int
    last_row: int
    count: int = 1
    longest_ns: int = 0
    """The longest time between two of them."""


def start_pace(paces: dict[str, Pace], event: Event, seq: int) -> None:
    """Begin to follow the kind of `event` in `paces`, where there is room and the name is not too long."""
    name = event.event
    if name is not None and len(paces) < MAX_KINDS and len(name) <= LONGEST:
        paces[name] = Pace(event.at_ns, seq, event.at_ns, seq, event.n)

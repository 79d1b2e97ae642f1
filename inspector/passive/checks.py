"""What recording packets needs of this machine: for ``gwinspect doctor``."""

from inspector.passive.dumper import default_interfaces, packet_filter
from inspector.passive.packets import Unrecordable, recording
from inspector.proxy.checks import Check, State
from inspector.words import listed


def check_packets() -> Check:
    """Try whether packets can be recorded here."""
    what, interfaces = "packets", default_interfaces()
    try:
        with recording(interfaces, packet_filter()) as packets:
            name = packets.dumper.name
    except Unrecordable as problem:
        return Check(State.NOTE, what, f"{problem.why}; --passive needs them", problem.fix)
    late = "" if name == "tcpdump" else ", and gives them a quarter of a second late"
    return Check(State.OK, what, f"{name} can record them on {listed(interfaces)}, for --passive{late}")

"""Conversations that nobody wrote: a sane client and a sane server, thrown together by dice, with one fault put in.

The same seed makes the same conversation. `talk(seed)` has no fault, `talk(seed, fault)` has that one: what the rules
say of the first must be nothing, and of the second that fault before all else.
"""

from random import Random

from tests.generated.client import Client
from tests.generated.faults import FAULTS, Fault
from tests.generated.server import Server
from tests.generated.wire import Recording

__all__ = ["FAULTS", "Fault", "Recording", "talk"]


def talk(seed: int, fault: Fault | None = None) -> Recording:
    """Return what is recorded of a client's quarter of an hour, more or less."""
    recording = Recording(Random(seed))
    server = (fault.server if fault else Server)(recording)
    client = (fault.client if fault else Client)(recording, server)
    recording.after(0, client.connect)
    recording.play(client.finish)
    return recording

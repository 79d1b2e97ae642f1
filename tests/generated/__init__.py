"""Conversations that nobody wrote: a sane client and a sane server, thrown together by dice, with one fault put in.

The same seed makes the same conversation. `talk(seed)` has no fault, `talk(seed, fault)` has that one: what the rules
say of the first must be nothing, and of the second that fault before all else.
"""

from random import Random

from tests.conversation import TOKEN
from tests.generated.client import Client
from tests.generated.faults import FAULTS, Fault
from tests.generated.server import Server
from tests.generated.wire import BOT, Recording

__all__ = ["FAULTS", "Fault", "Recording", "talk"]


def talk(seed: int, fault: Fault | None = None, token: str = TOKEN, bot: int = BOT) -> Recording:
    """Return what is recorded of a client's quarter of an hour, more or less; `token`, `bot`: whose client it is."""
    recording = Recording(Random(seed), token, bot)
    server = (fault.server if fault else Server)(recording)
    client = (fault.client if fault else Client)(recording, server)
    recording.after(0, client.connect)
    recording.play(client.finish)
    return recording

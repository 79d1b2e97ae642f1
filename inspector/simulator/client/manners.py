"""How the scripted client behaves, well and badly, and what it may be told to overdo.

The rule: one fault, one row of `FAULTS`. What a row does not mention is done as a well-made bot does it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from inspector.protocol.ops import GatewayOp
from inspector.simulator import content
from inspector.simulator.server.connection import Json

# All that a bot may ask for up to bit 21, less the two in between that bots have not.
_INTENTS = 3276799
_MESSAGE_CONTENT = 1 << 15
# A bit that no intent has.
_NO_INTENT = 1 << 30


@dataclass(frozen=True, slots=True)
class Manners:
    """What the scripted client does where clients differ. What stands here is right."""

    intents: int = _INTENTS
    identifies: int = 1
    """How many Identifies it sends in a row."""
    waits_for_ready: bool = True
    """Whether it keeps commands back until there is a session."""
    beats: tuple[float | None, ...] = (1,)
    """Pauses between heartbeats, in intervals; the last continues for good. None: no more heartbeats."""
    minds_silence: bool = True
    """Whether it leaves with 4000 when nothing came since its last heartbeat."""
    answers: bool = True
    """Whether it sends a heartbeat when it is asked for one."""
    reconnects: bool = True
    """Whether it leaves when asked to reconnect."""
    leaves_with: int = 4000
    """The code it then closes with."""
    minds_invalid_session: bool = True
    resumes: bool = True
    """Whether it remembers its session over a drop."""
    keeps_resume_url: bool = True
    """Whether it resumes where READY says."""
    resumes_voice: bool = True
    """Whether it comes back to the voice gateway by Resume."""
    returns: bool = True
    """Whether it connects again when it has lost a connection."""
    reads_invalid_session: bool = True
    """Whether it resumes where Invalid Session allows it."""
    beats_before_hello: bool = False
    """Whether the timer of one connection goes on in the next."""
    leaves_at_once: int = 0
    """How many connections it leaves as soon as they are resumed."""
    tries_other_hosts: bool = True
    """Whether it goes back to the first URL where the one for resumes is dead."""
    shares_session: bool = False
    """Whether its shards keep their sessions in one place."""
    counts_itself: bool = False
    """Whether each of its shards takes itself for the last."""
    joins_in_any_order: bool = True
    """Whether a voice server may be named before the voice state comes."""
    discovers: bool = True
    """Whether it asks for its address in a form that voice servers understand."""

    def shard(self, number: int, count: int) -> tuple[int, int]:
        """Return what a shard says that it is."""
        return number, number + 1 if self.counts_itself else count


FAULTS: dict[str, Manners] = {
    # A long computation, then one without end.
    "blocked": Manners(beats=(1, 2.5, None)),
    "blind-to-silence": Manners(minds_silence=False),
    "deaf-to-requests": Manners(answers=False),
    "identifies-twice": Manners(identifies=2),
    "impatient": Manners(waits_for_ready=False),
    "forgets-resume-url": Manners(keeps_resume_url=False),
    "leaves-with-1000": Manners(leaves_with=1000),
    "forgets-session": Manners(resumes=False),
    "ignores-reconnect": Manners(reconnects=False),
    "ignores-invalid-session": Manners(minds_invalid_session=False),
    "undefined-intents": Manners(intents=_INTENTS | _NO_INTENT),
    "no-message-content": Manners(intents=_INTENTS & ~_MESSAGE_CONTENT),
    "identifies-in-voice": Manners(resumes_voice=False),
    "never-returns": Manners(returns=False),
    "misreads-invalid-session": Manners(reads_invalid_session=False),
    "beats-before-hello": Manners(beats_before_hello=True),
    "leaves-at-once": Manners(leaves_at_once=3),
    "tries-one-host": Manners(tries_other_hosts=False),
    "shares-session": Manners(shares_session=True),
    "counts-itself": Manners(counts_itself=True),
    "expects-state-first": Manners(joins_in_any_order=False),
    "discovers-by-an-answer": Manners(discovers=False),
}
"""What clients are known to do wrong, by name."""


def manners(fault: str | None) -> Manners:
    """Return how a client with this fault behaves; None for one that has none."""
    return Manners() if fault is None else FAULTS[fault]


def _flood() -> list[tuple[GatewayOp, Json]]:
    return [(GatewayOp.PRESENCE_UPDATE, content.status(f"{100 * step // 125} % done")) for step in range(125)]


def _chronicle() -> list[tuple[GatewayOp, Json]]:
    return [(GatewayOp.PRESENCE_UPDATE, content.status("a chronicle: " + "and then it rained, " * 800))]


def _roll_call() -> list[tuple[GatewayOp, Json]]:
    everyone = {"guild_id": content.GUILD_ID, "query": "", "limit": 0, "presences": False}
    return [(GatewayOp.REQUEST_GUILD_MEMBERS, everyone | {"nonce": f"roll call {number}"}) for number in range(1, 4)]


EXCESSES: dict[str, Callable[[], list[tuple[GatewayOp, Json]]]] = {
    "!flood": _flood,
    "!chronicle": _chronicle,
    "!roll-call": _roll_call,
}
"""What it sends, all at once, when it reads such a word in a message."""

"""What is the same for every payload of one plane, side, opcode and event: worked out once, and looked up from then on.

Beside it, what sets one payload apart from others like it. Most are not odd at all and move nothing; those need no more
than to be counted. Which rules want to know of which oddity is for the rules to say.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

from inspector.model import Event, Payload, Plane
from inspector.protocol.registry import Registry
from inspector.protocol.snowflake import number_of
from inspector.session import messages
from inspector.session.messages import Message
from inspector.session.phases import CONNECTION_PHASES, DISPATCHES
from inspector.session.state import Connection
from inspector.session.summarize import NAMING_EVENTS
from inspector.session.world import World

IdOf = Callable[[dict[Any, Any]], int | None]
"""Finds an id in a body."""
Step = Callable[[World, Connection, Event, Message | None], str | None]
"""What a payload does to the state; returns a note for its row."""
Key = int | str | None
"""An opcode; for a dispatch, the name of its event."""

_DEFAULT_PATHS = {
    "guild": ("guild_id",),
    "channel": ("channel_id",),
    "user": ("user_id", "user.id", "author.id", "member.user.id"),
}
_UNKNOWN_NAME = ""
_OF_ONE = {(Plane.GATEWAY, False, "VOICE_STATE_UPDATE")}
_PURCHASES = ("ENTITLEMENT_", "SUBSCRIPTION_")


class Odd(IntFlag):
    """What sets a payload apart. Most are not odd at all, and rules about these ways are then not asked."""

    NONE = 0
    MARKED = 1
    """The proxy, or we, did something to it."""
    PROBLEMS = 2
    """It could be read, but is malformed."""
    UNKNOWN = 4
    """No table has its opcode, its event, or a key of its envelope."""
    OUT_OF_ORDER = 8
    """Its sequence number does not follow the one before."""
    EARLY = 16
    """There is no session on its connection (yet)."""
    OTHER_SIDE = 32
    """The tables have its opcode for the other side alone."""
    NEW_FORM = 64
    """Its body has keys, or kinds of value, at the top as no event of that name had before."""
    STRAY = 128
    """Its guild belongs to another shard, for the first time on its connection."""
    UNASKED = 256
    """None of the session's intents asks for it, for the first time on its connection."""
    OWN = 1024
    """It may be of the account itself, where what is of others moves nothing."""
    MAYBE_BLANK = 512
    """A message of a guild, in a session whose intents are known, on a connection where none came with content yet."""


# As numbers: a flag costs more than the question that it answers.
_MARKED, _PROBLEMS, _UNKNOWN = int(Odd.MARKED), int(Odd.PROBLEMS), int(Odd.UNKNOWN)
_OUT_OF_ORDER, _EARLY, _OTHER_SIDE = int(Odd.OUT_OF_ORDER), int(Odd.EARLY), int(Odd.OTHER_SIDE)
_OWN = int(Odd.OWN)
NEW_FORM, STRAY, UNASKED, MAYBE_BLANK = int(Odd.NEW_FORM), int(Odd.STRAY), int(Odd.UNASKED), int(Odd.MAYBE_BLANK)


@dataclass(slots=True, eq=False)
class Plan:
    """What is known beforehand of payloads of one plane, side, opcode and event."""

    plane: Plane
    from_client: bool
    op: int | str | None
    """None for all that no table knows, too: the wire may claim any."""
    event: str | None
    """None where there is none; of those that no table knows, all have the same."""
    is_dispatch: bool
    """It carries an event."""
    has_form: bool
    """It is an event of the main gateway, whose form is watched."""
    ids: tuple[IdOf, IdOf, IdOf]
    """What finds the ids of its guild, channel and user."""
    read: Callable[[Event, Any], Message] | None
    """What it says that sessions are made of."""
    step: Step | None
    moves: bool
    """It may move its connection to another phase."""
    has_names: bool
    """It may tell names of guilds and channels."""
    intents: frozenset[str]
    """One of which has to be asked for; empty where it comes anyway."""
    odd: int
    """What is odd about all of them, as bits of `Odd`."""
    is_of_one: bool = False
    """Only one about the account itself says anything, or does."""

    is_plain: bool = field(init=False)
    """One of them that is not odd does nothing but come."""

    def __post_init__(self) -> None:
        does = self.moves or (not self.is_of_one and (self.step or self.read))
        self.is_plain = not (self.from_client or does or self.plane is Plane.VOICE)

    def oddities(self, connection: Connection, event: Event, payload: Payload, world: World) -> int:
        """Return in which ways a payload is odd, as bits of `Odd`; `event` is its row, with its ids."""
        odd = self.odd
        if event.marks:
            odd |= _MARKED
        if payload.problems:
            odd |= _PROBLEMS
        if payload.extra:
            odd |= _UNKNOWN
        if event.seq != (connection.sequence.last or 0) + 1 and not self.from_client:
            odd |= _OUT_OF_ORDER
        if connection.accepted is None:
            odd |= _EARLY
        main = connection.main
        if self.is_of_one and (main.user_id is None or event.user_id == main.user_id):
            odd |= _OWN
        guild, intents = event.guild_id, main.intents
        if self.has_form and type(payload.d) is dict:
            if not world.forms.is_known(event.event or "", payload.d):
                odd |= NEW_FORM
            if intents is not None and guild is not None:
                is_outside = self.intents and intents.isdisjoint(self.intents)
                if is_outside and event.event not in main.outside:
                    odd |= UNASKED
                if not main.has_content and event.event == "MESSAGE_CREATE":
                    odd |= MAYBE_BLANK
        shard = main.shard_pair
        if shard is not None and guild is not None and not (self.from_client or main.strays):
            odd |= STRAY * is_stray(event, shard)
        return odd


class Plans:
    """The plans for all that the tables know, made as they are needed."""

    def __init__(self, registry: Registry, steps: dict[tuple[Plane, bool, Key], Step]) -> None:
        self._registry = registry
        self._steps = steps
        self._plans: dict[tuple[Plane, bool, int | str | None, str | None], Plan] = {}
        self._of_unknown: dict[tuple[Plane, bool, int | str | None, str | None, int], Plan] = {}
        """What no table knows shares these: by what is known of it, and by what is odd about it."""
        self._moving = {
            (plane, trigger.from_client, trigger.key)
            for plane, phases in CONNECTION_PHASES.items()
            for triggers in phases.values()
            for trigger in triggers
        }
        self._ours = {key for _, _, key in (*steps, *messages.READERS, *self._moving)}
        """What code speaks of, whether the tables have it or not."""

    def of(self, plane: Plane, from_client: bool, op: int | str | None, event: str | None) -> Plan:
        """Return the plan for payloads like this."""
        asked = plane, from_client, op, event
        found = self._plans.get(asked)
        if found is not None:
            return found
        row = self._registry.opcode(plane, op, from_client=from_client)
        odd = 0
        if op is not None and row is None:
            odd |= _UNKNOWN
            op = op if op in self._ours else None
        if row is not None and row.direction == ("receive" if from_client else "send"):
            odd |= _OTHER_SIDE
        if event is not None and (plane is not Plane.GATEWAY or event not in self._registry.events):
            odd |= _UNKNOWN
            event = event if event in self._ours or event in self._registry.events else _UNKNOWN_NAME
        known = plane, from_client, op, event
        if known == asked:
            return self._plans.setdefault(asked, self._make(*known, odd))
        found = self._of_unknown.get((*known, odd))
        return found or self._of_unknown.setdefault((*known, odd), self._make(*known, odd))

    def _make(self, plane: Plane, from_client: bool, op: int | str | None, event: str | None, odd: int) -> Plan:
        is_dispatch = (plane, op) in DISPATCHES
        is_event = is_dispatch and plane is Plane.GATEWAY and event is not None
        triple = plane, from_client, event if is_dispatch else op
        row = None if event is None else self._registry.event(event)
        return Plan(
            plane,
            from_client,
            op,
            event,
            is_dispatch,
            has_form=is_event,
            ids=_ids(row.ids if row is not None else {}),
            read=messages.READERS.get(triple),
            step=self._steps.get(triple),
            moves=triple in self._moving,
            has_names=event in NAMING_EVENTS,
            intents=frozenset(row.intents) if row is not None and row.intents else frozenset(),
            odd=odd,
            is_of_one=triple in _OF_ONE,
        )


def _ids(own: Mapping[str, str]) -> tuple[IdOf, IdOf, IdOf]:
    """Return what finds an event's ids; `own` are paths that stand in for the usual ones."""
    guild, channel, user = (_id_at((own[kind],) if kind in own else usual) for kind, usual in _DEFAULT_PATHS.items())
    return guild, channel, user


def _id_at(paths: tuple[str, ...]) -> IdOf:
    """Return what finds the id to which the first of some paths leads that leads anywhere; most are of one key."""
    if len(paths) == 1 and "." not in paths[0]:
        (name,) = paths
        return lambda d: number_of(d.get(name))
    routes = tuple((key, tuple(below)) for key, *below in (path.split(".") for path in paths))

    def find(d: dict[Any, Any]) -> int | None:
        for key, below in routes:
            value = d.get(key)
            if value is None:
                continue
            for deeper in below:
                value = value.get(deeper) if type(value) is dict else None
            if value is not None:
                return number_of(value)
        return None

    return find


def is_stray(event: Event, shard: tuple[int, int]) -> bool:
    """Return whether an event comes to a shard that its guild does not belong to.

    Purchases come to shard 0 even where they name a guild: https://docs.discord.com/developers/events/gateway#sharding
    """
    number, count = shard
    if event.guild_id is None or count < 2 or (event.event or "").startswith(_PURCHASES):
        return False
    return (event.guild_id >> 22) % count != number

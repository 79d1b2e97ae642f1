"""Rules about the intents of bots.

Source: https://docs.discord.com/developers/events/gateway#gateway-intents
"""

from collections.abc import Iterator

from inspector.diagnose.rule import Noticed, Situation, dispatches, rule, sends
from inspector.model import Plane, Severity
from inspector.protocol.ops import GatewayOp
from inspector.session.intents import is_blank
from inspector.session.messages import Identify
from inspector.session.plan import Odd
from inspector.words import listed

GATEWAY = Plane.GATEWAY
# Messages without content, and none with, that make a pattern.
BLANKS = 20


def _is_user(now: Situation) -> bool:
    # Users' clients say what they can handle; those that a user has authorized say so before their token.
    token = now.d.get("token") if type(now.d) is dict else None
    return now.expect(Identify).capabilities is not None or (type(token) is str and token.startswith("Bearer "))


@rule(
    "intents-undefined",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Add up only the intents you need; gwinspect explain intents NUMBER shows what a number contains.",
    source=("official-gateway",),
)
def intents_undefined(now: Situation) -> Iterator[Noticed]:
    """A bot's intents have undefined bits; the gateway closes with 4013."""
    identify = now.expect(Identify)
    # Users' clients and OAuth2 sessions have intents that no one documents.
    if _is_user(now):
        return
    _, unknown = now.registry.intents_of(identify.intents or 0)
    if unknown:
        bits = f"{'bit' if len(unknown) == 1 else 'bits'} {listed(map(str, unknown))}"
        yield Noticed(f"The intents {identify.intents:,} have {bits}, which no intent has.")
    elif identify.intents is not None and identify.intents < 0:
        yield Noticed(f"The intents are {identify.intents:,}, and a sum of bits is not below 0.")


@rule(
    "intents-user-only",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Leave them out.",
    source=("community-gateway",),
)
def intents_user_only(now: Situation) -> Iterator[Noticed]:
    """A bot asks for intents that only user accounts may have; the gateway closes with 4013."""
    identify = now.expect(Identify)
    asked, _ = now.registry.intents_of(identify.intents or 0)
    barred = [intent.name for intent in asked if intent.bots is False]
    if barred and not _is_user(now):
        yield Noticed(f"The intents {identify.intents:,} ask for {listed(barred)}.")


@rule(
    "message-content-missing",
    Severity.WARN,
    dispatches("MESSAGE_CREATE", odd=Odd.MAYBE_BLANK),
    remedy="Ask for MESSAGE_CONTENT in Identify, and switch it on in the developer portal: it is privileged.",
    source=("official-gateway",),
)
def message_content_missing(now: Situation) -> Iterator[Noticed]:
    """Guild messages arrive without content, because Identify did not ask for MESSAGE_CONTENT."""
    connection = now.connection
    if connection.main.blank_messages != BLANKS - 1 or "MESSAGE_CONTENT" in (connection.main.intents or ()):
        return
    identify = connection.identify
    if is_blank(now.event, now.d, now.session):
        yield Noticed(
            f"{BLANKS} guild messages have come, all of them empty: Identify did not ask for MESSAGE_CONTENT.",
            (identify.n if identify is not None else None,),
        )

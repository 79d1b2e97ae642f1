"""Rules about what clients send to the main gateway: how much, how often, and whether it can be right.

Source of the limits: https://docs.discord.com/developers/events/gateway#rate-limiting and
https://docs.discord.com/developers/events/gateway-events
"""

from collections.abc import Iterator

from inspector.diagnose.rule import SECOND, Noticed, Situation, dispatches, receives, rule, sends, silence
from inspector.diagnose.words import mixture, opcode, quoted
from inspector.model import Knows, Plane, Severity
from inspector.protocol.ops import GatewayOp
from inspector.session.messages import Chunk, Members, VoiceServer, VoiceState, whole
from inspector.session.plan import Odd
from inspector.session.state import SEND_WINDOW_NS, Sent
from inspector.words import listed, roughly

GATEWAY, VOICE = Plane.GATEWAY, Plane.VOICE
# Messages of a client in a minute: from how many on it is told, and how many are allowed.
NEARLY, ALLOWED = 108, 120
# Bytes of one message that bots may send, and that any client may.
BOT_BYTES, MOST_BYTES = 4096, 15 * 1024
PRESENCES, PRESENCES_NS = 5, 20 * SECOND
MOST_USERS, MOST_NONCE = 100, 32
# Times after which an answer is missed.
CHUNKS_NS, JOIN_NS = 30 * SECOND, 10 * SECOND


@rule(
    "send-budget",
    Severity.ERROR,
    sends(GATEWAY),
    remedy="Queue what you send, and keep some of the 120 messages a minute for heartbeats. Start with the most "
    "frequent opcode.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def send_budget(now: Situation) -> Iterator[Noticed]:
    """The client sent more than 120 messages in a minute, or almost that many.

    The gateway closes the connection with 4008, and clients that keep doing it lose access.
    """
    # Said where the number is reached, not where it stays: `sends` is as long as it was at the message before.
    before = len(now.connection.sends)
    if before not in (NEARLY - 1, ALLOWED):
        return
    sends = [sent for sent in now.connection.sends if sent.at_ns > now.at_ns - SEND_WINDOW_NS]
    sends.append(Sent(now.event.n, now.at_ns, now.event.op, now.event.wire_bytes))
    count = len(sends)
    if count > before:
        said = mixture(now.registry, GATEWAY, sends)
        yield Noticed(
            f"{count} messages within {roughly(now.at_ns - sends[0].at_ns)}; {ALLOWED} in 60 s are allowed. {said}.",
            (sends[0].n, *(sent.n for sent in sends[-6:-1])),
            Severity.WARN if count == NEARLY else None,
        )


@rule(
    "oversize-payload",
    Severity.ERROR,
    sends(GATEWAY),
    remedy="Split it: fewer ids in one request, smaller subscriptions.",
    source=("official-gateway", "community-gateway"),
)
def oversize_payload(now: Situation) -> Iterator[Noticed]:
    """The client sent a message that is longer than the gateway accepts; it closes with 4002."""
    size = now.event.wire_bytes
    if size > MOST_BYTES:
        yield Noticed(f"This message has {size:,} bytes; no client may send more than {MOST_BYTES:,}.")
    elif size > BOT_BYTES:
        yield Noticed(f"This message has {size:,} bytes; {BOT_BYTES:,} are documented for bots.", (), Severity.INFO)


@rule(
    "presence-flood",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.PRESENCE_UPDATE),
    remedy="Change the presence at most five times in twenty seconds, and not at all if nothing has changed.",
    source=("official-events", "community-gateway"),
    needs=Knows.TIMES,
)
def presence_flood(now: Situation) -> Iterator[Noticed]:
    """The client changed its presence more often than the gateway allows.

    Other events wait until a change has been processed.
    """
    changes = [sent for sent in now.connection.sends if sent.op == GatewayOp.PRESENCE_UPDATE]
    recent = [sent for sent in changes if now.at_ns - sent.at_ns < PRESENCES_NS]
    # Said where the number is reached, not where it stays.
    before = [sent for sent in changes if changes[-1].at_ns - sent.at_ns < PRESENCES_NS]
    if len(recent) == len(before) == PRESENCES:
        yield Noticed(
            f"{len(recent) + 1} changes of the presence within {roughly(now.at_ns - recent[0].at_ns)}; "
            f"{PRESENCES} in 20 s are allowed.",
            tuple(sent.n for sent in recent),
        )


@rule(
    "members-malformed",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.REQUEST_GUILD_MEMBERS),
    remedy="Send guild_id with either query and limit, or user_ids.",
    source=("official-events",),
)
def members_malformed(now: Situation) -> Iterator[Noticed]:
    """A request for members is malformed; the gateway invalidates the session or sends nothing."""
    d = now.d
    if type(d) is not dict:
        yield Noticed("The body of Request Guild Members is not an object.")
    elif d.get("query") is None and d.get("user_ids") is None:
        yield Noticed("Request Guild Members has neither query nor user_ids.")
    elif not d.get("guild_id"):
        yield Noticed("Request Guild Members names no guild.")


@rule(
    "members-over-limit",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.REQUEST_GUILD_MEMBERS),
    remedy="Ask for at most 100 users or 100 results of one guild, with a nonce of at most 32 bytes.",
    source=("official-events",),
)
def members_over_limit(now: Situation) -> Iterator[Noticed]:
    """A request for members exceeds the limits; the rest is cut off or ignored."""
    d = now.d
    if type(d) is not dict:
        return
    users, guilds, nonce, limit = d.get("user_ids"), d.get("guild_id"), d.get("nonce"), whole(d.get("limit"))
    wrong = []
    if type(users) is list and len(users) > MOST_USERS:
        wrong.append(f"{len(users):,} user_ids ({MOST_USERS} are answered)")
    if type(guilds) is list and len(guilds) > 1 and now.connection.main.intents is not None:
        wrong.append(f"{len(guilds):,} guilds (bots may ask for one)")
    if type(nonce) is str and len(nonce.encode("utf-8", "replace")) > MOST_NONCE:
        wrong.append(f"a nonce of {len(nonce.encode('utf-8', 'replace'))} bytes (beyond {MOST_NONCE} it is ignored)")
    if d.get("query") and limit is not None and limit > MOST_USERS:
        wrong.append(f"a limit of {limit:,} with a query ({MOST_USERS} are answered)")
    if wrong:
        yield Noticed(f"It has {listed(wrong)}.")


@rule(
    "members-without-nonce",
    Severity.INFO,
    sends(GATEWAY, GatewayOp.REQUEST_GUILD_MEMBERS),
    remedy="Give each request its own nonce; the chunks repeat it.",
    source=("official-events",),
    needs=Knows.TIMES,
)
def members_without_nonce(now: Situation) -> Iterator[Noticed]:
    """Two requests for members of one guild have no nonce, so their chunks cannot be distinguished."""
    asked = now.expect(Members)
    other = now.connection.main.members.get(asked.key) if asked.nonce is None and asked.guild else None
    if other is not None and now.at_ns - other.at_ns < CHUNKS_NS and now.connection.is_whole:
        since = roughly(now.at_ns - other.at_ns)
        yield Noticed(f"A request for the same guild from {since} ago has no nonce either and waits too.", (other.n,))


@rule(
    "members-need-intent",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.REQUEST_GUILD_MEMBERS),
    remedy="Ask for the intent in Identify, and switch it on in the developer portal; both intents are privileged.",
    source=("official-events", "official-gateway"),
)
def members_need_intent(now: Situation) -> Iterator[Noticed]:
    """A bot asks for members or presences without the intent for them."""
    d, missing = now.d, []
    if now.expect(Members).everyone and _lacks(now, "GUILD_MEMBERS"):
        missing.append("the whole list of members needs GUILD_MEMBERS")
    if type(d) is dict and d.get("presences") is True and _lacks(now, "GUILD_PRESENCES"):
        missing.append("presences need GUILD_PRESENCES")
    if missing:
        identify = now.connection.identify
        text = f"In this request {listed(missing)}; Identify did not ask for it."
        yield Noticed(text, (identify.n if identify else None,))


def _lacks(now: Situation, name: str) -> bool:
    """Return whether the client is a bot that is known to have left out an intent."""
    return now.connection.main.intents is not None and name not in now.connection.main.intents


@rule(
    "rate-limited",
    Severity.WARN,
    dispatches("RATE_LIMITED"),
    remedy="Wait as long as retry_after says, and ask for a guild's whole list at most once in 30 seconds.",
    source=("official-events", "community-gateway"),
)
def rate_limited(now: Situation) -> Iterator[Noticed]:
    """The server refused a request because it came too soon after others."""
    d = now.d if type(now.d) is dict else {}
    asked = now.connection.main.members.get(now.said.key) if isinstance(now.said, Chunk) else None
    op, wait = whole(d.get("opcode")), d.get("retry_after")
    what = "a request" if op is None else opcode(now.registry, GATEWAY, op)
    is_time = isinstance(wait, int | float) and 0 <= wait < 1e6
    again = f" It may be sent again in {wait:.1f} s." if is_time else ""
    yield Noticed(f"The server refuses {what}.{again}", (asked.n if asked is not None else None,))


@rule(
    "members-unanswered",
    Severity.INFO,
    silence(GATEWAY),
    remedy="Check the guild's id, the intents, and whether the request was malformed.",
    source=("derived",),
)
def members_unanswered(now: Situation) -> Iterator[Noticed]:
    """A request for members got no answer."""
    if not now.connection.main.members or not now.connection.is_whole:
        return
    comes = now.said.key if isinstance(now.said, Chunk) else None
    for key, asked in now.connection.main.members.items():
        if not asked.answered and key != comes and now.passed(asked.at_ns + CHUNKS_NS):
            since = roughly(now.at_ns - asked.at_ns)
            yield Noticed(f"{since} after the request for members, not one chunk has come.", (asked.n,))


@rule(
    "join-unanswered",
    Severity.WARN,
    silence(GATEWAY),
    remedy="Check that the channel exists, has room, and that the account may connect there. If the account is in the "
    "channel already, leave it and join again.",
    source=("official-voice", "community-voice"),
)
def join_unanswered(now: Situation) -> Iterator[Noticed]:
    """The client asked to join a voice channel, and no voice server was named.

    The gateway does not answer when the channel is full or the account may not join it.
    """
    if not now.connection.main.joins or not now.connection.is_whole:
        return
    comes = now.said.server_id if isinstance(now.said, VoiceServer) else None
    for key, asked in now.connection.main.joins.items():
        if asked.channel is None or key == comes or not now.passed(asked.at_ns + JOIN_NS):
            continue
        call = now.world.call(key, now.connection.account)
        state = call.state if call is not None and call.state is not None and call.state.n > asked.n else None
        since = f"{roughly(now.at_ns - asked.at_ns)} after op 4 for channel {quoted(asked.channel)}"
        if state is None:
            text = f"{since}, there is no answer: neither VOICE_STATE_UPDATE nor VOICE_SERVER_UPDATE."
        elif call is not None and call.channel == asked.channel:
            text = f"{since}, VOICE_STATE_UPDATE has put the account there, but no VOICE_SERVER_UPDATE has come."
        else:
            text = f"{since}, VOICE_STATE_UPDATE has put the account elsewhere, and no VOICE_SERVER_UPDATE has come."
        yield Noticed(text, (asked.n, state.n if state is not None else None))


@rule(
    "join-needs-intent",
    Severity.WARN,
    silence(GATEWAY),
    remedy="Ask for GUILD_VOICE_STATES in Identify: VOICE_STATE_UPDATE has the session id that voice needs.",
    source=("official-gateway", "official-voice"),
)
def join_needs_intent(now: Situation) -> Iterator[Noticed]:
    """A bot without the intent for voice states waits for its own VOICE_STATE_UPDATE."""
    if not _lacks(now, "GUILD_VOICE_STATES") or not now.connection.is_whole:
        return
    comes = now.said.server_id if isinstance(now.said, VoiceState) else None
    identify = now.connection.identify
    for call in now.world.calls.values():
        asked = call.asked
        if call.main != now.connection.id or asked is None or call.wanted is None or call.server_id == comes:
            continue
        has_come = call.state is not None and call.state.n > asked.n
        if not has_come and now.passed(asked.at_ns + JOIN_NS):
            yield Noticed(
                f"{roughly(now.at_ns - asked.at_ns)} after op 4, no VOICE_STATE_UPDATE of the account has come; "
                "Identify did not ask for GUILD_VOICE_STATES.",
                (asked.n, identify.n if identify else None),
            )


@rule(
    "retired-opcode-sent",
    Severity.WARN,
    sends(GATEWAY),
    sends(VOICE),
    remedy="Remove it; gwinspect explain says what replaced it.",
    source=("official-opcodes", "community-opcodes"),
)
def retired_opcode_sent(now: Situation) -> Iterator[Noticed]:
    """The client sends an opcode that is no longer in use."""
    row = now.registry.opcode(now.event.plane, now.event.op, from_client=True)
    if row is not None and row.status == "retired" and row.direction != "receive":
        yield Noticed(f"Op {row.number} {row.name} is retired.")


@rule(
    "receive-only-opcode-sent",
    Severity.ERROR,
    sends(GATEWAY, odd=Odd.OTHER_SIDE),
    sends(VOICE, odd=Odd.OTHER_SIDE),
    remedy="Find the code that builds this payload; the gateway answers it with 4001.",
    source=("official-opcodes",),
)
def receive_only_opcode_sent(now: Situation) -> Iterator[Noticed]:
    """The client sends an opcode that only the server may send."""
    row = now.registry.opcode(now.event.plane, now.event.op, from_client=True)
    # A client's Heartbeat ACK has a rule of its own.
    if row is not None and (now.event.plane, now.event.op) != (GATEWAY, GatewayOp.HEARTBEAT_ACK):
        yield Noticed(f"Op {row.number} {row.name} is for the server to send.")


@rule(
    "send-only-opcode-received",
    Severity.INFO,
    receives(GATEWAY, odd=Odd.OTHER_SIDE),
    receives(VOICE, odd=Odd.OTHER_SIDE),
    remedy="Nothing, if the server is Discord's. If it is yours, correct it.",
    source=("official-opcodes",),
)
def send_only_opcode_received(now: Situation) -> Iterator[Noticed]:
    """The server sent an opcode that only clients are known to send."""
    row = now.registry.opcode(now.event.plane, now.event.op, from_client=False)
    if row is not None:
        yield Noticed(f"Op {row.number} {row.name} is known to be sent by clients only.")

"""Rules about how clients log in on the main gateway: Identify, how often it is sent, and what comes before READY.

Source: https://docs.discord.com/developers/events/gateway#connection-lifecycle
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from inspector.diagnose.rule import SECOND, Noticed, Situation, dispatches, rule, sends, silence
from inspector.diagnose.starts import LOW, is_low, left_of, left_said, max_concurrency_of, total_of
from inspector.diagnose.words import opcode
from inspector.model import Knows, Plane, Severity
from inspector.protocol.ops import HEARTBEATS, GatewayOp
from inspector.session.hops import hops_of, slowest
from inspector.session.messages import Identify, Refused, Resume
from inspector.session.redact import is_lost
from inspector.session.world import DAY_NS, Login
from inspector.words import listed, roughly

GATEWAY = Plane.GATEWAY
# What may be sent before READY.
_BEFORE_READY = frozenset({*HEARTBEATS, GatewayOp.IDENTIFY, GatewayOp.RESUME, GatewayOp.UPDATE_TIME_SPENT_SESSION_ID})
# Logins in so short a time are a storm.
STORM, STORM_NS = 5, 60 * SECOND
# A login that takes longer is slow.
SLOW_NS = 15 * SECOND
# Time within which only max_concurrency logins may come; most bots may one.
SPACING_NS = 5 * SECOND


@rule(
    "identify-before-hello",
    Severity.INFO,
    sends(GATEWAY, GatewayOp.IDENTIFY, GatewayOp.RESUME),
    remedy="Wait for Hello: it is the first message, and it says how often to send heartbeats.",
    source=("official-gateway", "community-gateway"),
)
def identify_before_hello(now: Situation) -> Iterator[Noticed]:
    """The client sent Identify or Resume before the server's Hello."""
    if now.connection.hello is None and now.connection.is_whole:
        yield Noticed(f"{_opcode(now)} was sent before Hello came.")


def _opcode(now: Situation) -> str:
    said = opcode(now.registry, GATEWAY, now.event.op)
    return said[0].upper() + said[1:]


@rule(
    "identify-twice",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.IDENTIFY, GatewayOp.RESUME),
    remedy="Send one Identify or Resume per connection, and another only after Invalid Session (op 9).",
    source=("official-gateway", "official-opcodes"),
)
def identify_twice(now: Situation) -> Iterator[Noticed]:
    """The client sent Identify or Resume twice on one connection; the gateway closes it with 4005."""
    connection = now.connection
    asked = connection.asked
    # An op 9 that could not be read would have asked for it.
    if asked is not None and connection.main.refused is None and connection.is_whole:
        before = 6 if isinstance(asked, Resume) else 2
        yield Noticed(
            f"{_opcode(now)} was sent although {opcode(now.registry, GATEWAY, before)} had been, and was not refused.",
            (asked.n, connection.accepted.n if connection.accepted else None),
        )


@rule(
    "identify-malformed",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Compare d with the fields that Identify has: gwinspect explain op 2.",
    source=("official-events",),
)
def identify_malformed(now: Situation) -> Iterator[Noticed]:
    """The body of Identify is malformed."""
    d, identify = now.d, now.expect(Identify)
    if type(d) is not dict:
        yield Noticed("The body of Identify is not an object.")
        return
    wrong = []
    if identify.token is None:
        wrong.append("there is no token")
    if type(d.get("properties")) is not dict:
        wrong.append("properties is not an object")
    if "shard" in d and d["shard"] is not None:
        shard = identify.shard
        if shard is None:
            wrong.append("shard is not a pair of whole numbers")
        elif not 0 <= shard[0] < shard[1]:
            wrong.append(f"there is no shard {shard[0]} of {shard[1]}")
    if wrong:
        yield Noticed(f"In Identify {listed(wrong)}.")


@rule(
    "identify-without-intents",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Send the sum of the intents whose events the bot needs.",
    source=("official-gateway",),
)
def identify_without_intents(now: Situation) -> Iterator[Noticed]:
    """A bot identified without intents, which are required from version 8 on."""
    d, identify, version = now.d, now.expect(Identify), now.connection.version
    if type(d) is not dict or identify.intents is not None or version is None or version < 8:
        return
    # Users' clients send none; they are told by their capabilities, and the sessions of OAuth2 by their token.
    if identify.capabilities is None and identify.prefix != "Bearer":
        what = "intents that are not a whole number" if "intents" in d else "no intents"
        yield Noticed(f"Identify has {what}; version {version} requires them.")


@rule(
    "command-before-ready",
    Severity.ERROR,
    sends(GATEWAY),
    remedy="Queue commands until READY or RESUMED has come, and again after Invalid Session.",
    source=("official-gateway", "official-opcodes"),
)
def command_before_ready(now: Situation) -> Iterator[Noticed]:
    """The client sent a command while it had no session; the gateway closes with 4003."""
    connection, op = now.connection, now.event.op
    if not _is_command(op) or connection.accepted is not None or not connection.is_whole:
        return
    # Where missed events come again the resume was accepted, whatever is still to come before RESUMED.
    if connection.is_replaying and connection.sequence.last is not None:
        return
    # Whatever it is that makes commands come too early: its first command is told.
    refused = connection.main.refused
    since = refused or connection.asked
    if any(_is_command(sent.op) and sent.n > (since.n if since else 0) for sent in connection.sends):
        return
    name = _opcode(now)
    if refused is not None:
        yield Noticed(f"{name} was sent after the session had been declared invalid.", (refused.n,))
    elif since is None:
        hello = connection.hello
        yield Noticed(f"{name} was sent before Identify.", (hello.n if hello else None,))
    else:
        asked, answer = ("Resume", "RESUMED") if isinstance(since, Resume) else ("Identify", "READY")
        after = roughly(now.at_ns - since.at_ns)
        yield Noticed(f"{name} was sent {after} after {asked}, and {answer} has not come.", (since.n,))


def _is_command(op: int | str | None) -> bool:
    return op is not None and op not in _BEFORE_READY


@rule(
    "identify-storm",
    Severity.ERROR,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Wait longer after each failure (1 s, 2 s, 4 s …, with some randomness), and stop after a close code that "
    "forbids reconnecting.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def identify_storm(now: Situation) -> Iterator[Noticed]:
    """The client identified again and again within a short time."""
    identify = now.expect(Identify)
    # Of masks that hide equally much no one can tell whether they are one token.
    if identify.token is None or is_lost(identify.token):
        return
    same = now.world.logins.of_shard(identify.token, identify.shard)
    if _crosses(same, now.at_ns, STORM, STORM_NS):
        recent = [*same][-STORM + 1 :]
        text = f"{STORM} Identifies with this token and shard within {roughly(now.at_ns - recent[0].at_ns)}."
        yield Noticed(f"{text} {left_said(now, identify.token)}".rstrip(), tuple(login.n for login in recent))


def _crosses(logins: Sequence[Login], at_ns: int, bound: int, span_ns: int) -> bool:
    """Return whether a login at `at_ns` is the one with which there are `bound` of them within `span_ns`.

    Not where the one before it was such a one already, so that what lasts is said once.
    """

    def reached(last: int, at_ns: int) -> bool:
        first = last - bound + 1
        return first >= 0 and at_ns - logins[first].at_ns < span_ns

    # The login itself is not among them yet: it would be the next.
    following = len(logins)
    return reached(following, at_ns) and not (following > 0 and reached(following - 1, logins[-1].at_ns))


@rule(
    "identify-budget",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Resume instead of identifying, and find out what makes the bot start over so often.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def identify_budget(now: Situation) -> Iterator[Noticed]:
    """A bot has used most of its logins for the day.

    After the last one, all sessions end and the token is reset. How many are left is told by the answer to GET
    /gateway/bot, where it was recorded; else only the logins in this recording are counted.
    """
    identify = now.expect(Identify)
    # Users' clients may log in as often as they like.
    if identify.token is None or is_lost(identify.token) or identify.capabilities is not None:
        return
    total, left = total_of(now, identify.token), left_of(now, identify.token)
    if left is not None:
        yield from _low(now, left, total, identify.token)
        return
    same = now.world.logins.of(identify.token)
    for bound, severity in ((total, Severity.ERROR), (total - total // LOW, Severity.WARN)):
        if bound > 1 and _crosses(same, now.at_ns, bound, DAY_NS):
            yield Noticed(
                f"This is number {bound:,} of the {total:,} logins of 24 hours; the first was "
                f"{roughly(now.at_ns - same[-bound + 1].at_ns)} ago.",
                (same[-bound + 1].n,),
                severity,
            )


def _low(now: Situation, left: int, total: int, token: str) -> Iterator[Noticed]:
    """Warn of the Identify that makes the starts that are left few, or uses the last one; each is told once.

    `left`: before it.
    """
    same = now.world.logins.of(token)
    after = max(left - 1, 0)
    if left <= 1 and (left or not same):
        which = "the last of" if left else "one more than"
        yield Noticed(f"This is {which} the {total:,} logins of 24 hours. {left_said(now, token)}", (), Severity.ERROR)
    elif is_low(after, total) and (not is_low(left, total) or not same):
        few = f"After this one, {after:,} of {total:,} session starts are left."
        yield Noticed(f"{few} {left_said(now, token)}")


@rule(
    "identify-spacing",
    Severity.INFO,
    sends(GATEWAY, GatewayOp.IDENTIFY),
    remedy="Start shards in buckets of max_concurrency (GET /gateway/bot says how many), five seconds apart.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def identify_spacing(now: Situation) -> Iterator[Noticed]:
    """One account logged in twice within five seconds, which needs a max_concurrency above 1.

    Where that is known, from --max-concurrency or Discord's answer to GET /gateway/bot, only shards of one bucket
    count: those with the same remainder.
    """
    identify = now.expect(Identify)
    allowed = max_concurrency_of(now, identify.token)
    same = now.world.logins.of(identify.token)
    # On one connection that is for identify-twice and Invalid Session to tell. Of a whole row the first is told.
    if identify.token is None or not same or same[-1].connection == now.connection.id:
        return
    if allowed is not None:
        lately = takewhile(lambda login: now.at_ns - login.at_ns < 2 * SPACING_NS, reversed(same))
        same = [login for login in lately if bucket(login.shard, allowed) == bucket(identify.shard, allowed)][::-1]
    if _crosses(same, now.at_ns, 2, SPACING_NS):
        who = "A client" if identify.shard is None else f"Shard {identify.shard[0]} of {identify.shard[1]}"
        again = "after its last time" if same[-1].shard == identify.shard else "after another"
        text = f"{who} identifies {roughly(now.at_ns - same[-1].at_ns)} {again}."
        if allowed is not None and allowed > 1:
            text += f" Both are in bucket {bucket(identify.shard, allowed)} (shard % {allowed})."
        yield Noticed(text, (same[-1].n,), None if allowed is None else Severity.WARN)


def bucket(shard: tuple[int, int] | None, max_concurrency: int) -> int:
    """Return which shards a shard takes turns with.

    Source: https://docs.discord.com/developers/events/gateway#sharding-max-concurrency
    """
    return (shard[0] if shard else 0) % max_concurrency


@rule(
    "no-identify",
    Severity.WARN,
    silence(GATEWAY),
    remedy="Send Identify or Resume after Hello.",
    source=("official-gateway",),
)
def no_identify(now: Situation) -> Iterator[Noticed]:
    """The client connected but sent neither Identify nor Resume."""
    connection = now.connection
    hello = connection.hello
    if hello is None or connection.identify is not None or connection.resume is not None or not connection.is_whole:
        return
    if not isinstance(now.said, Identify | Resume) and now.passed(hello.at_ns + 30 * SECOND):
        yield Noticed(f"{roughly(now.at_ns - hello.at_ns)} after Hello there is no Identify and no Resume.", (hello.n,))


@rule(
    "login-slow",
    Severity.INFO,
    silence(GATEWAY),
    dispatches("READY", "RESUMED"),
    remedy="Check Discord's status page; the client cannot make this faster.",
    source=("derived",),
    needs=Knows.TIMES,
)
def login_slow(now: Situation) -> Iterator[Noticed]:
    """The server is slow to answer an Identify or a Resume."""
    connection, asked, refused = now.connection, now.connection.asked, now.connection.main.refused
    if asked is None or connection.accepted is not None or refused is not None or not connection.is_whole:
        return
    if now.event.event in ("READY", "RESUMED"):
        if now.at_ns - asked.at_ns >= SLOW_NS:
            name = "Resume" if isinstance(asked, Resume) else "Identify"
            came = f"{now.event.event} came {roughly(now.at_ns - asked.at_ns)} after the {name}."
            yield Noticed(f"{came}{_longest(now)}", (asked.n,))
        return
    if isinstance(now.said, Refused):
        return
    if now.passed(asked.at_ns + SLOW_NS):
        yield Noticed(
            f"No READY, RESUMED or Invalid Session came within {roughly(now.at_ns - asked.at_ns)}.", (asked.n,)
        )


def _longest(now: Situation) -> str:
    """Say what the server itself spent most of that time on, where it does."""
    hop = slowest(hops_of(now.d))
    if hop is None:
        return ""
    caller = f" (called by {hop.caller})" if hop.caller else ""
    return f" By the server's own account {hop.name}{caller} took longest: {roughly(hop.own_ns)}."

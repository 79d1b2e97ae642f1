"""Rules about the heartbeats of the main gateway and the voice gateway.

Source of the limits: https://docs.discord.com/developers/events/gateway#sending-heartbeats
"""

from collections.abc import Iterator
from itertools import islice

from inspector.diagnose.rule import SECOND, Noticed, Situation, closes, receives, rule, sends, silence
from inspector.model import Knows, Plane, Severity
from inspector.protocol.ops import HEARTBEATS, GatewayOp, VoiceOp
from inspector.session.messages import Beat
from inspector.words import counted, roughly

GATEWAY, VOICE = Plane.GATEWAY, Plane.VOICE
# How much later than the interval a heartbeat may come: timers and networks are not exact.
SLACK = 1.1
# Below this much, a time is too short to be measured from outside.
GRAIN_NS = 250_000_000
# Time within which a heartbeat that the server asks for should come.
PROMPT_NS = 5 * SECOND
# Sequence numbers that may be on their way while a heartbeat is.
IN_FLIGHT = 50


def allowed_ns(interval_ns: int) -> int:
    """Return the longest time between two heartbeats that passes for punctual."""
    return int(interval_ns * SLACK) + GRAIN_NS


@rule(
    "heartbeat-late",
    Severity.WARN,
    sends(GATEWAY, *HEARTBEATS),
    sends(VOICE, VoiceOp.HEARTBEAT),
    remedy="Send heartbeats from a task or thread that nothing can block, and move slow work (files, databases, "
    "computing) off the event loop.",
    source=("official-gateway", "community-gateway"),
    needs=Knows.TIMES,
)
def heartbeat_late(now: Situation) -> Iterator[Noticed]:
    """A heartbeat came later than the interval allows.

    A server that does not hear from a client closes the connection with 4009, and the session is over.
    """
    connection, beats = now.connection, now.connection.heartbeats
    last = beats.last
    if last is None or not connection.interval_ns or not connection.is_whole:
        return
    gap = now.at_ns - last.at_ns
    if gap <= allowed_ns(connection.interval_ns):
        return
    if beats.received_since > 0:
        meanwhile = (
            f"{counted(beats.received_since, 'message')} came from the server meanwhile, so the network was fine "
            "and the client was blocked"
        )
    else:
        meanwhile = "nothing came from the server meanwhile either, so the network may have been the cause"
    yield Noticed(
        f"This heartbeat came {roughly(gap)} after the one before; the interval is {roughly(connection.interval_ns)}. "
        f"{meanwhile[0].upper()}{meanwhile[1:]}.",
        (last.n,),
    )


@rule(
    "heartbeat-overdue",
    Severity.WARN,
    silence(GATEWAY, VOICE),
    remedy="Look at what the client was doing just before: something blocks its event loop.",
    source=("official-gateway",),
)
def heartbeat_overdue(now: Situation) -> Iterator[Noticed]:
    """A heartbeat is overdue.

    After twice the interval the server may close the connection at any moment.
    """
    connection, last = now.connection, now.connection.heartbeats.last
    if last is None or not connection.interval_ns or not connection.is_whole or isinstance(now.said, Beat):
        return
    if now.passed(last.at_ns + 2 * allowed_ns(connection.interval_ns)):
        since = roughly(now.at_ns - last.at_ns)
        yield Noticed(
            f"No heartbeat for {since}; the interval is {roughly(connection.interval_ns)}. "
            f"{counted(max(connection.heartbeats.received_since, 0), 'message')} came from the server meanwhile.",
            (last.n,),
        )


@rule(
    "heartbeat-never-began",
    Severity.ERROR,
    silence(GATEWAY, VOICE),
    remedy="Start sending heartbeats when Hello arrives; do not wait for READY.",
    source=("official-gateway",),
)
def heartbeat_never_began(now: Situation) -> Iterator[Noticed]:
    """The client never started to send heartbeats.

    The first is due within one interval after Hello; without heartbeats the server closes the connection.
    """
    connection, hello = now.connection, now.connection.hello
    if hello is None or connection.heartbeats.count or not connection.interval_ns or not connection.is_whole:
        return
    if isinstance(now.said, Beat):
        return
    if now.passed(hello.at_ns + 2 * allowed_ns(connection.interval_ns)):
        yield Noticed(
            f"No heartbeat came within {roughly(now.at_ns - hello.at_ns)} of Hello; the interval is "
            f"{roughly(connection.interval_ns)}.",
            (hello.n,),
        )


@rule(
    "first-heartbeat-late",
    Severity.WARN,
    sends(GATEWAY, *HEARTBEATS),
    remedy="Send the first heartbeat after the interval times a random number between 0 and 1.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def first_heartbeat_late(now: Situation) -> Iterator[Noticed]:
    """The first heartbeat came later than one interval after Hello."""
    connection, hello = now.connection, now.connection.hello
    if connection.heartbeats.count or hello is None or not connection.interval_ns or not connection.is_whole:
        return
    gap = now.at_ns - hello.at_ns
    if gap > allowed_ns(connection.interval_ns):
        yield Noticed(
            f"The first heartbeat came {roughly(gap)} after Hello; the interval is {roughly(connection.interval_ns)}.",
            (hello.n,),
        )


@rule(
    "first-heartbeat-unjittered",
    Severity.INFO,
    sends(GATEWAY, *HEARTBEATS),
    remedy="Wait for the interval times a random number between 0 and 1 before the first heartbeat.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def first_heartbeat_unjittered(now: Situation) -> Iterator[Noticed]:
    """The first heartbeat came after exactly one interval, without jitter.

    After a gateway restart, all clients without jitter send their heartbeats at the same moment.
    """
    connection, hello = now.connection, now.connection.hello
    if connection.heartbeats.count or hello is None or connection.interval_ns < 20 * GRAIN_NS:
        return
    if abs(now.at_ns - hello.at_ns - connection.interval_ns) <= GRAIN_NS:
        yield Noticed(
            f"The first heartbeat came {roughly(now.at_ns - hello.at_ns)} after Hello, which is the whole interval.",
            (hello.n,),
        )


@rule(
    "heartbeat-ack-missing",
    Severity.ERROR,
    sends(GATEWAY, *HEARTBEATS),
    remedy="When a heartbeat is due while the one before has no ACK, close with a code other than 1000 and 1001, and "
    "resume.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def heartbeat_ack_missing(now: Situation) -> Iterator[Noticed]:
    """The client kept using a connection on which a heartbeat got no ACK: a zombie connection.

    Such a connection may never deliver anything again.
    """
    connection, beats = now.connection, now.connection.heartbeats
    if not connection.is_whole or not beats.pending or not connection.interval_ns:
        return
    oldest, last = beats.pending[0], beats.last
    due_ns = oldest.at_ns + int(connection.interval_ns * 0.9)
    # One beat more than is due, as when the server asked for it, is no sign of anything; and it is said once.
    if now.at_ns >= due_ns and (last is None or last.at_ns < due_ns):
        yield Noticed(
            f"{counted(len(beats.pending), 'heartbeat')} before this one got no ACK; the oldest was sent "
            f"{roughly(now.at_ns - oldest.at_ns)} ago. The client sent another instead of closing.",
            tuple(beat.n for beat in beats.pending),
        )


@rule(
    "zombie-closed",
    Severity.INFO,
    closes(GATEWAY),
    remedy="Nothing, if it is rare. If it happens at regular intervals, look for something that cuts idle connections.",
    source=("official-gateway",),
)
def zombie_closed(now: Situation) -> Iterator[Noticed]:
    """The client closed a connection on which its heartbeat got no ACK, as it should."""
    connection, closed = now.connection, now.event.closed
    if closed is None or closed.by != "client" or not connection.heartbeats.pending or not connection.interval_ns:
        return
    if not connection.is_whole:
        return
    oldest = connection.heartbeats.pending[0]
    waited = now.at_ns - oldest.at_ns
    if waited >= int(connection.interval_ns * 0.9):
        yield Noticed(
            f"The client closed with {closed.code}, {roughly(waited)} after a heartbeat that got no ACK.",
            (oldest.n,),
            Severity.WARN if closed.code in (1000, 1001) else None,
        )


@rule(
    "heartbeat-request-unanswered",
    Severity.WARN,
    silence(GATEWAY, VOICE),
    remedy="Answer a Heartbeat from the server with a Heartbeat immediately, regardless of the timer.",
    source=("official-gateway",),
)
def heartbeat_request_unanswered(now: Situation) -> Iterator[Noticed]:
    """The server asked for a heartbeat, and none came within a few seconds."""
    asked = now.connection.heartbeats.asked
    if asked is None or not now.connection.is_whole:
        return
    if now.passed(asked.at_ns + PROMPT_NS):
        yield Noticed(
            f"The server asked for a heartbeat, and {roughly(now.at_ns - asked.at_ns)} later none had come.", (asked.n,)
        )


@rule(
    "heartbeat-request-acknowledged",
    Severity.WARN,
    sends(GATEWAY, GatewayOp.HEARTBEAT_ACK),
    remedy="Answer the server's Heartbeat with a Heartbeat (op 1); only the server sends Heartbeat ACK.",
    source=("official-gateway",),
)
def heartbeat_request_acknowledged(now: Situation) -> Iterator[Noticed]:
    """The client sent a Heartbeat ACK, which only the server may send."""
    asked = now.connection.heartbeats.asked
    yield Noticed("The client answered with a Heartbeat ACK instead of a Heartbeat.", (asked.n if asked else None,))


@rule(
    "heartbeat-seq-wrong",
    Severity.WARN,
    sends(GATEWAY, *HEARTBEATS),
    remedy="Send the highest s received in this session, and null only before the first dispatch.",
    source=("official-gateway",),
    needs=Knows.TIMES,
)
def heartbeat_seq_wrong(now: Situation) -> Iterator[Noticed]:
    """A heartbeat carried a sequence number that does not fit what the server sent."""
    connection, beat = now.connection, now.expect(Beat)
    session, last = now.session, connection.heartbeats.last
    known = connection.sequence.last if session is None else session.seq
    if known is None or not connection.is_whole or connection.accepted is None:
        return
    if session is not None and not now.world.was_read(session):
        return
    if beat.seq is None:
        if now.at_ns - connection.accepted.at_ns > SECOND:
            yield Noticed(f"The heartbeat has no sequence number, although the server has counted up to {known:,}.")
    elif beat.seq > known:
        yield Noticed(f"The heartbeat claims sequence number {beat.seq:,}; the server has counted up to {known:,}.")
    elif known - beat.seq > IN_FLIGHT and last is not None and beat.seq == last.seq:
        yield Noticed(
            f"The heartbeat repeats sequence number {beat.seq:,}; the server has counted up to {known:,} by now.",
            (last.n,),
        )


@rule(
    "heartbeat-flood",
    Severity.WARN,
    sends(GATEWAY, *HEARTBEATS),
    remedy="Use one timer per connection, and stop it when the connection ends.",
    source=("official-gateway", "community-gateway"),
    needs=Knows.TIMES,
)
def heartbeat_flood(now: Situation) -> Iterator[Noticed]:
    """Heartbeats come far more often than the interval asks for.

    They count towards the 120 messages a minute; two timers on one connection are the usual cause.
    """
    connection = now.connection
    if connection.interval_ns < 20 * GRAIN_NS:
        return
    bound = 3 * (60 * SECOND // connection.interval_ns + 2)
    beats = list(islice((sent for sent in connection.sends if sent.op in HEARTBEATS), bound + 1))
    # Said once, when the bound is reached.
    if len(beats) == bound:
        yield Noticed(
            f"{len(beats) + 1} heartbeats within {roughly(now.at_ns - beats[0].at_ns)}; the interval is "
            f"{roughly(connection.interval_ns)}.",
            tuple(sent.n for sent in beats),
        )


@rule(
    "ack-without-heartbeat",
    Severity.INFO,
    receives(GATEWAY, GatewayOp.HEARTBEAT_ACK),
    remedy="Nothing, unless the server is yours: send one ACK per heartbeat.",
    source=("official-gateway",),
)
def ack_without_heartbeat(now: Situation) -> Iterator[Noticed]:
    """The server sent an ACK that no heartbeat was waiting for."""
    if not now.connection.heartbeats.pending and now.connection.is_whole:
        yield Noticed("No heartbeat was waiting for this ACK.")

"""Rules about the numbers that events of the main gateway have, and about what a resume sends again.

Contiguous numbers are promised nowhere, so a gap is a note and no more.
"""

from collections.abc import Iterator

from inspector.diagnose.rule import Noticed, Situation, dispatches, rule
from inspector.model import Severity
from inspector.session.plan import Odd
from inspector.words import counted

# Gaps that are told of one connection.
MOST_GAPS = 5


@rule(
    "seq-gap",
    Severity.INFO,
    dispatches(odd=Odd.OUT_OF_ORDER),
    remedy="Nothing in itself. If the client misses events, compare what it received with the recording.",
    source=("derived",),
)
def seq_gap(now: Situation) -> Iterator[Noticed]:
    """Sequence numbers are skipped."""
    connection, numbers, seq = now.connection, now.connection.sequence, now.event.seq
    if seq is None or now.event.event == "READY" or not connection.is_whole:
        return
    known = numbers.last
    session = now.session
    # Where numbers come out of order, it may have come before.
    if numbers.disorders and session is not None and (session.seq or 0) >= seq - 1:
        return
    # What is missing at the beginning of a resume is for `resume_lost_events` to say.
    if known is not None and seq > known + 1 and numbers.gaps < MOST_GAPS:
        skipped = seq - known - 1
        those = f"{known + 1:,} is skipped" if skipped == 1 else f"{counted(skipped, 'number')} are skipped"
        last = " Further gaps on this connection are counted, not listed." if numbers.gaps == MOST_GAPS - 1 else ""
        yield Noticed(f"The numbers go from {known:,} to {seq:,}: {those}.{last}")


@rule(
    "seq-not-rising",
    Severity.WARN,
    dispatches(odd=Odd.OUT_OF_ORDER),
    remedy="Unless the server is yours, two sessions were recorded as one connection, or messages are out of order.",
    source=("derived",),
)
def seq_not_rising(now: Situation) -> Iterator[Noticed]:
    """A sequence number repeats or goes backwards.

    During a resume that is normal: events are sent again with their old numbers.
    """
    connection, numbers, seq = now.connection, now.connection.sequence, now.event.seq
    if seq is None or numbers.last is None or now.event.event == "READY" or connection.is_replaying:
        return
    # Numbers start over with a READY, and that may be what could not be read.
    if not connection.is_whole:
        return
    if seq <= numbers.last and not numbers.disorders:
        what = "comes again" if seq == numbers.last else f"follows {numbers.last:,}"
        yield Noticed(f"Number {seq:,} {what}. Further cases on this connection are counted, not listed.")


@rule(
    "seq-missing",
    Severity.INFO,
    dispatches(odd=Odd.OUT_OF_ORDER),
    remedy="If the server is yours, number every dispatch, starting with 1 for READY.",
    source=("official-events",),
)
def seq_missing(now: Situation) -> Iterator[Noticed]:
    """An event has no sequence number, so a resume cannot start after it."""
    if now.event.seq is None and not now.connection.sequence.unnumbered:
        yield Noticed("The dispatch has no s. Further cases on this connection are counted, not listed.")


@rule(
    "resume-lost-events",
    Severity.WARN,
    dispatches("RESUMED"),
    remedy="Fetch what matters again over HTTP: members, messages, guild state.",
    source=("derived",),
)
def resume_lost_events(now: Situation) -> Iterator[Noticed]:
    """A resume was accepted, but the server did not send everything that was missed.

    The first number after a resume should follow the one that Resume named.
    """
    connection, resume = now.connection, now.connection.resume
    if resume is None or resume.seq is None or not connection.is_whole:
        return
    first = connection.sequence.first if connection.sequence.first is not None else now.event.seq
    if first is None:
        session = now.session
        if session is not None and session.seq is not None and session.seq > resume.seq:
            yield Noticed(
                f"Resume asked for what follows {resume.seq:,}, and nothing came before RESUMED, although the server "
                f"had counted up to {session.seq:,}.",
                (resume.n,),
            )
    elif first > resume.seq + 1:
        yield Noticed(
            f"Resume asked for what follows {resume.seq:,}, and the first number that came is {first:,}: "
            f"{counted(first - resume.seq - 1, 'number')} in between did not come again.",
            (resume.n,),
        )


@rule(
    "event-before-ready",
    Severity.INFO,
    dispatches(odd=Odd.EARLY),
    remedy="If the server is yours, send READY first.",
    source=("official-gateway",),
)
def event_before_ready(now: Situation) -> Iterator[Noticed]:
    """An event came before READY on a connection that does not resume."""
    connection, numbers = now.connection, now.connection.sequence
    if connection.accepted is not None or connection.resume is not None or numbers.last is not None:
        return
    if numbers.unnumbered:
        return
    if now.event.event not in ("READY", "RESUMED") and connection.is_whole:
        yield Noticed("The first event of the connection is not READY.")


@rule(
    "event-outside-shard",
    Severity.WARN,
    dispatches(odd=Odd.STRAY),
    remedy="Check the shard in Identify: with a wrong count, guilds arrive twice or not at all.",
    source=("official-gateway",),
)
def event_outside_shard(now: Situation) -> Iterator[Noticed]:
    """A guild's event came to a shard that the guild does not belong to."""
    connection, guild = now.connection, now.event.guild_id
    shard = connection.main.shard_pair
    if guild is not None and shard is not None:
        yield Noticed(
            f"Guild {guild} belongs to shard {(guild >> 22) % shard[1]} of {shard[1]}, and this is shard {shard[0]}. "
            "Further cases on this connection are counted, not listed.",
            (connection.identify.n if connection.identify else None,),
        )

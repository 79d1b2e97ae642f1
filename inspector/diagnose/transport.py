"""Rules about how messages crossed the wire, whatever they say."""

from collections.abc import Iterator

from inspector.diagnose.rule import Noticed, Situation, Trigger, opens, payloads, rule
from inspector.inert import inert
from inspector.model import REACHED_AT, Kind, Mark, Plane, Severity
from inspector.session.plan import Odd
from inspector.session.redact import mask_reason

# Characters of a refusal; those of servers that talk more are cut.
MAX_REFUSAL = 2000

_BY_PROXY = Mark.INJECTED | Mark.DROPPED | Mark.CHANGED


@rule(
    "undecodable",
    Severity.ERROR,
    (Trigger(None, Kind.UNDECODED),),
    remedy="Look at the bytes in the Wire tab. If a whole stream is lost, record again, from before it opens.",
    source=("derived",),
)
def undecodable(now: Situation) -> Iterator[Noticed]:
    """A message could not be decoded."""
    undecoded = now.event.undecoded
    if undecoded is not None:
        yield Noticed(f"This could not be decoded: {inert(undecoded.text[:300])}.")


@rule(
    "connection-refused",
    Severity.ERROR,
    opens(),
    remedy="Look at the status: 403 and 429 come from Discord's edge, 5xx from a server that is down. Where TLS with "
    "the client failed, make it trust the proxy's certificate; where TLS with the server failed, look at the server's.",
    source=("derived",),
)
def connection_refused(now: Situation) -> Iterator[Noticed]:
    """No connection was made: the upgrade was refused, or the handshake failed before it."""
    opened = now.event.opened
    if opened is not None and opened.refusal is not None:
        answered = "the server answered " if opened.status is not None else ""
        yield Noticed(
            f"There is no WebSocket: {answered}{inert(mask_reason(opened.refusal)[:MAX_REFUSAL]).rstrip('.')}."
        )


@rule(
    "changed-by-proxy",
    Severity.WARN,
    payloads(odd=Odd.MARKED),
    (Trigger(None, Kind.UNDECODED),),
    remedy="Load gwinspect before other addons, and remember that both ends saw different things.",
    source=("derived",),
)
def changed_by_proxy(now: Situation) -> Iterator[Noticed]:
    """The proxy injected, changed or dropped a message."""
    marks, reached_at = now.event.marks & _BY_PROXY, now.connection.opened.headers.get(REACHED_AT)
    if marks == Mark.CHANGED and reached_at is not None and now.event.event == "READY":
        yield Noticed(
            f"resume_gateway_url was rewritten to {inert(reached_at[:100])}: the session stays behind the proxy.",
            severity=Severity.INFO,
        )
    elif marks:
        yield Noticed(said_of(now.event.marks))


def said_of(marks: Mark) -> str:
    """Say what the proxy did to a message."""
    words = [str(mark.name).lower() for mark in Mark if mark & marks & _BY_PROXY]
    return f"The proxy did something to this message: {', '.join(words)}."


@rule(
    "joined-late",
    Severity.INFO,
    opens(),
    remedy="Start recording before the client connects: sequence numbers, intents and heartbeats are then complete.",
    source=("derived",),
)
def joined_late(now: Situation) -> Iterator[Noticed]:
    """The recording starts in the middle of a connection, so rules that need its beginning stay silent."""
    opened = now.event.opened
    if opened is not None and opened.joined_late and opened.refusal is None and opened.plane is not Plane.RPC:
        yield Noticed("The recording starts in the middle of this connection; what came before is unknown.")

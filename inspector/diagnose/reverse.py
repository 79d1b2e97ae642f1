"""Rules about mitmproxy's reverse mode: its clients know the proxy as their server, until READY names another."""

from collections.abc import Iterator

from inspector.diagnose.rule import Noticed, Situation, closes, dispatches, rule
from inspector.diagnose.words import quoted
from inspector.model import REACHED_AT, Mark, Plane, Severity
from inspector.protocol.hosts import address_of
from inspector.session.messages import Ready
from inspector.session.tracker import SESSION_ENDING_CODES

_REMEDY = (
    "Remove --no-rewrite, so that gwinspect tells the client to resume at the proxy. Or use a mode that does not "
    "depend on READY: an HTTP proxy, --mode local or --mode wireguard."
)


@rule(
    "resume-past-proxy",
    Severity.WARN,
    dispatches("READY"),
    remedy=_REMEDY,
    source=("derived", "official-gateway"),
)
def resume_past_proxy(now: Situation) -> Iterator[Noticed]:
    """In reverse mode, READY sends the client past the proxy for a resume.

    The client connects to the proxy only because that is its configured address. READY names another host to resume
    at, and from then on the session is not recorded.
    """
    if isinstance(now.said, Ready) and not now.event.marks & Mark.CHANGED:
        host = address_of(now.said.resume_url or "")
        if _is_elsewhere(now, host):
            yield Noticed(f"A resume will go to {quoted(host)}, past this proxy: READY tells the client so.")


@rule(
    "session-left-proxy",
    Severity.INFO,
    closes(Plane.GATEWAY),
    remedy=_REMEDY,
    source=("derived", "official-gateway"),
)
def session_left_proxy(now: Situation) -> Iterator[Noticed]:
    """In reverse mode, a session probably continued past the proxy.

    Its connection ended, it could be resumed, and READY named a host that the client reaches without the proxy.
    """
    session, closed = now.session, now.event.closed
    if session is None or closed is None or session.stays or session.destroyed is not None or session.ready is None:
        return
    row = None if closed.code is None else now.registry.close_code(Plane.GATEWAY, closed.code)
    ends = closed.by == "client" and closed.code in SESSION_ENDING_CODES
    if ends or (row is not None and row.sent_by(closed.by).resume is False):
        return
    if _is_elsewhere(now, session.resume_host):
        yield Noticed(
            f"If this session continues, it has probably left: READY told the client to resume at "
            f"{quoted(session.resume_host or '')}, past this proxy.",
            (session.ready.n,),
        )


def _is_elsewhere(now: Situation, host: str | None) -> bool:
    """Return whether a host is not the listener of reverse mode that the client came to; False in other modes."""
    reached_at = now.connection.opened.headers.get(REACHED_AT)
    return reached_at is not None and bool(host) and host != address_of(reached_at)

"""What followed a close: what the client did next, whether that was right, and what came to light a moment later."""

from collections.abc import Callable
from dataclasses import replace

from inspector.diagnose.cause import CLIENT_RESUMES_NS, RESUMABLE_NS, left_on_its_own
from inspector.diagnose.closes_voice import GO_ON, OVER, call_of, server_id_of
from inspector.diagnose.rule import SECOND, Situation, bounded
from inspector.model import Knows, Plane, Verdict
from inspector.session.messages import Identify, Resume, VoiceServer, VoiceState
from inspector.session.redact import is_lost
from inspector.session.state import Connection
from inspector.session.tracker import GONE, concerns
from inspector.session.world import Ending
from inspector.words import listed, roughly

# Sooner than this after a rate limit is too soon.
PAUSE_NS = 30 * SECOND

_VOICE_NEW_SESSION = frozenset({4004, 4006, 4009, 4011})
"""Voice codes after which only the main gateway can give what is needed to come back."""
_UNWANTED = frozenset({4014, 4022})
"""Voice codes that take a client out of its call."""
# Codes that say the same whoever closed: there was no close frame, or no code in it.
_OF_NEITHER = (1005, 1006)
OTHER_SHARD = frozenset({4010, 4011})
"""Codes after which the same client had better call itself another shard."""


def afterwards(now: Situation, verdict: Verdict, connection: Connection, ending: Ending) -> Verdict | None:
    """Return `verdict` with what the client did next.

    `now.said` is the Identify or Resume of the client's next connection; `connection` is the one that was closed, and
    `ending` says how. None where the row says nothing of it.
    """
    said = now.said
    if not isinstance(said, Identify | Resume):
        return None
    elapsed = max(now.at_ns - ending.at_ns, 0)
    how = "resumed" if isinstance(said, Resume) else "started a new session"
    then = f"{how} {roughly(elapsed)} later" if _is_timed(now, connection) else how
    if verdict.reconnect is False:
        right, more = _after_the_end(now, said, connection, ending, elapsed)
    elif isinstance(said, Resume):
        right, more = _resumed(verdict, said, connection)
    else:
        right, more = _identified(now, verdict, said, connection, ending)
    if connection.missing or now.connection.missing:
        right, more = None, ["messages are missing in between"]
    elif not connection.is_whole and right is not None:
        right, more = None, ["not everything before it could be read"]
    elif ending.closed.code is None or (ending.closed.by is None and ending.closed.code not in _OF_NEITHER):
        right, more = None, []
    if elapsed > RESUMABLE_NS and right is not True:
        # It may be another run of the program, with other settings.
        right, more = None, [*more, "very late"]
    is_main = now.event.plane is Plane.GATEWAY
    if elapsed > CLIENT_RESUMES_NS and verdict.resume and is_main and _is_timed(now, connection):
        right, more = _as_discord_does(said, right, more)
    told = "".join(f", {each}" if each.startswith("although") else f"; {each}" for each in more)
    return replace(verdict, right=right, then=f"It {then}{told}.", then_event=now.event.n)


def _is_timed(now: Situation, connection: Connection) -> bool:
    return not (connection.lacks | now.connection.lacks) & Knows.TIMES.value


def _as_discord_does(said: Identify | Resume, right: bool | None, more: list[str]) -> tuple[bool | None, list[str]]:
    """Return what to say of a client that comes back when Discord's own would no longer resume."""
    if isinstance(said, Resume):
        return right, [*more, "Discord's own client starts a new session after 3 min without an ACK"]
    # No one can be wrong who does what that does.
    return None, [*more, "Discord's own client does the same after 3 min without an ACK"]


def answered(now: Situation, verdict: Verdict, accepted: bool) -> Verdict:
    """Return `verdict` with what the server said to the Resume that followed the close."""
    said = "the server accepted it" if accepted else "the server refused it (op 9)"
    verdict = replace(verdict, then=f"{verdict.then.removesuffix('.')}; {said}.")
    if not accepted:
        return verdict
    if verdict.resume is False:
        # Whatever the code usually means: the session was there.
        verdict = replace(
            verdict, advice="The resume worked, so the session continues. Fix what led to the close.", right=None
        )
    return replace(verdict, reconnect=True, resume=True)


def succeeds(now: Situation, connection: Connection, ending: Ending) -> bool:
    """Return whether a client that names another shard is the one whose shard was refused."""
    said = now.said
    return (
        isinstance(said, Identify)
        and now.event.plane is Plane.GATEWAY is connection.plane
        and ending.closed.code in OTHER_SHARD
        and connection.identify is not None
        and said.token is not None
        and connection.identify.token == said.token
        and connection.id != now.connection.id
    )


def amended(now: Situation, verdict: Verdict, connection: Connection, ending: Ending) -> Verdict | None:
    """Return `verdict` with what the main gateway says of a voice connection that it closed a moment ago.

    None where the row has nothing to do with it.
    """
    server_id = server_id_of(connection)
    call = call_of(now.world, connection)
    if server_id is None or connection.plane is not Plane.VOICE:
        return None
    if now.world.last_of.get(connection.identity or "") != connection.id:
        # The client has another connection to that call by now: whatever comes is about that one.
        return None
    asked_anew = call is not None and call.asked is not None and call.asked.n > ending.n
    said, text, advice, reconnect = now.said, "", verdict.advice, verdict.reconnect
    if isinstance(said, VoiceState):
        own = now.session is not None and said.user_id is not None and said.user_id == now.session.user_id
        if not own or asked_anew or call is None or said.server_id not in (server_id, None):
            return None
        if said.channel is None and (said.server_id == server_id or said.session == call.session):
            text, advice = "the account was out of the channel (VOICE_STATE_UPDATE with channel null)", OVER
        elif said.channel is not None and said.channel != call.channel:
            text = "the account was in another channel (VOICE_STATE_UPDATE): it had been moved"
    elif isinstance(said, VoiceServer):
        if said.server_id != server_id or asked_anew:
            return None
        if said.endpoint is None:
            text = "VOICE_SERVER_UPDATE said that the voice server had gone away"
        else:
            text = "VOICE_SERVER_UPDATE named where to connect"
            if ending.closed.code in _UNWANTED:
                advice, reconnect = GO_ON, True
    elif now.event.event in GONE and call is not None and concerns(now.event, call):
        text, advice = f"{now.event.event} came: what the call was in is gone", OVER
    if not text or text in verdict.cause:
        return None
    if advice is OVER and ending.closed.code not in _UNWANTED:
        advice = verdict.advice
    # What the table called usual is no longer needed where it is known.
    cause = verdict.cause.partition(" The usual cause: ")[0]
    cause = f"{cause} {roughly(max(now.at_ns - ending.at_ns, 0))} later, {text}."
    evidence = bounded((*verdict.evidence, now.event.n), verdict.event)
    return replace(verdict, cause=cause, evidence=evidence, advice=advice, reconnect=reconnect)


def _after_the_end(
    now: Situation, said: Identify | Resume, connection: Connection, ending: Ending, elapsed: int
) -> tuple[bool | None, list[str]]:
    """After a code that says not to come back."""
    code = ending.closed.code
    if now.event.plane is Plane.VOICE and code in _UNWANTED:
        call = call_of(now.world, connection)
        asked = connection.identify or connection.resume
        if call is not None and call.asked is not None and call.asked.n > ending.n:
            return None, ["joined again with op 4 first"]
        if call is not None and call.server is not None and asked is not None and call.server.n > asked.n:
            return True, ["with a new VOICE_SERVER_UPDATE"]
        return False, ["came back without a new VOICE_SERVER_UPDATE"]
    if now.event.plane is Plane.VOICE and code == 4021:
        return (False, ["without a pause"]) if elapsed < PAUSE_NS else (None, [])
    compare = _REFUSED.get((now.event.plane.value, code or 0))
    if compare is None:
        return None, ["came back although the code says not to reconnect"]
    if isinstance(said, Resume):
        what, same = compare(now, connection, None)
        return (False, [f"came back with {what}"]) if same else (False, ["tried to resume what has ended"])
    what, same = compare(now, connection, said)
    return (False, [f"came back with {what}"]) if same else (True, [f"came back with {what}"])


def _resumed(verdict: Verdict, said: Resume, connection: Connection) -> tuple[bool | None, list[str]]:
    if verdict.resume is False:
        return False, ["although the session counts as over"]
    other = said.session is not None and connection.session is not None and said.session != connection.session
    if other and not is_lost(said.session):
        return (None if verdict.resume is None else False), ["but another session"]
    return verdict.resume, []


def _identified(
    now: Situation, verdict: Verdict, said: Identify, connection: Connection, ending: Ending
) -> tuple[bool | None, list[str]]:
    closed = ending.closed
    if verdict.resume is None:
        return None, []
    if verdict.resume and closed.told == "client":
        return None, ["the proxy had sent 1000 to the client, after which many clients start over"]
    if verdict.resume and closed.told == "server":
        return None, ["the proxy had sent 1000 to the server, which ends the session there"]
    if verdict.resume and closed.by == "proxy":
        return None, ["the proxy had ended the connection"]
    if verdict.resume:
        if left_on_its_own(connection, closed, ending.at_ns):
            return None, ["a program that was started again has nothing to resume with"]
        return False, ["the old session was still there, so events in between are lost"]
    if now.event.plane is Plane.VOICE and closed.code in _VOICE_NEW_SESSION and connection.identify is not None:
        stale = said.token is not None and said.token == connection.identify.token
        if stale:
            return False, ["came back with the same token, without asking the main gateway for another"]
    return True, []


Compare = Callable[[Situation, Connection, Identify | None], tuple[str, bool]]
"""Says what a client came back with, and whether that is what had been refused. None stands for a Resume."""


def _token(now: Situation, connection: Connection, said: Identify | None) -> tuple[str, bool]:
    back = said.token if said is not None else getattr(now.said, "token", None)
    refused = {asked.token for asked in (connection.identify, connection.resume) if asked is not None}
    return ("the same token", True) if back in refused else ("another token", False)


def _shard(now: Situation, connection: Connection, said: Identify | None) -> tuple[str, bool]:
    if said is None or connection.identify is None or said.shard == connection.identify.shard:
        return "the same shard", True
    return f"shard {list(said.shard)}" if said.shard else "no shard", False


def _version(now: Situation, connection: Connection, said: Identify | None) -> tuple[str, bool]:
    version = now.connection.version
    return ("the same version", True) if version == connection.version else (f"v={version}", False)


def _intents(now: Situation, connection: Connection, said: Identify | None) -> tuple[str, bool]:
    if said is None or connection.identify is None or said.intents == connection.identify.intents:
        return "the same intents", True
    before, after = (asked.intents or 0 for asked in (connection.identify, said))
    gone, _ = now.registry.intents_of(before & ~after)
    without = f" (without {listed(intent.name for intent in gone)})" if gone else ""
    return f"intents {said.intents}{without}", False


def _dave(now: Situation, connection: Connection, said: Identify | None) -> tuple[str, bool]:
    before = connection.identify.dave if connection.identify is not None else None
    if said is None or (said.dave or 0) <= (before or 0):
        return "no newer DAVE", True
    return f"DAVE version {said.dave}", False


_REFUSED: dict[tuple[str, int], Compare] = {
    ("gateway", 4004): _token,
    ("gateway", 4010): _shard,
    ("gateway", 4011): _shard,
    ("gateway", 4012): _version,
    ("gateway", 4013): _intents,
    ("gateway", 4014): _intents,
    ("voice", 4017): _dave,
}
"""What each of the codes that say not to come back took exception to."""

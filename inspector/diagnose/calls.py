"""Rules about voice calls that come to nothing on the way from the main gateway to the first sound.

Source: https://docs.discord.com/developers/topics/voice-connections
"""

from collections.abc import Iterator

from inspector.diagnose.rule import Noticed, Situation, rule, sends, unfollowed
from inspector.diagnose.words import quoted
from inspector.model import Plane, Severity
from inspector.session.state import Connection
from inspector.session.watches import VOICE_CONNECTION, VOICE_SERVER
from inspector.session.world import Call, World
from inspector.words import roughly

MEDIA = Plane.MEDIA
# IP discovery begins with type 1 and length 70, and has 74 bytes; libraries of old sent 70 bytes without the two.
_BEGINS, _SWAPPED, _SIZE, _OLD_SIZE = "00010046", "01004600", 74, 70


@rule(
    "voice-server-lost",
    Severity.WARN,
    unfollowed(VOICE_SERVER),
    remedy="Close the voice connection when endpoint is null, and wait for the next VOICE_SERVER_UPDATE. If none comes "
    "within a minute, leave with op 4 and join again.",
    source=("official-voice", "official-events"),
)
def voice_server_lost(now: Situation) -> Iterator[Noticed]:
    """The voice server went away and none took its place.

    VOICE_SERVER_UPDATE with endpoint null announces another; until that comes the call is silent.
    """
    watch = now.watch
    call = now.world.call(watch.key, now.connection.account) if watch is not None else None
    if watch is None or call is None or call.server is None or call.server.n != watch.n or call.channel is None:
        return
    if call.gone is None and _is_followed(now.world, now.connection):
        yield Noticed(
            f"{roughly(now.at_ns - watch.at_ns)} after this VOICE_SERVER_UPDATE with endpoint null there was no other, "
            f"and the account was still in channel {quoted(call.channel)}."
        )


@rule(
    "voice-never-connected",
    Severity.WARN,
    unfollowed(VOICE_CONNECTION),
    remedy="Connect to the voice server when both VOICE_STATE_UPDATE and VOICE_SERVER_UPDATE have come, whichever is "
    "first.",
    source=("official-voice",),
)
def voice_never_connected(now: Situation) -> Iterator[Noticed]:
    """The main gateway named a voice server, and the client never connected to one.

    It is in the channel without hearing or saying anything.
    """
    watch, world = now.watch, now.world
    call = world.call(watch.key, now.connection.account) if watch is not None else None
    if watch is None or call is None or call.server is None or call.state is None or call.asked is None:
        return
    # Another join, or another word of the server, is waited for in its turn.
    if max(call.server.n, call.state.n) != watch.n or call.asked.n > watch.n or call.channel is None:
        return
    if call.gone is not None or call.endpoint is None or not _is_followed(world, now.connection):
        return
    if _records_voice(world, now.connection, watch.n) and not _has_voice(world, call, call.asked.n):
        order = (
            " VOICE_SERVER_UPDATE came first: the client may wait for the two in the other order."
            if call.server.n < call.state.n
            else ""
        )
        yield Noticed(
            f"{roughly(now.at_ns - watch.at_ns)} after both VOICE_STATE_UPDATE and VOICE_SERVER_UPDATE had come, the "
            f"client had not connected to the voice server.{order}",
            (call.asked.n, min(call.server.n, call.state.n)),
        )


def _is_followed(world: World, main: Connection) -> bool:
    """Return whether all that a main connection has to say of its calls is recorded, up to now."""
    return main.id in world.open and main.is_whole and not world.has_gaps(main.account)


def _records_voice(world: World, main: Connection, row: int) -> bool:
    """Return whether this client's voice connections are recorded: one was before.

    Where they are not, another process may hold them, as with Lavalink, or they go around the proxy.
    """
    host = (main.opened.client or "").rpartition(":")[0]
    return any(
        each.plane is Plane.VOICE
        and 0 < each.opened_row < row
        and (each.opened.client or "").rpartition(":")[0] == host
        for each in world.known()
    )


def _has_voice(world: World, call: Call, asked: int) -> bool:
    """Return whether a call has a voice connection since row `asked`, or may have one."""
    if world.refusals.last_row.get(Plane.VOICE, 0) > asked:
        return True
    return any(
        each.plane is Plane.VOICE
        and (each.asked is None or world.call(each.asked.server_id, each.account) is call)
        and (each.id in world.open or each.last_row > asked)
        for each in world.known()
    )


@rule(
    "media-discovery-malformed",
    Severity.ERROR,
    sends(MEDIA, "unknown"),
    sends(MEDIA, "discovery"),
    remedy="Send 74 bytes, all numbers with the high byte first: type 1, length 70, the SSRC of Ready, then zeros.",
    source=("official-voice",),
)
def media_discovery_malformed(now: Situation) -> Iterator[Noticed]:
    """The client asks for its address in a form that the voice server does not know.

    It gets no answer then, so the call stays without a key and without sound.
    """
    d = now.d if type(now.d) is dict else {}
    if now.event.op == "discovery":
        owner = now.connection.media.owner
        ready = owner.voice.ready if owner is not None else None
        if d.get("type") != "request":
            yield Noticed("This IP discovery is of type 2, which is the server's answer; a request has type 1.")
        elif ready is not None and ready.ssrc is not None and d.get("ssrc") != ready.ssrc:
            yield Noticed(f"This IP discovery is for SSRC {d.get('ssrc')}; Ready gave {ready.ssrc}.", (ready.n,))
        return
    packets, total, begins = d.get("packets"), d.get("bytes"), d.get("begins")
    # After an answer the client has its address, and what is unknown is something else.
    if type(packets) is not int or type(total) is not int or type(begins) is not str or packets < 1:
        return
    if now.connection.phase not in ("opened", "discovering"):
        return
    size = total // packets
    if begins.startswith(_BEGINS):
        yield Noticed(f"This IP discovery has {size} bytes; it must have {_SIZE}.")
    elif begins.startswith(_SWAPPED):
        yield Noticed("The numbers in this IP discovery have the low byte first.")
    elif size == _OLD_SIZE and not begins[8:].strip("0"):
        yield Noticed(f"This looks like old IP discovery: {_OLD_SIZE} bytes, without type and length.")

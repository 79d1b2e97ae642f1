"""What the state of a connection adds to its payloads: ids, pairs with their latency, the session it belongs to.

Time comes with the data; nothing here reads a clock.
"""

from typing import Any

from inspector.model import REACHED_AT, Event, Gap, Knows, Mark, Payload, Plane
from inspector.protocol import snowflake
from inspector.protocol.hosts import address_of
from inspector.protocol.ops import GatewayOp, VoiceOp
from inspector.protocol.registry import Registry
from inspector.session import messages
from inspector.session.guilds import Guilds
from inspector.session.intents import comes_anyway, is_blank
from inspector.session.messages import At, Message
from inspector.session.paces import start_pace
from inspector.session.phases import connection_phase
from inspector.session.plan import MAYBE_BLANK, NEW_FORM, STRAY, UNASKED, Key, Plan, Plans, Step
from inspector.session.redact import is_lost
from inspector.session.state import LOOK_NS, LOOKS, MAX_LOOK_NS, SEND_WINDOW_NS, Connection, Sent, remember
from inspector.session.watches import RETURN, VOICE_CONNECTION, VOICE_SERVER
from inspector.session.world import Call, Ending, Login, Session, World
from inspector.words import counted, roughly

# As numbers: a flag costs more than the question that it answers. What a source may not know:
_TIMES, _BOTH_SIDES = Knows.TIMES.value, Knows.BOTH_SIDES.value

Asked = At | messages.Beat | messages.Identify | messages.Resume | messages.Members | messages.Join | messages.Selected
"""What has answers."""
# Codes with which a client ends its session for good: https://docs.discord.com/developers/events/gateway#disconnecting
SESSION_ENDING_CODES = (1000, 1001)
GONE = ("CHANNEL_DELETE", "GUILD_DELETE", "CALL_DELETE")
"""Events with which a voice call loses its place."""


class Tracker:
    """Follows all connections of one recording. The registry says where an event keeps its ids."""

    def __init__(self, registry: Registry) -> None:
        self.world = World()
        self.plans = Plans(registry, _STEPS)
        self._registry = registry

    def locate(self, plan: Plan, event: Event, d: Any) -> None:
        """Write into `event` what it is about: the ids of its guild, channel and user."""
        if type(d) is dict:
            guild, channel, user = plan.ids
            event.guild_id, event.channel_id, event.user_id = guild(d), channel(d), user(d)

    def opened(self, connection: Connection, event: Event) -> None:
        """Take in a new connection; one that was refused too."""
        connection.opened_row = event.n
        self.world.refusals.take(connection.opened, event)
        if connection.opened.refusal is None:
            self.world.open[connection.id] = connection

    def voice_of(self, connection: Connection, ssrc: int | None) -> Connection | None:
        """Return the voice connection that a media connection belongs to: the one that named its address.

        A proxy may have put another address there, so the SSRC that it was given will do; `ssrc` is a packet's. In
        mitmproxy's files a path of UDP mostly comes after its voice connection has ended.
        """
        if connection.media.owner is None:
            voices = [(each, each.voice.ready) for each in self.world.known() if each.plane is Plane.VOICE]
            by_address = [each for each, ready in voices if ready and ready.media == connection.opened.url]
            by_ssrc = [each for each, ready in voices if ready and ssrc is not None and ready.ssrc == ssrc]
            for voice in reversed(by_address or by_ssrc):
                connection.media.owner, connection.parent = voice, voice.id
                connection.session, connection.account = voice.session, voice.account
                break
        return connection.media.owner

    def receive(self, connection: Connection, event: Event) -> None:
        """Count a payload of the server. All of `follow` that there is for one that is plain and not odd."""
        connection.last_received = At(event.n, event.at_ns)
        connection.last_received_bytes = event.wire_bytes
        connection.heartbeats.received_since += 1
        if event.seq is not None:
            # A voice connection counts for itself, although its session's id may be that of the main one.
            session = self.world.session_of(connection) if event.plane is Plane.GATEWAY else None
            _number(session, connection, event)

    def follow(
        self, plan: Plan, odd: int, connection: Connection, event: Event, payload: Payload, what: Message | None
    ) -> None:
        """Take one payload into the state, and write what it means into `event`.

        `odd`: as `plan.oddities` gave it; `what`: as `plan.read` did.
        """
        if event.from_client:
            _count_send(connection, event, "; ".join(payload.problems))
        else:
            self.receive(connection, event)
            if plan.is_dispatch and event.seq is None:
                connection.sequence.unnumbered = True
        if odd & NEW_FORM:
            self.world.forms.learn(event.event or "", payload.d)
        if odd & (UNASKED | MAYBE_BLANK):
            self._count_contents(odd, connection, event, payload.d)
        if plan.moves:
            sent = bool(event.from_client)
            connection.phase = connection_phase(event.plane, connection.phase, sent, event.op, event.event)
        if odd & STRAY:
            connection.main.strays = True
        if plan.step is not None:
            note = plan.step(self.world, connection, event, what)
            if note is not None:
                event.note = note
        if event.plane is Plane.VOICE:
            encryption = connection.voice.encryption
            note = encryption.take(event, payload.d)
            connection.dave = encryption.words
            if note is not None:
                event.note = note
        if event.event in ("READY", "RESUMED"):
            self._accept(connection, what)

    def _accept(self, connection: Connection, what: Message | None) -> None:
        """Remember whose session was granted, and a bot's intents, which decide which events it gets."""
        session = self.world.session_of(connection)
        if session is None:
            return
        asked = connection.identify
        if isinstance(what, messages.Ready) and what.is_bot and asked is not None and asked.intents is not None:
            session.intents = frozenset(intent.name for intent in self._registry.intents_of(asked.intents)[0])
        connection.main.intents = session.intents
        connection.main.user_id = snowflake.number_of(session.user_id)

    def _count_contents(self, odd: int, connection: Connection, event: Event, d: dict[str, Any]) -> None:
        """Remember events that no intent asks for, and keep count of messages that came without content."""
        session, main = self.world.session_of(connection), connection.main
        if odd & UNASKED and event.event is not None and not comes_anyway(event, session):
            main.outside.add(event.event)
        if odd & MAYBE_BLANK:
            blank = is_blank(event, d, session)
            main.blank_messages += blank is True
            main.has_content = blank is False

    def stumbled(self, connection: Connection, event: Event) -> None:
        """Take in a message that could not be decoded: its sender sent it all the same."""
        if event.from_client and event.undecoded is not None:
            _count_send(connection, event, event.undecoded.text)
        elif not event.from_client and event.plane is Plane.GATEWAY:
            self._forget_calls(connection)

    def late(self, connection: Connection, event: Event) -> None:
        """Take in what came after a close frame: the client may have read it, and resume from there."""
        session = self.world.session_of(connection) if event.plane is Plane.GATEWAY else None
        if session is not None and event.seq is not None and not event.from_client:
            session.seq = max(session.seq or 0, event.seq)

    def skipped(self, connection: Connection, gap: Gap) -> None:
        """Take in that messages are missing; to be called before the rules look at the row that says so."""
        connection.missing += gap.missing
        connection.forget_pending()
        connection.examined_ns = max(connection.examined_ns, gap.at_ns)
        self.world.miss(connection.account)
        self._forget_calls(connection)

    def _forget_calls(self, connection: Connection) -> None:
        """Forget what the server said of calls: there may be news of them that were not recorded, or not read."""
        for key, call in list(self.world.calls.items()):
            if call.main == connection.id:
                del self.world.calls[key]

    def closed(self, connection: Connection, event: Event) -> None:
        """Take in the end of a connection."""
        assert connection.closed is not None
        ending = Ending(event.n, event.at_ns, connection.id, connection.closed)
        self.world.open.pop(connection.id, None)
        self.world.end(connection, ending)
        if event.plane is Plane.GATEWAY and connection.identity is not None:
            self.world.watches.add(RETURN, event)
        session = self.world.session_of(connection)
        if session is None or session.connections[-1] != connection.id:
            return
        session.ending = ending
        if connection.closed.by == "client" and connection.closed.code in SESSION_ENDING_CODES:
            _destroy(session, "destroyed", event)
        else:
            code = connection.closed.code
            row = None if code is None else self._registry.close_code(event.plane, code)
            # Where no one knows who closed, it may have been a client that means to come back.
            if row is not None and connection.closed.by and row.sent_by(connection.closed.by).resume is False:
                _destroy(session, "destroyed", event)
            else:
                session.transition("dropped")


def _count_send(connection: Connection, event: Event, problem: str) -> None:
    sent = Sent(event.n, event.at_ns, event.op, event.wire_bytes, problem[:300])
    connection.last_sent = sent
    sends = connection.sends
    sends.append(sent)
    while sends[0].at_ns <= event.at_ns - SEND_WINDOW_NS:
        sends.popleft()


def _number(session: Session | None, connection: Connection, event: Event) -> None:
    numbers, seq = connection.sequence, event.seq
    known = numbers.last
    assert seq is not None
    # READY counts from the beginning.
    if known is not None and event.event != "READY":
        if seq > known + 1:
            numbers.gaps += 1
        elif seq <= known and not connection.is_replaying:
            numbers.disorders += 1
    numbers.last = seq
    if numbers.first is None:
        numbers.first = seq
    if session is not None and (session.seq is None or seq > session.seq):
        session.seq = seq
        pace = session.paces.get(event.event)  # type: ignore[arg-type]
        if pace is None:
            start_pace(session.paces, event, seq)
        else:
            at_ns = event.at_ns
            if at_ns - pace.last_ns > pace.longest_ns:
                pace.longest_ns = at_ns - pace.last_ns
            pace.last_ns, pace.last_seq, pace.last_row = at_ns, seq, event.n
            pace.count += 1


def _answered(connection: Connection, event: Event, asked: Asked | None) -> str | None:
    """Note on `event` what it answers, and how long that took, where its source knows when that was."""
    if asked is None:
        return None
    event.answers = asked.n
    if connection.lacks & _TIMES:
        return None
    # A clock may be set back meanwhile.
    event.latency_ns = max(event.at_ns - asked.at_ns, 0)
    return f"after {roughly(event.latency_ns)}" if event.latency_ns >= 1_000_000 else "after less than 1 ms"


def _hello(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    assert isinstance(what, messages.Hello)
    connection.hello = what
    connection.look_ns = min(max(what.interval_ns // LOOKS, LOOK_NS), MAX_LOOK_NS)


def _ask_for_heartbeat(world: World, connection: Connection, event: Event, what: Message | None) -> str:
    connection.heartbeats.asked = At(event.n, event.at_ns)
    return "the server asks for a heartbeat now"


def _heartbeat(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    assert isinstance(what, messages.Beat)
    answer = _answered(connection, event, connection.heartbeats.sent(what, connection.sequence.last))
    return None if answer is None else f"as asked, {answer}"


def _heartbeat_ack(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    assert isinstance(what, messages.Acked)
    beat = connection.heartbeats.acknowledged(what.nonce)
    if beat is None:
        return None if connection.lacks & _BOTH_SIDES else "no heartbeat was pending"
    return _answered(connection, event, beat)


def _identify(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    assert isinstance(what, messages.Identify)
    connection.identify = what
    connection.identifies += 1
    connection.main.refused = None
    _set_shard(connection, what.shard)
    connection.account = world.accounts.of_token(what.token)
    _introduce(world, connection, what)
    world.logins.add(Login(event.n, event.at_ns, connection.id, what.token, what.shard))
    left = world.starts_left(what.token, event.at_ns)
    return None if left is None else f"{counted(left, 'session start')} left"


def _resume(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    assert isinstance(what, messages.Resume)
    connection.resume = what
    connection.main.refused = None
    resumed = world.sessions.get(what.session or "")
    connection.account = (resumed and resumed.account) or world.accounts.of_token(what.token)
    if what.session is None or (is_lost(what.session) and what.session not in world.sessions):
        return
    connection.session = what.session
    _introduce(world, connection, what)
    session = world.sessions.get(what.session)
    if session is None:
        session = Session(what.session, connection.identity or "")
        # It began before the recording; all that is known is what the client says.
        session.seq = what.seq
        session.account = connection.account
        world.sessions.keep(session.id, session)
    session.transition("asks")
    session.failures += 1
    session.ending = None
    if connection.id not in session.connections:
        session.connections.append(connection.id)


def _introduce(world: World, connection: Connection, what: messages.Identify | messages.Resume) -> None:
    """Remember whose connection this is, and which one it follows."""
    identity = world.identity(connection.plane, what)
    before = world.before(identity)
    if before is not None and before[0].id != connection.id:
        connection.previous = before[0].id
        connection.main.refusals = max(connection.main.refusals, before[0].main.refusals)
    connection.identity = identity
    world.last_of.keep(identity, connection.id)


def _ready(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    assert isinstance(what, messages.Ready)
    connection.accepted = At(event.n, event.at_ns)
    connection.main.refusals = 0
    connection.account = world.accounts.join(connection.account, what.user_id)
    _set_shard(connection, what.shard)
    connection.main.guilds = Guilds.of(connection.accepted, what.guilds)
    if what.session is not None:
        # Two of which nothing is left but their length are two all the same.
        number = f"{what.session}{event.n}" if is_lost(what.session) else what.session
        connection.session = number
        session = Session(number, connection.identity or f"session {number}")
        session.ready, session.length = connection.accepted, what.session_length
        session.resume_host = address_of(what.resume_url or "") or None
        session.stays = bool(event.marks & Mark.CHANGED) and REACHED_AT in connection.opened.headers
        session.version, session.encoding = connection.version, connection.encoding
        session.seq = event.seq
        session.user_id, session.account = what.user_id, connection.account
        session.identify = connection.identify
        session.connections.append(connection.id)
        world.sessions.keep(session.id, session)
    return _answered(connection, event, connection.identify)


def _resumed(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    connection.accepted = At(event.n, event.at_ns)
    connection.main.refusals = 0
    session = world.session_of(connection)
    if session is not None:
        session.transition("resumed")
        session.failures = 0
        # Whatever seemed to have ended it had not.
        session.destroyed = None
    return _answered(connection, event, connection.resume)


def _refuse(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    assert isinstance(what, messages.Refused)
    asked = connection.asked if connection.accepted is None else None
    connection.main.refused = what
    connection.main.refusals += 1
    connection.accepted = None
    session = world.session_of(connection)
    if session is not None:
        if what.resumable:
            session.transition("may resume")
        else:
            _destroy(session, "invalidated", event)
    return _answered(connection, event, asked)


def _destroy(session: Session, how: str, event: Event) -> None:
    session.transition(how)
    if session.destroyed is None:
        session.destroyed = At(event.n, event.at_ns)


def _reconnect(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    connection.main.reconnect = At(event.n, event.at_ns)


def _ask_for_members(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    assert isinstance(what, messages.Members)
    remember(connection.main.members, what.key, what)


def _members(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    assert isinstance(what, messages.Chunk)
    members = connection.main.members
    asked = members.get(what.key)
    if asked is not None and what.is_last:
        del members[what.key]
    elif asked is not None:
        part = messages.Part(event.n, event.at_ns, what.total)
        members[what.key] = asked._replace(answered=True, part=part, parts=asked.parts + 1)
    return _answered(connection, event, asked)


def _join(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    assert isinstance(what, messages.Join)
    if what.server_id is None:
        return
    remember(connection.main.joins, what.server_id, what)
    call = world.call(what.server_id, connection.account)
    if call is None or not _is_same_session(world, call.main, connection):
        call = Call(what.server_id, connection.account, connection.id)
    call.main = connection.id
    call.asked, call.wanted = At(event.n, event.at_ns), what.channel
    world.keep_call(call, connection.account)


def _is_same_session(world: World, number: int, connection: Connection) -> bool:
    """Return whether connection `number` is this one, or one whose session this one has resumed."""
    if number == connection.id:
        return True
    ended = world.ended.get(number)
    return ended is not None and ended[0].session is not None and ended[0].session == connection.session


def _voice_state(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    assert isinstance(what, messages.VoiceState)
    session = world.session_of(connection)
    if what.user_id is None or session is None or what.user_id != session.user_id:
        return None
    call = world.call(what.server_id, connection.account)
    if call is None:
        # One leaves a private call without a word about which.
        found = (call for call in world.calls.values() if what.session is not None and call.session == what.session)
        call = next(found, None)
    if call is None:
        if what.server_id is None:
            return None
        call = world.keep_call(Call(what.server_id, connection.account, connection.id), connection.account)
    call.main = connection.id
    stayed = call.state is not None and call.channel == what.channel
    if call.state is not None and not stayed:
        call.moved = At(event.n, event.at_ns)
    call.channel, call.state, call.session = what.channel, At(event.n, event.at_ns), what.session
    is_answer = call.asked is not None and call.server is not None and call.server.n > call.asked.n
    if is_answer and not stayed and what.channel is not None and call.endpoint is not None:
        world.watches.add(VOICE_CONNECTION, event, call.server_id)
    asked = connection.main.joins.get(call.server_id)
    # Who leaves gets no voice server, nor who only mutes himself, which is op 4 with the channel he is in.
    if asked is not None and (what.channel is None or (stayed and asked.channel == what.channel)):
        del connection.main.joins[call.server_id]
    return _answered(connection, event, asked)


def _voice_server(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    assert isinstance(what, messages.VoiceServer)
    if what.server_id is None:
        return None
    call = world.call(what.server_id, connection.account) or Call(what.server_id, connection.account, connection.id)
    call.main = connection.id
    call.server, call.token, call.endpoint = At(event.n, event.at_ns), what.token, what.endpoint
    world.keep_call(call, connection.account)
    if what.endpoint is None:
        world.watches.add(VOICE_SERVER, event, call.server_id)
    elif call.channel is not None:
        world.watches.add(VOICE_CONNECTION, event, call.server_id)
    return _answered(connection, event, connection.main.joins.pop(what.server_id, None))


def _take_guild(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    assert isinstance(what, messages.Guild)
    if event.event == "GUILD_DELETE":
        _lose_call(world, connection, event, what)
    guilds, at = connection.main.guilds, At(event.n, event.at_ns)
    if guilds is None or what.id is None:
        return
    if event.event == "GUILD_DELETE":
        guilds.went(what.id, at, unavailable=what.unavailable)
    elif not what.unavailable:
        guilds.came(what.id, at)


def _lose_call(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    for key in (event.guild_id, event.channel_id):
        call = None if key is None else world.call(str(key), connection.account)
        if call is not None and concerns(event, call):
            call.gone, call.gone_by = At(event.n, event.at_ns), event.event or ""


def concerns(event: Event, call: Call) -> bool:
    """Return whether what an event of `GONE` says is lost is, or holds, the channel of a call."""
    if event.event == "GUILD_DELETE":
        return call.server_id == str(event.guild_id)
    return str(event.channel_id) in (call.server_id, call.channel)


def _voice_identify(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    assert isinstance(what, messages.Identify)
    connection.identify = what
    connection.identifies += 1
    connection.session = what.session or connection.session
    connection.account = world.account_of(what)
    world.accounts.speaks_of(what.session, connection.account)
    _enter_call(world, connection, what)


def _voice_resume(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    assert isinstance(what, messages.Resume)
    connection.resume = what
    connection.session = what.session or connection.session
    connection.account = world.account_of(what) or connection.account
    _enter_call(world, connection, what)


def _enter_call(world: World, connection: Connection, what: messages.Identify | messages.Resume) -> None:
    _introduce(world, connection, what)
    before = world.ended.get(connection.previous or 0)
    if before is not None and before[0].session == connection.session and connection.sequence.last is None:
        # Numbers go on over a resume.
        last = before[0].sequence.last
        connection.sequence.last = last if isinstance(what, messages.Resume) and before[0].is_whole else None
        if isinstance(what, messages.Resume):
            encryption = connection.voice.encryption = before[0].voice.encryption
            encryption.whole = encryption.whole and before[0].is_whole
    call = world.call(what.server_id, connection.account)
    if call is not None:
        connection.parent = call.main


def _voice_ready(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    assert isinstance(what, messages.VoiceReady)
    connection.accepted = At(event.n, event.at_ns)
    connection.voice.modes, connection.voice.ready = what.modes, what
    return _answered(connection, event, connection.identify)


def _voice_resumed(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    connection.accepted = At(event.n, event.at_ns)
    return _answered(connection, event, connection.resume)


def _select(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    assert isinstance(what, messages.Selected)
    connection.voice.selected = what


def _describe(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    assert isinstance(what, messages.Described)
    connection.voice.described = what
    return _answered(connection, event, connection.voice.selected)


def _speak(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    connection.voice.speaking = connection.voice.speaking or At(event.n, event.at_ns)


def _discover(world: World, connection: Connection, event: Event, what: Message | None) -> None:
    connection.media.discovery = At(event.n, event.at_ns)


def _discovered(world: World, connection: Connection, event: Event, what: Message | None) -> str | None:
    asked, connection.media.discovery = connection.media.discovery, None
    return _answered(connection, event, asked)


def _set_shard(connection: Connection, shard: tuple[int, int] | None) -> None:
    if shard is not None:
        connection.shard, connection.main.shard_pair = f"{shard[0]}/{shard[1]}", shard


_STEPS: dict[tuple[Plane, bool, Key], Step] = {
    # Plane, whether the client sent it, opcode or event.
    (Plane.GATEWAY, False, GatewayOp.HELLO): _hello,
    (Plane.GATEWAY, False, GatewayOp.HEARTBEAT): _ask_for_heartbeat,
    (Plane.GATEWAY, True, GatewayOp.HEARTBEAT): _heartbeat,
    (Plane.GATEWAY, True, GatewayOp.QOS_HEARTBEAT): _heartbeat,
    (Plane.GATEWAY, False, GatewayOp.HEARTBEAT_ACK): _heartbeat_ack,
    (Plane.GATEWAY, True, GatewayOp.IDENTIFY): _identify,
    (Plane.GATEWAY, True, GatewayOp.RESUME): _resume,
    (Plane.GATEWAY, False, "READY"): _ready,
    (Plane.GATEWAY, False, "RESUMED"): _resumed,
    (Plane.GATEWAY, False, GatewayOp.INVALID_SESSION): _refuse,
    (Plane.GATEWAY, False, GatewayOp.RECONNECT): _reconnect,
    (Plane.GATEWAY, True, GatewayOp.REQUEST_GUILD_MEMBERS): _ask_for_members,
    (Plane.GATEWAY, False, "GUILD_MEMBERS_CHUNK"): _members,
    (Plane.GATEWAY, False, "RATE_LIMITED"): _members,
    (Plane.GATEWAY, True, GatewayOp.VOICE_STATE_UPDATE): _join,
    (Plane.GATEWAY, False, "VOICE_STATE_UPDATE"): _voice_state,
    (Plane.GATEWAY, False, "VOICE_SERVER_UPDATE"): _voice_server,
    **{(Plane.GATEWAY, False, name): _lose_call for name in GONE},
    (Plane.GATEWAY, False, "GUILD_CREATE"): _take_guild,
    (Plane.GATEWAY, False, "GUILD_DELETE"): _take_guild,
    (Plane.VOICE, False, VoiceOp.HELLO): _hello,
    (Plane.VOICE, False, VoiceOp.HEARTBEAT): _ask_for_heartbeat,
    (Plane.VOICE, True, VoiceOp.HEARTBEAT): _heartbeat,
    (Plane.VOICE, False, VoiceOp.HEARTBEAT_ACK): _heartbeat_ack,
    (Plane.VOICE, True, VoiceOp.IDENTIFY): _voice_identify,
    (Plane.VOICE, True, VoiceOp.RESUME): _voice_resume,
    (Plane.VOICE, False, VoiceOp.READY): _voice_ready,
    (Plane.VOICE, False, VoiceOp.RESUMED): _voice_resumed,
    (Plane.VOICE, True, VoiceOp.SELECT_PROTOCOL): _select,
    (Plane.VOICE, False, VoiceOp.SESSION_DESCRIPTION): _describe,
    (Plane.VOICE, True, VoiceOp.SPEAKING): _speak,
    (Plane.MEDIA, True, "discovery"): _discover,
    (Plane.MEDIA, False, "discovery"): _discovered,
    (Plane.REMOTE_AUTH, True, "heartbeat"): _heartbeat,
    (Plane.REMOTE_AUTH, False, "heartbeat_ack"): _heartbeat_ack,
}

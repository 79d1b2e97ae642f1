"""Rules about the voice gateway's JSON part: the way into a call, its numbers, and coming back.

Source: https://docs.discord.com/developers/topics/voice-connections
"""

from collections.abc import Iterator

from inspector.diagnose.closes_voice import NEED_NO_SESSION, STEPS, missing_step
from inspector.diagnose.rule import SECOND, Noticed, Situation, receives, rule, sends, silence
from inspector.diagnose.words import opcode, quoted
from inspector.model import ABSENT, Knows, Plane, Severity
from inspector.protocol.hosts import address_of
from inspector.protocol.ops import VoiceOp
from inspector.session.messages import Beat, Identify, Resume, Selected
from inspector.session.state import Connection
from inspector.session.world import Call
from inspector.words import counted, listed, roughly

VOICE = Plane.VOICE
# The first version with sequence numbers, and with objects in heartbeats.
NUMBERED = 8
STUCK_NS = 10 * SECOND
# Connections of one call that ended so soon after each other are a loop.
LOOP, LOOP_NS = 3, 120 * SECOND
# Closes by which someone moves the account or puts it out; that its client joins again is as it should be.
PUT_OUT = (4014, 4022)
# Sequence numbers have 16 bits and begin again at 0.
WRAP = 1 << 16
# Numbers that an acknowledgement may lag behind: messages cross each other.
BEHIND = 200


def _is_numbered(connection: Connection) -> bool:
    return (connection.version or 0) >= NUMBERED


@rule(
    "voice-version-old",
    Severity.WARN,
    sends(VOICE, VoiceOp.IDENTIFY),
    remedy="Connect with v=8: it has sequence numbers, so that a resume can send again what was missed.",
    source=("official-voice", "community-voice"),
)
def voice_version_old(now: Situation) -> Iterator[Noticed]:
    """A client with DAVE uses a gateway version without sequence numbers."""
    identify, version = now.expect(Identify), now.connection.version
    if identify.dave and version is not None and version < NUMBERED:
        yield Noticed(f"Identify offers DAVE {identify.dave}, and the URL has v={version}.")


@rule(
    "voice-heartbeat-shape",
    Severity.ERROR,
    sends(VOICE, VoiceOp.HEARTBEAT),
    remedy="From version 8 on, send {t, seq_ack}; before that, a bare number.",
    source=("official-voice",),
)
def voice_heartbeat_shape(now: Situation) -> Iterator[Noticed]:
    """A heartbeat is in the wrong form for the gateway version; the voice server closes with 4020."""
    version = now.connection.version
    if version is None:
        return
    is_object = type(now.d) is dict
    if is_object != _is_numbered(now.connection):
        found, wanted = ("an object", "a bare number") if is_object else ("not an object", "{t, seq_ack}")
        yield Noticed(f"The body of this heartbeat is {found}; version {version} requires {wanted}.")


@rule(
    "voice-seq-ack-missing",
    Severity.WARN,
    sends(VOICE, VoiceOp.HEARTBEAT, VoiceOp.RESUME),
    remedy="Set seq_ack to the last seq received, of JSON and binary messages.",
    source=("official-voice",),
    needs=Knows.TIMES,
)
def voice_seq_ack_missing(now: Situation) -> Iterator[Noticed]:
    """A heartbeat or Resume has no seq_ack, so a resume cannot send again what was missed."""
    connection, known = now.connection, _counted(now)
    if not _is_numbered(connection) or known is None or type(now.d) is not dict or not connection.is_whole:
        return
    seq = getattr(now.said, "seq", None)
    if (seq is None or seq < 0) and (isinstance(now.said, Resume) or not _is_new(now)):
        said = "There is no seq_ack" if seq is None else f"seq_ack is {seq}, which is none"
        yield Noticed(f"{said}, although the server has counted up to {known:,}.")


def _is_new(now: Situation) -> bool:
    """Return whether a heartbeat and the first number may have crossed each other."""
    accepted = now.connection.accepted
    return accepted is None or now.at_ns - accepted.at_ns < SECOND


def _counted(now: Situation) -> int | None:
    """Return up to where the server has counted; for a Resume, on the connection before. None where that is unknown."""
    if isinstance(now.said, Resume) and now.connection.sequence.last is None:
        before = now.before()
        if before is None or before[0].session != now.said.session or not before[0].is_whole:
            return None
        return before[0].sequence.last
    return now.connection.sequence.last


@rule(
    "voice-seq-ack-wrong",
    Severity.ERROR,
    sends(VOICE, VoiceOp.HEARTBEAT, VoiceOp.RESUME),
    remedy="Acknowledge the seq of the newest message received; 0 is a number too.",
    source=("official-voice",),
    needs=Knows.TIMES,
)
def voice_seq_ack_wrong(now: Situation) -> Iterator[Noticed]:
    """A heartbeat or Resume acknowledges a number that the server has not sent, or that is long past."""
    connection, seq = now.connection, getattr(now.said, "seq", None)
    if not _is_numbered(connection) or seq is None or seq < 0 or not connection.is_whole:
        return
    known = _counted(now)
    # discord.py 2.7 takes the last number over into a call that it joins again, until the first one comes there.
    is_left_over = isinstance(now.said, Beat) and _is_new(now)
    severity = Severity.INFO if is_left_over else None
    if known is None:
        if seq > 0 and is_left_over and connection.resume is None:
            yield Noticed(f"seq_ack is {seq:,}, and the server has numbered nothing here yet.", (), severity)
        return
    behind = (known - seq) % WRAP
    # What a resume sends again has the numbers that the client had reached before.
    if behind > WRAP // 2 and (connection.resume is None or WRAP - behind > BEHIND):
        yield Noticed(f"seq_ack is {seq:,}; the server has only counted up to {known:,}.", (), severity)
        return
    last = connection.heartbeats.last if isinstance(now.said, Beat) else None
    seq_then = connection.heartbeats.seq_then
    if last is not None and seq_then is not None and now.at_ns - last.at_ns >= SECOND:
        # What had come before the last heartbeat is long received at this one.
        if 0 < (seq_then - seq) % WRAP <= WRAP // 2:
            yield Noticed(
                f"seq_ack is {seq:,}; the server had counted up to {seq_then:,} before the last heartbeat, "
                f"{roughly(now.at_ns - last.at_ns)} ago.",
                (last.n,),
                Severity.WARN,
            )
    elif BEHIND < behind <= WRAP // 2:
        yield Noticed(f"seq_ack is {seq:,}; the server is at {known:,} by now.", (), Severity.WARN)


@rule(
    "voice-seq-ack-unsupported",
    Severity.WARN,
    sends(VOICE, VoiceOp.RESUME),
    remedy="Connect with v=8 or above, or expect to miss messages.",
    source=("official-voice",),
)
def voice_seq_ack_unsupported(now: Situation) -> Iterator[Noticed]:
    """A Resume has a seq_ack on a gateway version without sequence numbers.

    Before version 8 the server does not buffer messages: those sent in between are lost, DAVE commits included.
    """
    seq, version = now.expect(Resume).seq, now.connection.version
    if seq is not None and version is not None and version < NUMBERED:
        yield Noticed(f"seq_ack is {seq:,}, and the URL has v={version}.")


@rule(
    "voice-seq-gap",
    Severity.INFO,
    receives(VOICE),
    remedy="Nothing in itself. JSON and binary messages share one count.",
    source=("derived",),
)
def voice_seq_gap(now: Situation) -> Iterator[Noticed]:
    """Sequence numbers of the voice server are skipped or repeated."""
    connection, seq, resume = now.connection, now.event.seq, now.connection.resume
    numbers = connection.sequence
    if seq is None or numbers.last is None or not connection.is_whole:
        return
    if resume is None:
        if (seq - numbers.last) % WRAP != 1:
            yield Noticed(f"The numbers go from {numbers.last:,} to {seq:,}.")
        return
    # A resume sends again what may have been received, and begins after what the client acknowledged.
    begins = numbers.first is None
    last = resume.seq if begins else numbers.last
    if last is not None and last >= 0 and 1 < (seq - last) % WRAP <= WRAP // 2:
        what = f"Resume acknowledged {last:,}, and they continue with" if begins else f"The numbers go from {last:,} to"
        yield Noticed(f"{what} {seq:,}.", (resume.n,) if begins else ())


@rule(
    "voice-identify-twice",
    Severity.ERROR,
    sends(VOICE, VoiceOp.IDENTIFY, VoiceOp.RESUME),
    remedy="Send one Identify or Resume per connection.",
    source=("official-voice", "official-opcodes"),
)
def voice_identify_twice(now: Situation) -> Iterator[Noticed]:
    """The client sent Identify or Resume twice on one voice connection; it is closed with 4005."""
    asked = now.connection.identify or now.connection.resume
    if asked is not None:
        name = opcode(now.registry, VOICE, now.event.op)
        yield Noticed(f"{name} was sent although the connection had one already.", (asked.n,))


@rule(
    "voice-command-too-early",
    Severity.ERROR,
    sends(VOICE),
    remedy="Wait for Ready or Resumed before anything but heartbeats.",
    source=("official-voice", "official-opcodes"),
)
def voice_command_too_early(now: Situation) -> Iterator[Noticed]:
    """The client sent a command before Identify or Resume; the voice server closes with 4003."""
    connection, op = now.connection, now.event.op
    if op is None or op in NEED_NO_SESSION or not connection.is_whole:
        return
    if connection.identify is None and connection.resume is None:
        yield Noticed(f"{opcode(now.registry, VOICE, op)} was sent before Identify or Resume.")


@rule(
    "voice-mode-not-offered",
    Severity.ERROR,
    sends(VOICE, VoiceOp.SELECT_PROTOCOL),
    remedy="Choose from the modes in Ready; aead_xchacha20_poly1305_rtpsize is always among them.",
    source=("official-voice",),
)
def voice_mode_not_offered(now: Situation) -> Iterator[Noticed]:
    """Select Protocol chose an encryption mode that was not offered; the voice server closes with 4016."""
    selected, modes = now.expect(Selected), now.connection.voice.modes
    if modes and selected.mode is not None and selected.mode not in modes:
        ready = now.connection.accepted
        yield Noticed(
            f"The client chose {quoted(selected.mode)}; Ready offered {listed(quoted(mode) for mode in modes)}.",
            (ready.n if ready else None,),
        )


@rule(
    "voice-protocol-unknown",
    Severity.ERROR,
    sends(VOICE, VoiceOp.SELECT_PROTOCOL),
    remedy="Choose udp, or webrtc.",
    source=("official-voice", "community-voice"),
)
def voice_protocol_unknown(now: Situation) -> Iterator[Noticed]:
    """Select Protocol names an unknown protocol; the voice server closes with 4012."""
    protocol = now.expect(Selected).protocol
    if protocol not in ("udp", "webrtc"):
        yield Noticed(f"The protocol is {quoted(protocol) if protocol else 'not named'}.")


@rule(
    "voice-handshake-stuck",
    Severity.ERROR,
    silence(VOICE),
    remedy="Look at the step before the missing one: check its message, and whether the client read the answer.",
    source=("official-voice",),
)
def voice_handshake_stuck(now: Situation) -> Iterator[Noticed]:
    """The voice handshake stopped halfway: one of its steps is missing."""
    connection = now.connection
    if not connection.is_whole or not now.passed(connection.opened.at_ns + STUCK_NS):
        return
    missing = missing_step(connection)
    if missing is None:
        return
    step, last = missing
    op, whose = STEPS[step]
    # It may just have come.
    if now.payload is not None and now.event.op == op and now.event.from_client == (whose == "client"):
        return
    since = roughly(now.at_ns - connection.opened.at_ns)
    yield Noticed(f"{since} after the connection opened, the {whose}'s {step} has not come.", (last,))


@rule(
    "voice-identify-instead-of-resume",
    Severity.WARN,
    sends(VOICE, VoiceOp.IDENTIFY),
    remedy="After a drop, send Resume (op 7) first; while the session still exists, Identify leads to 4006.",
    source=("official-voice", "community-voice"),
    needs=Knows.TIMES,
)
def voice_identify_instead_of_resume(now: Situation) -> Iterator[Noticed]:
    """After a drop, the client sent Identify with its old session instead of Resume."""
    identify, before = now.expect(Identify), now.before()
    if before is None or identify.session is None or identify.session != before[0].session:
        return
    connection, ending = before
    if not connection.is_whole:
        return
    call = _call_of(now, identify)
    # A voice server that was named since is a new beginning.
    if call is not None and call.server is not None and call.server.at_ns > ending.at_ns:
        return
    # What the proxy did to the connection is not the client's fault.
    if ending.closed.by == "proxy" or ending.closed.told is not None:
        return
    row = None if ending.closed.code is None else now.registry.close_code(VOICE, ending.closed.code)
    if row is not None and row.sent_by(ending.closed.by).resume is True and connection.accepted is not None:
        yield Noticed(
            f"Connection {connection.id} of this call had ended {roughly(now.at_ns - ending.at_ns)} before with "
            f"{ending.closed.code}, and could have been resumed.",
            (ending.n,),
        )


@rule(
    "voice-rejoin-loop",
    Severity.ERROR,
    sends(VOICE, VoiceOp.IDENTIFY),
    remedy="Stop after the second attempt, and look at what ended the connections.",
    source=("derived",),
    needs=Knows.TIMES,
)
def voice_rejoin_loop(now: Situation) -> Iterator[Noticed]:
    """The client joined a call again and again."""
    identity = now.world.identity(VOICE, now.expect(Identify))
    same = [
        (connection, ending)
        for connection, ending in now.world.ended.values()
        if connection.identity == identity and now.at_ns - ending.at_ns < LOOP_NS
    ]
    lately = [each for each in same if each[1].closed.code not in (None, 1000)]
    if not lately:
        return
    code = lately[-1][1].closed.code
    ended = [
        ending
        for connection, ending in lately
        if (connection.accepted is None and connection.is_whole) or (ending.closed.code == code and code not in PUT_OUT)
    ]
    if len(ended) >= LOOP and len(ended) % LOOP == 0:
        codes = listed(dict.fromkeys(str(ending.closed.code) for ending in ended))
        least = "at least " if now.world.forgot_since(now.at_ns - LOOP_NS) else ""
        of_all = "" if len(ended) == len(same) else f", {len(ended)} of them"
        yield Noticed(
            f"In the last {roughly(now.at_ns - same[0][1].at_ns)}, {least}{counted(len(same), 'connection')} to this "
            f"call ended{of_all} with {codes}.",
            tuple(ending.n for ending in ended),
        )


@rule(
    "voice-stale-credentials",
    Severity.WARN,
    sends(VOICE, VoiceOp.IDENTIFY),
    remedy="Wait for both VOICE_STATE_UPDATE and VOICE_SERVER_UPDATE after op 4, and use the newest of each.",
    source=("official-voice",),
    needs=Knows.TIMES,
)
def voice_stale_credentials(now: Situation) -> Iterator[Noticed]:
    """Identify has another token or session id than the main gateway last gave; 4004 or 4006 follows."""
    identify = now.expect(Identify)
    call = _call_of(now, identify)
    if call is None:
        return
    wrong: list[str] = []
    evidence: list[int | None] = []
    if call.token is not None and identify.token != call.token:
        wrong.append("token is not that of the newest VOICE_SERVER_UPDATE")
        evidence.append(call.server.n if call.server else None)
    if call.session is not None and call.channel is not None and identify.session != call.session:
        wrong.append("session_id is not that of the newest VOICE_STATE_UPDATE")
        evidence.append(call.state.n if call.state else None)
    if wrong:
        yield Noticed(f"Its {listed(wrong)}.", tuple(evidence))


def _call_of(now: Situation, asked: Identify | Resume) -> Call | None:
    """Return the call as the main gateway knows it; None where it knows none, or only that of another account."""
    call = now.world.call(asked.server_id, now.world.account_of(asked))
    if call is None or not isinstance(asked, Identify) or asked.user_id is None:
        return call
    main = now.world.open.get(call.main)
    if main is None and call.main in now.world.ended:
        main = now.world.ended[call.main][0]
    session = now.world.session_of(main) if main is not None else None
    is_other = session is not None and session.user_id is not None and session.user_id != asked.user_id
    return None if is_other else call


@rule(
    "voice-wrong-endpoint",
    Severity.WARN,
    sends(VOICE, VoiceOp.IDENTIFY, VoiceOp.RESUME),
    remedy="Connect to the endpoint exactly as VOICE_SERVER_UPDATE names it, with its port.",
    source=("official-voice",),
    needs=Knows.TIMES,
)
def voice_wrong_endpoint(now: Situation) -> Iterator[Noticed]:
    """The client connected to another host or port than the main gateway gave; 4006 follows."""
    assert isinstance(now.said, Identify | Resume)
    call, place = _call_of(now, now.said), address_of(now.connection.opened.url)
    if call is None or call.endpoint is None or not place:
        return
    endpoint = address_of(f"wss://{call.endpoint.rpartition('://')[2]}")
    if endpoint and endpoint.removesuffix(":443") != place.removesuffix(":443"):
        yield Noticed(
            f"The endpoint is {quoted(endpoint)}, and this connection is to {quoted(place)}.",
            (call.server.n if call.server else None,),
        )


@rule(
    "voice-without-dave",
    Severity.INFO,
    sends(VOICE, VoiceOp.IDENTIFY),
    remedy="Update the library, or install its DAVE package, so that it offers version 1.",
    source=("official-voice",),
)
def voice_without_dave(now: Situation) -> Iterator[Noticed]:
    """The client does not support end-to-end encryption; calls that require it close with 4017."""
    if not now.expect(Identify).dave and now.d is not ABSENT:
        yield Noticed("Identify offers no DAVE version.")

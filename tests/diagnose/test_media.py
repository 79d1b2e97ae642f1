"""What is noticed about a call's UDP."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.diagnose import media
from inspector.diagnose.rule import Situation
from inspector.model import Event, Finding, Kind, Mark, Payload, Plane, Severity
from inspector.protocol.registry import default
from inspector.session.messages import VoiceReady
from inspector.session.state import Connection
from inspector.session.world import World
from inspector.simulator.server.media import answer_to, discovery_request
from tests.conversation import NOON, Conversation
from tests.diagnose.finding import found, ids, one
from tests.voice_call import announces, commit, encrypted, introduced, let_in, switches
from tests.voice_call import voice as in_call

IDENTIFY = {"op": 0, "d": {"server_id": "10", "user_id": "20", "session_id": "s", "token": "t"}}
READY = {"op": 2, "d": {"ssrc": 1001, "ip": "203.0.113.5", "port": 50001, "modes": ["aead_aes256_gcm_rtpsize"]}}
SPEAKING = {"op": 5, "d": {"speaking": 1, "delay": 0, "ssrc": 1001}}


def voice(*, speaks: bool = True) -> Conversation:
    """Takes 60 ms, of which the last 10 ms are of Speaking."""
    talk = Conversation(plane=Plane.VOICE, url="wss://x.discord.media/?v=7")
    talk.opens().server({"op": 8, "d": {"heartbeat_interval": 41250}}).client({"op": 3, "d": 1}).client(IDENTIFY)
    talk.server(READY)
    return talk.client(SPEAKING) if speaks else talk


def udp() -> Conversation:
    return Conversation(plane=Plane.MEDIA, url="udp://203.0.113.5:50001", connection=2).waits(200).opens(status=None)


def sound(talk: Conversation, count: int = 60, *, lose: int = 0, ssrc: int = 1001, from_client: bool = True) -> None:
    """Send packets, 10 ms apart; the middle ones get lost."""
    for number in range(count):
        data = struct.pack(">BBHII", 0x80, 120, number, 480 * number, ssrc) + bytes(60)
        if not count // 2 <= number < count // 2 + lose:
            talk.frame(data, from_client=from_client)


def media_ids(*talks: Conversation, until_ms: float = 0) -> list[str]:
    return [rule for rule in ids(*talks, until_ms=until_ms) if rule.startswith("media-")]


def test_a_call_with_sound_both_ways_is_fine() -> None:
    talk = udp()
    answer = answer_to(discovery_request(1001), "198.51.100.7", 40_000)
    assert answer is not None
    talk.frame(discovery_request(1001), from_client=True).frame(answer)
    sound(talk)
    sound(talk, ssrc=2001, from_client=False)
    assert media_ids(voice(), talk, until_ms=10_000) == []


def test_media_address_unanswered() -> None:
    talk = udp().frame(discovery_request(1001), from_client=True)
    finding = one(found(voice(), talk, until_ms=4000), "media-address-unanswered")
    assert finding.severity is Severity.ERROR
    assert "after the client asked for its address nothing came" in finding.text


def test_a_client_that_has_just_asked_may_still_get_its_address() -> None:
    assert media_ids(voice(), udp().frame(discovery_request(1001), from_client=True), until_ms=2000) == []


@pytest.mark.parametrize("from_client", [True, False])
def test_media_loss(from_client: bool) -> None:
    talk = udp()
    sound(talk, 60, lose=6, ssrc=1001 if from_client else 2001, from_client=from_client)
    finding = one(found(voice(), talk), "media-loss")
    assert finding.severity is Severity.WARN
    assert finding.text == "6 of 60 packets are missing (10 %)."


@pytest.mark.parametrize(("count", "lost"), [(100, 4), (40, 20)])
def test_little_loss_and_loss_of_little_are_nothing(count: int, lost: int) -> None:
    talk = udp()
    sound(talk, count, lose=lost)
    assert media_ids(voice(), talk) == []


def test_media_before_speaking() -> None:
    talk = udp()
    sound(talk)
    finding = one(found(voice(speaks=False), talk), "media-before-speaking")
    assert finding.text == "Audio was sent without Speaking before it."


def test_speaking_that_comes_after_the_first_packet_is_late() -> None:
    talk, connection = udp(), voice(speaks=False)
    sound(talk)
    connection.waits(300).client(SPEAKING)
    finding = one(found(connection, talk), "media-before-speaking")
    assert finding.text == "Audio was sent 140 ms before the client's first Speaking."
    assert len(finding.evidence) == 1


def test_media_wrong_ssrc() -> None:
    talk = udp()
    sound(talk, ssrc=1002)
    finding = one(found(voice(), talk), "media-wrong-ssrc")
    assert finding.severity is Severity.ERROR
    assert finding.text == "Audio was sent with SSRC 1002; Ready gave 1001."
    assert len(finding.evidence) == 1


def test_without_its_voice_connection_a_path_says_nothing_of_them() -> None:
    talk = udp()
    sound(talk, ssrc=1002)
    assert media_ids(talk) == []


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner)))
def test_any_body_is_borne(value: object) -> None:
    connection = Connection.of(udp().happenings[0])  # type: ignore[arg-type]
    connection.media.owner = Connection.of(voice().happenings[0])  # type: ignore[arg-type]
    connection.media.owner.voice.ready = VoiceReady(1, 0, (), 1001)
    keys = ("packets", "lost", "duration_ms", "ssrc", "media")
    for d in (value, dict.fromkeys(keys, value), dict.fromkeys(keys, value) | {"media": "audio"}):
        event = Event(1, 2, 0, Plane.MEDIA, Kind.PAYLOAD, from_client=True, op="rtp")
        now = Situation(event, connection, World(), default(), Payload("json", b"", "rtp", None, None, d))
        for rule in (media.media_loss, media.media_before_speaking, media.media_wrong_ssrc):
            list(rule.check(now))


def sealed_call() -> Conversation:
    """An encrypted call of the client and Ada, whose only transition is executed 240 ms after noon."""
    return encrypted(in_call(connection=1))


def frames(after_ms: float, marks: str, *, from_client: bool = False, payload_type: int = 120) -> Conversation:
    """A path on which frames come from so long after noon on: ``x`` without DAVE's trailer, ``o`` with it."""
    talk = udp().frame(discovery_request(1001), from_client=True).at(NOON + int(after_ms * 1e6))
    for number, mark in enumerate(marks):
        ssrc = 1001 if from_client else 2001
        data = struct.pack(">BBHII", 0x80, payload_type, number, 480 * number, ssrc) + bytes(60)
        seen = {"x": Mark.NO_DAVE, "o": Mark.DAVE, "-": Mark.NONE}[mark]
        talk.frame(data, from_client=from_client, marks=seen)
    return talk


def plain(*talks: Conversation) -> list[Finding]:
    return [each for each in found(*talks) if each.rule == "media-without-dave"]


@pytest.mark.parametrize(
    ("from_client", "severity", "whose"),
    [(True, Severity.ERROR, "the client's"), (False, Severity.WARN, "another user's")],
)
def test_media_without_dave(from_client: bool, severity: Severity, whose: str) -> None:
    [finding] = plain(sealed_call(), frames(11_240, "x-xox", from_client=from_client))
    assert finding.severity is severity
    ssrc = 1001 if from_client else 2001
    assert finding.text == (
        f"3 of 4 frames of {whose} audio that were looked into (SSRC {ssrc}) are not encrypted end to end, 11 s after "
        "the last change of the call's encryption."
    )
    assert len(finding.evidence) == 1


def test_frames_that_are_encrypted_and_those_nobody_looked_into_are_fine() -> None:
    assert plain(sealed_call(), frames(11_300, "oooooooo")) == []
    assert plain(sealed_call(), frames(11_300, "--------")) == []
    assert plain(sealed_call(), frames(11_300, "ooxoxo")) == []


def test_for_ten_seconds_after_a_transition_frames_may_come_as_before() -> None:
    assert plain(sealed_call(), frames(9_000, "xxxxxx")) == []
    changed = switches(announces(sealed_call().waits(5_000), 1, commit(1)), 1)
    assert plain(changed, frames(11_300, "xxxxxx")) == []
    assert len(plain(changed, frames(16_300, "xxxxxx"))) == 1


def test_where_no_encryption_is_in_force_frames_go_without() -> None:
    down = sealed_call().waits(5_000).server({"op": 21, "d": {"transition_id": 2, "protocol_version": 0}})
    assert plain(switches(down, 2), frames(17_000, "xxxxxx")) == []
    anew = sealed_call().waits(5_000).server({"op": 24, "d": {"epoch": 1, "protocol_version": 1}})
    assert plain(anew, frames(17_000, "xxxxxx")) == []
    assert plain(let_in(introduced(in_call(connection=1), dave=0), dave=0), frames(17_000, "xxxxxx")) == []
    assert plain(voice(), frames(17_000, "xxxxxx")) == []


def test_what_is_no_known_codec_may_be_anything() -> None:
    assert plain(sealed_call(), frames(11_300, "xxxxxx", payload_type=99)) == []

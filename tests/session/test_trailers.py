"""Packets that are looked into before the call's key is masked: what they are marked with, and what never is."""

import json
import struct
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Closed, Frame, Happening, Mark, Opened, Plane
from inspector.protocol.registry import default
from inspector.session.trailers import Trailers
from inspector.simulator.server.media import SILENCE, Speaker, discovery_request
from inspector.store.reader import Reader, stored_happenings
from inspector.store.reindex import reindex
from inspector.store.writer import Writer
from tests.conversation import Conversation
from tests.diagnose.test_media import udp
from tests.voice_call import introduced, let_in, voice

KEY = bytes([7] * 32)
MODE = "aead_aes256_gcm_rtpsize"
PLAIN = bytes(range(40))
# The cipher bytes, the tag, the nonce, the size of all that, the magic.
DAVE = bytes.fromhex("0102030405 a0a0a0a0a0a0a0a0 ac02 0d fafa")


def path(frames: Iterable[bytes], *, ssrc: int = 2001, from_client: bool = False, every_ms: int = 250) -> Conversation:
    """The media of the call in `let_in`: a frame each so many milliseconds."""
    talk = udp().waits(800).frame(discovery_request(1001), from_client=True)
    speaker = Speaker(ssrc, MODE, KEY)
    for frame in frames:
        talk.waits(every_ms - 10).frame(speaker.packet(frame), from_client=from_client)
    return talk


def call() -> Conversation:
    return let_in(introduced(voice(connection=1)))


def marked(*talks: Conversation) -> list[Mark]:
    """What the packets are marked with."""
    trailers = Trailers()
    marks = []
    for happening in sorted((each for talk in talks for each in talk.happenings), key=lambda each: each.at_ns):
        if isinstance(happening, Opened):
            trailers.follow(happening)
        elif isinstance(happening, Frame) and happening.connection in trailers.followed:
            looked = trailers.look(happening)
            marks += [looked.marks] if happening.connection == 2 else []
    return marks[1:]


@pytest.mark.parametrize("from_client", [False, True])
@pytest.mark.parametrize(("frame", "mark"), [(PLAIN, Mark.NO_DAVE), (DAVE, Mark.DAVE), (SILENCE, Mark.NONE)])
def test_a_frame_of_sound_shows_whether_it_is_encrypted(from_client: bool, frame: bytes, mark: Mark) -> None:
    assert marked(call(), path([frame], from_client=from_client)) == [mark]


def test_a_few_packets_of_each_stream_suffice() -> None:
    assert sum(map(bool, marked(call(), path([PLAIN] * 100, every_ms=20)))) == 10
    assert sum(map(bool, marked(call(), path([PLAIN] * 4), path([PLAIN] * 4, ssrc=2002)))) == 8


def test_of_a_picture_only_the_last_packet_counts() -> None:
    talk = path([PLAIN, DAVE, PLAIN])
    for frame, second in zip(talk.frames[1:], (96, 0x80 | 96, 0x80 | 96), strict=True):
        header = frame.data[:1] + bytes([second]) + frame.data[2:16]
        seal = Speaker(2001, MODE, KEY)._seal
        inside = {96: PLAIN, 0x80 | 96: DAVE}[second]
        frame.data = header + seal(bytes(4) + inside, header, bytes(4)) + bytes(4)
    assert marked(call(), talk) == [Mark.NONE, Mark.DAVE, Mark.DAVE]


def test_without_the_key_nothing_is_known() -> None:
    masked = introduced(voice(connection=1))
    masked.server({"op": 2, "d": {"ssrc": 1001, "ip": "127.0.0.1", "port": 50001, "modes": [MODE]}})
    masked.server({"op": 4, "d": {"mode": MODE, "secret_key": [0] * 32, "dave_protocol_version": 1}})
    assert marked(masked, path([PLAIN])) == [Mark.NONE]
    assert marked(path([PLAIN])) == [Mark.NONE]
    other = udp().waits(900).frame(b"").frame(Speaker(2001, MODE, bytes(32)).packet(PLAIN))
    assert marked(call(), other) == [Mark.NONE]


def test_the_clients_own_sound_tells_whose_path_it_is_where_discovery_is_missing() -> None:
    talk = udp().waits(800).frame(b"")
    talk.frame(Speaker(1001, MODE, KEY).packet(DAVE), from_client=True).frame(Speaker(2001, MODE, KEY).packet(PLAIN))
    assert marked(call(), talk) == [Mark.DAVE, Mark.NO_DAVE]


@pytest.mark.parametrize("text", [b"", b"[" * 70_000, b'{"op":4,"secret_key"', b'{"op":2,"d":{"modes":[],"ssrc":"x"}}'])
def test_what_a_server_may_say_instead_does_no_harm(text: bytes) -> None:
    odd = introduced(voice(connection=1)).frame(text, is_text=True)
    for key in ("x", [], [256] * 32, [7] * 5, [None] * 32, {"a": 1}):
        odd.server({"op": 2, "d": {"ssrc": 1001, "modes": [MODE]}})
        odd.server({"op": 4, "d": {"mode": MODE, "secret_key": key}})
    assert marked(odd, path([PLAIN])) == [Mark.NONE]


@given(st.lists(st.binary(max_size=80)), st.booleans())
def test_any_packets_are_taken(packets: list[bytes], from_client: bool) -> None:
    talk = udp().waits(800)
    for packet in packets:
        talk.waits(300).frame(packet, from_client=from_client)
    assert set(marked(call(), talk)) <= {Mark.NONE}


def test_what_has_ended_is_followed_no_longer() -> None:
    trailers = Trailers()
    for what in (Opened(1, 0, Plane.VOICE, ""), Opened(2, 0, Plane.GATEWAY, ""), Opened(3, 0, Plane.MEDIA, "")):
        trailers.follow(what)
    assert list(trailers.followed) == [1, 3]
    trailers.follow(Closed(1, 0, 1000))
    assert list(trailers.followed) == [3]


def test_calls_and_streams_are_bounded() -> None:
    trailers = Trailers()
    for number in range(1, 3000):
        trailers.follow(Opened(number, 0, Plane.MEDIA, "udp://127.0.0.1:1"))
    media = trailers.followed[2999]
    trailers._keys[1001] = None  # type: ignore[assignment]
    for ssrc in range(1000):
        trailers.look(Frame(2999, 0, False, False, struct.pack(">BBHII", 0x80, 120, 0, 0, ssrc)))
    assert (len(trailers.followed), len(media.due_ns)) == (1000, 256)  # type: ignore[union-attr]


def written(capture: Path, *, keep_secrets: bool) -> list[dict[str, Any]]:
    talks = call(), path([PLAIN, DAVE, PLAIN, SILENCE])
    happenings: list[Happening] = [each for talk in talks for each in talk.happenings]
    writer = Writer(capture, default(), made_by="test", keep_secrets=keep_secrets)
    writer.write(sorted(happenings, key=lambda each: each.at_ns))
    writer.finish()
    return rows(capture)


def rows(capture: Path) -> list[dict[str, Any]]:
    """What the rows of packets say."""
    with closing(Reader(capture)) as reader:
        numbers = [event.n for event in reader.all_events() if event.op == "rtp"]
        return [json.loads(reader.payload(number) or b"")["d"] for number in numbers]


@pytest.mark.parametrize("keep_secrets", [True, False])
def test_what_was_seen_stays_in_the_capture_and_the_key_does_not(keep_secrets: bool, tmp_path: Path) -> None:
    [row] = written(tmp_path / "a.gwcap", keep_secrets=keep_secrets)
    assert (row["packets"], row["with_dave"], row["without_dave"]) == (4, 1, 2)
    reindex(tmp_path / "a.gwcap", default())
    assert rows(tmp_path / "a.gwcap") == [row]
    with closing(Reader(tmp_path / "a.gwcap")) as reader:
        frames = [each for batch in stored_happenings(reader.db) for each in batch if isinstance(each, Frame)]
    has_key = any(str([7] * 32).encode() in frame.data for frame in frames)
    assert has_key is keep_secrets

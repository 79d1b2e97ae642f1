"""What the files are made of: short conversations of every dialect and plane, whole and damaged."""

import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from inspector.importers.merge import Input
from inspector.model import Closed, Control, Frame, Happening, Mark, Opened, Plane
from inspector.protocol.registry import default
from inspector.simulator.server.media import Speaker, discovery_request, speech
from inspector.wire import etf, jsontext
from tests.conversation import (
    ACK,
    DIALECTS,
    HEARTBEAT,
    HELLO,
    NOON,
    STEP,
    Conversation,
    dispatch,
    identify,
    message,
    ready,
    resume,
    usual,
)
from tests.fuzz import damage
from tests.wire.dave_frames import FRAMES, from_client
from tests.wire.etf_encoder import encode

SAMPLES = Path(__file__).parents[2] / "sample_captures"

# Happenings of one conversation, at most: enough for a login and what follows.
LONGEST = 16
_KEY = bytes(range(32))
_MODES = ("aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize")

Talk = tuple[Happening, ...]


@cache
def talks() -> tuple[Talk, ...]:
    """Return the conversations, none longer than `LONGEST`."""
    made = [usual(encoding, compression).happenings for encoding, compression in DIALECTS]
    made += [_voice(), _media(), _rpc(), _remote_auth(), _troubled(), _two(), _refused(), *_dispatches()]
    return tuple(tuple(happenings[:LONGEST]) for happenings in [*made, *_sampled()])


def any_talk(dice: Random) -> list[Happening]:
    """Return one of the conversations, or two, each with connections of its own."""
    found = list(dice.choice(talks()))
    if dice.random() < 0.15:
        moved = [replace(each, connection=each.connection + 10) for each in dice.choice(talks())]
        found = sorted(found + moved, key=lambda each: each.at_ns)
    return found


def damaged(happenings: Sequence[Happening], dice: Random, share: float = 0.2) -> tuple[list[Happening], int]:
    """Return the happenings with about that share of them damaged, and how many frames were.

    Their bytes are damaged, or the values in them, or when, by whom and on which connection they happened.
    """
    found: list[Happening] = []
    count = 0
    for each in happenings:
        if dice.random() >= share:
            found.append(each)
        elif isinstance(each, Frame):
            found.append(_frame(each, dice))
            count += 1
        else:
            found.append(_other(each, dice))
    match dice.randrange(12):
        case 0:
            dice.shuffle(found)
        case 1:
            del found[dice.randrange(len(found) + 1) :]
        case 2:
            del found[: dice.randrange(len(found) + 1)]
        case 3:
            found += found
    return found, count


def _frame(frame: Frame, dice: Random) -> Frame:
    match dice.randrange(10):
        case 0 | 1 | 2 | 3 | 4:
            return replace(frame, data=payload(frame.data, dice))
        case 5 | 6 | 7:
            return replace(frame, data=damage.bytes_of(frame.data, dice))
        case 8:
            marks = Mark(dice.randrange(64))
            return replace(frame, marks=marks, forwarded=dice.choice((None, b"", frame.data[:9])))
        case _:
            return replace(
                frame, from_client=dice.random() < 0.5, is_text=dice.random() < 0.5, at_ns=_moment(frame, dice)
            )


def payload(data: bytes, dice: Random) -> bytes:
    """Return a message whose values are damaged and whose form is whole, as far as it is JSON, ETF or compressed so."""
    if data[:1] == b"x":
        try:
            return zlib.compress(payload(zlib.decompress(data), dice))
        except zlib.error:
            return damage.bytes_of(data, dice)
    try:
        tree = etf.decode(data).value if data[:1] == b"\x83" else jsontext.loads(data, [])
    except (etf.EtfError, jsontext.JsonError):
        return damage.bytes_of(data, dice)
    tree = damage.structure(tree, dice)
    if data[:1] == b"\x83" or dice.random() < 0.05:
        try:
            return encode(tree, keys=dice.choice(("binary", "binary", "atom")), charlists=dice.random() < 0.2)
        except (TypeError, ValueError, OverflowError, RecursionError):
            return damage.bytes_of(data, dice)
    return damage.json_of(tree, dice)


def _other(happening: Happening, dice: Random) -> Happening:
    text = damage.text(dice)
    match happening:
        case Opened():
            changes: dict[str, Any] = dice.choice(
                (
                    {"url": text},
                    {"url": happening.url.replace("encoding", text)},
                    {"url": happening.url + "&compress=" + dice.choice(("zlib-stream", "zstd-stream", text))},
                    {"client": text},
                    {"refusal": text, "status": dice.choice((None, 403, 0, 99999))},
                    {"headers": {"user-agent": text, "response-cf-ray": damage.text(dice)}},
                    {"plane": dice.choice(list(Plane))},
                    {"joined_late": True},
                )
            )
            return replace(happening, **changes)
        case Closed():
            code = dice.choice((None, 0, 999, 1000, 1005, 1006, 4004, 4006, 4014, 4999, 65535))
            by = dice.choice(("client", "server", "proxy", None))
            return replace(happening, code=code, reason=text[:120], by=by, marks=Mark(dice.randrange(64)))
        case Control():
            return replace(happening, data=damage.bytes_of(happening.data, dice), from_client=dice.random() < 0.5)
        case _:
            return replace(happening, at_ns=_moment(happening, dice))


def _moment(happening: Happening, dice: Random) -> int:
    return dice.choice((0, 1, happening.at_ns - 10**15, happening.at_ns + 10**15, NOON, 2**62))


def _voice() -> list[Happening]:
    talk = Conversation(plane=Plane.VOICE, url="wss://us-east1.discord.media:2053/?v=8").opens()
    talk.server({"op": 8, "d": {"v": 8, "heartbeat_interval": 13750}})
    talk.client({"op": 0, "d": {"server_id": "1180000000000000042", "user_id": "1", "session_id": "s", "token": "t"}})
    talk.server({"op": 2, "d": {"ssrc": 1001, "ip": "127.0.0.1", "port": 50000, "modes": list(_MODES)}})
    for frame in FRAMES.values():
        talk.frame(frame, from_client=from_client(frame))
    return talk.closes(4014, "Disconnected.", "server").happenings


def _media() -> list[Happening]:
    happenings: list[Happening] = [Opened(1, NOON, Plane.MEDIA, "udp://127.0.0.1:50000", "127.0.0.1:1")]
    packets = [discovery_request(1001), bytes.fromhex("1337cafe00000001"), bytes.fromhex("80c80001000007d1")]
    packets += [Speaker(2001, mode, _KEY).packet(frame) for mode in _MODES for frame in speech(3)]
    for number, data in enumerate(packets, 1):
        happenings.append(Frame(1, NOON + number * STEP, number % 2 == 1, False, data))
    return [*happenings[: LONGEST - 1], Closed(1, NOON + 100 * STEP, None)]


def _rpc() -> list[Happening]:
    talk = Conversation(
        plane=Plane.RPC, url="ws://127.0.0.1:6463/?v=1&client_id=200000000000000001&encoding=json"
    ).opens()
    talk.frame(b'{"cmd":"DISPATCH","evt":"READY","data":{"v":1,"user":{"id":"1"}},"nonce":null}', is_text=True)
    talk.frame(b'{"cmd":"AUTHENTICATE","args":{"access_token":"secret"},"nonce":"1"}', from_client=True, is_text=True)
    talk.frame(b'{"cmd":"AUTHENTICATE","evt":"ERROR","data":{"code":4009,"message":"no"},"nonce":"1"}', is_text=True)
    return talk.closes(4000, "", "server").happenings


def _remote_auth() -> list[Happening]:
    talk = Conversation(plane=Plane.REMOTE_AUTH, url="wss://remote-auth-gateway.discord.gg/?v=2").opens()
    talk.server({"op": "hello", "heartbeat_interval": 41250, "timeout_ms": 150000})
    talk.client({"op": "init", "encoded_public_key": "A" * 40})
    talk.server({"op": "pending_remote_init", "fingerprint": "f" * 20})
    return talk.closes(4003, "Auth session timed out.", "server").happenings


def _troubled() -> list[Happening]:
    """Return a session that is refused, resumed and lost, with a gap."""
    talk = Conversation().opens().server(HELLO).client(resume()).server({"op": 9, "d": False}).client(identify())
    talk.server(ready()).unseen(lambda talk: talk.client(HEARTBEAT).server(ACK)).injected(ACK)
    return talk.client(HEARTBEAT).server({"op": 7, "d": None}).closes(1006, "", None).happenings


def _two() -> list[Happening]:
    """Return a session that goes on over a second connection."""
    first = Conversation("etf").opens().server(HELLO).client(identify()).server(ready()).closes(4000, by="client")
    second = Conversation("etf", connection=2, at_ns=NOON + 20 * STEP).opens().server(HELLO).client(resume())
    return first.happenings + second.server(dispatch("RESUMED", {}, 4)).server(message("back", 5)).closes().happenings


def _refused() -> list[Happening]:
    return Conversation().opens(status=403, refusal="HTTP 403 Forbidden").happenings


def _dispatches() -> list[list[Happening]]:
    """Return conversations in which every event that the tables know comes once, with filler for its fields."""
    filler = {"id": "1", "guild_id": "2", "channel_id": "3", "user_id": "4", "user": {"id": "5", "username": "ada"}}
    filler |= {
        "name": "x",
        "members": [{"user": {"id": "6"}}],
        "channels": [{"id": "7", "name": "y"}],
        "members_count": 1,
    }
    found = []
    names = list(default().events)
    for start in range(0, len(names), LONGEST - 2):
        talk = Conversation().opens().server(HELLO)
        for seq, name in enumerate(names[start : start + LONGEST - 2], 1):
            talk.server(dispatch(name, filler, seq))
        found.append(talk.happenings)
    return found


def _sampled() -> list[list[Happening]]:
    """Return the beginnings of the samples' connections, with the frames as they crossed the wire."""
    found: list[list[Happening]] = []
    for path in sorted(SAMPLES.glob("*.gwcap")):
        read = Input(path)
        happenings = list(read.happenings())
        read.close()
        for number in sorted({each.connection for each in happenings})[:2]:
            own = [replace(each, connection=1) for each in happenings if each.connection == number]
            found.append(own[: LONGEST - 1] + [each for each in own[LONGEST - 1 :] if isinstance(each, Closed)])
    return found

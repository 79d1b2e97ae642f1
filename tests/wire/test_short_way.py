"""The short way to a payload and the long one: whatever the text or the stream, both say the same."""

import json
import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from inspector.model import ABSENT, Frame, Mark, Plane, Undecoded
from inspector.wire import decoder as decoder_module
from inspector.wire import jsontext
from inspector.wire.decoder import Decoder, Reading, read_payload, read_shortly
from tests.conversation import DIALECTS, Conversation, compressor, usual

URL = "wss://gateway.discord.gg/?v=10&encoding=json"
NUMBERS = [
    *(
        "0",
        "-0",
        "-0.0",
        "1.0",
        "1e2",
        "1E+2",
        "0.1e1",
        "1e-999",
        "5e-324",
        "2.2250738585072011e-308",
        "1e23",
        "8.5e22",
    ),
    *("9007199254740993.0", "123456789012345678901234567890.5", "1" * 25 + "e5", "0." + "1" * 800, "0e999999999"),
    *(
        str(2**63 - 1),
        str(2**63),
        str(2**64 - 1),
        str(2**64),
        str(-(2**63)),
        str(-(2**63) - 1),
        "9" * 40,
        "-" + "9" * 40,
    ),
    *("1" * 4300, "1" * 4301, "1" * 400 + ".0", "1e999", "-1e999", "NaN", "Infinity", "-Infinity"),
    *("01", "1.", ".5", "+1", "-", "1e", "0x1", "--1"),
]
STRINGS = [
    *(
        r'"\ud800"',
        r'"\udc00"',
        r'"\ud800x"',
        r'"\ud83d\ude00"',
        r'"\ude00\ud83d"',
        r'"\ud800\ud800"',
        r'"\u12"',
        r'"\x"',
    ),
    *(r'"\u0000"', '"\x01"', '"\t"', '"\x7f"', '"é"', '"\u2028"', '"😀"', '"', '"\\', "''", r'"\/\b\f\n\r\t\"\\"'),
]
OTHERS = [
    "null",
    "true",
    "false",
    "nul",
    "{}",
    "[]",
    "[1,]",
    '{"a":1,"a":2}',
    '{"b":1,"a":1,"b":2}',
    '{"a"}',
    "{1:2}",
    "",
]
ENVELOPES = [
    *('{"op":0,"d":%s}', '{"op":%s}', '{"op":0,"s":%s,"d":{}}', '{"op":0,"t":%s,"d":{}}', '{"op":1,"op":%s}', "%s"),
    *(
        '{"op":1,"d":1,"d":%s}',
        '{"op":1,"d":[%s]}',
        '{"op":0,"x":%s}',
        ' {"op":1,"d":%s}\n',
        '{"op":1,"d":%s}x',
        "[%s]",
    ),
    *('{"op":1,"d":%s}\0', '{"op":1,"d":%s}{"op":2}', '{"op":1,"d":%s,}', '{"\\u006fp":1,"\\u0064":%s}', "\ufeff{%s}"),
    *(
        '{"d":%s}',
        '{"op":1,"seq":%s}',
        '{"op":1,"d":{"k":%s}',
        '{"op":1 "d":%s}',
        '{"op":1,"d":{%s:1}}',
        '{%s:1,"op":1}',
    ),
]
BYTES = [
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\xc0\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\xe2\x28\xa1"',
    b"\xff",
    b"\x00",
    b"\x0b",
]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(st.characters(codec="utf-16")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcd\\", max_size=4), inner, max_size=4),
    max_leaves=8,
)


@contextmanager
def long_way() -> Iterator[None]:
    with patch.object(decoder_module, "read_shortly", lambda _: None):
        yield


def read(frames: list[Frame], *, url: str = URL, plane: Plane = Plane.GATEWAY, late: bool = False) -> list[str]:
    """Return all that is read, and what is known in the end. As text: there, 1 is not 1.0, and 0.0 not -0.0."""
    decoder = Decoder(plane, url, joined_late=late)
    found = [told(r) for number, frame in enumerate(frames, 1) for r in decoder.receive(frame, number)]
    known = decoder.encoding, decoder.compression, decoder.compression_seen, decoder.lost, decoder.unread_bytes
    return [*found, *map(told, decoder.finish()), repr(known), str(decoder._budget.left)]


def told(reading: Reading) -> str:
    what = reading.what
    # A repr does not nest as deep as what is read.
    body = "" if isinstance(what, Undecoded) or what.d is ABSENT else jsontext.dumps(what.d).decode()
    rest = what if isinstance(what, Undecoded) else structs.replace(what, d=type(what.d).__name__)
    return f"{reading.first_frame} {reading.wire_bytes} {rest!r} {body}"


def both(frames: list[Frame], **more: Any) -> list[str]:
    """Return what is read of `frames` both ways, which has to be the same."""
    short = read(frames, **more)
    with long_way():
        assert read(frames, **more) == short
    return short


def texts(data: bytes, *, from_client: bool = False) -> list[Frame]:
    """Return `data` as a message and as one that is compressed, after one that says what the encoding is."""
    first = Frame(1, 0, False, True, b'{"op":11}')
    kinds = [(True, data), (False, data), (False, zlib.compress(data))]
    return [first, *(Frame(1, 0, from_client, is_text, each) for is_text, each in kinds)]


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_odd_texts_read_the_same_both_ways(envelope: str) -> None:
    odd = [each.encode(errors="surrogatepass") for each in NUMBERS + STRINGS + OTHERS] + BYTES
    for each in odd:
        data = envelope.encode().replace(b"%s", each)
        for from_client in (False, True):
            both(texts(data, from_client=from_client))


@pytest.mark.parametrize("levels", [900, 999, 1000, 1001, 1022, 1023, 1024, 5000, 100_000])
@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_texts_read_the_same_both_ways(begin: bytes, end: bytes, levels: int) -> None:
    core = b'""' if end == b"}" else b""
    both(texts(b'{"op":0,"d":' + begin * levels + core + end * levels + b"}"))


def test_a_text_of_too_many_values_goes_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsontext, "MAX_VALUES", 10_000)
    text = b'{"op":0,"d":[' + b"1," * 11_000 + b"1]}"
    assert read_shortly(text) is None
    assert (
        "more than 10,000 values" in both([Frame(1, 0, False, True, b'{"op":11}'), Frame(1, 0, False, True, text)])[1]
    )


def test_a_deep_stack_leaves_the_long_way() -> None:
    """What is too deep for the stack that is left to msgspec is not for orjson."""
    text = b'{"op":0,"d":' + b"[" * 900 + b"]" * 900 + b"}"

    def deeper(levels: int) -> str:
        return deeper(levels - 1) if levels else repr(read_payload(Plane.GATEWAY, "json", text).op)

    assert deeper(800) == "0"


@settings(deadline=None, max_examples=200)
@given(values, st.booleans(), st.data())
def test_any_text_reads_the_same_both_ways(value: Any, ascii_only: bool, data: st.DataObject) -> None:
    envelope = {"op": 0, "t": "X", "s": 1, "d": value}
    text = json.dumps(envelope, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(at, len(text)))
    put = data.draw(
        st.sampled_from([b"", b'"', b"{", b"}", b"[", b"\\", b"0", b"9", b"e", b"-", b",", b"\xff", b"\\ud800"])
    )
    both(texts(text))
    both(texts(text[:at] + put + text[cut:]))


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_mutated_streams_read_the_same_both_ways(encoding: str, compression: str) -> None:
    dice = random.Random(f"{encoding} {compression}")
    whole = usual(encoding, compression)
    for _ in range(150):
        frames = list(whole.frames)
        for _ in range(dice.randrange(1, 4)):
            mutate(frames, dice)
        both(frames, url=whole.url, late=dice.random() < 0.2)


def mutate(frames: list[Frame], dice: random.Random) -> None:
    at = dice.randrange(len(frames))
    frame = frames[at]
    cut = dice.randrange(len(frame.data) + 1)
    match dice.randrange(7):
        case 0:
            frames[at : at + 1] = [with_data(frame, frame.data[:cut]), with_data(frame, frame.data[cut:])]
        case 1 if len(frames) > 1:
            del frames[at]
        case 2:
            frames.insert(at, frame)
        case 3 if cut < len(frame.data):
            flipped = frame.data[cut] ^ 1 << dice.randrange(8)
            frames[at] = with_data(frame, frame.data[:cut] + bytes([flipped]) + frame.data[cut + 1 :])
        case 4:
            frames[at] = with_data(frame, frame.data, Mark(dice.choice([1, 2, 4, 8, 64])))
        case 5:
            frames[at : at + 2] = [with_data(frame, b"".join(each.data for each in frames[at : at + 2]))]
        case _:
            frames[at] = Frame(1, 0, dice.random() < 0.5, dice.random() < 0.5, frame.data)


def with_data(frame: Frame, data: bytes, marks: Mark = Mark.NONE) -> Frame:
    return Frame(frame.connection, frame.at_ns, frame.from_client, frame.is_text, data, marks)


@pytest.mark.parametrize("compression", ["zlib-stream", "zstd-stream"])
def test_odd_texts_in_a_stream_read_the_same_both_ways(compression: str) -> None:
    """The stream itself is whole, so that each text reaches the decoder; some are cut into several messages."""
    dice = random.Random(compression)
    odd = [each.encode(errors="surrogatepass") for each in NUMBERS + STRINGS + OTHERS] + BYTES
    for _ in range(60):
        talk, compress = Conversation("json", compression), compressor(compression)
        for _ in range(12):
            ordinary = b'{"op":0,"t":"X","s":%d,"d":{}}' % dice.randrange(100)
            text = dice.choice(ENVELOPES).encode().replace(b"%s", dice.choice(odd)) if dice.random() < 0.6 else ordinary
            data = compress(text)
            cut = dice.randrange(len(data)) if dice.random() < 0.3 else 0
            for piece in (data[:cut], data[cut:]) if cut else (data,):
                talk.frame(piece)
        both(talk.frames, url=talk.url)


def test_most_payloads_go_the_short_way() -> None:
    """Else the tests above would compare the long way with itself."""
    assert read_shortly(b'{"t":"X","s":7,"op":0,"d":{"id":"1"}}') is not None
    assert read_shortly(b'{"op":11}').d is ABSENT
    assert read_shortly(b'{"op":11,"d":null}').d is None
    assert read_shortly(b'{"op":0,"d":{"big":123456789012345678901234567890}}').d == {
        "big": 123456789012345678901234567890
    }


def test_other_planes_do_not_go_the_short_way() -> None:
    for plane in Plane:
        both([Frame(1, 0, False, True, b'{"op":3,"d":1}')] * 2, plane=plane, url="")

"""The table of attacks: what a hostile server and a hostile client do to a proxy between them, by name.

`attacks(scale)`: 1 is the whole of it; a larger divisor takes large things by that much smaller, for a quick run.
Texts that would do harm in a terminal are marked, so that they can be found in what is printed: see `MARK`.
"""

import gzip
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import zstandard

from tests.e2e.attacking import (
    BINARY,
    CLOSE,
    FIN,
    HELLO,
    PING,
    PONG,
    TEXT,
    Attack,
    Frame,
    Outcome,
    Said,
    pieces,
    random_bytes,
)

MARK = "PWNED"
"""Stands behind each thing that must not get to a terminal as it is."""
TITLE, C1, BIDI = f"\x1b]0;{MARK}\x07", f"\x9b31m{MARK}", f"\u202e{MARK}"
EVIL = f"{TITLE}{C1}{BIDI}\x1b[2J{MARK}\r{MARK}\0{MARK}\u2028{MARK}[bold red]{MARK}[/]"

MIB = 1 << 20
_ZLIB_END = b"\x00\x00\xff\xff"


def attacks(scale: int = 1) -> list[Attack]:
    """Return the whole table."""
    found = [
        *_payloads(scale),
        *_etf(scale),
        *_streams(scale),
        *_voice(),
        *_messages(scale),
        *_controls(scale),
        *_closes(),
        *_frames(),
        *_breaks(),
        *_handshakes(),
        *_reverse(scale),
    ]
    assert len({attack.name for attack in found}) == len(found)
    return found


def both(bodies: Callable[[], Iterable[Said]]) -> dict[str, Any]:
    return {"server": bodies, "client": bodies}


def texts(*bodies: bytes | str) -> list[Frame]:
    return [Frame(body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")) for body in bodies]


def payload(op: Any = 0, d: Any = None, s: Any = None, t: Any = None) -> bytes:
    return json.dumps({"op": op, "d": d, "s": s, "t": t}).encode()


READY = {
    "v": 10,
    "session_id": "0123456789abcdef",
    "resume_gateway_url": "wss://gateway-invented.discord.gg",
    "user": {"id": "1", "username": "invented"},
    "guilds": [{"id": "2", "unavailable": True}],
    "application": {"id": "1", "flags": 0},
}


# --- payloads -------------------------------------------------------------------------------------------------------


def _payloads(scale: int) -> Iterator[Attack]:
    yield Attack("ids", **both(lambda: [*texts(HELLO), *map(Frame, _ids())]))
    yield Attack("ops", **both(lambda: texts(HELLO, *(b'{"op":%b,"d":{}}' % odd for odd in _ODD))))
    yield Attack("seqs", **both(lambda: texts(HELLO, *(b'{"op":0,"t":"X","s":%b,"d":{}}' % odd for odd in _ODD))))
    yield Attack("names", **both(lambda: texts(HELLO, *(b'{"op":0,"t":%b,"s":1,"d":{}}' % odd for odd in _ODD))))
    yield Attack(
        "bodies", **both(lambda: texts(HELLO, *(b'{"op":%d,"d":%b}' % (o, x) for o in range(12) for x in _ODD)))
    )
    yield Attack("odd-json", **both(lambda: texts(HELLO, *_ODD_JSON, *_ODD)))
    yield Attack("deep", **both(lambda: [*texts(HELLO), *map(Frame, _deep())]))
    yield Attack("whitespace", **both(lambda: [Frame(b" " * (50 * MIB // scale))]))
    yield Attack("whitespace-in-json", server=lambda: [Frame(b'{"op":0,"d":' + b" " * (50 * MIB // scale) + b"1}")])
    yield Attack("lists", **both(lambda: [Frame(b'{"op":0,"d":[' + b"[]," * (17 * MIB // scale) + b"[]]}")]))
    yield Attack("quotes", client=lambda: [Frame(b'{"op":2,"d":"' + b'\\"' * (8 * MIB // scale) + b'"}')])
    yield Attack("open-quotes", client=lambda: [Frame(b'"' * (4 * MIB // scale))])
    yield Attack("tokens", client=lambda: [Frame(b'{"op":2,"d":{"token":"' + b"a." * (4 * MIB // scale) + b'"}}')])
    yield Attack("half-tokens", client=lambda: [Frame(b'{"token":' * (MIB // scale))])
    yield Attack("identify", client=lambda: map(Frame, _identifies()), server=lambda: texts(HELLO))
    yield Attack(
        "readies", server=lambda: map(Frame, _readies(scale)), client=lambda: texts(payload(2, {"token": "a"}))
    )
    yield Attack("sessions", server=lambda: map(Frame, _sessions(4000 // scale)))
    yield Attack("guilds", server=lambda: map(Frame, _guilds(scale)))
    yield Attack("hellos", server=lambda: texts(*(b'{"op":10,"d":{"heartbeat_interval":%b}}' % odd for odd in _ODD)))
    yield Attack("voice-updates", server=lambda: map(Frame, _voice_updates()))
    yield Attack("findings", **both(lambda: texts(HELLO, *[payload(9, True), payload(7)] * (2000 // scale))))


_ODD = tuple(
    each if isinstance(each, bytes) else each.encode()
    for each in (
        *("null", "true", "false", "-1", "1.5", "-0.0", '"1"', '"text"', "[]", "{}", "[[]]", '{"":{}}', "1e308"),
        *("1e309", "-1e309", "1e-400", str(2**31), str(2**53 + 1), str(2**63 - 1), str(2**63), str(-(2**63) - 1)),
        *(str(2**64), str(2**200), "1" * 5000, "-" + "9" * 5000, "1." + "0" * 5000 + "1"),
        *(
            '"' + "9" * 30 + '"',
            '"' + "9" * 5000 + '"',
            '"\\u0000"',
            '"\\ud800"',
            json.dumps(EVIL),
            '"' + "x" * 10000 + '"',
        ),
        *(json.dumps({EVIL: EVIL}), json.dumps(["a"] * 300), json.dumps({"a": {"b": {"c": [1, 2**80, None]}}})),
    )
)
_ODD_JSON = (
    *(b"NaN", b"Infinity", b"-Infinity", b'{"op":NaN}', b'{"op":0,"d":Infinity,"s":-Infinity}', b"\xef\xbb\xbf{}"),
    *(b'{"op":0,"op":1,"op":"x","d":1,"d":2}', b'{"op":0,"d":"\\ud800\\udc00\\udc00","t":"\\ud83d"}', b'{"\\ud800":1}'),
    *(b'{"op":0,"d":"\\u0000\\u001b]0;PWNED\\u0007"}', b'{"op":0', b'{"op":0}}', b'{"op":0}{"op":1}', b"{}{}{}" * 200),
    *(b"'single'", b"{op:0}", b'{"op":00}', b'{"op":0,}', b"[1,]", b'"\x01"', b"\x00", b"\x7f", b" ", b"\n\n", b"tru"),
    *("\u2028\u2029\u0085".encode(), EVIL.encode(), EVIL.encode() * 100, "\U0010ffff\ufffe\ufeff".encode()),
)


def _ids() -> Iterator[bytes]:
    numbers = (2**63 - 1, 2**63, 2**64, 2**200, -1, -(2**63), -(2**63) - 1, 10**4000, 0)
    for number in (*numbers, *map(str, numbers[:-2]), "x", EVIL, None, 1.5, 1e300, True, [], {}):
        # Written by hand: Python refuses to write integers of more than 4300 digits.
        ids = {"guild_id": number, "channel_id": number, "user_id": number, "id": number}
        for t in ("MESSAGE_CREATE", "GUILD_CREATE", "VOICE_STATE_UPDATE", "CHANNEL_CREATE", "INVENTED"):
            more = {"author": {"id": number}, "user": {"id": number}, "name": EVIL, "content": EVIL}
            yield payload(0, {**ids, **more}, 1, t)
        for op in (2, 3, 4, 6, 8, 14):
            yield payload(op, {**ids, "query": "", "shard": [number, number], "seq": number, "nonce": number})


def _deep() -> Iterator[bytes]:
    for depth in (500, 1100, 100_000):
        yield b"[" * depth
        yield b"[" * depth + b"]" * depth
        yield b'{"op":0,"d":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


def _identifies() -> Iterator[bytes]:
    for odd in _ODD:
        yield b'{"op":2,"d":{"token":%b,"intents":%b,"properties":%b,"shard":%b,"compress":%b}}' % ((odd,) * 5)
        yield b'{"op":6,"d":{"token":%b,"session_id":%b,"seq":%b}}' % ((odd,) * 3)
    yield b'{"op":2,"d":{"token":"a","intents":%d}}' % 2**300
    yield payload(2, {"token": EVIL, "intents": 1, "properties": {EVIL: EVIL, "os": EVIL, "browser": [EVIL]}})
    yield payload(6, {"token": "a", "session_id": "s" * MIB, "seq": 1})


URLS: tuple[Any, ...] = (
    "javascript:alert(1)",
    "file:///etc/passwd",
    "http://127.0.0.1:1/",
    "wss://user:password@discord.gg/",
    "wss://gateway.discord.gg:99999",
    "wss://[::1",
    "wss://gateway.discord.gg\r\nHost: other",
    "wss://\u202e.discord.gg",
    "wss://",
    "",
    EVIL,
    f"wss://{EVIL}/",
    "wss://a" + "a" * MIB,
    5,
    None,
    True,
    ["wss://a"],
    {"a": "wss://a"},
    2**200,
)


def _readies(scale: int) -> Iterator[bytes]:
    for url in URLS:
        yield payload(0, {**READY, "resume_gateway_url": url}, 1, "READY")
    for name in READY:
        for odd in _ODD:
            body = {key: value for key, value in READY.items() if key != name}
            others = json.dumps(body)[1:-1].encode()
            yield b'{"op":0,"t":"READY","s":1,"d":{%b,"%b":%b}}' % (others, name.encode(), odd)
    yield payload(0, {**READY, "session_id": "s" * MIB}, 1, "READY")
    yield payload(
        0, {**READY, "guilds": [{"id": str(each), "name": EVIL} for each in range(20000 // scale)]}, 1, "READY"
    )


def _sessions(number: int) -> Iterator[bytes]:
    yield HELLO
    for each in range(number):
        yield payload(0, {**READY, "session_id": f"{each:032x}{EVIL}"}, each, "READY")


def _guilds(scale: int) -> Iterator[bytes]:
    yield HELLO
    for each in range(2000 // scale):
        yield payload(
            0, {"id": str(10**18 + each), "name": f"{EVIL}{each}", "member_count": 10**30}, each, "GUILD_CREATE"
        )
    yield payload(
        0, {"id": "3", "name": "n" * (10 * MIB // scale), "channels": [{"id": "4", "name": EVIL}]}, 1, "GUILD_CREATE"
    )


def _voice_updates() -> Iterator[bytes]:
    endpoints = (
        "",
        EVIL,
        "x" * 100_000,
        "localhost:-1",
        "127.0.0.1:99999999999",
        "[::1",
        "a:b:c",
        "javascript:1",
        None,
    )
    for endpoint in (*endpoints, 5, True, [], {}, 2**200, 1.5):
        yield payload(4, {"guild_id": "5", "channel_id": "6", "self_mute": False, "self_deaf": False})
        yield payload(0, {"guild_id": "5", "endpoint": endpoint, "token": "t"}, 1, "VOICE_SERVER_UPDATE")
        yield payload(
            0, {"guild_id": "5", "channel_id": "6", "user_id": "1", "session_id": endpoint}, 1, "VOICE_STATE_UPDATE"
        )


# --- ETF ------------------------------------------------------------------------------------------------------------


def _etf(scale: int) -> Iterator[Attack]:
    yield Attack("etf", **both(lambda: [Frame(each, BINARY) for each in _terms(scale)]), query="v=10&encoding=etf")
    yield Attack(
        "etf-random",
        **both(lambda: [Frame(b"\x83" + random_bytes(f"etf {n}", n), BINARY) for n in range(300)]),
        query="v=10&encoding=etf",
    )


def _compressed(term: bytes, said: int | None = None) -> bytes:
    return b"P" + (len(term) if said is None else said).to_bytes(4) + zlib.compress(term)


def _terms(scale: int) -> Iterator[bytes]:
    yield b"\x83"
    yield b"\x82\x00"
    hello = b"t\x00\x00\x00\x01m\x00\x00\x00\x02opa\x0a"
    yield b"\x83" + hello
    yield b"\x83t\xff\xff\xff\xff"
    yield b"\x83l\xff\xff\xff\xff"
    yield b"\x83m\xff\xff\xff\xffabc"
    yield b"\x83o\xff\xff\xff\xff\x00"
    yield b"\x83o" + (1 << 20).to_bytes(4) + b"\x00" + b"\xff" * (1 << 20)
    yield b"\x83" + b"l\x00\x00\x00\x01" * 100_000 + b"j" * 100_001
    yield b"\x83" + b"h\x01" * 100_000
    yield b"\x83l\x00\x20\x00\x00" + b"j" * (2 << 20) + b"j"
    yield b"\x83F\x7f\xf0\x00\x00\x00\x00\x00\x00"
    yield b"\x83c" + b"nan".ljust(31, b"\0")
    yield b"\x83t\x00\x00\x00\x01" + b"t\x00\x00\x00\x00" + b"a\x01"
    bomb = b"m" + (60 * MIB // scale).to_bytes(4) + bytes(60 * MIB // scale)
    yield b"\x83" + _compressed(bomb)
    for _ in range(100 // scale):
        yield b"\x83l\x00\x00\x00\x04" + _compressed(bomb) * 4 + b"j"
    nested = b"a\x01"
    for _ in range(300):
        nested = _compressed(nested)
    yield b"\x83" + nested
    yield b"\x83" + _compressed(b"a\x01", 0xFFFFFFFF)
    yield b"\x83P\xff\xff\xff\xffgarbage"
    for number in (2**63, 2**64, 2**200):
        data = number.to_bytes((number.bit_length() + 7) // 8, "little")
        big = b"n" + bytes((len(data), 0)) + data
        yield (
            b"\x83t\x00\x00\x00\x03m\x00\x00\x00\x02opa\x00m\x00\x00\x00\x01tm\x00\x00\x00\x0eMESSAGE_CREATE"
            b"m\x00\x00\x00\x01dt\x00\x00\x00\x02m\x00\x00\x00\x08guild_id" + big + b"m\x00\x00\x00\x02id" + big
        )
    evil = EVIL.encode()
    yield b"\x83t\x00\x00\x00\x01m" + struct.pack(">I", len(evil)) + evil + b"d" + struct.pack(">H", len(evil)) + evil


# --- compressed streams ---------------------------------------------------------------------------------------------


class Zlib:
    """A zlib-stream as a server makes it."""

    def __init__(self) -> None:
        self._made = zlib.compressobj()

    def __call__(self, text: bytes, flush: int = zlib.Z_SYNC_FLUSH) -> bytes:
        return self._made.compress(text) + self._made.flush(flush)


def zlib_bomb(size: int) -> bytes:
    """Return a zlib-stream's message that inflates to `size` zeros, in whole mebibytes."""
    made = zlib.compressobj(9)
    head = made.compress(bytes(MIB)) + made.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers back, so the same block comes out each time.
    block = made.compress(bytes(MIB)) + made.flush(zlib.Z_FULL_FLUSH)
    return head + block * (size // MIB - 1)


def zstd_bomb(size: int, window: int = 0x38) -> bytes:
    """Return a zstd frame, not ended, that inflates to `size` zeros: blocks of 128 KiB, each one byte repeated."""
    block = (1 << 1 | (1 << 17) << 3).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\x00" + bytes((window,)) + block * (size >> 17)


def _streams(scale: int) -> Iterator[Attack]:
    z, s = "v=10&encoding=json&compress=zlib-stream", "v=10&encoding=json&compress=zstd-stream"
    gib = 1024 * MIB // scale

    def binary(*bodies: bytes) -> Callable[[], list[Frame]]:
        return lambda: [Frame(body, BINARY) for body in bodies]

    def zlib_of(*texts: bytes) -> list[bytes]:
        made = Zlib()
        return [made(text) for text in texts]

    yield Attack("zlib-bomb", server=lambda: [Frame(zlib_bomb(gib), BINARY)], query=z)
    yield Attack(
        "zlib-bombs",
        server=lambda: [Frame(each, BINARY) for each in [zlib_bomb(60 * MIB)] * (20 // min(scale, 10))],
        query=z,
    )
    yield Attack(
        "zlib-drip",
        server=lambda: [Frame(each, BINARY) for each in _drip(zlib_of(b'{"op":0,"d":"', b"x" * 9000))],
        query=z,
    )
    ended = zlib.compress(HELLO)
    yield Attack("zlib-ends", server=binary(ended, b"more", ended), query=z)
    yield Attack("zlib-ends-in-stream", server=lambda: [Frame(zlib_of(HELLO)[0] + b"garbage", BINARY)] * 3, query=z)
    yield Attack(
        "zlib-wrong-suffix",
        server=lambda: [Frame(e[:-4] + b"\0\0\xff\xfe", BINARY) for e in zlib_of(HELLO, HELLO)],
        query=z,
    )
    yield Attack("zlib-no-suffix", server=lambda: [Frame(e[:-4], BINARY) for e in zlib_of(*[HELLO] * 500)], query=z)
    yield Attack("zlib-garbage", server=binary(b"\x78\x9c" + random_bytes("z", 1000), random_bytes("y", 1000)), query=z)
    yield Attack("zlib-many", server=lambda: [Frame(zlib_of(HELLO * 5000)[0], BINARY)], query=z)
    yield Attack("zlib-dictionary", server=binary(b"\x78\xbb\x00\x00\x00\x01" + b"x" * 20), query=z)
    yield Attack("text-in-stream", server=lambda: _mixed(zlib_of(HELLO, payload(11), payload(11))), query=z)
    yield Attack("zstd-bomb", server=lambda: [Frame(zstd_bomb(gib), BINARY)] * 2, query=s)
    yield Attack("zstd-window", server=binary(zstd_bomb(MIB, 0xFF), zstd_bomb(MIB, 0x80)), query=s)
    yield Attack("zstd-single-segment", server=binary(b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8 + b"\x03\0\0"), query=s)
    yield Attack(
        "zstd-garbage", server=binary(b"\x28\xb5\x2f\xfd" + random_bytes("s", 100), random_bytes("t", 100)), query=s
    )
    yield Attack("zstd-frames", server=lambda: [Frame(zstandard.compress(HELLO) * 500, BINARY)], query=s)
    yield Attack(
        "zstd-skippable", server=binary(b"\x50\x2a\x4d\x18" + b"\xff" * 4, b"\x50\x2a\x4d\x18\0\0\0\0" * 1000), query=s
    )
    yield Attack("zstd-unended", server=lambda: [Frame(e, BINARY) for e in _unended_zstd(2000 // scale)], query=s)
    bomb = zlib_ended_bomb(100 * MIB // scale)
    yield Attack("payload-bombs", **both(lambda: [Frame(HELLO), *[Frame(bomb, BINARY)] * (40 // scale)]))
    yield Attack("gzip", **both(lambda: [Frame(gzip.compress(HELLO), BINARY)]))
    yield Attack("random", **both(lambda: [Frame(random_bytes(f"r {n}", n), BINARY) for n in range(1, 300)]), query=z)
    yield Attack("claims-nothing-known", server=binary(HELLO, b"{}"), query="v=99999999&encoding=bson&compress=brotli")


def zlib_ended_bomb(size: int) -> bytes:
    made = zlib.compressobj(9)
    return b"".join([*(made.compress(bytes(MIB)) for _ in range(max(1, size // MIB))), made.flush()])


def _drip(parts: list[bytes]) -> list[bytes]:
    """Cut what a stream says into messages of one byte."""
    return [bytes((byte,)) for part in parts for byte in part]


def _mixed(compressed: list[bytes]) -> list[Frame]:
    """Put texts between the messages of a stream, which is whole all the same."""
    return [frame for each in compressed for frame in (Frame(each, BINARY), Frame(HELLO))]


def _unended_zstd(number: int) -> Iterator[bytes]:
    """One string that never ends, each message a little more of it."""
    made = zstandard.ZstdCompressor().compressobj()
    yield made.compress(b'{"op":0,"d":"') + made.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    for each in range(number):
        yield made.compress(random_bytes(f"u {each}", 2000).hex().encode()) + made.flush(
            zstandard.COMPRESSOBJ_FLUSH_BLOCK
        )


# --- voice ----------------------------------------------------------------------------------------------------------


def _voice() -> Iterator[Attack]:
    def ops() -> list[Frame]:
        hello = Frame(b'{"op":8,"d":{"v":8,"heartbeat_interval":13750}}')
        bodies = [bytes((0, 1, op)) + random_bytes(f"voice {op}", 40) for op in range(256)]
        cut = [bytes((0, 1, op)) + b"\0\1\0\5" + b"\xff" * length for op in range(25, 31) for length in range(20)]
        from_client = [bytes((op,)) + random_bytes(f"client {op}", 99) for op in range(256)]
        return [hello, *(Frame(each, BINARY) for each in [*bodies, *cut, *from_client, b"\0", b"\0\1", b"\0\1\x1b"])]

    yield Attack("voice-ops", **both(ops), query="v=8")
    yield Attack(
        "voice-json",
        **both(lambda: texts(*(b'{"op":%d,"d":%b}' % (op, odd) for op in range(33) for odd in _ODD))),
        query="v=8",
    )
    ready = b'{"op":2,"d":{"ssrc":%b,"ip":%b,"port":%b,"modes":%b}}'
    yield Attack("voice-readies", server=lambda: texts(*(ready % ((odd,) * 4) for odd in _ODD)), query="v=8")
    yield Attack(
        "voice-garbage", **both(lambda: [Frame(random_bytes(f"v {n}", n), BINARY) for n in range(1, 300)]), query="v=9"
    )


# --- messages -------------------------------------------------------------------------------------------------------


def _messages(scale: int) -> Iterator[Attack]:
    yield Attack(
        "empty", **both(lambda: [Frame(), Frame(b"", BINARY), *pieces(b"", 1), Frame(b"", TEXT, 0), Frame(b"", 0)])
    )
    yield Attack("burst", server=lambda: [Frame(b'{"op":11}')] * (100_000 // scale))
    yield Attack("burst-back", client=lambda: [Frame(b'{"op":1,"d":1}')] * (50_000 // scale))
    yield Attack("in-fragments", **both(lambda: pieces(b'{"op":0,"d":"' + b"f" * (MIB // scale) + b'"}', 16)))
    yield Attack(
        "empty-fragments",
        server=lambda: [Frame(b"{", TEXT, 0), *[Frame(b"", 0, 0)] * (50_000 // scale), Frame(b"}", 0)],
    )
    yield Attack(
        "split-characters",
        **both(lambda: pieces(json.dumps({"op": 0, "d": EVIL}, ensure_ascii=False).encode() * 50, 1)),
    )
    yield Attack("large", **both(lambda: [Frame(b'{"op":0,"d":"' + b"l" * (50 * MIB // scale) + b'"}')]))
    yield Attack(
        "control-between-fragments", **both(lambda: [Frame(b'{"op":', TEXT, 0), Frame(b"!", PING), Frame(b"1}", 0)])
    )


def _controls(scale: int) -> Iterator[Attack]:
    evil = EVIL.encode()[:125]
    yield Attack("pings", **both(lambda: [*[Frame(evil, PING)] * (5000 // scale), Frame(HELLO)]))
    yield Attack("pongs", **both(lambda: [Frame(b"", PONG), Frame(evil, PONG), Frame(b"'\"\\\n", PONG), Frame(HELLO)]))
    yield Attack(
        "ping-bytes", **both(lambda: [*(Frame(bytes((each,)) * 125, PING) for each in range(256)), Frame(HELLO)])
    )


# --- ends -----------------------------------------------------------------------------------------------------------


def _closes() -> Iterator[Attack]:
    evil = EVIL.encode()[:120]
    bodies = {
        "one-byte": b"\x03",
        "reason-not-utf8": b"\x0f\xa0" + b"\xff\xfe\xc3" * 40,
        "reason-evil": b"\x0f\xa4" + evil[: evil.rindex(MARK.encode()) + 5],
        "reason-nul": b"\x0f\xa0" + b"\0" * 123,
        "empty": b"",
        **{str(code): code.to_bytes(2) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 4004, 4999, 65535)},
    }
    for name, body in bodies.items():
        outcome = Outcome.BROKEN if name == "one-byte" else Outcome.CLOSED
        yield Attack(
            f"server-close-{name}", server=lambda body=body: [Frame(HELLO), Frame(body, CLOSE)], outcome=outcome
        )
        yield Attack(
            f"client-close-{name}", client=lambda body=body: [Frame(HELLO), Frame(body, CLOSE)], outcome=outcome
        )
    twice = [Frame(HELLO), Frame(b"\x0f\xa0", CLOSE), Frame(b"\x0f\xa1", CLOSE), Frame(b"late"), Frame(b"", PING)]
    yield Attack("server-says-more-after-close", server=lambda: twice, outcome=Outcome.CLOSED)
    yield Attack("client-says-more-after-close", client=lambda: twice, outcome=Outcome.CLOSED)
    yield Attack("both-close", **both(lambda: [Frame(HELLO), Frame(b"\x0f\xa0", CLOSE)]), outcome=Outcome.CLOSED)


def _frames() -> Iterator[Attack]:
    """Frames that break WebSocket's rules. mitmproxy closes both ends, with 1002 or 1007."""
    bad: dict[str, list[Said]] = {
        **{f"rsv{3 - bit}": [Frame(HELLO, first=FIN | 1 << 4 + bit)] for bit in range(3)},
        **{f"opcode-{opcode}": [Frame(b"x", opcode)] for opcode in (3, 7, 11, 15)},
        "continuation-without-start": [Frame(HELLO, 0)],
        "start-in-a-message": [Frame(b"{", TEXT, 0), Frame(HELLO)],
        "fragmented-ping": [Frame(b"x", PING, 0)],
        "long-ping": [Frame(b"x" * 126, PING)],
        "long-close": [Frame(b"\x0f\xa0" + b"x" * 130, CLOSE)],
        "invalid-utf8": [Frame(b'{"op":"\xff\xfe\xed\xa0\x80"}')],
        "cut-utf8": [Frame('{"op":"é'.encode()[:-1])],
    }
    for name, said in bad.items():
        yield Attack(f"server-{name}", server=lambda said=said: [Frame(HELLO), *said], outcome=Outcome.BROKEN)
        yield Attack(f"client-{name}", client=lambda said=said: [Frame(HELLO), *said], outcome=Outcome.BROKEN)
    yield Attack("client-unmasked", client=lambda: [Frame(HELLO, masked=False)], outcome=Outcome.BROKEN)
    yield Attack("server-masked", server=lambda: [Frame(HELLO, masked=True)], outcome=Outcome.BROKEN)
    lengths = {"non-minimal": b"\x81\x7e\x00\x05hello", "non-minimal-8": b"\x81\x7f" + bytes(7) + b"\x05hello"}
    for name, raw in {**lengths, "top-bit": b"\x81\x7f\xff" + b"\xff" * 7}.items():
        yield Attack(f"server-length-{name}", server=lambda raw=raw: [raw], outcome=Outcome.BROKEN)


def _breaks() -> Iterator[Attack]:
    half = b"\x82\x7f" + (1 << 40).to_bytes(8) + b"half of it"
    masked = b"\x82\xff" + (1 << 40).to_bytes(8) + b"\0\0\0\0half of it"
    for outcome in (Outcome.LEFT, Outcome.RESET):
        yield Attack(f"server-half-{outcome.name.lower()}", server=lambda: [Frame(HELLO), half], outcome=outcome)
        yield Attack(f"client-half-{outcome.name.lower()}", client=lambda: [Frame(HELLO), masked], outcome=outcome)
        yield Attack(f"header-half-{outcome.name.lower()}", client=lambda: [Frame(HELLO), b"\x81"], outcome=outcome)
        yield Attack(f"silence-{outcome.name.lower()}", outcome=outcome)


# --- handshakes -----------------------------------------------------------------------------------------------------


def _with(*headers: bytes) -> Callable[[bytes], bytes]:
    return lambda head: head[:-2] + b"".join(header + b"\r\n" for header in headers) + b"\r\n"


def _handshakes() -> Iterator[Attack]:
    hello: dict[str, Any] = {"server": lambda: [Frame(HELLO)], "client": lambda: [Frame(HELLO)]}
    evil = EVIL.encode().replace(b"\r", b"").replace(b"\0", b"")
    yield Attack("wrong-accept", **hello, answer=lambda head: head.replace(b"Accept: ", b"Accept: wrong"))
    yield Attack("no-accept", **hello, answer=lambda head: head.replace(b"Sec-WebSocket-Accept", b"X-Nothing"))
    yield Attack("many-headers", **hello, answer=_with(*(b"X-%d: y" % n for n in range(5000))))
    yield Attack("many-request-headers", **hello, request=_with(*(b"X-%d: y" % n for n in range(5000))))
    yield Attack(
        "huge-header",
        **hello,
        answer=_with(b"Server: " + b"s" * 60_000),
        request=_with(b"User-Agent: " + b"u" * 60_000),
    )
    yield Attack("mebibyte-header", **hello, answer=_with(b"Server: " + b"s" * MIB))
    yield Attack("mebibyte-request-header", **hello, request=_with(b"User-Agent: " + b"u" * MIB))
    yield Attack(
        "evil-headers",
        **hello,
        answer=_with(b"Server: " + evil, b"CF-Ray: " + evil),
        request=_with(b"User-Agent: " + evil, b"Origin: " + evil),
    )
    yield Attack(
        "latin-headers",
        **hello,
        answer=_with(b"Server: \xff\xfe\x9b31mPWNED"),
        request=_with(b"User-Agent: \xff\xfe\x9b31mPWNED"),
    )
    yield Attack(
        "double-headers",
        **hello,
        answer=lambda head: head.replace(b"Upgrade: ", b"Upgrade: websocket\r\nUpgrade: ", 1),
        request=_with(b"Sec-WebSocket-Key: other", b"Host: other"),
        outcome=Outcome.SILENT,
    )
    yield Attack(
        "evil-subprotocol",
        **hello,
        answer=_with(b"Sec-WebSocket-Protocol: " + evil),
        request=_with(b"Sec-WebSocket-Protocol: " + evil),
    )
    yield Attack("unknown-extension", **hello, answer=_with(b"Sec-WebSocket-Extensions: x-invented; a=b, " + evil))
    yield Attack(
        "with-frames-at-once", **hello, answer=lambda head: head + Frame(HELLO).wire(from_client=False), extra=1
    )
    for name, parameters in EXTENSIONS.items():
        yield Attack(
            f"extension-{name}",
            **hello,
            answer=_with(b"Sec-WebSocket-Extensions: permessage-deflate" + parameters),
            outcome=Outcome.REFUSED,
        )
    refused = {
        "200": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
        "200-endless": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nno",
        "evil-reason": b"HTTP/1.1 403 " + evil + b"\r\nContent-Length: 0\r\n\r\n",
        "no-http": random_bytes("no http", 200) + b"\r\n\r\n",
        "evil-line": evil + b"\r\n\r\n",
        "status-000": b"HTTP/1.1 000 x\r\n\r\n",
        "status-99999": b"HTTP/1.1 99999 x\r\n\r\n",
        "header-injection": b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nX: a\n\rY: b\r\r\n : \r\n\r\n",
        "chunked": b"HTTP/1.1 403 x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "both-lengths": b"HTTP/1.1 403 x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxxx",
    }
    for name, raw in refused.items():
        yield Attack(f"answer-{name}", answer=lambda head, raw=raw: raw, outcome=Outcome.REFUSED)
    yield Attack(
        "other-upgrade",
        **hello,
        answer=lambda head: head.replace(b"Upgrade: websocket", b"Upgrade: tls"),
        outcome=Outcome.SILENT,
    )
    yield Attack(
        "no-upgrade", **hello, answer=lambda head: head.replace(b"Upgrade: websocket\r\n", b""), outcome=Outcome.SILENT
    )
    yield Attack(
        "old-version", **hello, request=lambda head: head.replace(b"Version: 13", b"Version: 8"), outcome=Outcome.SILENT
    )
    yield Attack("no-key", **hello, request=lambda head: head.replace(b"Sec-WebSocket-Key", b"X-Key"))
    yield Attack("url-long", **hello, path="/" + "%1b" * 20_000)
    yield Attack("url-mebibyte", **hello, path="/" + "%1b" * (MIB // 3))
    yield Attack("url-evil", **hello, path="/\x1b]0;PWNED\x07\x9b31mPWNED")
    yield Attack("url-percent", **hello, path="/%", query="v=10&encoding=json&%zz=%&&&=;" + "&a" * 500)
    for name, host in _HOSTS.items():
        yield Attack(f"host-{name}", **hello, request=lambda head, host=host: _hosted(head, host))


EXTENSIONS = {
    "bits-text": b"; server_max_window_bits=x",
    "bits-none": b"; client_max_window_bits",
    "bits-8": b"; server_max_window_bits=8",
    "bits-huge": b"; client_max_window_bits=" + b"9" * 5000,
    "evil": b"; server_max_window_bits=\x1b]0;PWNED\x07",
}
_HOSTS = {
    "evil": b"\x1b]0;PWNED\x07",
    "brackets": b"[::1",
    "empty": b"",
    "userinfo": b"user:password@gateway.discord.gg",
    "port": b"gateway.discord.gg:99999999",
    "long": b"a" * 3000 + b".discord.gg",
    "bytes": b"\xff\xfe.discord.gg",
}


def _hosted(head: bytes, host: bytes) -> bytes:
    """Name another host in the request's line and header, as a client of an HTTP proxy may."""
    line, _, rest = head.partition(b"\r\n")
    path = line.split(b" ")[1]
    lines = [each for each in rest.split(b"\r\n") if not each.startswith(b"Host:")]
    return b"\r\n".join([b"GET " + path + b" HTTP/1.1", b"Host: " + host, *lines])


# --- reverse mode ---------------------------------------------------------------------------------------------------


def _reverse(scale: int) -> Iterator[Attack]:
    z, s = "v=10&encoding=json&compress=zlib-stream", "v=10&encoding=json&compress=zstd-stream"
    identify: dict[str, Any] = {"client": lambda: texts(payload(2, {"token": "a"})), "reverse": True, "in_turn": True}

    def compressed(*bodies: bytes) -> list[Frame]:
        made = Zlib()
        return [Frame(made(body), BINARY) for body in bodies]

    readies = [payload(0, {**READY, "resume_gateway_url": url}, 1, "READY") for url in URLS]
    for number, ready in enumerate(readies):
        yield Attack(
            f"reverse-url-{number}",
            **identify,
            server=lambda ready=ready: [Frame(HELLO), Frame(ready)],
            rewritten=len(ready) > MIB,
        )
    yield Attack("reverse-readies", **identify, server=lambda: compressed(*readies), query=z, rewritten=True)
    keys = b'"resume_gateway_url":' * (2 * MIB // scale)
    yield Attack("reverse-keys", **identify, server=lambda: [Frame(b'{"op":0,"t":"READY","d":{"a":"' + keys + b'"}}')])
    places = b'{"op":0,"t":"READY","d":{"resume_gateway_url":"wss://a.invented","x":[%b1]}}'
    many = b'{"resume_gateway_url":"wss://b.invented"},' * (20_000 // scale)
    yield Attack("reverse-places", **identify, server=lambda: [Frame(places % many)], rewritten=True)
    yield Attack(
        "reverse-lists", **identify, server=lambda: [Frame(places % (b"[]," * (17 * MIB // scale)))], rewritten=True
    )
    yield Attack(
        "reverse-never-ready",
        **identify,
        server=lambda: [Frame(b'{"op":0,"d":[' + b"[]," * (17 * MIB // scale) + b"1]}")],
    )
    yield Attack(
        "reverse-spaces", **identify, server=lambda: [Frame(b'{"resume_gateway_url"' + b" " * (20 * MIB // scale))] * 2
    )
    yield Attack(
        "reverse-drip",
        **identify,
        server=lambda: [Frame(e, BINARY) for e in _unended_zstd(2000 // scale)],
        query=s,
        rewritten=True,
        outcome=Outcome.LEFT,
    )
    yield Attack(
        "reverse-zlib-bomb",
        **identify,
        server=lambda: [Frame(zlib_bomb(1024 * MIB // scale), BINARY)],
        query=z,
        outcome=Outcome.BROKEN if scale < 10 else Outcome.LEFT,
        rewritten=True,
    )
    yield Attack(
        "reverse-zstd-bomb",
        **identify,
        server=lambda: [Frame(zstd_bomb(1024 * MIB // scale), BINARY)],
        query=s,
        outcome=Outcome.BROKEN if scale < 10 else Outcome.LEFT,
        rewritten=True,
    )
    yield Attack(
        "reverse-garbage",
        **identify,
        server=lambda: [*compressed(HELLO), Frame(b"garbage" * 20, BINARY)],
        query=z,
        outcome=Outcome.BROKEN,
        rewritten=True,
    )
    yield Attack("reverse-resume", reverse=True, **_hello(), path="", query="v=10&encoding=json")
    yield Attack("reverse-host", reverse=True, **_hello(), request=lambda head: _hosted(head, b"\x1b]0;PWNED\x07"))


def _hello() -> dict[str, Any]:
    return {"server": lambda: [Frame(HELLO)], "client": lambda: [Frame(HELLO)]}

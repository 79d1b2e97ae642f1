"""Invented secrets of many kinds, one for each direction, and all the places in which one may cross the wire.

No canary holds a word of the tests, so that a run of twelve of its characters anywhere is a leak.
"""

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha512
from typing import Any
from urllib.parse import quote

from inspector.model import Closed, Control, Frame, Happening, Mark, Opened, Plane
from tests.conversation import HELLO, NOON, Conversation, dispatch
from tests.wire.etf_encoder import encode

RUN = 12
"""So many characters of a canary in a row are a leak."""
# Pieces of a text that are looked at: of any run, one whole piece is among them.
PIECE, STEP = 8, 5


@dataclass(frozen=True)
class Canary:
    """One secret."""

    kind: str
    key: str
    """A key that says that it is one."""
    secret: str
    around: str
    """A text in which it has a shape, with ``{}`` for it."""
    value: Any = None
    """What is under the key, where that is not the text itself."""

    @property
    def text(self) -> str:
        return self.around.format(self.secret)

    @property
    def known(self) -> Any:
        return self.secret if self.value is None else self.value


def _noise(seed: str, length: int) -> str:
    data = b"".join(sha512(f"{seed} {part}".encode()).digest() for part in range(3))
    text = base64.urlsafe_b64encode(data).decode().replace("-", "q").replace("_", "Z")
    # It has digits and letters of both sizes, as all that is random has.
    return "aB3" + text[: length - 3]


def _hex(seed: str, length: int) -> str:
    return sha512(seed.encode()).hexdigest()[:length]


def _digits(seed: str, length: int) -> str:
    return "1" + str(int(_hex(seed, 60), 16))[: length - 1]


def canaries(seed: str) -> list[Canary]:
    """Return one canary of each kind. Another `seed` gives others."""

    def noise(name: str, length: int) -> str:
        return _noise(f"{seed} {name}", length)

    token = f"{noise('id', 24)}.{noise('at', 6)}.{noise('sig', 27)}"
    new = f"{noise('id2', 26)}.{noise('at2', 6)}.{noise('sig2', 38)}"
    jwt = f"eyJ{noise('head', 20)}.eyJ{noise('body', 30)}.{noise('end', 43)}"
    hooks = f"https://discord.com/api/webhooks/{_digits(seed, 19)}/"
    key = [int(_hex(f"{seed} key {at}", 2), 16) for at in range(32)]
    return [
        Canary("bot token", "token", token, "said {} aloud"),
        Canary("new token", "Token", new, "Authorization: Bot {}"),
        Canary("mfa token", "token", "mfa." + noise("mfa", 84), "({})"),
        Canary("session id", "session_id", _hex(seed + "s", 32), '{{"session_id": "{}"}}'),
        Canary("password", "password", noise("pw", 14), 'then {{\\"password\\":\\"{}\\"}} came'),
        Canary("authorization", "authorization", noise("auth", 40), "authorization=Bearer {}"),
        Canary("captcha key", "captcha_key", "P1_" + jwt, "{}"),
        Canary("captcha rqtoken", "captcha_rqtoken", noise("rq", 44), "captcha_rqtoken={}&x=1"),
        Canary("refresh token", "refresh_token", noise("refresh", 30), '{{"a":1,"refresh_token":"{}"}}'),
        Canary("access token", "access_token", noise("access", 30), "https://example.org/cb#access_token={}"),
        Canary("client secret", "client_secret", noise("client", 32), "client_secret: {}"),
        Canary("API key", "api_key", noise("api", 32), "?api_key={}"),
        Canary("webhook", "webhook_token", noise("hook", 68), hooks + "{}"),
        Canary("gift", "code_verifier", noise("gift", 24), "https://discord.gift/{}"),
        Canary("old gift", "lobby_secret", noise("gift2", 24), "see https://discord.com/gifts/{} !"),
        Canary("e-mail", "email", f"{noise('mail', 14)}@mail.example.org", "write to {}, please"),
        Canary("phone", "phone", _digits(seed + "p", 15), '{{"phone": "{}"}}', int(_digits(seed + "p", 15))),
        Canary("login of a URL", "password", noise("login", 20), "wss://somebody:{}@gateway.discord.gg/?v=10"),
        Canary("interaction", "token", "aW50ZXJhY3Rpb24" + noise("ia", 60), "{}"),
        Canary("bearer", "access_token", noise("bearer", 30), "Bearer {}"),
        Canary("ticket", "ticket", noise("ticket", 48), "?v=10&ticket={}"),
        Canary("encrypted token", "encrypted_token", noise("enc", 64), "encrypted_token={}"),
        Canary("JSON Web Token", "id_token", jwt[::1].replace("eyJa", "eyJb"), "cookie={}"),
        Canary("cookie", "cookie", noise("cookie", 40), '{{"cookie":"{}"}}'),
        Canary("voice key", "secret_key", json.dumps(key), "secret_key={}", key),
    ]


def forms(canary: Canary) -> Iterator[bytes]:
    """Yield how a canary may look in what is printed or written."""
    if canary.kind == "voice key":
        # A list of numbers, or what they stand for.
        numbers = canary.value[:6]
        yield json.dumps(numbers)[1:-1].encode()
        yield json.dumps(numbers, separators=(",", ":"))[1:-1].encode()
        plain = bytes(canary.value)
    else:
        plain = canary.secret.encode()
    runs = [plain[at : at + RUN] for at in range(max(len(plain) - RUN + 1, 1))]
    for run in runs:
        yield run
        yield run.hex().encode()
        yield run.hex().upper().encode()
        yield run.hex(" ").encode()
    # Of base64, what the run's own bits decide, at each of the three alignments.
    longer = [plain[at : at + RUN + 3] for at in range(max(len(plain) - RUN - 2, 1))]
    for run in longer:
        for shift in range(3):
            text = base64.b64encode(b"\0" * shift + run)
            start = -(-shift * 4 // 3)
            yield text[start : start + RUN]


class Detector:
    """Finds canaries in bytes."""

    def __init__(self, found: Iterable[Canary]) -> None:
        self._forms: dict[bytes, list[tuple[bytes, str]]] = {}
        for canary in found:
            for form in set(forms(canary)):
                for at in range(RUN - PIECE + 1):
                    self._forms.setdefault(form[at : at + PIECE], []).append((form, canary.kind))

    def leaks(self, data: bytes) -> list[tuple[str, bytes]]:
        """Return the kinds of canaries in `data`, each with what is around it."""
        found: dict[str, bytes] = {}
        # JSON may write any character as an escape.
        plain = re.sub(rb"\\u00([0-7][0-9a-fA-F])", lambda escape: bytes([int(escape[1], 16)]), data)
        for text in {data, plain}:
            pieces = {text[at : at + PIECE] for at in range(0, len(text) - PIECE + 1, STEP)}
            for piece in pieces & self._forms.keys():
                for form, kind in self._forms[piece]:
                    if kind not in found and (at := text.find(form)) >= 0:
                        found[kind] = text[max(at - 60, 0) : at + 80]
        return sorted(found.items())


def bodies(canary: Canary) -> Iterator[Any]:
    """Yield bodies of messages that hold a canary: under its key, in unknown fields, as a key, in JSON in a string."""
    yield {canary.key: canary.known, "x": 1}
    yield {"deep": [{"er": {canary.key: [canary.known, {"of": canary.known}]}}]}
    yield {"unknown": canary.text, "list": ["a", [canary.text]]}
    yield {canary.text: {"n": 1}}
    yield {"inner": json.dumps({"x": 1, canary.key: canary.known, "more": json.dumps({canary.key: canary.secret})})}
    yield {"content": "x" * 60 + " " + canary.text}
    yield [canary.text]


def whole(canary: Canary, *, from_client: bool) -> Iterator[Any]:
    """Yield payloads that hold a canary."""
    for body in bodies(canary):
        yield {"op": 2, "d": body} if from_client else dispatch("MESSAGE_CREATE", body, 3)
    yield {"op": 97, "d": None, "unknown": {canary.key: canary.known}, canary.text: 1}
    yield {"op": 0, "t": canary.text, "s": 4, "d": {}}
    yield {"op": canary.text, "d": {}}


def damaged(data: bytes, canary: Canary) -> Iterator[bytes]:
    """Yield the bytes of a message, damaged so that they cannot be read."""
    at = data.find(canary.secret.encode()[:4])
    yield data[: at + len(canary.secret) // 2 + 2]
    yield data[:-1]
    yield data[1:]
    yield data[:1] + b"\x07" + data[2:]
    for place in (at - 1, at + 3):
        yield data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :] + b"\xff"
    yield b"\x78\x9c" + data
    yield zlib.compress(data)[:-6]
    yield zlib.compress(data, 0)[:-5]
    yield b"\x28\xb5\x2f\xfd" + data


def recorded(sent: list[Canary], received: list[Canary]) -> Iterator[Happening]:
    """Yield connections on which canaries cross the wire in each direction, but for compressed streams."""
    number = 0
    for from_client, found in ((True, sent), (False, received)):
        for canary in found:
            number += 1
            place = quote(canary.secret, safe="")
            talk = Conversation(url=f"wss://gateway.discord.gg/?v=10&encoding=json&{canary.key}={place}")
            if number % 3 == 0:
                talk = Conversation(url=f"wss://me:{place}@gateway.discord.gg/{place}/?v=10")
            talk.connection, talk._at_ns = number, NOON + number * 10**9
            headers = {
                "sec-websocket-protocol": f"json, {canary.secret}",
                "origin": f"https://x/?{canary.key}={canary.secret}",
            }
            talk.opens(headers=headers)
            talk.server(HELLO)
            for payload in whole(canary, from_client=from_client):
                data = json.dumps(payload).encode()
                talk.frame(data, from_client=from_client, is_text=True)
                talk.frame(encode(payload), from_client=from_client)
                talk.frame(zlib.compress(data), from_client=from_client)
            data = json.dumps({"op": 2, "d": {canary.key: canary.secret}}).encode()
            talk.frame(data + canary.secret.encode(), from_client=from_client, is_text=True)
            talk.frame(b'{"op":1}', from_client=True, is_text=True, marks=Mark.CHANGED, forwarded=data)
            for broken in damaged(data, canary):
                for is_text in (True, False):
                    talk.frame(broken, from_client=from_client, is_text=is_text)
            for broken in damaged(encode({"op": 2, "d": {canary.key: canary.secret}}), canary):
                talk.frame(broken, from_client=from_client)
            talk._add(Control(number, talk._at_ns, from_client, "ping", canary.secret.encode()[:125]))
            talk.closes(4000 + number % 20, canary.text[:120], "client" if from_client else "server")
            yield from talk.happenings
            number += 1
            at = talk._at_ns
            yield Opened(number, at, Plane.GATEWAY, talk.url, None, 403, f"HTTP 403 {canary.text}")
    for plane, host in (
        (Plane.VOICE, "c-x.discord.media"),
        (Plane.REMOTE_AUTH, "remote-auth-gateway.discord.gg"),
        (Plane.RPC, "127.0.0.1:6463"),
    ):
        number += 1
        talk = Conversation(
            plane=plane, url=f"wss://{host}/?v=8&client_id=1", connection=number, at_ns=NOON + number * 10**9
        ).opens()
        for from_client, found in ((True, sent), (False, received)):
            for canary in found:
                for body in bodies(canary):
                    inner = body if isinstance(body, dict) else {"list": body}
                    payload = {
                        Plane.VOICE: {"op": 4, "d": body, "seq": 1},
                        Plane.RPC: {"cmd": "DISPATCH", "evt": "READY", "data": body},
                    }
                    talk.frame(
                        json.dumps(payload.get(plane, {"op": "hello", **inner})).encode(),
                        from_client=from_client,
                        is_text=True,
                    )
                talk.frame(
                    json.dumps({"op": canary.text, "cmd": canary.text}).encode(), from_client=from_client, is_text=True
                )
                # A binary message of the voice gateway that is no known one.
                talk.frame(b"\0\1\x63" + canary.secret.encode(), from_client=from_client)
        talk.closes(4006, received[0].text, "server")
        yield from talk.happenings


def streamed(found: list[Canary]) -> Iterator[Happening]:
    """Yield a compressed stream of the server that holds canaries: its frames cannot be masked."""
    for at, compression in enumerate(("zlib-stream", "zstd-stream"), start=1):
        talk = Conversation(compression=compression, connection=at, at_ns=NOON + at * 10**9).opens().server(HELLO)
        for canary in found:
            for payload in whole(canary, from_client=False):
                talk.server(payload)
        talk.junk(json.dumps({found[0].key: found[0].secret}).encode()[:-1])
        talk.closes(4000, "", "server")
        yield from talk.happenings


__all__ = ["Canary", "Closed", "Detector", "Frame", "canaries", "damaged", "recorded", "streamed", "whole"]

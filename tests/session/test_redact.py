"""Secrets are masked wherever they stand, and nothing else is."""

import json
import re
import zlib
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import ABSENT, Plane
from inspector.protocol import registry
from inspector.session.redact import Redactor, digest, mask_headers, mask_reason, mask_text, mask_url, shapes, shown
from inspector.session.redact.bodies import Keys
from inspector.session.redact.digests import MIN_DIGESTED
from inspector.session.redact.shapes import may_hold_secret, shown_shapes

REDACTOR = Redactor(registry.default())
# Made up: the parts spell "invented account id", and so on.
TOKEN = "aW52ZW50ZWQgYWNjb3VudA.Zm9vYg.bm90IGEgcmVhbCBzaWduYXR1cmUgYXQgYWxs"
SESSION = "0123456789abcdef0123456789abcdef"


def short(value: str) -> str:
    return "••••" + sha256(value.encode()).hexdigest()[:4]


def masked(value: str) -> str:
    return f"masked-{sha256(value.encode()).hexdigest()[:8]}".ljust(len(value), "*")


def mask(d: Any, name: str | None = None, plane: Plane = Plane.GATEWAY) -> Any:
    return REDACTOR.mask(plane, name, d)


def mask_json(d: Any, name: str | None = None, plane: Plane = Plane.GATEWAY) -> bytes:
    return REDACTOR.mask_bytes(plane, name, "json", json.dumps(d).encode(), d)


def binary(text: str) -> bytes:
    data = text.encode()
    return b"m" + len(data).to_bytes(4) + data


def etf_map(**pairs: bytes) -> bytes:
    return b"t" + len(pairs).to_bytes(4) + b"".join(binary(key) + value for key, value in pairs.items())


def test_a_secret_that_cannot_be_guessed_shows_its_digest() -> None:
    d = {"token": TOKEN, "properties": {"os": "linux"}, "session_id": SESSION}
    assert mask(d) == {"token": short(TOKEN), "properties": {"os": "linux"}, "session_id": short(SESSION)}
    assert d["token"] == TOKEN


def test_a_secret_that_can_be_guessed_does_not() -> None:
    d = {"user": {"email": "someone@example.org", "phone": "+10000000000", "id": "1"}, "token": "short"}
    assert mask(d) == {"user": {"email": "••••", "phone": "••••", "id": "1"}, "token": "••••"}


def test_what_has_no_secret_is_the_same_object() -> None:
    for d in ({"a": [1, {"b": None}]}, [], "text", 5, None, True, ABSENT):
        assert mask(d) is d


def test_parts_without_secrets_are_shared() -> None:
    d = {"guilds": [{"id": "1"}], "sessions": [{"session_id": SESSION}, {"active": True}]}
    shown = mask(d)
    assert shown["sessions"][0] == {"session_id": short(SESSION)}
    assert shown["guilds"] is d["guilds"]
    assert shown["sessions"][1] is d["sessions"][1]


def test_several_secrets_around_each_other_are_all_masked() -> None:
    d = [{"token": TOKEN, "more": [{"token": TOKEN}, [{"email": "e@example.org"}]], "phone": "1"}]
    assert mask(d) == [{"token": short(TOKEN), "more": [{"token": short(TOKEN)}, [{"email": "••••"}]], "phone": "••••"}]


def test_keys_are_compared_in_lower_case() -> None:
    assert mask({"Token": "x", "SESSION_ID": "y"}) == {"Token": "••••", "SESSION_ID": "••••"}


def test_lists_and_objects_are_masked_whole_and_null_is_not() -> None:
    d = {"secret_key": [1, 2, 3], "token": None, "email": "", "phone": {"number": "1"}}
    assert mask(d, plane=Plane.VOICE) == {"secret_key": "••••", "token": None, "email": "", "phone": "••••"}


def test_bytes_are_masked() -> None:
    assert mask({"token": b"\xff\x00"}) == {"token": "••••"}


def test_a_body_a_thousand_deep_is_masked() -> None:
    d: Any = {"token": TOKEN}
    for _ in range(1000):
        d = [d]
    shown = mask(d)
    for _ in range(1000):
        (shown,) = shown
    assert shown == {"token": short(TOKEN)}


@pytest.mark.parametrize(
    ("plane", "name", "key", "secret"),
    [
        (Plane.REMOTE_AUTH, "nonce_proof", "nonce", True),
        (Plane.GATEWAY, "Request Guild Members", "nonce", False),
        (Plane.RPC, "AUTHORIZE", "code", True),
        (Plane.RPC, "GET_GUILD", "code", False),
        (Plane.GATEWAY, "INVITE_CREATE", "code", False),
        (Plane.GATEWAY, "BILLING_POPUP_BRIDGE_CALLBACK", "query", True),
        (Plane.GATEWAY, "Request Guild Members", "query", False),
        (Plane.GATEWAY, "USER_CONNECTIONS_LINK_CALLBACK", "state", True),
        (Plane.GATEWAY, "PRESENCE_UPDATE", "state", False),
        (Plane.GATEWAY, "READY", "resume_gateway_url", False),
        (Plane.VOICE, "Session Description", "sdp", True),
        (Plane.VOICE, "Session Description", "media_session_id", False),
        (Plane.REMOTE_AUTH, "pending_login", "ticket", True),
    ],
)
def test_a_key_is_secret_only_where_the_table_says(plane: Plane, name: str, key: str, secret: bool) -> None:
    assert (mask({key: "value"}, name, plane) != {key: "value"}) is secret


def test_the_number_of_an_rpc_error_is_no_secret() -> None:
    assert mask({"data": {"code": 5000}}, "AUTHORIZE", Plane.RPC) == {"data": {"code": 5000}}


def test_a_token_inside_other_text_is_found_by_its_shape() -> None:
    d = {"content": f"my token is {TOKEN}, do not tell", "more": ["mfa." + "x" * 30]}
    assert mask(d) == {"content": f"my token is {short(TOKEN)}, do not tell", "more": [short("mfa." + "x" * 30)]}


def test_the_password_inside_sdp_is_found_by_its_shape() -> None:
    sdp = "a=ice-ufrag:abcd\r\na=ice-pwd:Zm9vYmFyYmF6cXV1eGZvbw\r\na=setup:active"
    shown = mask({"protocol": "webrtc", "data": sdp}, "Select Protocol", Plane.VOICE)["data"]
    assert shown == sdp.replace("Zm9vYmFyYmF6cXV1eGZvbw", short("Zm9vYmFyYmF6cXV1eGZvbw"))


def test_a_mask_is_shown_as_what_it_stands_for() -> None:
    assert mask({"token": masked(TOKEN)}) == {"token": short(TOKEN)}
    assert mask({"token": "********"}) == {"token": "••••"}


def test_masked_bytes_are_shown_like_what_they_stand_for() -> None:
    d = {"token": TOKEN, "email": "e@example.org", "content": f"see {TOKEN}", "id": "1"}
    assert mask(json.loads(mask_json(d))) == mask(d)


def test_masking_twice_is_masking_once() -> None:
    once = mask({"token": TOKEN, "email": "e@example.org", "a": f"see {TOKEN}"})
    assert mask(once) == once


def test_a_digest_is_the_same_for_a_secret_and_its_mask() -> None:
    assert digest(SESSION) == digest(masked(SESSION)) == sha256(SESSION.encode()).hexdigest()[:8]
    assert digest("\ud800") != digest("\ud801")


def test_json_keeps_its_length() -> None:
    d = {"op": 2, "d": {"token": TOKEN, "properties": {"os": "linux"}}}
    data = json.dumps(d).encode()
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, "Identify", "json", data, d["d"])
    assert json.loads(hidden) == {"op": 2, "d": {"token": masked(TOKEN), "properties": {"os": "linux"}}}
    assert len(hidden) == len(data)


def test_json_with_escapes_inside_the_token_keeps_its_length() -> None:
    written = "".join(f"\\u{ord(c):04x}" if c in "aZ." else c for c in TOKEN)
    data = f'{{"op":2,"d":{{"t\\u006fken" : "{written}"}}}}'.encode()
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, "Identify", "json", data, json.loads(data)["d"])
    assert len(hidden) == len(data)
    assert digest(json.loads(hidden)["d"]["token"]) == digest(TOKEN)


def test_a_short_secret_does_not_take_its_namesakes_with_it() -> None:
    assert json.loads(mask_json({"op": "op", "token": "op"})) == {"op": "op", "token": "**"}


def test_a_long_secret_is_masked_wherever_else_it_stands() -> None:
    assert SESSION.encode() not in mask_json({"session_id": SESSION, "note": f"was {SESSION}"})


def test_both_of_two_equal_keys_are_masked() -> None:
    data = b'{"token":"the first of them","token":"the second one"}'
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, None, "json", data, json.loads(data))
    assert b"first" not in hidden
    assert b"second" not in hidden


def test_lists_and_objects_under_a_secret_key_keep_their_shape_in_json() -> None:
    d = {"a": 1, "secret_key": [7, 255, {"x": "one", "y": [3]}], "b": [5], "phone": 10000000000}
    hidden = mask_json(d, plane=Plane.VOICE)
    assert json.loads(hidden) == {"a": 1, "secret_key": [0, 0, {"x": "***", "y": [0]}], "b": [5], "phone": 0}
    assert len(hidden) == len(json.dumps(d))


def test_bytes_without_secrets_stay_as_they_are() -> None:
    d = {"op": 8, "d": {"guild_id": "1", "query": "al", "nonce": "x\\\u00e9", "token": None}}
    data = json.dumps(d).encode()
    assert REDACTOR.mask_bytes(Plane.GATEWAY, "Request Guild Members", "json", data, d["d"]) == data


def test_masked_bytes_stay_as_they_are() -> None:
    d = {"token": TOKEN, "email": "someone@example.org", "phone": "1"}
    once = mask_json(d)
    assert REDACTOR.mask_bytes(Plane.GATEWAY, None, "json", once, json.loads(once)) == once


def test_json_that_is_cut_off_is_masked() -> None:
    data = b'{"op":6,"d":{"session_id":"' + SESSION.encode()[:20]
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, None, None, data, ABSENT)
    assert hidden.startswith(b'{"op":6,"d":{"session_id":"masked-')
    assert len(hidden) == len(data)


def test_etf_keeps_its_length() -> None:
    data = b"\x83" + etf_map(op=b"a\x02", d=etf_map(token=binary(TOKEN), phone=binary("123"), os=binary("linux")))
    d = {"token": TOKEN, "phone": "123", "os": "linux"}
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, "Identify", "etf", data, d)
    assert hidden == b"\x83" + etf_map(
        op=b"a\x02", d=etf_map(token=binary(masked(TOKEN)), phone=binary("***"), os=binary("linux"))
    )


@pytest.mark.parametrize("key", [b"w\x05token", b"s\x05token", b"d\0\x05token", b"v\0\x05token", b"k\0\x05Token"])
def test_etf_keys_may_be_atoms(key: bytes) -> None:
    data = b"\x83t\0\0\0\x01" + key + binary(SESSION)
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, "Identify", "etf", data, {"token": SESSION})
    assert hidden == b"\x83t\0\0\0\x01" + key + binary(masked(SESSION))


def test_etf_that_is_cut_off_is_masked() -> None:
    data = (b"\x83" + etf_map(session_id=binary(SESSION)))[:-10]
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, None, "etf", data, ABSENT)
    assert hidden == data[: -len(SESSION) + 10] + masked(SESSION[:-10]).encode()


def test_nothing_is_left_of_etf_where_a_secret_is_no_text() -> None:
    data = b"\x83" + etf_map(token=b"l\0\0\0\x01a\x05j")
    assert REDACTOR.mask_bytes(Plane.GATEWAY, None, "etf", data, {"token": [5]}) == b"*" * len(data)


def test_the_length_of_a_token_in_etf_is_no_part_of_it() -> None:
    """A binary's length may be a byte that could begin a token."""
    data = b"\x83" + etf_map(content=binary(TOKEN))
    assert 65 <= len(TOKEN) <= 122
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, None, "etf", data, ABSENT)
    assert hidden == b"\x83" + etf_map(content=binary(masked(TOKEN)))


def test_a_token_in_what_cannot_be_read_is_found_by_its_shape() -> None:
    data = b"\x00\xffIdentify " + TOKEN.encode() + b"\x00"
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, None, None, data, ABSENT)
    assert hidden == b"\x00\xffIdentify " + masked(TOKEN).encode() + b"\x00"


def test_escapes_do_not_hide_the_shape_of_a_token() -> None:
    d = {"content": f"line\n{TOKEN}"}
    data = json.dumps(d).replace("Zm9v", "\\u005am9v").encode()
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, None, "json", data, json.loads(data))
    assert len(hidden) == len(data)
    assert json.loads(hidden)["content"].startswith(f"line\n{masked(TOKEN)}")


@pytest.mark.parametrize("encoding", ["json", "etf"])
def test_little_is_left_of_compressed_bytes_with_a_secret(encoding: str) -> None:
    data = zlib.compress(b'{"token":"' + TOKEN.encode() + b'"}')
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, None, encoding, data, {"token": TOKEN})
    assert hidden == data[:4] + b"*" * (len(data) - 4)
    assert REDACTOR.mask_bytes(Plane.GATEWAY, None, encoding, data, {"op": 1}) == data


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.sampled_from([TOKEN, f"a {TOKEN} b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["token", "Session_ID", "phone", "a", "d"]), inner, max_size=4)
    ),
    max_leaves=15,
)


def secrets_in(d: Any) -> list[str]:
    if isinstance(d, dict):
        return [
            found
            for key, value in d.items()
            for found in ([value] if key != "a" and key != "d" and isinstance(value, str) else secrets_in(value))
        ]
    return [found for value in d for found in secrets_in(value)] if isinstance(d, list) else []


@given(d=BODIES, ascii_only=st.booleans())
def test_no_secret_outlives_masking(d: Any, ascii_only: bool) -> None:
    data = json.dumps(d, ensure_ascii=ascii_only).encode()
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, None, "json", data, d)
    left = json.loads(hidden)
    for whole in (left, mask(d)):
        text = json.dumps(whole, ensure_ascii=False)
        assert TOKEN not in text
        assert all(len(secret) < 16 or secret not in text or "*" in secret for secret in secrets_in(d))
    assert mask(mask(left)) == mask(left)


@given(
    data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
    encoding=st.sampled_from(["json", "etf", None]),
)
def test_any_bytes_can_be_masked(data: bytes, encoding: str | None) -> None:
    assert len(REDACTOR.mask_bytes(Plane.GATEWAY, None, encoding, data, ABSENT)) == len(data)


def test_json_a_hundred_thousand_deep_is_masked() -> None:
    d: Any = {"token": ["x"]}
    data = b"[" * 100_000 + json.dumps(d).encode() + b"]" * 100_000
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, None, "json", data, d)
    assert hidden == b"[" * 100_000 + b'{"token": ["*"]}' + b"]" * 100_000


# Made up, as all that is secret here.
JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJlIG9mIG5vYm9keQ"
SHAPES = {
    "token": ("Authorization {}", TOKEN),
    "new token": ("{}", TOKEN + "abcdefghijk"),
    "mfa": ("it is {}.", "mfa." + "x" * 84),
    "jwt": ("captcha P1_{}", JWT),
    "webhook": ("https://discord.com/api/webhooks/1180000000000000042/{}", "fhjKLm_0-" + "Qx7" * 19),
    "interaction": (
        "https://discord.com/api/v10/interactions/1180000000000000042/{}/callback",
        "aW50ZXJhY3Rpb246" + "Ab1" * 30,
    ),
    "interaction token": ("{}", "aW50ZXJhY3Rpb246MTE4MDAwMDAwMDAwMDAwMDA0Mjp4eXo="),
    "gift": ("claim https://discord.gift/{} now", "aBcDeFgHiJkLmNoP"),
    "gift path": ("https://discord.com/gifts/{}", "aBcDeFgHiJkLmNoPqRsTuVwX"),
    "promotion": ("https://promos.discord.gg/{}", "aBcDeFgHiJkLmNoPqRsTuVwX"),
    "bearer": ("Authorization: Bearer {}", "6qrZcUqja7812RVdnEKjpzOL4CvHBFG"),
    "login": ("wss://{}@gateway.discord.gg/?v=10", "somebody:correct-horse-battery"),
    "e-mail": ("write to {} please", "someone.invented@mail.example.org"),
    "json": ('{{"password": "{}"}}', "correct horse battery staple"),
    "json in json": ('{{\\"refresh_token\\":\\"{}\\"}}', "D43f5y0ahjqew82jZ4NViEr2YafMKhue"),
    "cut json": ('{{"api_key":"{}', "cut-off-in-the-middle"),
    "form": ("grant_type=refresh_token&client_secret={}&x=1", "937it3ow87i4ery69876wqire"),
    "log": ("password: {}", "hunter2hunter2"),
    "query": ("wss://gateway.discord.gg/?v=10&ticket={}", "cmVtb3RlLWF1dGgtdGlja2V0"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_secret_in_an_unknown_field_is_found_by_its_shape(name: str) -> None:
    around, secret = SHAPES[name]
    text = around.format(secret)
    d = {"unknown": [{"field": text}], text: 1}
    for left in (json.dumps(mask(d)), mask_text(text), mask_reason(text)):
        assert not leaks(secret, left)
    data = json.dumps(d).encode()
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, None, "json", data, d)
    assert not leaks(secret, hidden.decode())
    assert len(hidden) == len(data)
    data = b"\x83" + etf_map(unknown=binary(text))
    hidden = REDACTOR.mask_bytes(Plane.GATEWAY, None, "etf", data, {"unknown": text})
    assert not leaks(secret, hidden.decode("latin-1"))
    assert len(hidden) == len(data)


def leaks(secret: str, text: str) -> bool:
    return any(secret[at : at + 12] in text for at in range(max(len(secret) - 11, 1)))


@pytest.mark.parametrize(
    "text",
    [
        "1180000000000000042",
        "a_0123456789abcdef0123456789abcdef",
        "2026-01-31T12:00:00.123456+00:00",
        "https://cdn.discordapp.com/avatars/1180000000000000042/a_0123456789abcdef0123456789abcdef.png?size=1024",
        "https://discord.com/channels/1180000000000000001/1180000000000000002/1180000000000000003",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        "the Bot administrators-of-this-server are <@1180000000000000042> and @everyone",
        "keyboard: mechanical, session: tonight, token: no",
        "gateway-us-east1-b.discord.gg",
        "wss://gateway-us-east1-b.discord.gg/?v=10&encoding=json&compress=zlib-stream",
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    assert mask_text(text) is text
    assert mask({"content": text, text: "x"}) == {"content": text, text: "x"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("wss://gateway.discord.gg/?v=10&encoding=json&compress=zstd-stream", None),
        ("ws://127.0.0.1:8080/gwinspect-resume/gateway-us-east1-b.discord.gg/?v=10", None),
        ("wss://me:pw@host.example/p?v=10&token=abc#part", "wss://••••@host.example/p?v=10&token=••••#••••"),
        ("wss://a@b@host.example/", "wss://••••@host.example/"),
        ("wss://host.example/x?v=" + "9" * 30, "wss://host.example/x?v=••••"),
        ("wss://host.example/0123456789abcdef0123456789/x", None.__class__),
        ("", None),
        ("no address", None),
    ],
)
def test_an_address_keeps_what_says_how_the_gateway_speaks(url: str, expected: Any) -> None:
    found = mask_url(url)
    if expected is type(None):
        assert "0123456789" not in found
    else:
        assert found == (url if expected is None else expected)
    assert mask_url(found) == found


def test_headers_keep_what_helps_to_read_the_rest() -> None:
    headers = {
        "user-agent": "DiscordBot (https://example.org 1.0) Python/3.12",
        "sec-websocket-extensions": "permessage-deflate; client_max_window_bits",
        "origin": "https://discord.com",
        "gwinspect-reached-at": "ws://127.0.0.1:8080",
        "response-cf-ray": "8f1a2b3c4d5e6f70-FRA",
    }
    secret = {
        "authorization": "Bot short",
        "cookie": "a=b",
        "sec-websocket-protocol": "json, access.Zm9vYmFy, etf.v2",
        "origin": "https://me:pw@discord.com/?x=y",
    }
    assert mask_headers(headers) == headers
    assert mask_headers(secret) == {
        "authorization": "••••",
        "cookie": "••••",
        "sec-websocket-protocol": "json, ••••, etf.v2",
        "origin": "https://••••@discord.com/?x=••••",
    }


def test_a_reason_loses_what_is_left_of_a_token() -> None:
    assert not leaks(TOKEN, mask_reason(f"bad token {TOKEN[5:40]}"))
    for plain in (
        "Authentication failed.",
        "Session is no longer valid.",
        "HTTP 403 Forbidden (cf-ray 8f1a2b3c4d5e6f70-FRA)",
    ):
        assert mask_reason(plain) == plain


# The quick ways, against one that takes no short cut.

KEYS = ["id", "content", "user", "token", "Session_ID", "email", "nonce", "a key of more than sixteen letters", 7, True]
PIECES = [
    *(
        TOKEN,
        f"Bot {TOKEN}",
        "not a bot at all",
        f"Bearer {SESSION}",
        "Basic c29tZW9uZTpzb21ldGhpbmc=",
        "mfa." + "x" * 20,
    ),
    *(
        "https://discord.com/api/webhooks/123456789012345678/abcdefghijkl",
        "https://discord.gift/abcdefgh",
        "eyJhbGciOi",
    ),
    *(
        "https://someone:pass@example.org/",
        "someone@example.org",
        "<@123456789012345678>",
        "@everyone",
        "eyJhbGciOiJI.abc",
    ),
    *(
        "token=abcdefghijkl",
        '"token": "abcdefgh"',
        "password : swordfish",
        "API-KEY=0123456789",
        "my phone",
        "ticket=12345678",
    ),
    *(
        "encrypted_nonce=abcdefghijk",
        "a=ice-pwd:0123456789abcdef012345",
        "masked-0123abcd****",
        "aW50ZXJhY3Rpb24" + "x" * 20,
    ),
    *(
        SESSION,
        "2026-01-31T12:05:33.123456+00:00",
        "\n",
        " ",
        "'",
        '"',
        "\\",
        ".",
        ":",
        "=",
        "é",
        "K",
        "İ",
        "🎲",
        "\ud800",
    ),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=5).map("".join)
SCALARS = st.none() | st.booleans() | st.integers(-(10**8), 10**8) | st.floats() | st.binary(max_size=30) | TEXTS
BODIES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | TEXTS, inner, max_size=5),
    max_leaves=12,
)


def plainly_masked(d: Any, keys: Keys) -> Any:
    """Look at every key and every text."""
    if isinstance(d, dict):
        found = {}
        for key, value in d.items():
            name = shown_shapes(key) if isinstance(key, str) and len(key) >= MIN_DIGESTED else key
            correlate = keys.correlate.get(name.lower()) if isinstance(name, str) else None
            is_number = isinstance(value, int) and abs(value) >= 10**6
            if correlate is not None and value and (is_number or isinstance(value, str | bytes | list | dict)):
                found[name] = shown(value, correlate=correlate)
            else:
                found[name] = value if correlate is not None else plainly_masked(value, keys)
        return found
    if isinstance(d, list):
        return [plainly_masked(value, keys) for value in d]
    if isinstance(d, bytes):
        return shown(d, correlate=False) if re.search(rb"[\x20-\x7e]{12,}", d) else d
    return shown_shapes(d) if isinstance(d, str) and len(d) >= MIN_DIGESTED else d


@given(st.lists(BODIES, max_size=4))
def test_the_quick_way_to_mask_a_body_gives_what_looking_at_everything_gives(bodies: list[Any]) -> None:
    """Also with what it remembers of the bodies before."""
    redactor = Redactor(registry.default())
    for d in bodies:
        whole = plainly_masked(d, redactor._keys_for("gateway", None))
        assert repr(redactor.mask("gateway", None, d)) == repr(whole)


@given(TEXTS)
def test_a_text_in_which_something_is_masked_is_looked_at(text: str) -> None:
    if shown_shapes(text) != text:
        assert may_hold_secret(text)


def test_a_word_that_announces_a_secret_is_seen_however_it_is_written() -> None:
    """What looks for it goes by the word's last letters and the sign behind it."""
    behind = [quote + space + sign for quote in ("", '"', "'", '\\"') for space in ("", " ", "\n\t ") for sign in ":="]
    texts = [
        before + spell(word) + after + "abcdefgh12345678"
        for word in shapes._STRONG + shapes._WEAK
        for after in behind
        for spell in (str, str.upper, str.title)
        for before in ("", "my_", "é: ", "12:30 ")
    ]
    announced = [text for text in texts if shapes._ANNOUNCED.search(text)]
    assert len(announced) > len(texts) / 2
    assert [text for text in announced if not may_hold_secret(text)] == []


@pytest.mark.parametrize("text", ["encrypted_nonce=abcdefghijkl", "x" + "aW50ZXJhY3Rpb24" + "0" * 20])
def test_what_has_the_shape_of_a_secret_is_masked_whatever_is_around_it(text: str) -> None:
    assert "••••" in mask_text(text)


def test_keys_that_are_remembered_are_few() -> None:
    redactor = Redactor(registry.default())
    for number in range(5000):
        redactor.mask("gateway", None, {f"key {number}": 1, "x" * 200 + str(number): 2})
    harmless = redactor._keys_for("gateway", None).harmless
    assert 0 < len(harmless) <= 2000
    assert max(map(len, harmless)) <= 100

"""A look at the bytes never changes an answer: whatever writes a payload, and however, what it holds is found."""

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol.registry import default
from inspector.query.grammar import parse
from inspector.query.payloads import Question, body, question
from inspector.query.tree import InPayload, Text
from inspector.wire.decoder import read_payload
from tests.wire.dave_frames import APPEND
from tests.wire.etf_encoder import encode

REGISTRY = default()
ID = 1180000000000000042


def asked(text: str) -> Question:
    leaf = parse(text, REGISTRY)
    assert isinstance(leaf, InPayload | Text)
    return question(leaf)


def answer(text: str, data: bytes, encoding: str) -> bool:
    return asked(text)(data, encoding, lambda: body(data, "gateway", encoding, from_client=False, version=None))


def escaped(value: Any) -> bytes:
    """JSON in which every character of a text is an escape."""
    if isinstance(value, dict):
        return b"{" + b",".join(escaped(key) + b":" + escaped(item) for key, item in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(escaped, value)) + b"]"
    if isinstance(value, str):
        units = value.encode("utf-16-be", "surrogatepass")
        return b'"' + b"".join(b"\\u" + units[at : at + 2].hex().encode() for at in range(0, len(units), 2)) + b'"'
    return json.dumps(value).encode()


def compressed(data: bytes) -> bytes:
    return b"\x83P" + (len(data) - 1).to_bytes(4) + zlib.compress(data[1:])


def writings(d: Any) -> dict[str, tuple[bytes, str]]:
    payload = {"op": 0, "t": "X", "s": 1, "d": d}
    return {
        "json": (json.dumps(payload, ensure_ascii=False).encode(), "json"),
        "ascii": (json.dumps(payload).encode(), "json"),
        "slashes": (json.dumps(payload).replace("/", "\\/").encode(), "json"),
        "escaped": (b'{"op":0,"d":' + escaped(d) + b"}", "json"),
        "etf": (encode(payload), "etf"),
        "compressed etf": (compressed(encode(payload)), "etf"),
    }


BODY = {
    "guild_id": str(ID),
    "number": ID,
    "name": "Größe 🎉",
    "path": "a/b",
    "quote": 'say "x"',
    "list": [{"id": 7}, {"id": str(ID + 1)}, None],
    "half": 1.5,
    "yes": True,
    "none": None,
}

TRUE = [
    f"d.guild_id == {ID}",
    f"d.number == {ID}",
    f"d.number == '{ID}'",
    f"d.*.1.id == {ID + 1}",
    f"d.list.*.id == {ID + 1}",
    "d.list.0.id == 7",
    "d.list.0.id == '7'",
    "d.list.2 == null",
    "d.name == 'Größe 🎉'",
    "d.name =~ größe*",
    "d.path == a/b",
    """d.quote == 'say "x"'""",
    "d.half == 1.5",
    "d.half > 1",
    "d.half in (3, 1.5)",
    "d.yes == true",
    "d.none == null",
    "d.none",
    "d.yes != false",
    f"d.guild_id > {ID - 1}",
    f"d.guild_id <= {ID}",
    "d.list",
    "d.*",
    f"d.guild_id in (5, {ID})",
    "d.name =~ /^Gr.*🎉$/",
    "größe",
    "Größe",
    "🎉",
    "a/b",
    """'say "x"'""",
    str(ID),
    str(ID)[3:9],
]
FALSE = [
    f"d.guild_id == {ID + 5}",
    f"d.guild_id != {ID}",
    "d.nothing",
    "d.nothing != 1",
    "d.yes == 1",
    "d.yes == 'True'",
    "d.none == 'None'",
    "d.list.3",
    "d.name == größe",
    "GRÖSSE",
    "d.list.*.id != 7",
    "d.number.x",
    "nowhere",
    "d.half > 1.5",
    "d.list == '[]'",
    "d.name !~ gr*",
    "d.guild_id == null",
]


@pytest.mark.parametrize("writing", writings(BODY))
@pytest.mark.parametrize("text", TRUE)
def test_what_is_there_is_found(text: str, writing: str) -> None:
    assert answer(text, *writings(BODY)[writing])


@pytest.mark.parametrize("writing", writings(BODY))
@pytest.mark.parametrize("text", FALSE)
def test_what_is_not_there_is_not_found(text: str, writing: str) -> None:
    assert not answer(text, *writings(BODY)[writing])


def test_a_float_is_never_an_id() -> None:
    assert not answer(f"d.id == {10**18}", b'{"op":0,"d":{"id":1e18}}', "json")
    assert answer("d.size == 1000", b'{"op":0,"d":{"size":1e3}}', "json")


def test_a_short_text_is_not_taken_for_a_tag_of_etf() -> None:
    data = encode({"op": 0, "t": "X", "s": 1, "d": {"x": 5}})
    assert b"a" in data
    assert not answer("a", data, "etf")


def test_a_payload_that_cannot_be_read_holds_nothing_at_any_path() -> None:
    assert not answer("d.x", b'{"op":0,"d":{"x":', "json")
    assert not asked("d.x")(
        b'{"x"', "json", lambda: body(b'{"x"', "unheard-of", "json", from_client=False, version=None)
    )


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("127121515262115840", True),
        ("d.epoch == 1", True),
        ("d.proposals.*.removed == 2", True),
        ("12712151526211584X", False),
    ],
)
def test_a_binary_message_is_asked_for_what_it_decodes_to(text: str, holds: bool) -> None:
    found = asked(text)(APPEND, "binary", lambda: body(APPEND, "voice", "binary", from_client=False, version=8))
    assert found == holds


def test_wide_and_deep_payloads_take_little_time() -> None:
    d: Any = 1
    for _ in range(12):
        d = [d] * 2
    data = json.dumps({"op": 0, "d": [d] * 4}).encode()
    assert not answer("d" + ".*" * 15 + ".x", data, "json")


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=6)
KEYS = st.sampled_from(["a", "b", "id"])
BODIES = st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(KEYS, SCALARS), max_size=3)


@given(BODIES)
def test_every_value_is_found_by_what_it_is(d: dict[str, Any]) -> None:
    for name, (raw, encoding) in writings(d).items():
        payload = read_payload("gateway", encoding, raw)  # type: ignore[arg-type]
        for key, value in payload.d.items():
            if isinstance(value, str) and value.isprintable():
                wanted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            elif isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:
                wanted = str(value)
            elif value is None or isinstance(value, bool):
                wanted = {None: "null", True: "true", False: "false"}[value]
            else:
                continue
            assert answer(f"d.{key} == {wanted}", raw, encoding), (name, key, value)
            if isinstance(value, str) and value:
                assert answer(wanted, raw, encoding), (name, value)

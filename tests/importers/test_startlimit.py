"""The answer to GET /gateway/bot, whoever recorded it: what is believed of it, and what never is."""

import gzip
import json
import time
import zlib
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from inspector.importers.startlimit import MAX_BODY, MAX_TEXT, asks_for_limit, start_limit, unpacked
from inspector.model import StartLimit
from inspector.session.redact import digest
from tests.conversation import NOON, TOKEN

LIMIT = {"total": 1000, "remaining": 23, "reset_after": 5_000_000, "max_concurrency": 16}
ANSWER = {"url": "wss://gateway.discord.gg", "shards": 9, "session_start_limit": LIMIT}


def said(value: Any, authorization: str = f"Bot {TOKEN}") -> StartLimit | None:
    return start_limit(authorization, json.dumps(value), NOON)


def test_it_is_read_with_no_more_of_the_token_than_its_digest() -> None:
    assert said(ANSWER) == StartLimit(NOON, digest(TOKEN), 9, 1000, 23, 5_000_000, 16)


@pytest.mark.parametrize(
    ("authorization", "token"),
    [(TOKEN, TOKEN), (f"bot {TOKEN}", TOKEN), (f"Bearer {TOKEN} ", TOKEN), ("", None), ("Bot ", None)],
)
def test_the_token_is_what_follows_the_scheme(authorization: str, token: str | None) -> None:
    limit = said(ANSWER, authorization)
    assert limit is not None
    assert limit.token == (None if token is None else digest(token))


@pytest.mark.parametrize("token", ["short", "*" * 70])
def test_a_token_that_could_be_guessed_or_is_a_mask_has_no_digest(token: str) -> None:
    limit = said(ANSWER, f"Bot {token}")
    assert limit is not None
    assert limit.token is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"message": "401: Unauthorized", "code": 0},
        ANSWER | {"shards": "9"},
        ANSWER | {"shards": 0},
        ANSWER | {"shards": True},
        ANSWER | {"shards": 10**30},
        ANSWER | {"session_start_limit": None},
        ANSWER | {"session_start_limit": [LIMIT]},
        *(ANSWER | {"session_start_limit": {k: v for k, v in LIMIT.items() if k != name}} for name in LIMIT),
        *(ANSWER | {"session_start_limit": LIMIT | {name: -1}} for name in LIMIT),
        *(ANSWER | {"session_start_limit": LIMIT | {name: 1.5}} for name in LIMIT),
        ANSWER | {"session_start_limit": LIMIT | {"remaining": 1001}},
        ANSWER | {"session_start_limit": LIMIT | {"max_concurrency": 0}},
    ],
)
def test_what_is_not_as_discord_documents_it_gives_nothing(answer: Any) -> None:
    assert said(answer) is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, json.dumps(ANSWER).encode() + b" " * MAX_TEXT]
)
def test_what_cannot_be_read_gives_nothing(body: bytes) -> None:
    assert start_limit("", body, NOON) is None


@given(st.binary(max_size=300), st.text(max_size=20))
def test_no_answer_raises(body: bytes, authorization: str) -> None:
    for encoding in ("", "gzip", "deflate", "br", "zstd", authorization):
        text = unpacked(body, encoding)
        assert text is None or start_limit(authorization, text, NOON) is None


@pytest.mark.parametrize(
    ("url", "asks"),
    [
        ("https://discord.com/api/v10/gateway/bot", True),
        ("https://canary.discord.com/api/gateway/bot", True),
        ("https://ptb.discord.com/api/v9/gateway/bot/", True),
        ("https://discordapp.com/api/v10/gateway/bot?x=1", True),
        ("http://server.invented.example:3001/api/v9/gateway/bot", True),
        ("https://discord.com.invented.example/api/v10/gateway/bot", False),
        ("https://discord.com/api/v10/gateway", False),
        ("https://discord.com/api/v10/channels/1/gateway/bot", False),
        ("https://invented.example/?https://discord.com/api/v10/gateway/bot", False),
        ("https://[/api/v10/gateway/bot", False),
    ],
)
def test_only_discord_and_hosts_of_the_users_own_are_asked(url: str, asks: bool) -> None:
    assert asks_for_limit("GET", url, ["server.invented.example"]) is asks
    assert not asks_for_limit("POST", url, ["server.invented.example"])


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("br", brotli.compress),
        ("zstd", zstandard.compress),
    ],
)
def test_its_compression_is_undone(encoding: str, pack: Any) -> None:
    body = json.dumps(ANSWER).encode()
    assert unpacked(pack(body), encoding) == body


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress), ("zstd", zstandard.compress)],
)
def test_a_bomb_is_not_unpacked(encoding: str, pack: Any) -> None:
    began = time.process_time()
    text = unpacked(pack(bytes(10 * MAX_TEXT)), encoding)
    assert text is None or len(text) <= MAX_TEXT
    assert time.process_time() - began < 1


@pytest.mark.parametrize("encoding", ["unheard-of", "gzip, br"])
def test_an_unknown_compression_is_left_alone(encoding: str) -> None:
    assert unpacked(b"{}", encoding) is None
    assert unpacked(bytes(MAX_BODY + 1), "") is None

"""The one HTTP answer that is of interest: that to GET /gateway/bot, which says how a bot may start its sessions.

The rule: nothing else of HTTP is kept. Of the token that asked, only the digest by which sessions are known too. What
is not as Discord documents it gives nothing, and never an error.

Source: https://docs.discord.com/developers/events/gateway#get-gateway-bot
"""

import re
import zlib
from collections.abc import Iterable
from urllib.parse import urlsplit

import orjson

from inspector.model import StartLimit
from inspector.protocol.hosts import host_of, is_discord
from inspector.session.redact import digest, is_lost
from inspector.session.redact.digests import MIN_DIGESTED
from inspector.wire.inflate import InflateError, Zstd

# How the paths end that are looked at: with it, others are told apart in passing.
PATH = "/gateway/bot"

# Bytes of an answer, before and after its compression is undone: Discord's has some 160.
MAX_BODY, MAX_TEXT = 16 * 1024, 64 * 1024
# Answers of a file that are kept. A bot asks once when it starts; one that starts more often has hardly any left.
MAX_LIMITS = 1000

_PATH = re.compile(rf"/api(?:/v\d{{1,2}})?{PATH}/?")
_SCHEMES = ("Bot ", "Bearer ")
# The largest number of any kind that is believed. A day has 86,400,000 ms.
_MOST = 10**9


def asks_for_limit(method: str, url: str, hosts: Iterable[str] = ()) -> bool:
    """Return whether a request is GET /gateway/bot of Discord's, or of the user's own `hosts`."""
    if method != "GET" or PATH not in url:
        return False
    try:
        path = urlsplit(url).path
    except ValueError:
        return False
    return _PATH.fullmatch(path) is not None and is_discord(host_of(url), hosts)


def start_limit(authorization: str, body: str | bytes, at_ns: int) -> StartLimit | None:
    """Return what an answer says; None where that is not what Discord documents.

    `authorization`: the header that the request had, empty where there is none; `at_ns`: when the answer came.
    """
    if len(body) > MAX_TEXT:
        return None
    try:
        said = orjson.loads(body)
    except (ValueError, RecursionError):
        return None
    return limit_in(said, _digest(authorization), at_ns)


def limit_in(said: object, token: str | None, at_ns: int) -> StartLimit | None:
    """Return the same of an answer that was read. `token`: the digest of the one that asked."""
    match said:
        case {
            "shards": int(shards),
            "session_start_limit": {
                "total": int(total),
                "remaining": int(remaining),
                "reset_after": int(reset_after_ms),
                "max_concurrency": int(max_concurrency),
            },
        }:
            numbers = shards, total, remaining, reset_after_ms, max_concurrency
            is_sane = all(type(each) is int and 0 <= each < _MOST for each in numbers)
            if is_sane and shards and total and max_concurrency and remaining <= total:
                return StartLimit(at_ns, token, *numbers)
    return None


def unpacked(body: bytes, encoding: str) -> bytes | None:
    """Return the body of an answer without its Content-Encoding; None where that cannot be undone, or is too large."""
    if len(body) > MAX_BODY:
        return None
    try:
        match encoding.strip().lower():
            case "" | "identity":
                return body
            case "gzip" | "deflate":
                # Of gzip and zlib the header tells which it is.
                return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(body, MAX_TEXT)
            case "zstd":
                return Zstd().feed(body, MAX_TEXT)
            case "br":
                return _unbrotli(body)
    except (zlib.error, InflateError):
        pass
    return None


def _unbrotli(body: bytes) -> bytes | None:
    # mitmproxy brings it. Where it is missing, so is what only mitmproxy has recorded.
    try:
        import brotli  # type: ignore[import-untyped]
    except ImportError:
        return None
    decompressor, text = brotli.Decompressor(), b""
    try:
        # A byte at a time, as older versions know no bound: one byte ends a block of 16 MB at most.
        for byte in range(len(body)):
            text += decompressor.process(body[byte : byte + 1])
            if len(text) > MAX_TEXT:
                return None
    except brotli.error:
        return None
    return text


def _digest(authorization: str) -> str | None:
    """Return the digest of the token in a header; None where there is none, or it would tell nothing, or too much."""
    token = authorization.strip()
    for scheme in _SCHEMES:
        if token[: len(scheme)].lower() == scheme.lower():
            token = token[len(scheme) :].strip()
    found = digest(token) if len(token) >= MIN_DIGESTED else None
    return None if is_lost(found) else found

"""Damage to bytes, texts and JSON-like values, by dice."""

import json
from random import Random
from typing import Any

# Damages to one thing, at most.
MOST = 4

NUMBERS = (
    0, 1, -1, 2, 255, 256, 999, 1000, 1005, 1006, 4004, 4014, 65535, 65536, 2**31 - 1, 2**31, -(2**31), 2**32,
    2**53 + 1,
    2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**30, 10**400, 1180000000000000001,
)  # fmt: skip
FLOATS = (0.0, -0.0, 0.5, 1e-320, 1e300, -1e300, float("inf"), float("-inf"), float("nan"), 1769860800.123456)
TEXTS = (
    "", " ", "0", "-1", "1e999", "9" * 400, "NaN", "null", "{}", "[]", "[1e999]", "[[[", '{"a":', "=cmd|' /C calc'!A0",
    "\x00", "\x1b]0;owned\x07", "\x1b[2J\x1b[31m", "\x9b31m", "\r\n\t\b", "\u2028\u2029", "\u202eevil\u2066",
    "\u200b\u200d\ufeff",
    "\ud800", "\udcff", "\U0001f468\u200d\U0001f469", "é" * 300, "x" * 5000, "[bold]no[/bold]", "%s%n%d",
    "../../etc", "a\nb",
    "READY", "MESSAGE_CREATE", "gateway", "voice", "rpc", "media", "remote-auth", "payload", "undecoded", "close",
    "gap",
    "etf", "json", "binary", "zlib-stream", "client", "server", "proxy", "wss://gateway.discord.gg/?v=10&encoding=etf",
    "wss://user:pass@[::1]:99999999/?v=99999999999999999999&encoding=%00", "wss://[", "1180000000000000001",
    "2026-01-31T12:00:00Z",
    "99999-01-01T00:00:00Z", "2026-02-30T25:61:61+99:99",
)  # fmt: skip
KEYS = (
    "op",
    "d",
    "s",
    "t",
    "seq",
    "id",
    "guild_id",
    "channel_id",
    "user_id",
    "token",
    "session_id",
    "code",
    "",
    "__proto__",
)
_BOUNDS = (b"\0", b"\1", b"\x3f", b"\x40", b"\x7f", b"\x80", b"\xbf", b"\xc0", b"\xff")


def number(dice: Random) -> int | float:
    """Return a number that something may stumble over."""
    return dice.choice(NUMBERS) if dice.random() < 0.75 else dice.choice(FLOATS)


def text(dice: Random) -> str:
    """Return a text of the same sort."""
    return dice.choice(TEXTS)


def value(dice: Random, depth: int = 0) -> Any:
    """Return any JSON-like value."""
    match dice.randrange(9 if depth < 3 else 5):
        case 0 | 1:
            return number(dice)
        case 2 | 3:
            return text(dice)
        case 4:
            return dice.choice((None, True, False))
        case 5:
            return [value(dice, depth + 1) for _ in range(dice.randrange(4))]
        case 6:
            return {dice.choice(KEYS + TEXTS[:40]): value(dice, depth + 1) for _ in range(dice.randrange(4))}
        case 7:
            return nested(dice.choice((3, 60, 300, 900)), dice.choice((list, dict)))
        case _:
            return [dice.choice((0, "", [], {}))] * dice.choice((100, 3000))


def nested(depth: int, sort: type) -> Any:
    """Return lists in lists, or objects in objects."""
    found: Any = 1
    for _ in range(depth):
        found = [found] if sort is list else {"d": found}
    return found


def bytes_of(data: bytes, dice: Random, most: int = MOST) -> bytes:
    """Return `data` with something cut, changed, put in, taken out or repeated, at most so many times."""
    body = bytearray(data)
    for _ in range(dice.randint(1, most)):
        at = dice.randrange(len(body) + 1)
        match dice.randrange(8):
            case 0:
                del body[at:]
            case 1:
                del body[at : at + dice.choice((1, 2, 8, 100))]
            case 2:
                body[at:at] = dice.randbytes(dice.randint(1, 8))
            case 3:
                # Lengths and numbers have their bounds there.
                body[at : at + 1] = dice.choice(_BOUNDS)
            case 4:
                body[at : at + 1] = dice.randbytes(1)
            case 5:
                body[at:at] = body[at : at + dice.randint(1, 200)] * dice.randint(1, 8)
            case 6:
                body[at:at] = text(dice).encode("utf-8", "surrogatepass")
            case _:
                other = dice.randrange(len(body) + 1)
                length = dice.choice((1, 4, 16, 64))
                body[at : at + length] = body[other : other + length]
    return bytes(body)


def structure(tree: Any, dice: Random, most: int = MOST) -> Any:
    """Return a JSON-like value with some of its parts replaced, taken out, doubled, renamed or swapped."""
    for _ in range(dice.randint(1, most)):
        tree = _one(tree, dice)
    return tree


def _one(tree: Any, dice: Random) -> Any:
    path = dice.choice(_paths(tree))
    if not path:
        return value(dice) if dice.random() < 0.05 or not isinstance(tree, dict | list) else tree
    return _changed(tree, path, dice)


def _changed(tree: Any, path: tuple[Any, ...], dice: Random) -> Any:
    """Return a copy of `tree` in which what is at `path` is damaged."""
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    step, *rest = path
    if rest:
        copy[step] = _changed(copy[step], tuple(rest), dice)
        return copy
    match dice.randrange(6):
        case 0:
            del copy[step]
        case 1 if isinstance(copy, dict):
            copy[text(dice) if dice.random() < 0.3 else dice.choice(KEYS)] = copy.pop(step)
        case 1 | 2 if isinstance(copy, list):
            # Many of what is small already: a mutant must not be a bomb by chance.
            copy[step:step] = [copy[step]] * dice.choice((1, 2, 50 if len(_paths(copy[step])) < 50 else 3))
        case 3:
            copy[step] = copy[dice.choice(list(copy))] if isinstance(copy, dict) else dice.choice(copy)
        case 4 if isinstance(copy[step], str):
            copy[step] = _text_of(copy[step], dice)
        case 5 if isinstance(copy[step], int | float) and not isinstance(copy[step], bool):
            copy[step] = number(dice)
        case _:
            copy[step] = value(dice)
    return copy


def _text_of(old: str, dice: Random) -> str:
    at = dice.randrange(len(old) + 1)
    return dice.choice((old[:at], old[:at] + text(dice) + old[at:], text(dice), old * 2, old.upper()))


def _paths(tree: Any) -> list[tuple[Any, ...]]:
    """Return the way to each part of a value, the whole first."""
    found: list[tuple[Any, ...]] = [()]
    waiting: list[tuple[tuple[Any, ...], Any]] = [((), tree)]
    while waiting and len(found) < 2000:
        path, part = waiting.pop()
        if len(path) > 30:
            continue
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, inner in items:
            found.append((*path, key))
            waiting.append(((*path, key), inner))
    return found


def json_of(tree: Any, dice: Random) -> bytes:
    """Return a value as JSON text, written as one program or the other does it."""
    try:
        written = json.dumps(tree, ensure_ascii=dice.random() < 0.5, indent=dice.choice((None, None, 0)))
    except (TypeError, ValueError, RecursionError):
        written = "[" * 100_000
    if dice.random() < 0.03:
        return written.encode(dice.choice(("utf-16", "utf-32", "utf-8-sig")), "surrogatepass")
    return written.encode("utf-8", "surrogatepass")

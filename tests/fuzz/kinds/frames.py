"""Frames files (docs/frames.md): damaged messages, records, lines and bytes."""

import json
from random import Random
from typing import Any

from tests.fuzz import damage, talks
from tests.fuzz.mutant import Mutant
from tests.fuzz.usage import steps_for
from tests.fuzz.writing import record_of

_HEADER = {"format": "gwinspect-frames", "version": 1, "tool": "invented", "created_at": "2026-01-31T12:00:00Z"}
_MORE: tuple[dict[str, Any], ...] = (
    {"kind": "gap", "at": "2026-01-31T12:00:01Z", "until": "2026-01-31T12:00:02Z", "records": 7, "reason": "disk"},
    {"kind": "gap", "at": "2026-01-31T12:00:01Z", "connection": 1, "sent": 2**70, "received": -1, "reason": "tls"},
    {"kind": "gap", "at": "2026-01-31T12:00:01Z", "connection": 1, "sent": 0, "received": 3, "since": "noon"},
    {"kind": "note", "text": "\x1b]0;owned\x07\u202e"},
    {"kind": "amend", "connection": 1, "message": 1, "marks": ["dropped"], "forwarded": {"text": "{}"}},
    {"kind": "end", "at": "2026-01-31T12:00:09Z"},
    _HEADER,
    _HEADER | {"files": ["a", "\x1b[2J"], "hosts": ["*"]},
)


def make(dice: Random) -> Mutant:
    happenings, frames = talks.any_talk(dice), 0
    if dice.random() < 0.6:
        happenings, frames = talks.damaged(happenings, dice)
    records: list[Any] = [_HEADER, *map(record_of, happenings)]
    if dice.random() < 0.5:
        records.insert(dice.randrange(1, len(records) + 1), dice.choice(_MORE))
    if dice.random() < 0.5:
        at = dice.randrange(len(records))
        records[at] = damage.structure(records[at], dice)
    data = b"\n".join(_line(record, dice) for record in records) + b"\n"
    if dice.random() < 0.35:
        data = data[:60] + damage.bytes_of(data[60:], dice) if dice.random() < 0.8 else damage.bytes_of(data, dice)
    return Mutant({"bot.frames.jsonl": data}, steps_for("bot.frames.jsonl", dice), frames)


def _line(record: Any, dice: Random) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return b"[" * 5000

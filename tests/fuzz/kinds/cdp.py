"""Events of the Chrome DevTools Protocol: damaged messages, events, lines and bytes, in all forms that are read."""

import json
from random import Random
from typing import Any

from tests.fuzz import damage, talks
from tests.fuzz.mutant import Mutant
from tests.fuzz.usage import steps_for
from tests.fuzz.writing import cdp_of

_MORE: tuple[dict[str, Any], ...] = (
    {"id": 1, "result": {"body": "[]", "base64Encoded": False}},
    {"method": "Page.frameNavigated", "params": {"frame": {"id": "0A33", "url": "https://discord.com/app"}}},
    {"method": "Network.requestWillBeSent", "params": {"timestamp": 1.5, "wallTime": 1_769_860_800.5}},
    {"method": "Network.webSocketFrameError", "params": {"requestId": "1000.1", "errorMessage": "\x1b]0;owned\x07"}},
    {
        "method": "Network.webSocketFrameReceived",
        "params": {"requestId": "1000.1", "timestamp": 60_900.0, "response": {"opcode": 8, "payloadData": "D6I="}},
    },
)


def make(dice: Random) -> Mutant:
    happenings, frames = talks.any_talk(dice), 0
    if dice.random() < 0.5:
        happenings, frames = talks.damaged(happenings, dice)
    records: list[Any] = cdp_of(happenings)
    if dice.random() < 0.3:
        records = [each for each in records if dice.random() < 0.8]
    for _ in range(dice.choice((0, 0, 1, 3))):
        records.insert(dice.randrange(len(records) + 1), dice.choice(_MORE))
    for _ in range(dice.choice((0, 0, 1, 4)) if records else 0):
        place = dice.randrange(len(records))
        records[place] = damage.structure(records[place], dice)
    match dice.randrange(4):
        case 0:
            data = damage.json_of(records, dice)
        case 1:
            data = damage.json_of([_logged(each, dice) for each in records], dice)
        case 2:
            data = b"\n".join(damage.json_of(_logged(each, dice), dice) for each in records)
        case _:
            data = b"\n".join(damage.json_of(each, dice) for each in records) + b"\n"
    if dice.random() < 0.35:
        data = damage.bytes_of(data, dice)
    return Mutant({"day.cdp.jsonl": data}, steps_for("day.cdp.jsonl", dice), frames)


def _logged(record: Any, dice: Random) -> Any:
    """Return an event as chromedriver's performance log has it."""
    try:
        message = json.dumps({"message": record, "webview": "0A33"})
    except (TypeError, ValueError, RecursionError):
        message = "["
    return {"level": "INFO", "message": message, "timestamp": dice.choice((1_769_860_801_000, damage.number(dice)))}

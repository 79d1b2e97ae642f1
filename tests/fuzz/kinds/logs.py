"""Logs: damaged messages, lines, JSON, Python's dicts and bytes, of every program whose logs are read."""

from random import Random

from tests.fuzz import damage, talks
from tests.fuzz.mutant import Mutant
from tests.fuzz.usage import steps_for
from tests.logs import WRITERS

_LEVELS = 2000
_ODD = (
    "{'t': 'X', 's': 1, 'op': 0, 'd': " + "[" * _LEVELS + "]" * _LEVELS + "}",
    "{'t': 'X', 's': 1, 'op': 0, 'd': 'it\\'s \\ud800 \\x9b \\U00110000 \\q'}",
    "{'t': 'X', 's': 1, 'op': 0, 'd': [nan, inf, 1e999, 0o7, ...]}",
    'b\'{"op":10,"d":{"heartbeat_interval":1}} \\xff\\x1b\'',
    '{"op":' + "9" * 500 + ',"d":null}',
)


def make(dice: Random) -> Mutant:
    happenings, frames = talks.any_talk(dice), 0
    if dice.random() < 0.5:
        happenings, frames = talks.damaged(happenings, dice)
    text = dice.choice(list(WRITERS.values()))(happenings)
    for _ in range(dice.choice((0, 0, 1, 3))):
        text = _changed(text, dice)
    if dice.random() < 0.1:
        # Two programs that write into the same file.
        text += dice.choice(list(WRITERS.values()))(talks.any_talk(dice))
    data = text.encode("utf-8", "surrogatepass") if dice.random() < 0.95 else text.encode("utf-16", "surrogatepass")
    if dice.random() < 0.35:
        data = damage.bytes_of(data, dice)
    return Mutant({"bot.log": data}, steps_for("bot.log", dice), frames)


def _changed(text: str, dice: Random) -> str:
    """Return a log of which a line is lost, repeated, elsewhere, or of another kind."""
    lines = text.split("\n")
    place = dice.randrange(len(lines))
    match dice.randrange(6):
        case 0:
            del lines[place]
        case 1:
            lines[place:place] = [lines[place]] * dice.choice((1, 3))
        case 2:
            lines.insert(dice.randrange(len(lines)), lines.pop(place))
        case 3:
            lines[place] = damage.text(dice) + lines[place]
        case 4:
            at = dice.randrange(len(lines[place]) + 1)
            lines[place : place + 1] = [lines[place][:at], lines[place][at:]]
        case _:
            before = lines[place].partition("{")[0]
            lines[place] = before + dice.choice(_ODD)
    return "\n".join(lines)

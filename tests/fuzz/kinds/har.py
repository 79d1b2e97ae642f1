"""HAR files: damaged messages, JSON structure and bytes, as each program writes them that is known to."""

from random import Random
from typing import Any

from tests.fuzz import damage, talks
from tests.fuzz.mutant import Mutant
from tests.fuzz.usage import steps_for
from tests.fuzz.writing import har_of

_CREATORS = ("WebInspector", "mitmproxy", "HTTP Toolkit", "Firefox")
_ERROR = {"type": "error", "time": 1_769_860_800.5, "opcode": -1, "data": "net::ERR \x1b]0;owned\x07\u202e"}


def make(dice: Random) -> Mutant:
    happenings, frames = talks.any_talk(dice), 0
    if dice.random() < 0.5:
        happenings, frames = talks.damaged(happenings, dice)
    tree: Any = har_of(happenings, dice.choice(_CREATORS))
    if dice.random() < 0.2:
        tree["log"]["creator"] = {"name": damage.text(dice), "version": damage.value(dice)}
    if dice.random() < 0.2:
        for entry in tree["log"]["entries"]:
            entry["_webSocketMessages"].append(dict(_ERROR, data=damage.text(dice)))
    if dice.random() < 0.6:
        tree = {"log": damage.structure(tree["log"], dice, 6)}
    data = damage.json_of(tree, dice)
    if dice.random() < 0.35:
        data = damage.bytes_of(data, dice)
    return Mutant({"day.har": data}, steps_for("day.har", dice), frames)

"""mitmproxy's flow files: damaged messages, tnetstrings and bytes, of several versions."""

from random import Random
from typing import Any

from mitmproxy.io import tnetstring

from tests.fuzz import damage, talks
from tests.fuzz.mutant import Mutant
from tests.fuzz.usage import steps_for
from tests.fuzz.writing import flows_of

_VERSIONS = ((0, 18), (1, 0, 0), (2, 0, 0), 3, 4, 5, 7, 10, 11, 14, 17, 18, 19, 20, 99, -1, "7", None)
_METADATA = ("gwinspect-ended-because", "gwinspect_close", "websocket")


def make(dice: Random) -> Mutant:
    happenings, frames = talks.any_talk(dice), 0
    if dice.random() < 0.5:
        happenings, frames = talks.damaged(happenings, dice)
    states: list[Any] = flows_of(happenings)
    for place, state in enumerate(states):
        if dice.random() < 0.15:
            state["version"] = dice.choice(_VERSIONS)
        if dice.random() < 0.15:
            state["metadata"] = {dice.choice(_METADATA): damage.value(dice)}
        if dice.random() < 0.15:
            state["backup"] = {key: value for key, value in state.items() if key != "backup"}
        if dice.random() < 0.1:
            state["type"] = dice.choice(("udp", "tcp", "dns", "http", damage.text(dice)))
        if dice.random() < 0.5:
            states[place] = damage.structure(state, dice)
    data = b"".join(_dumped(state) for state in states)
    if dice.random() < 0.4:
        data = damage.bytes_of(data, dice)
    return Mutant({"day.mitm": data}, steps_for("day.mitm", dice), frames)


def _dumped(state: Any) -> bytes:
    try:
        return tnetstring.dumps(_as_tnetstring(state))
    except (TypeError, ValueError, RecursionError):
        return b"9" * 12 + b":"


def _as_tnetstring(value: Any) -> Any:
    """Return a value without lone surrogates, which tnetstrings cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_as_tnetstring(key): _as_tnetstring(item) for key, item in value.items()}
    return [_as_tnetstring(item) for item in value] if isinstance(value, list | tuple) else value

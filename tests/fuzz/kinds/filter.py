"""Filters, sound and damaged, parsed and run on a sample."""

from functools import cache
from random import Random

from tests.fuzz.filters import filter_of
from tests.fuzz.mutant import Command, Mutant
from tests.fuzz.talks import SAMPLES

_NAMES = ("hostile", "voice", "etf", "dave-transition", "login-failure")


def make(dice: Random) -> Mutant:
    name = dice.choice(_NAMES)
    command = dice.choice((("show",), ("show", "--format", "jsonl"), ("stats",)))
    arguments = (*command, "sample.gwcap", "--where", filter_of(dice))
    return Mutant({"sample.gwcap": _sample(name)}, [Command(arguments)])


@cache
def _sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.gwcap").read_bytes()

"""What is tried: files, and what is done with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol


@dataclass(frozen=True)
class Command:
    """A command line, run in the folder of the mutant's files."""

    arguments: tuple[str, ...]
    stdin: str | None = None
    """Name of the file that is piped in."""
    makes: tuple[str, ...] = ()
    """Names of the files that it may leave."""
    changes: tuple[str, ...] = ()
    """Names of the files that it may change."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join(["gwinspect", *self.arguments]) + (f" < {self.stdin}" if self.stdin else "")


@dataclass(frozen=True)
class Call:
    """A look at the files by way of functions, as a screen or a library takes it."""

    name: str
    function: Callable[[Path], object]
    """Is given the folder. May raise GwinspectError, and nothing else."""

    def __str__(self) -> str:
        return self.name


Step = Command | Call


@dataclass(frozen=True)
class Mutant:
    """Files by name, and the steps to take with them, one after the other."""

    files: Mapping[str, bytes]
    steps: Sequence[Step]
    frames: int = 0
    """Damaged frames in it, where they are counted."""


class Source(Protocol):
    """Mutants by number, of one kind or of several."""

    def kind(self, number: int) -> str:
        """Return the kind of one."""

    def make(self, number: int) -> Mutant:
        """Make one; the same each time."""

    def again(self, number: int) -> str:
        """Return the command that tries one again."""


class ByDice(NamedTuple):
    """The mutants of some kinds that a seed gives, of all kinds by turns."""

    kinds: tuple[str, ...]
    """Names of modules in `kinds/`, or of any modules with their function ``make``."""
    seed: int

    def kind(self, number: int) -> str:
        # Turned by one each time round, so that workers that take every second number get all kinds.
        return self.kinds[(number + number // len(self.kinds)) % len(self.kinds)]

    def make(self, number: int) -> Mutant:
        kind = self.kind(number)
        module = import_module(kind if "." in kind else f"tests.fuzz.kinds.{kind}")
        mutant = module.make(Random(f"{kind}/{self.seed}/{number // len(self.kinds)}"))
        assert isinstance(mutant, Mutant)
        return mutant

    def again(self, number: int) -> str:
        kind, own = self.kind(number), number // len(self.kinds)
        return f"python -m tests.fuzz --kind {kind} --seed {self.seed} --number {own}"

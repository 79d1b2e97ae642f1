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
    """Mutants by number."""

    @property
    def name(self) -> str:
        """What they are called together."""

    def make(self, number: int) -> Mutant:
        """Make one; the same each time."""

    def again(self, number: int) -> str:
        """Return the command that tries one again."""


class ByDice(NamedTuple):
    """The mutants of a kind that a seed gives."""

    name: str
    """The name of a module in `kinds/`, or of any module with their function ``make``."""
    seed: int

    def make(self, number: int) -> Mutant:
        module = import_module(self.name if "." in self.name else f"tests.fuzz.kinds.{self.name}")
        mutant = module.make(Random(f"{self.name}/{self.seed}/{number}"))
        assert isinstance(mutant, Mutant)
        return mutant

    def again(self, number: int) -> str:
        return f"python -m tests.fuzz --kind {self.name} --seed {self.seed} --number {number}"

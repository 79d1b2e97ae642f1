"""What is tried: files, and what is done with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random


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


def make(kind: str, seed: int, number: int) -> Mutant:
    """Make one mutant. `kind`: the name of a module in `kinds/`, or of any module with its function ``make``."""
    module = import_module(kind if "." in kind else f"tests.fuzz.kinds.{kind}")
    mutant = module.make(Random(f"{kind}/{seed}/{number}"))
    assert isinstance(mutant, Mutant)
    return mutant

"""Importers of third parties: what other installed packages name in the entry-point group ``gwinspect.importers``.

They are asked after our own, so that none changes how a file is read that gwinspect knows, and loaded only then. One
that is broken is reported and never keeps anything from being read. docs/importers.md shows how to write one.
"""

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING

from inspector.errors import CaptureError, GwinspectError
from inspector.importers.hints import Hints
from inspector.importers.source import Source
from inspector.inert import inert
from inspector.model import Frame, Happening, Opened

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_REST = "what it read before that is shown"
# Through these every fault passes.
_OURS = (os.path.basename(__file__), "source.py", "formats.py", "__init__.py")

GROUP = "gwinspect.importers"
"""The group of entry points, each of which names a subclass of `Importer`."""


class Importer(Source):
    """What a third party's importer is: a subclass, with `format`, `recognizes` and `read`.

    All that has no underscore here and in `Source` is a promise.
    """

    why_empty = "there is no WebSocket of a Discord gateway in it"
    """The second half of a sentence: why a file has no gateway connection."""

    @abstractmethod
    def read(self) -> Iterator[Happening]:
        """Yield what is in the file `path`, in the order of time, stable within a connection.

        Each connection begins with what `admit` returned for it. `notes` may be added to. What is wrong with the file
        belongs there; raise CaptureError only where it cannot be read any further. See
        `inspector.importers.order.OrderedTracks` for files that have one connection after the other.
        """

    def admit(self, opened: Opened, first: Sequence[Frame] = ()) -> Opened | None:
        """Return `opened` with its plane and number where it is a Discord gateway; None, and count it, where not.

        `first`: its first messages, by which a gateway at another host is known.
        """
        return self._admit(opened, first)

    def advance(self, read: int) -> None:
        """Say how many bytes of the file were read so far, for the progress bar."""
        self._read = read

    def _happenings(self) -> Iterator[Happening]:
        yield from self.read()

    def _why_empty(self) -> str:
        return self.why_empty


@dataclass(frozen=True, slots=True)
class Plugin:
    """An importer of a third party."""

    name: str
    """As its entry point is called, and which package it is from: ``mytool (from mytool-gwinspect 1.0)``."""
    importer: type[Importer]


@dataclass(frozen=True, slots=True)
class Found:
    """What is installed."""

    plugins: tuple[Plugin, ...]
    problems: tuple[str, ...]
    """Sentences about those that cannot be used."""


@cache
def installed() -> Found:
    """Load the importers of third parties, by name. Raises nothing."""
    # Imported here: it takes 30 ms, and most files are of formats of ours.
    from importlib.metadata import entry_points

    plugins: list[Plugin] = []
    problems: list[str] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        name = _name(entry)
        try:
            importer = entry.load()
        except Exception as error:
            problems.append(f"the importer {name} cannot be loaded ({_place(error)})")
            continue
        if isinstance(importer, type) and issubclass(importer, Importer):
            plugins.append(Plugin(name, importer))
        else:
            problems.append(f"the importer {name} is not a subclass of inspector.importers.plugins.Importer")
    return Found(tuple(plugins), tuple(problems))


def recognizing(path: Path, head: bytes, is_folder: bool, problems: list[str]) -> Plugin | None:
    """Return the first that recognizes a file by its `head`, or a folder.

    What is wrong with those that were asked is added to `problems`.
    """
    found = installed()
    problems += found.problems
    for plugin in found.plugins:
        try:
            is_known = plugin.importer.recognizes_folder(path) if is_folder else plugin.importer.recognizes(head)
        except Exception as error:
            problems.append(f"the importer {plugin.name} failed ({_place(error)})")
            continue
        if is_known:
            return plugin
    return None


def made(importer: type[Source], path: Path, hints: Hints) -> Source:
    """Return the source that reads `path`. Raises CaptureError where a third party's cannot be made; else OSError."""
    try:
        return importer(path, hints)
    except (GwinspectError, OSError):
        raise
    except Exception as error:
        if not issubclass(importer, Importer):
            raise
        raise CaptureError(f"the importer {_called(importer)} failed ({_place(error)})") from error


def guarded(source: Source) -> Iterator[Happening]:
    """Yield what `source` reads. Where it is a third party's and fails, that ends it, with a note.

    Raises what `source` is allowed to: CaptureError.
    """
    if not isinstance(source, Importer):
        yield from source
        return
    try:
        for happening in source:
            if complaint := _complaint(happening):
                source.notes.append(
                    f"the importer {name_of(source)} gave something that is not usable: {complaint}; {_REST}"
                )
                break
            yield happening
    except GwinspectError:
        raise
    except Exception as error:
        source.notes.append(
            f"the importer {name_of(source)} failed ({_place(error)}); what it read before that is shown"
        )
    source.notes += installed().problems


def name_of(source: Source) -> str:
    """Return what the plug-in of a source is called; empty for one of our own."""
    return _called(type(source)) if isinstance(source, Importer) else ""


def _called(importer: type[Source]) -> str:
    return next((each.name for each in installed().plugins if each.importer is importer), importer.__name__)


def _complaint(happening: Happening) -> str:
    """Return what is wrong with something, where it would break those that it is given to; else nothing."""
    if not isinstance(happening, Happening):
        return "it is not a happening"
    if type(happening.connection) is not int:
        return "its connection is not a number"
    if type(happening.at_ns) is not int or not 0 <= happening.at_ns < 2**63:
        return "its time is not in nanoseconds since 1970"
    if isinstance(happening, Frame) and type(happening.data) is not bytes:
        return "its data is not bytes"
    return ""


def _place(error: Exception) -> str:
    """Say what the fault is and where in their code; nothing of what was worked on is in it."""
    files = [(os.path.basename(frame.f_code.co_filename), line) for frame, line in walk_tb(error.__traceback__)]
    theirs = [f" in {name}:{line}" for name, line in files if not name.startswith("<") and name not in _OURS]
    return inert(type(error).__name__ + (theirs or [""])[-1])


def _name(entry: "EntryPoint") -> str:
    package = f" (from {entry.dist.name} {entry.dist.version})" if entry.dist is not None else ""
    return inert(f"{entry.name}{package}"[:100])

"""Happenings of many connections, or of many files, as one recording in the order of time.

Files rarely keep that order: mitmproxy writes a flow when it ends, a HAR lists connections by their opening. What each
of them holds in order is a *track*: one connection of a file, or a file that is in order already. `OrderedTracks`
merges tracks. It opens each when its time comes and lets go of it at its end, so that no more is held than what was
open at the same moment::

    timeline = OrderedTracks(sorted(tracks, key=lambda track: track.begins_ns))
    for happening in timeline:
        ...
    notes.extend(timeline.notes())

An importer makes a track of each connection, with a function that begins to read it at its place in the file. To merge
files, make a track of each; ``Track(0, source.__iter__)`` where no one knows yet when it begins.

What comes out:

- is in the order of time; at the same time the track that was given first goes first, and each track keeps its order;
- has connections numbered from 1 in that order. Numbers that come in need to differ only within their track;
- never goes backwards within a connection: a time before that of the happening before it becomes the same time.
  `OrderedTracks.notes` tells how often that was so.

Happenings are never changed in place: what gets another number or time is a copy.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from inspector.model import Happening, StartLimit
from inspector.words import counted

_NEVER_NS = 2**63


@dataclass(frozen=True, slots=True)
class Track:
    """Happenings that are in order, not read yet."""

    begins_ns: int
    """A time that is not after its first happening, the closer the better: it is opened then."""
    read: Callable[[], Iterable[Happening]]
    """Begins to read it. May give nothing at all."""


class OrderedTracks:
    """The happenings of all tracks in the order of time. To be iterated once.

    `tracks` are to come by `Track.begins_ns`, and are taken one ahead of time. One that comes too late is given from
    there on.
    """

    def __init__(self, tracks: Iterable[Track]) -> None:
        self._tracks = tracks
        self.places: list[int] = []
        """Of each connection so far, in order of number: which of the tracks it came from, counted from 0."""
        self._clamped = 0
        self._clamped_connections = 0
        self._farthest_ns = 0

    def __iter__(self) -> Iterator[Happening]:
        """Yield them; raises what reading a track raises."""
        waiting = iter(self._tracks)
        coming = next(waiting, None)
        opened = 0
        # The next happening of each open track, by its time and the place of its track. No two have the same of both.
        heads: list[tuple[int, int, Happening, _Line, _Lane]] = []
        while heads or coming is not None:
            if coming is not None and (not heads or coming.begins_ns < heads[0][0]):
                opened += 1
                lane = _Lane(opened - 1, iter(coming.read()))
                for happening in lane.rest:
                    line, happening = self._placed(lane, happening)
                    heappush(heads, (line.last_ns, opened, happening, line, lane))
                    break
                coming = next(waiting, None)
                continue
            _, place, happening, line, lane = heappop(heads)
            yield self._numbered(line, happening)
            # Until another one's turn has come this track needs no comparing.
            limit_ns = min(heads[0][0] if heads else _NEVER_NS, coming.begins_ns if coming else _NEVER_NS)
            for happening in lane.rest:
                line, happening = self._placed(lane, happening)
                if line.last_ns >= limit_ns:
                    heappush(heads, (line.last_ns, place, happening, line, lane))
                    break
                yield self._numbered(line, happening)

    def notes(self) -> list[str]:
        """Return sentences about what was put right, for a person; complete once the iteration has ended."""
        if not self._clamped:
            return []
        where = counted(self._clamped_connections, "connection")
        times = counted(self._clamped, "time was/times were")
        farthest = f"{self._farthest_ns / 1e9:,.3f} s"
        return [
            f"the clock ran backwards on {where}, by up to {farthest}; {times} set to the time of the message before"
        ]

    def _placed(self, lane: "_Lane", happening: Happening) -> tuple["_Line", Happening]:
        """Return the connection of a happening, and the happening at a time that is not before the last one's."""
        line = lane.lines.get(happening.connection)
        if line is None:
            line = lane.lines[happening.connection] = _Line(lane.place, happening.at_ns)
        elif happening.at_ns >= line.last_ns:
            line.last_ns = happening.at_ns
        else:
            self._clamped += 1
            self._clamped_connections += not line.clamped
            self._farthest_ns = max(self._farthest_ns, line.last_ns - happening.at_ns)
            line.clamped = True
            happening = replace(happening, at_ns=line.last_ns)
        return line, happening

    def _numbered(self, line: "_Line", happening: Happening) -> Happening:
        if type(happening) is StartLimit:
            return happening
        if not line.number:
            self.places.append(line.place)
            line.number = len(self.places)
        return happening if line.number == happening.connection else replace(happening, connection=line.number)


@dataclass(slots=True)
class _Line:
    """What is known of one connection of a track."""

    place: int
    last_ns: int
    number: int = 0
    clamped: bool = False


class _Lane:
    """A track that is open: what is left of it, and its connections by their number in it."""

    __slots__ = ("lines", "place", "rest")

    def __init__(self, place: int, rest: Iterator[Happening]) -> None:
        self.place = place
        self.rest = rest
        self.lines: dict[int, _Line] = {}

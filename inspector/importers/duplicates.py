"""Connections that several files recorded, each shown once: a proxy's and a packet capture's, a log's and the wire's.

No name of a connection survives a proxy, and the clocks of two machines differ. So a connection is told by what was
said: sessions and messages of the server that hardly come twice, at times that are as far apart for all of them. Files
are read once more for that. Two connections are the same where nearly all that the shorter one has is in the other.

The file that knows most of it gives the rows. Notes say what only another one has, and where they contradict.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from operator import itemgetter
from statistics import median_low

from inspector.importers.sketch import MOST, Difference, Reread, Sketch, difference, is_of_wire
from inspector.model import Closed, Frame, Happening, Knows, Opened, Plane
from inspector.protocol.registry import Registry
from inspector.wire.dialect import dialect_of
from inspector.words import clock, counted, listed, roughly

Read = Callable[[int], Iterable[Happening]]
"""Begins to read one of the inputs, by its place."""

# Clocks of two machines differ by at most so much; those of logs by a time zone more, as many do not say theirs.
_FARTHEST_NS, _ZONE_NS = 300_000_000_000, 14 * 3_600_000_000_000
# What messages that pass two recorders may differ in, when their clocks are compared.
_WAVER_NS = 2_000_000_000
# The same where nothing is known of their clocks, so that they must be one.
_SAME_NS = 100_000_000
# Messages of connections that end before they have said anything rare.
_SHORT = 30
# Clocks that differ less are not spoken of.
_WORTH_A_NOTE_NS = 500_000_000
# The shorter of two connections may have one message in so many that the other lacks.
_ONE_ALONE_IN = 20
# Connections that have the same anchor: with more it tells nothing. Others with which one is compared.
_MOST_ALIKE = 8
# Connections whose differences are listed, and kinds of messages of one.
_LISTED, _KINDS = 5, 4
# Messages and connections that are remembered of all files together.
_MOST_MESSAGES, _MOST_CONNECTIONS = 1_000_000, 20_000
# Connections whose beginning is read at a time: a context of zstd takes half a megabyte.
_MOST_BEGINNING = 50

_Key = tuple[int, int]
"""Place of an input, and the number of a connection in it."""


@dataclass(slots=True)
class Duplicates:
    """Which connections are left out, as another file has them too."""

    groups: list[list[tuple[_Key, Sketch]]] = field(default_factory=list)
    """Those that are the same, the one that is shown first."""
    differences: dict[_Key, tuple[Difference, Sketch, Sketch]] = field(default_factory=dict)
    """Of each that is left out: how the one that is shown differs, and both as they were compared."""
    _dropped: dict[_Key, Opened] = field(default_factory=dict)
    _kept: defaultdict[int, dict[int, None]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, group: Sequence[tuple[_Key, Sketch]]) -> None:
        """Let all of a group but the first be left out."""
        self.groups.append(list(group))
        self._dropped |= {key: sketch.opened for key, sketch in group[1:]}

    def without(self, place: int, happenings: Iterable[Happening]) -> Iterable[Happening]:
        """Return what is shown of an input."""
        return self._shown(place, happenings) if self._dropped else happenings

    def _shown(self, place: int, happenings: Iterable[Happening]) -> Iterator[Happening]:
        kept, left = self._kept[place], set()
        for each in happenings:
            number = each.connection
            # A file that has changed since may count them otherwise.
            if isinstance(each, Opened) and self._dropped.get((place, number)) == each:
                left.add(number)
            if number not in left:
                # None has number 0.
                if number:
                    kept[number] = None
                yield each

    def notes(self, names: Sequence[str], places: Sequence[int]) -> list[str]:
        """Return sentences on what was left out.

        `names` of the inputs; `places`: of each connection that is shown, in order of number, the input.
        """
        if not self._dropped:
            return []
        numbers: dict[_Key, int] = {}
        kept = {place: iter(of_place) for place, of_place in self._kept.items()}
        for number, place in enumerate(places, 1):
            numbers[place, next(kept[place])] = number
        notes = []
        by_inputs: Counter[tuple[int, int]] = Counter()
        for (shown, _), *others in self.groups:
            by_inputs.update((shown[0], other[0]) for other, _ in others)
        for (ours, theirs), count in by_inputs.items():
            what = counted(count, "connection is/connections are")
            notes.append(
                f"{what} in both {names[ours]} and {names[theirs]}, and shown as in {names[ours]}; "
                "--duplicates shows both"
            )
        told = 0
        for (shown, _), *others in self.groups:
            for key, _ in others:
                found = list(_differences(*self.differences[key], names[shown[0]], names[key[0]]))
                told += bool(found)
                if found and told <= _LISTED:
                    notes.append(f"connection {numbers.get(shown, 0)}: {'; '.join(found)}")
        if told > _LISTED:
            notes.append(f"{counted(told - _LISTED, 'more connection')} differ between the files; the first are listed")
        return notes


def find(count: int, read: Read, registry: Registry) -> Duplicates:
    """Return which connections of `count` inputs are the same."""
    sketches: dict[_Key, Sketch] = {}
    for place in range(count):
        sketches |= _sketched(place, read(place), _MOST_MESSAGES // count, _MOST_CONNECTIONS // count)
    groups = _Groups(sketches)
    unsure = [pair for pair in _candidates(sketches) if not groups.join(*pair, sketches[pair[0]], sketches[pair[1]])]
    unsure = [pair for pair in unsure if _shares_session(*(sketches[key] for key in pair))]
    unsure = list(dict.fromkeys((*unsure, *groups.neighbours_of_logs())))
    if unsure:
        wanted = {key for pair in unsure for key in pair}
        again = _decoded({key: sketches[key] for key in wanted}, read, registry)
        for ours, theirs in unsure:
            groups.join(ours, theirs, again[ours], again[theirs])
    groups.join_short_ones()
    return groups.result()


def _sketched(place: int, happenings: Iterable[Happening], most: int, connections: int) -> dict[_Key, Sketch]:
    """Return what is remembered of an input, `most` of its messages and some of its connections at most."""
    found: dict[_Key, Sketch] = {}
    beginning: deque[Sketch] = deque()
    for each in happenings:
        key = place, each.connection
        if isinstance(each, Opened):
            if len(found) < connections:
                found[key] = Sketch(place, each)
                beginning.append(found[key])
                if len(beginning) > _MOST_BEGINNING:
                    beginning.popleft().forget_stream()
        elif (sketch := found.get(key)) is not None:
            if isinstance(each, Frame):
                most -= 1
                sketch.add(each, is_remembered=most >= 0)
            elif isinstance(each, Closed):
                sketch.closed = each
                sketch.forget_stream()
    return found


def _decoded(sketches: dict[_Key, Sketch], read: Read, registry: Registry) -> dict[_Key, Sketch]:
    """Return the same connections by what their messages say."""
    again = {key: Reread(sketch, registry) for key, sketch in sketches.items()}
    places = {place for place, _ in sketches}
    for place in places:
        most = _MOST_MESSAGES // len(places)
        for each in read(place):
            if (one := again.get((place, each.connection))) is not None:
                if isinstance(each, Frame):
                    most -= 1
                    one.add(each, is_remembered=most >= 0)
                elif isinstance(each, Closed):
                    one.forget_stream()
    return {key: one.sketch for key, one in again.items()}


def _candidates(sketches: dict[_Key, Sketch]) -> list[tuple[_Key, _Key]]:
    """Return pairs that share what hardly comes twice, those first that share most."""
    having: defaultdict[Hashable, list[_Key]] = defaultdict(list)
    for key, sketch in sketches.items():
        for anchor in sketch.anchors:
            having[anchor].append(key)
    shared: Counter[tuple[_Key, _Key]] = Counter()
    for keys in having.values():
        # Twice in one file, it is not as rare as it seemed.
        if 1 < len(keys) <= _MOST_ALIKE and len({place for place, _ in keys}) == len(keys):
            shared.update(combinations(keys, 2))
    pairs: list[tuple[_Key, _Key]] = []
    tried: Counter[_Key] = Counter()
    for pair, _ in shared.most_common():
        tried.update(pair)
        if max(tried[key] for key in pair) <= _MOST_ALIKE:
            pairs.append(pair)
    return pairs


class _Groups:
    """Connections that were found to be the same."""

    def __init__(self, sketches: dict[_Key, Sketch]) -> None:
        self._sketches = sketches
        self._of: dict[_Key, list[_Key]] = {key: [key] for key in sketches}
        self._compared: dict[tuple[_Key, _Key], tuple[Sketch, Sketch]] = {}
        self._offsets: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        """By two places: how far the clock of the second is ahead."""

    def join(self, ours: _Key, theirs: _Key, our_sketch: Sketch, their_sketch: Sketch) -> bool:
        """Take two connections for the same if they are, and return whether that is so. Sketches: as they compare."""
        if self._of[ours] is self._of[theirs]:
            return True
        if not _is_same(our_sketch, their_sketch):
            return False
        if our_sketch.opened.knows & their_sketch.opened.knows & Knows.TIMES:
            offset = _offset(our_sketch, their_sketch)
            if offset is None:
                return False
            self._offsets[ours[0], theirs[0]].append(offset)
        return self._unite(ours, theirs, our_sketch, their_sketch)

    def _unite(self, ours: _Key, theirs: _Key, our_sketch: Sketch, their_sketch: Sketch) -> bool:
        mine, others = self._of[ours], self._of[theirs]
        if self._places_of(ours) & self._places_of(theirs):
            # One file has a connection once.
            return False
        self._compared[ours, theirs] = our_sketch, their_sketch
        mine += others
        for key in others:
            self._of[key] = mine
        return True

    def neighbours_of_logs(self) -> list[tuple[_Key, _Key]]:
        """Return pairs of a log's connection and another that was open at the same time.

        Many logs have no beginning of it, or not what the client said, so that they name no session.
        """
        found = []
        of_place = self._by_time(lambda sketch: sketch.opened.plane is Plane.GATEWAY and sketch.messages > 0)
        for first, second in combinations(sorted(of_place), 2):
            offset, _ = self._clocks(first, second)
            for at_ns, key in of_place[first]:
                ours = self._sketches[key]
                for other in _near(of_place[second], at_ns + offset):
                    theirs = self._sketches[other]
                    is_overlapping = ours.opened.at_ns <= theirs.ends_ns - offset + _WAVER_NS
                    is_overlapping &= theirs.opened.at_ns - offset <= ours.ends_ns + _WAVER_NS
                    is_log = not (is_of_wire(ours.opened) and is_of_wire(theirs.opened))
                    if is_overlapping and is_log and not self._places_of(key) & self._places_of(other):
                        found.append((key, other))
        return found

    def join_short_ones(self) -> None:
        """Join connections that have nothing rare, where all they have is equal and the time is, too.

        The clocks of two files are compared by what else is in both, and agree where nothing is.
        """
        of_place = self._by_time(lambda sketch: sketch.messages < _SHORT)
        for first, second in combinations(sorted(of_place), 2):
            offset, waver = self._clocks(first, second)
            for at_ns, key in of_place[first]:
                for other in _near(of_place[second], at_ns + offset, waver):
                    ours, theirs = self._sketches[key], self._sketches[other]
                    if self._is_equal(key, other) and self._unite(key, other, ours, theirs):
                        break

    def _by_time(self, is_wanted: Callable[[Sketch], bool]) -> dict[int, list[tuple[int, _Key]]]:
        """Return connections by place, each with the time of its opening, in that order."""
        of_place: defaultdict[int, list[tuple[int, _Key]]] = defaultdict(list)
        for key, sketch in self._sketches.items():
            if is_wanted(sketch):
                of_place[key[0]].append((sketch.opened.at_ns, key))
        return {place: sorted(found) for place, found in of_place.items()}

    def _clocks(self, first: int, second: int) -> tuple[int, int]:
        """Return how far the clock of the second input is ahead, and by how much that may be wrong."""
        offsets = self._offsets.get((first, second))
        return (median_low(offsets), _WAVER_NS) if offsets else (0, _SAME_NS)

    def _places_of(self, key: _Key) -> set[int]:
        return {place for place, _ in self._of[key]}

    def _is_equal(self, ours: _Key, theirs: _Key) -> bool:
        if self._of[ours] is self._of[theirs]:
            return False
        a, b = self._sketches[ours], self._sketches[theirs]
        if a.opened.plane is not b.opened.plane or (a.opened.refusal is None) is not (b.opened.refusal is None):
            return False
        differing = difference(a, b)
        return not (differing.only_ours or differing.only_theirs) and (a.messages > 0 or a.opened.refusal is not None)

    def result(self) -> Duplicates:
        """Return what is left out."""
        made = Duplicates()
        for group in {id(group): group for group in self._of.values() if len(group) > 1}.values():
            found = sorted(((key, self._sketches[key]) for key in group), key=_worth, reverse=True)
            made.add(found)
            best, sketch = found[0]
            for other, other_sketch in found[1:]:
                pair = sketch, other_sketch
                if (best, other) in self._compared:
                    pair = self._compared[best, other]
                elif (other, best) in self._compared:
                    pair = self._compared[other, best][::-1]
                made.differences[other] = difference(*pair), *pair
        return made


def _near(entries: Sequence[tuple[int, _Key]], at_ns: int, within_ns: int | None = None) -> list[_Key]:
    """Return those of `entries`, which come in the order of time, that are nearest to a time, the nearest first."""
    place = bisect_left(entries, at_ns, key=itemgetter(0))
    around = entries[max(place - _MOST_ALIKE, 0) : place + _MOST_ALIKE]
    found = sorted((abs(at - at_ns), key) for at, key in around)
    return [key for distance, key in found if within_ns is None or distance <= within_ns]


def _worth(entry: tuple[_Key, Sketch]) -> tuple[bool, int, int, int]:
    """Return what is the greater the more a file has of a connection."""
    (place, _), sketch = entry
    return not sketch.opened.joined_late, (sketch.opened.knows & Knows.ALL).bit_count(), sketch.messages, -place


def _is_same(ours: Sketch, theirs: Sketch) -> bool:
    if ours.opened.plane is not theirs.opened.plane:
        return False
    found = difference(ours, theirs)
    fewer, alone = min((ours.messages, found.only_ours), (theirs.messages, found.only_theirs))
    return alone * _ONE_ALONE_IN <= fewer


def _shares_session(ours: Sketch, theirs: Sketch) -> bool:
    # What was said in two dialects was said twice. A log does not know.
    are_wire = is_of_wire(ours.opened) and is_of_wire(theirs.opened)
    is_possible = not are_wire or dialect_of(ours.opened.url) == dialect_of(theirs.opened.url)
    return is_possible and any(isinstance(each, tuple) and each in theirs.anchors for each in ours.anchors)


def _offset(ours: Sketch, theirs: Sketch) -> int | None:
    """Return by how many nanoseconds the clock of the other is ahead; None where that is not the same throughout."""
    offsets = sorted(
        theirs.anchors[anchor] - at_ns for anchor, at_ns in ours.anchors.items() if anchor in theirs.anchors
    )
    if not offsets:
        return None
    middle = median_low(offsets)
    are_wire = is_of_wire(ours.opened) and is_of_wire(theirs.opened)
    if abs(middle) > _FARTHEST_NS + (0 if are_wire else _ZONE_NS):
        return None
    near = bisect_right(offsets, middle + _WAVER_NS) - bisect_left(offsets, middle - _WAVER_NS)
    return middle if near * 10 >= len(offsets) * 9 else None


def _differences(found: Difference, ours: Sketch, theirs: Sketch, our_name: str, their_name: str) -> Iterator[str]:
    """Yield parts of a sentence on what two recordings of a connection differ in."""
    for places, sketch, name in ((found.ours, ours, our_name), (found.theirs, theirs, their_name)):
        if any(places):
            yield f"{_alone(places, sketch)} only in {name}"
    if ours.client.total > MOST or ours.server.total > MOST:
        yield f"only the first {MOST:,} messages of each side were compared"
    endings = [_ending(sketch.closed) for sketch in (ours, theirs)]
    if endings[0] != endings[1] and all(endings):
        yield f"closed with {endings[0]} in {our_name}, with {endings[1]} in {their_name}"
    offset = _offset(ours, theirs) if ours.opened.knows & theirs.opened.knows & Knows.TIMES else None
    if offset is not None and abs(offset) >= _WORTH_A_NOTE_NS:
        side = "ahead of" if offset > 0 else "behind"
        yield f"the clock of {their_name} is {roughly(abs(offset))} {side} that of {our_name}"


def _alone(places: tuple[Sequence[int], Sequence[int]], sketch: Sketch) -> str:
    """Return how many messages only one has: what they are, or when the first was."""
    count = counted(sum(map(len, places)), "message")
    sides = [(side, of_side) for side, of_side in zip((sketch.client, sketch.server), places, strict=True) if of_side]
    kinds = Counter(side.labels[place] for side, of_side in sides if side.labels for place in of_side)
    if kinds:
        named = [f"{kind} ({count:,})" for kind, count in kinds.most_common(_KINDS)]
        return f"{count}, {listed([*named, *['others'] * (len(kinds) > _KINDS)])},"
    first = min((side.times[of_side[0]], side is sketch.client) for side, of_side in sides)
    who = "client" if first[1] else "server"
    return f"{count} (the first from the {who} at {clock(first[0])})"


def _ending(closed: Closed | None) -> str:
    if closed is None or not closed.is_recorded:
        return ""
    code = "an unknown code" if closed.code is None else str(closed.code)
    return f"{code} by the {closed.by}" if closed.by else code

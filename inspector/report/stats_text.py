"""The numbers of a recording as text, for people: aligned tables with small bars. Holds no secrets.

A table fits the width it is given: bars get shorter, then names are cut. Colour is an extra; every bar has its number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TypeVar

from wcwidth import wcswidth

from inspector.analysis.stats import (
    MOST,
    ConnectionStats,
    HeartbeatStats,
    MediaStats,
    NameStats,
    RuleStats,
    Stats,
    Traffic,
)
from inspector.inert import inert
from inspector.model import Plane, Severity, StartLimit
from inspector.report import cells
from inspector.report.cells import clip
from inspector.report.colour import painted
from inspector.report.text import SEVERITIES, SEVERITY_COLOURS
from inspector.session.redact import HIDDEN
from inspector.words import clock, counted, day, duration, percent, round_trip, size, step_length

LIMIT = 20
"""Lines that a table has, unless more are asked for."""

_BOLD, _DIM, _SEND, _RECEIVE, _PLAIN = "1", "2", "33", "36", ""
# Columns of a terminal that fewer than that is not worth fitting into.
_NARROWEST = 60
_GAP = "  "
# Columns of a bar, and of a line of small bars.
_LEAST_BAR, _MOST_BAR = 6, 24
_LEAST_LINE, _MOST_LINE = 10, 48
_HEADS = {Severity.ERROR: "errors", Severity.WARN: "warns", Severity.INFO: "infos"}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of texts."""

    title: str
    texts: Sequence[str]
    left: bool = False
    least: int | None = None
    """To how many columns of the terminal it may be cut; None: it is not cut."""
    spare: bool = False
    """It may be left out where there is no room; of several the first goes first."""
    codes: Sequence[str] = ()
    """Colours of its lines."""


@dataclass(frozen=True, slots=True)
class _Bars:
    """A column of bars as long as what room there is allows; not drawn where all are the same."""

    values: Sequence[float]
    title: str = ""
    least: int = _LEAST_BAR
    most: int = _MOST_BAR
    codes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Plots:
    """A column of small plots, for values over time; not drawn where there is nothing to compare."""

    values: Sequence[Sequence[int]]
    title: str
    least: int = _LEAST_LINE
    most: int = _MOST_LINE
    codes: Sequence[str] = ()


_Part = _Column | _Bars | _Plots


def lines(
    stats: Stats,
    name: str,
    *,
    limit: int = LIMIT,
    width: int = 100,
    colour: bool = False,
    ascii_only: bool = False,
    zone: tzinfo | None = None,
) -> Iterator[str]:
    """Yield the lines that say `stats` of the recording `name`, with at most `limit` lines a table, 0: all.

    `width` is that of the terminal, in columns; times are in `zone` or this machine's.
    """
    yield from _Writer(limit, max(width, _NARROWEST), colour, cells.ASCII if ascii_only else cells.UNICODE, zone).write(
        stats, name
    )


class _Writer:
    def __init__(self, limit: int, width: int, colour: bool, marks: cells.Marks, zone: tzinfo | None) -> None:
        self._limit = limit
        self._width = width
        self._colour = colour
        self._marks = marks
        self._zone = zone

    def write(self, stats: Stats, name: str) -> Iterator[str]:
        yield from self._capture(stats, name)
        if not stats.rows and not stats.connections:
            return
        yield from self._traffic(stats)
        yield from self._over_time(stats)
        yield from self._connections(stats.connections)
        yield from self._traffic_of(stats.connections)
        yield from self._names(stats)
        yield from self._heartbeats(stats.heartbeats)
        yield from self._media(stats)
        yield from self._rules(stats.rules)
        yield from self._start_limits(stats.start_limits)

    def _capture(self, stats: Stats, name: str) -> Iterator[str]:
        yield self._paint(name, _BOLD)
        amounts = [
            counted(len(stats.connections), "connection"),
            counted(stats.sessions, "session"),
            counted(stats.rows, "row") + (" (filtered)" if stats.filtered else ""),
        ]
        if stats.frames is not None:
            amounts.append(counted(stats.frames, "frame"))
        yield _GAP + ", ".join(amounts)
        if stats.rows:
            began, ended = stats.began_ns, stats.ended_ns
            until = clock(ended, self._zone)
            if day(ended, self._zone) != day(began, self._zone):
                until = f"{day(ended, self._zone)} {until}"
            span = f"{day(began, self._zone)} {clock(began, self._zone)} to {until}"
            yield f"{_GAP}{duration(ended - began)}, {span}"

    def _start_limits(self, limits: Sequence[StartLimit]) -> Iterator[str]:
        shown = self._first(limits)
        yield from self._table(
            "Session starts, as GET /gateway/bot told them",
            [
                _Column("at", [f"{day(each.at_ns, self._zone)} {clock(each.at_ns, self._zone)}" for each in shown]),
                _Column("token", [HIDDEN + (each.token or "")[:4] for each in shown], left=True),
                _Column("left", [f"{each.remaining:,} of {each.total:,}" for each in shown]),
                _Column("all again after", [duration(each.reset_after_ms * 1_000_000) for each in shown]),
                _Column("at once", [f"{each.max_concurrency:,}" for each in shown]),
                _Column("shards", [f"{each.shards:,}" for each in shown]),
            ],
        )
        yield from self._more(limits, shown, "bot")

    def _traffic(self, stats: Stats) -> Iterator[str]:
        sides = [(stats.sent, True), (stats.received, False), (stats.sent + stats.received, None)]
        traffic = [each for each, _ in sides]
        yield from self._table(
            "Traffic",
            [
                _Column("", [self._way(side, "together") for _, side in sides], left=True, codes=_ways(sides)),
                _Column("messages", [f"{each.messages:,}" for each in traffic]),
                _Column("on the wire", [size(each.wire_bytes) for each in traffic]),
                _Bars([each.wire_bytes for each in traffic], codes=_ways(sides)),
                _Column("decoded", [size(each.decoded_bytes) for each in traffic]),
                _Column("ratio", [_ratio(each) for each in traffic]),
            ],
        )

    def _over_time(self, stats: Stats) -> Iterator[str]:
        # What is before and after the bars takes the rest.
        columns = stats.measured.columns(min(self._width - 32, 100))
        if len(columns.volumes) < 2:
            return
        yield ""
        yield self._paint("Messages over time", _BOLD) + self._paint(
            f"   a column is {step_length(columns.width_ns)}", _DIM
        )
        for side, counts in (
            (True, [volume.sent for volume in columns.volumes]),
            (False, [volume.received for volume in columns.volumes]),
        ):
            drawn = f"{_GAP}{self._way(side):<9}{_GAP}{self._line(counts, len(counts))}".rstrip()
            yield self._paint(f"{drawn}  at most {max(counts):,}", _SEND if side else _RECEIVE)

    def _connections(self, connections: Sequence[ConnectionStats]) -> Iterator[str]:
        shown = self._first(connections)
        yield from self._table(
            "Connections",
            [
                _number([each.id for each in shown]),
                _Column("plane", [each.plane.value for each in shown], left=True),
                _Column("host", [inert(each.host) or "-" for each in shown], left=True, least=12),
                _Column("v", [_maybe(each.version) for each in shown]),
                _Column("lasted", [duration(each.lasted_ns) for each in shown]),
                _Column("end", [end_words(each) for each in shown], left=True, least=11),
                *_encryption(shown),
                *_findings(shown),
            ],
        )
        yield from self._more(connections, shown, "connection")

    def _traffic_of(self, connections: Sequence[ConnectionStats]) -> Iterator[str]:
        shown = self._first(connections)
        yield from self._table(
            "Traffic by connection",
            [
                _number([each.id for each in shown]),
                _Column("speaks", [dialect_words(each) for each in shown], left=True, least=16),
                _Column("sent", [f"{each.sent.messages:,}" for each in shown]),
                _Column("wire", [size(each.sent.wire_bytes) for each in shown]),
                _Column("received", [f"{each.received.messages:,}" for each in shown]),
                _Column("wire", [size(each.received.wire_bytes) for each in shown]),
                _Bars([each.received.wire_bytes for each in shown], codes=[_RECEIVE] * len(shown)),
                _Column("decoded", [size(each.received.decoded_bytes) for each in shown]),
                _Column("ratio", [_ratio(each.received) for each in shown]),
                _Column("rate", [_rate(each.per_second) for each in shown]),
            ],
        )
        yield from self._more(connections, shown, "connection")

    def _names(self, stats: Stats) -> Iterator[str]:
        names = stats.names
        shown = self._first(names)
        total = stats.unnamed + sum(each.count for each in names)
        codes = [_SEND if each.from_client else _RECEIVE for each in shown]
        yield from self._table(
            "Opcodes and events",
            [
                _Column("", [self._way(each.from_client) for each in shown], left=True, codes=codes),
                _Column("op", [str(each.op) if isinstance(each.op, int) else "" for each in shown]),
                _Column("name", [called(each) for each in shown], left=True, least=22),
                _Column("count", [f"{each.count:,}" for each in shown]),
                _Column("share", [percent(each.count, total) for each in shown]),
                _Bars([each.count for each in shown], codes=codes),
                _Column("wire", [size(each.wire_bytes) for each in shown]),
                _Column("mean", [size(round(each.mean_wire)) for each in shown], spare=True),
                _Column("largest", [size(each.largest_wire) for each in shown]),
                _Column(
                    "decoded",
                    ["-" if each.plane is Plane.MEDIA else size(each.decoded_bytes) for each in shown],
                    spare=True,
                ),
            ],
        )
        rest = total - sum(each.count for each in shown)
        yield from self._more(names, shown, "name", f" with {counted(rest, 'message')}", beyond=bool(stats.unnamed))

    def _heartbeats(self, heartbeats: Sequence[HeartbeatStats]) -> Iterator[str]:
        shown = self._first(heartbeats)
        yield from self._table(
            "Heartbeat round trips",
            [
                _number([each.connection for each in shown]),
                _Column("plane", [each.plane.value for each in shown], left=True),
                _Column("sent", [f"{each.sent:,}" for each in shown]),
                _Column("no ACK", [f"{each.unanswered:,}" for each in shown]),
                _Column("min", [_trip(each.shortest_ns) for each in shown]),
                _Column("median", [_trip(each.median_ns) for each in shown]),
                _Column("p95", [_trip(each.p95_ns) for each in shown]),
                _Column("max", [_trip(each.longest_ns) for each in shown]),
                _Plots([each.outline for each in shown], "over time", codes=[_RECEIVE] * len(shown)),
            ],
        )
        yield from self._more(heartbeats, shown, "connection")

    def _media(self, stats: Stats) -> Iterator[str]:
        shown = self._first(stats.media)
        codes = [_SEND if each.from_client else _RECEIVE for each in shown]
        heads = [
            _number([each.connection for each in shown]),
            _Column("", [self._way(each.from_client) for each in shown], left=True, codes=codes),
            _Column("ssrc", [_maybe(each.ssrc) for each in shown]),
        ]
        yield from self._table(
            "Voice media",
            [
                *heads,
                _Column("user", [inert(each.user_id or "-") for each in shown], left=True, least=19),
                _Column("media", [_media_of(each) for each in shown], left=True, least=10),
                _Column("bytes", ["-" if each.bytes is None else size(each.bytes) for each in shown], spare=True),
                _Column("rate", [_kbit(each.kbit_per_s) for each in shown]),
                _Column("time", [_ms(each.duration_ms) for each in shown]),
            ],
        )
        yield from self._table(
            "Voice media, how it came through",
            [
                *heads,
                _Column("packets", [_amount(each.packets) for each in shown]),
                _Column("lost", [_amount(each.lost) for each in shown]),
                _Column("", [_loss(each.loss) for each in shown]),
                _Bars([each.loss or 0.0 for each in shown], most=12),
                _Column("reordered", [_amount(each.reordered) for each in shown]),
                _Column("duplicate", [_amount(each.duplicates) for each in shown]),
                _Column("jitter", [_jitter(each.jitter_ms) for each in shown]),
                _Column("max", [_jitter(each.largest_jitter_ms) for each in shown]),
            ],
        )
        more = f", and {counted(stats.unheard, 'row')} of more than {MOST} streams" if stats.unheard else ""
        yield from self._more(stats.media, shown, "stream", more, beyond=bool(stats.unheard))

    def _rules(self, rules: Sequence[RuleStats]) -> Iterator[str]:
        shown = self._first(rules)
        codes = [SEVERITY_COLOURS[each.severity] for each in shown]
        yield from self._table(
            "Findings",
            [
                _Column("", [SEVERITIES[each.severity] for each in shown], left=True, codes=codes),
                _Column("rule", [inert(each.rule) for each in shown], left=True, least=20),
                _Column("count", [f"{each.count:,}" for each in shown]),
                _Bars([each.count for each in shown], codes=codes),
                _Column("first row", [f"{each.first:,}" for each in shown]),
            ],
        )
        yield from self._more(rules, shown, "rule")

    def _first(self, items: Sequence[_T]) -> Sequence[_T]:
        return items[: self._limit] if self._limit else items

    def _more(
        self, items: Sequence[object], shown: Sequence[object], noun: str, words: str = "", *, beyond: bool = False
    ) -> Iterator[str]:
        """Say what the table above has left out; `beyond`: there are more than are known by name."""
        left = len(items) - len(shown)
        if left:
            yield self._paint(f"{_GAP}and {counted(left, f'more {noun}')}{words}; --limit 0 shows all", _DIM)
        elif beyond:
            yield self._paint(f"{_GAP}and more{words}", _DIM)

    def _table(self, title: str, parts: Sequence[_Part]) -> Iterator[str]:
        count = max(len(part.texts) for part in parts if isinstance(part, _Column))
        if not count:
            return
        parts, widths = _fitted([part for part in parts if _tells(part)], self._width - len(_GAP))
        yield ""
        yield self._paint(title, _BOLD)
        heads = [_padded(part.title, width, _is_left(part)) for part, width in zip(parts, widths, strict=True)]
        yield self._paint((_GAP + _GAP.join(heads)).rstrip(), _DIM)
        for number in range(count):
            cells_of_line = []
            for part, width in zip(parts, widths, strict=True):
                text = _padded(self._cell(part, number, width), width, _is_left(part))
                cells_of_line.append(self._paint(text, part.codes[number] if part.codes else _PLAIN))
            yield (_GAP + _GAP.join(cells_of_line)).rstrip()

    def _cell(self, part: _Part, number: int, width: int) -> str:
        if isinstance(part, _Column):
            return clip(part.texts[number], width, self._marks.more)
        if isinstance(part, _Plots):
            return self._line(part.values[number], width)
        value, most = part.values[number], max(part.values)
        return self._marks.bars[5] * max(round(value / most * width), 1) if value > 0 else ""

    def _line(self, values: Sequence[int], room: int) -> str:
        """Return a small bar for each value; of several that share one the highest counts. 0 leaves it empty."""
        if not values:
            return ""
        steps = min(len(values), max(room, 1))
        highest = [max(values[at * len(values) // steps : (at + 1) * len(values) // steps]) for at in range(steps)]
        most = max(*highest, 1)
        bars = self._marks.bars
        return "".join(bars[min((value * 8 - 1) // most, 7)] if value > 0 else " " for value in highest)

    def _way(self, from_client: bool | None, neither: str = "") -> str:
        if from_client is None:
            return neither
        return f"{self._marks.send} send" if from_client else f"{self._marks.receive} receive"

    def _paint(self, text: str, code: str) -> str:
        return painted(text, code if self._colour else "")


def _ways(sides: Sequence[tuple[object, bool | None]]) -> list[str]:
    return [_PLAIN if side is None else _SEND if side else _RECEIVE for _, side in sides]


def _tells(part: _Part) -> bool:
    """Say whether there is something to see in a column."""
    if isinstance(part, _Bars):
        return len(set(part.values)) > 1
    return not isinstance(part, _Plots) or any(len(values) > 1 for values in part.values)


def _is_left(part: _Part) -> bool:
    return not isinstance(part, _Column) or part.left


def _fitted(parts: Sequence[_Part], width: int) -> tuple[Sequence[_Part], list[int]]:
    """Return the columns that there is room for, and how wide each is."""
    gaps = len(_GAP) * (len(parts) - 1)
    if gaps + sum(map(_narrowest, parts)) > width:
        spare = [part for part in parts if isinstance(part, _Column) and part.spare]
        drawn = [part for part in parts if not isinstance(part, _Column)]
        for part in [*spare, *drawn][:1]:
            return _fitted([other for other in parts if other is not part], width)
    widths = [_widest(part) for part in parts]
    room = width - gaps - sum(widths)
    # The one that can spare most is cut first.
    while room < 0:
        slack, at = max((widths[at] - _narrowest(part), at) for at, part in enumerate(parts))
        if not slack:
            break
        widths[at] -= 1
        room += 1
    for at, part in enumerate(parts):
        if not isinstance(part, _Column):
            more = max(min(part.most - widths[at], room), 0)
            widths[at] += more
            room -= more
    return parts, widths


def _narrowest(part: _Part) -> int:
    widest = _widest(part)
    return widest if not isinstance(part, _Column) or part.least is None else min(part.least, widest)


def _widest(part: _Part) -> int:
    """Return how wide a column is on its own; what is drawn takes of the rest what it can get."""
    if not isinstance(part, _Column):
        return max(part.least, len(part.title))
    return max(len(part.title), *(wcswidth(text) for text in part.texts))


def _padded(text: str, width: int, left: bool) -> str:
    space = " " * (width - wcswidth(text))
    return text + space if left else space + text


def _number(numbers: Sequence[int]) -> _Column:
    return _Column("#", [str(number) for number in numbers])


def _maybe(number: int | None) -> str:
    return "-" if number is None else f"{number}"


def _amount(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _ratio(traffic: Traffic) -> str:
    return "-" if traffic.ratio is None else f"{traffic.ratio:.1f}:1"


def _rate(per_second: float | None) -> str:
    if per_second is None:
        return "-"
    return f"{per_second:.1f}/s" if per_second < 99.95 else f"{per_second:,.0f}/s"


def _trip(ns: int | None) -> str:
    return "-" if ns is None else round_trip(ns)


def _ms(ms: float | None) -> str:
    return "-" if ms is None else duration(int(ms * 1e6))


def _jitter(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:,.1f} ms"


def _kbit(rate: float | None) -> str:
    if rate is None:
        return "-"
    if rate >= 999.5:
        return f"{rate / 1000:,.1f} Mbit/s"
    return f"{rate:.1f} kbit/s" if rate < 9.95 else f"{rate:.0f} kbit/s"


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"{loss * 100:.1f} %"


def _media_of(media: MediaStats) -> str:
    return inert(" ".join(filter(None, (media.media, media.codec)))) or "-"


def dialect_words(connection: ConnectionStats) -> str:
    """Return how a connection speaks: ``json zlib-stream``."""
    compression = connection.compression if connection.compression not in (None, "none") else None
    return inert(" ".join(filter(None, (connection.encoding, compression)))) or "-"


def end_words(connection: ConnectionStats) -> str:
    """Return how a connection ended, what matters most first: ``4004 server: Authentication failed``."""
    if connection.refusal is not None:
        return f"refused: {inert(connection.refusal)}"
    closed = connection.closed
    if closed is None:
        return "still open"
    # What matters most first: the rest may be cut.
    if not closed.is_recorded:
        return "end not recorded"
    code = "closed" if closed.code is None else str(closed.code)
    name = f": {connection.close_name}" if connection.close_name else ""
    return f"{code} {closed.by or ''}".rstrip() + name


def _encryption(connections: Sequence[ConnectionStats]) -> Iterator[_Column]:
    if any(connection.dave for connection in connections):
        yield _Column("encryption", [inert(connection.dave or "") for connection in connections], left=True, spare=True)


def _findings(connections: Sequence[ConnectionStats]) -> Iterator[_Column]:
    for severity in reversed(Severity):
        counts = [connection.findings.get(severity, 0) for connection in connections]
        if any(counts):
            texts = [f"{count:,}" if count else "" for count in counts]
            yield _Column(_HEADS[severity], texts, codes=[SEVERITY_COLOURS[severity]] * len(texts))


def called(name: NameStats) -> str:
    """Return what a line is called; those next to the main gateway say where they belong, as in the plots."""
    return inert(name.name if name.plane is Plane.GATEWAY else f"{name.plane.value}: {name.name}")

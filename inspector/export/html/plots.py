"""Plots over time: what passed, and how long heartbeats took. Each has its numbers in words next to it."""

from collections.abc import Callable, Iterator, Sequence

from inspector.analysis.lanes import Lanes
from inspector.analysis.measure import RoundTrips, Volume
from inspector.analysis.stats import HeartbeatStats
from inspector.export.html.facts import Facts
from inspector.export.html.links import RowLinks
from inspector.export.html.markup import Child, Html, tag
from inspector.export.html.scale import Scale, percent
from inspector.export.html.tables import long_table
from inspector.words import counted, round_trip, size, step_length

# Steps of traffic; connections that are drawn, points of each, and heartbeats without an ACK that are marked.
_STEPS, _MOST_LINES, _POINTS, _MOST_TROUBLED = 120, 6, 240, 60
# Pixels: of what goes up from the axis and what goes down, and of a plot of round trips.
_UP, _DOWN, _TRIPS = 84, 36, 120


def plots(facts: Facts, links: RowLinks) -> Html | None:
    """Return the section with the plots; None where there is nothing over time."""
    drawn = [
        *_traffic(facts, "Messages", lambda each: (each.received, each.sent), lambda count: f"{count:,}"),
        *_traffic(facts, "Bytes on the wire", lambda each: (each.received_wire, each.sent_wire), size),
        *_trips(facts, facts.scale, links),
    ]
    if not drawn:
        return None
    return tag("section", tag("h2", "Over time"), *drawn, id="time")


def _traffic(
    facts: Facts, name: str, sides: Callable[[Volume], tuple[int, int]], said: Callable[[int], str]
) -> Iterator[Html]:
    """Yield a plot of what passed: the server's above the axis, the client's below it."""
    columns = facts.stats.measured.columns(_STEPS)
    if len(columns.volumes) < 2:
        return
    pairs = [sides(volume) for volume in columns.volumes]
    most_up, most_down = max(up for up, _ in pairs), max(down for _, down in pairs)
    scale = Scale(columns.start_ns, columns.start_ns + columns.width_ns * len(pairs))
    width = 100 / len(pairs)
    bars = []
    for at, (up, down) in enumerate(pairs):
        if not up and not down:
            continue
        begins = scale.when(columns.start_ns + at * columns.width_ns)
        title = tag("title", f"{begins}: {said(up)} received, {said(down)} sent")
        shapes = []
        place = {"x": percent(at * width), "width": percent(max(width * 0.86, 0.12))}
        if up:
            height = max(up * _UP / most_up, 1)
            shapes.append(tag("rect", class_="received", y=f"{_UP - height:.1f}", height=f"{height:.1f}", **place))
        if down:
            height = max(down * _DOWN / max(most_down, 1), 1)
            shapes.append(tag("rect", class_="sent", y=_UP + 1, height=f"{height:.1f}", **place))
        bars.append(tag("g", title, *shapes))
    drawing = tag(
        "svg",
        *bars,
        tag("line", class_="base", x1=0, x2="100%", y1=f"{_UP}.5", y2=f"{_UP}.5"),
        height=_UP + _DOWN + 2,
        width="100%",
        role="img",
        aria_label=f"{name} over time",
    )
    step = step_length(columns.width_ns)
    yield tag(
        "figure",
        tag("h3", name, tag("span", f"a bar is {step}", class_="quiet")),
        drawing,
        scale.axis(),
        tag(
            "figcaption",
            _key("received", f"received, above the line, at most {said(most_up)} per bar"),
            _key("sent", f"sent, below it on its own scale, at most {said(most_down)} per bar"),
        ),
    )


def _key(name: str, text: str) -> Html:
    swatch = tag("svg", tag("rect", class_=name, width=10, height=10), width=10, height=10, aria_hidden="true")
    return tag("span", swatch, " ", text, class_="key")


def _trips(facts: Facts, scale: Scale, links: RowLinks) -> Iterator[Html]:
    """Yield a plot of round trips, and the table of heartbeats."""
    if not facts.stats.heartbeats:
        return
    trips = sorted(facts.stats.measured.round_trips, key=lambda each: -each.count)
    drawn = sorted(trips[:_MOST_LINES], key=lambda each: each.connection)
    most = max((each.longest_ns for each in drawn), default=0)
    planes = {connection.id: connection.plane.value for connection in facts.stats.connections}
    lines: list[Child] = [_troubled(facts.lanes, scale, links)]
    keys: list[Child] = []
    for place, each in enumerate(drawn):
        lines.append(_line(each, place, scale, most))
        text = f"#{each.connection} {planes.get(each.connection, '')}, median {round_trip(each.median_ns)}"
        sample = tag("line", class_=f"series s{place}", x1=0, x2=22, y1=5, y2=5)
        swatch = tag("svg", sample, width=22, height=10, aria_hidden="true")
        keys.append(tag("span", swatch, " ", text, class_="key"))
    if len(trips) > len(drawn):
        keys.append(tag("span", f"and {counted(len(trips) - len(drawn), 'more connection')}", class_="quiet"))
    keys.append(tag("span", tag("b", "!", class_="warn"), " no ACK, or late", class_="key"))
    if drawn:
        drawing = tag(
            "svg",
            _grid(most),
            *lines,
            _labels(most),
            height=_TRIPS + 20,
            width="100%",
            role="img",
            aria_label="Round trips of heartbeats over time",
        )
        yield tag(
            "figure",
            tag("h3", "Heartbeat round trips"),
            drawing,
            scale.axis(),
            tag("figcaption", *keys),
        )
    yield _table(facts.stats.heartbeats)


def _grid(most: int) -> Html:
    places = [(part, _y(int(most * part), most)) for part in (0, 0.5, 1)]
    return tag(
        "g",
        *(tag("line", class_="grid" if part else "base", x1=0, x2="100%", y1=y, y2=y) for part, y in places),
    )


def _labels(most: int) -> Html:
    """Return what the lines of the grid stand for; above all lines, so that none covers it."""
    return tag(
        "g",
        *(
            tag("text", round_trip(int(most * part)), class_="label", x=2, y=y, dy=-3)
            for part in (0.5, 1)
            for y in [_y(int(most * part), most)]
        ),
    )


def _y(lasted_ns: int, most: int) -> str:
    return f"{20 + _TRIPS - 1 - lasted_ns * (_TRIPS - 2) / max(most, 1):.1f}"


def _line(trips: RoundTrips, place: int, scale: Scale, most: int) -> Html:
    points = trips.outline[:: -(-len(trips.outline) // _POINTS) or 1] if len(trips.outline) > _POINTS else trips.outline
    whole = " ".join(f"{scale.place(at_ns) * 10:.1f},{_y(lasted, most)}" for at_ns, lasted in points)
    # Nothing but the line may be stretched.
    line = tag(
        "svg",
        tag("polyline", points=whole, class_=f"series s{place}", vector_effect="non-scaling-stroke"),
        viewBox=f"0 0 1000 {_TRIPS + 20}",
        width="100%",
        height=_TRIPS + 20,
        preserveAspectRatio="none",
    )
    dots = [
        tag(
            "circle",
            tag("title", f"#{trips.connection} {scale.when(at_ns)}: {round_trip(lasted)}"),
            class_=f"dot s{place}", cx=scale.x(at_ns), cy=_y(lasted, most), r="2.5",
        )
        for at_ns, lasted in (points if len(points) <= 80 else ())
    ]  # fmt: skip
    return tag("g", line, *dots)


def _troubled(lanes: Lanes, scale: Scale, links: RowLinks) -> Html:
    found = sorted(
        (at_ns, row, lane.id)
        for group in lanes.groups
        for lane in group.lanes
        for at_ns, row in zip(lane.troubled.at_ns, lane.troubled.rows, strict=True)
    )
    marks = []
    for at_ns, row, connection in found[:: -(-len(found) // _MOST_TROUBLED) or 1]:
        title = tag("title", f"#{connection} {scale.when(at_ns)}: heartbeat late or without an ACK, row {row:,}")
        mark = tag("text", "!", class_="warn mark", x=scale.x(at_ns), y=12, text_anchor="middle")
        marks.append(links.to(row, title, mark))
    return tag("g", *marks)


def _table(heartbeats: Sequence[HeartbeatStats]) -> Html:
    heads = ("#", "plane", "sent", "answered", "no ACK", "shortest", "median", "p95", "longest")
    lines = [
        [
            f"{each.connection}", each.plane.value, f"{each.sent:,}", f"{each.answered:,}", f"{each.unanswered:,}",
            *(
                "-" if ns is None else round_trip(ns)
                for ns in (each.shortest_ns, each.median_ns, each.p95_ns, each.longest_ns)
            ),
        ]
        for each in heartbeats
    ]  # fmt: skip
    return long_table(heads, lines, "connection", words={1})

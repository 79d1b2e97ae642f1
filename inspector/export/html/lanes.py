"""Sessions as lanes over time: connections, what happened to each, and what was noticed. Every mark has a shape."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from inspector.analysis.lanes import ENDING, LIVE, Lane, LaneGroup, LaneMoment
from inspector.export.html.facts import Facts
from inspector.export.html.links import RowLinks, filtered
from inspector.export.html.markup import Child, Html, tag
from inspector.export.html.scale import Scale, percent
from inspector.inert import short
from inspector.protocol.registry import Registry
from inspector.session.phases import OPENED
from inspector.session.redact import is_lost
from inspector.words import counted, duration

# Lanes that are drawn, those of them that show at once, and places across one that have room for a mark of their own.
MOST_LANES, _AT_ONCE, _PLACES = 100, 24, 150
# Pixels down a lane: labels, marks of logins and phases, the bar, findings.
_LABEL, _BAR, _NOTICED, HEIGHT = 11, 25, 42, 50
# Percent of the width that a character takes, about; labels that would touch are left out.
_CHARACTER = 0.95
_PEACEFUL = ("", "1000", "1001")
# Where many come together the worst shows.
_WEIGHTS = {"info": 1, "warn": 2, "error": 3}

_SHAPES = {
    "open": "M0-6V6",
    "ready": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    "resumed": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    "close": "M-4-4L4 4M-4 4L4-4",
    "info": "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0",
    "warn": "M0-5L5 4H-5Z",
    "error": "M-4-4H4V4H-4Z",
}
"""Marks, drawn around a point."""


def shape(name: str, x: str, y: int, style: str = "") -> Html:
    """Return a mark at a place."""
    path = tag("path", d=_SHAPES[name], class_=f"mark {name} {style}".strip())
    return tag("svg", path, x=x, y=y, overflow="visible", width=1, height=1)


def lanes(facts: Facts, links: RowLinks) -> Html | None:
    """Return the section with the sessions and their connections; None where there is none."""
    if not facts.lanes.groups:
        return None
    found = [(group, lane) for group in facts.lanes.groups for lane in group.lanes]
    rest = found[_AT_ONCE:MOST_LANES]
    more = len(facts.stats.connections) - min(len(found), MOST_LANES)
    return tag(
        "section",
        tag("h2", "Sessions"),
        tag("p", *_legend(), class_="legend"),
        _tracks(found[:_AT_ONCE], facts, links),
        tag("details", tag("summary", f"and {counted(len(rest), 'more connection')}"), _tracks(rest, facts, links))
        if rest
        else None,
        tag("p", f"and {counted(more, 'more connection')} that are not drawn", class_="quiet") if more > 0 else None,
        id="sessions",
    )


def _tracks(found: Sequence[tuple[LaneGroup, Lane]], facts: Facts, links: RowLinks) -> Html:
    scale = facts.scale
    parts: list[Html] = []
    before = None
    for group, lane in found:
        if group is not before:
            parts.append(tag("h3", *_title(group)))
            before = group
        parts.append(_track(lane, scale, facts.registry, links))
    return tag("div", *parts, tag("div", tag("span"), scale.axis(), class_="track"), class_="tracks")


def _title(group: LaneGroup) -> Iterator[Child]:
    if group.session is None:
        yield f"{group.plane.value}, no session"
    elif is_lost(group.session):
        yield f"Session of row {group.session.lstrip('*')}"
    else:
        yield f"Session {short(group.session[:4], 20)}"
    if group.shard:
        yield tag("span", f"shard {short(group.shard, 20)}", class_="quiet")


def _legend() -> Iterator[Html]:
    for name, text in (
        ("open", "opened"), ("ready", "ready"), ("resumed", "resumed"), ("close", "closed"), ("error", "error"),
        ("warn", "warning"), ("info", "info"),
    ):  # fmt: skip
        mark = tag("svg", shape(name, "8", 8), width=16, height=16, aria_hidden="true")
        yield tag("span", mark, " ", text, class_="key")
    for name, text in (("early", "logging in"), ("live", "in session"), ("ending", "asked to leave")):
        bar = tag("line", class_=f"bar {name}", x1=0, x2=22, y1=8, y2=8)
        yield tag("span", tag("svg", bar, width=22, height=16, aria_hidden="true"), " ", text, class_="key")
    yield tag("span", tag("b", "I"), " identify", class_="key")
    yield tag("span", tag("b", "R"), " resume", class_="key")
    yield tag("span", tag("b", "×"), " rejected", class_="key")


def _track(lane: Lane, scale: Scale, registry: Registry, links: RowLinks) -> Html:
    lasted = duration(lane.last_ns - lane.opened_ns)
    trouble = lane.refusal is not None or (lane.code is not None and str(lane.code) not in _PEACEFUL)
    ended = "refused" if lane.refusal is not None else lane.end or lane.phase
    name = tag(
        "div",
        tag("b", filtered("conn", lane.id, f"#{lane.id}"), f" {lane.plane.value}"),
        tag("span", short(lane.host, 40), class_="quiet"),
        tag("span", f"{short(ended, 40)}, {lasted}", class_="error" if trouble else "quiet"),
        class_="name",
    )
    drawing = tag(
        "svg",
        *_bars(lane, scale),
        _beats(lane, scale),
        *_marks(lane, scale, registry, links),
        *_findings(lane, scale, links),
        height=HEIGHT,
        width="100%",
        role="img",
        aria_label=f"connection {lane.id} over time",
    )
    return tag("div", name, drawing, class_="track")


def _bars(lane: Lane, scale: Scale) -> Iterator[Html]:
    """Yield what it was doing when."""
    if lane.refusal is not None:
        return
    changes = [(lane.opened_ns, OPENED), *((step.at_ns, step.text) for step in lane.steps if step.sort == "phase")]
    for (start_ns, phase), (end_ns, _) in pairwise([*changes, (lane.last_ns, "")]):
        if end_ns < start_ns:
            continue
        style = "live" if phase in LIVE else "ending" if phase in ENDING else "early"
        title = tag("title", f"{short(phase, 60)}, from {scale.when(start_ns)} for {duration(end_ns - start_ns)}")
        yield tag(
            "line", title, class_=f"bar {style}", x1=scale.x(start_ns), x2=scale.x(end_ns), y1=_BAR, y2=_BAR
        )  # fmt: skip


def _beats(lane: Lane, scale: Scale) -> Html:
    """Return the heartbeats as ticks below the bar; where they are close, fewer."""
    places = sorted({int(scale.place(at_ns) * _PLACES / 100) for at_ns in lane.beats.at_ns})
    # In a drawing of its own, as places in a path cannot be percents.
    path = tag(
        "path",
        d="".join(f"M{place * 1000 / _PLACES:.0f} 0V4" for place in places) or "M0 0",
        class_="beats",
        vector_effect="non-scaling-stroke",
    )
    return tag(
        "svg", path, y=_BAR + 7, viewBox="0 0 1000 4", width="100%", height=4, preserveAspectRatio="none"
    )  # fmt: skip


def _marks(lane: Lane, scale: Scale, registry: Registry, links: RowLinks) -> Iterator[Html]:
    """Yield its beginning, its logins, its phases and its end, with labels where there is room."""
    taken = -100.0
    phase = ""
    moments = sorted([*lane.steps, *lane.logins])
    for moment in _thinned(moments, scale):
        name = _shape_of(moment)
        if moment.sort == "phase":
            # Where one such phase follows on another, nothing has changed for the eye.
            name, phase = (None if phase in LIVE else name), moment.text
        label = _label(moment)
        if name is None and not label:
            continue
        place = scale.place(moment.at_ns)
        style = "trouble" if _is_trouble(moment) else ""
        parts: list[Child] = [tag("title", _said(lane, moment, scale, registry))]
        if name is not None:
            parts.append(shape(name, percent(place), _BAR, style))
        length = len(label) * _CHARACTER
        starts = min(max(place - length / 2, 0), 100 - length)
        if label and starts > taken:
            taken = starts + length
            anchor = "start" if place < 3 else "end" if place > 94 else "middle"
            parts.append(tag("text", label, class_=f"label {style}", x=percent(place), y=_LABEL, text_anchor=anchor))
        if len(parts) > 1:
            yield links.to(moment.row, *parts)


def _thinned(moments: list[LaneMoment], scale: Scale) -> Iterator[LaneMoment]:
    """Yield one moment of each sort and place; ends are always among them."""
    seen = set()
    for moment in moments:
        key = moment.sort, moment.text, int(scale.place(moment.at_ns) * _PLACES / 100)
        if moment.sort in ("close", "refused") or key not in seen:
            seen.add(key)
            yield moment


def _shape_of(moment: LaneMoment) -> str | None:
    match moment.sort:
        case "open":
            return "open"
        case "close" | "refused":
            return "close"
        case "phase":
            return moment.text if moment.text in ("ready", "resumed") else "ready" if moment.text in LIVE else None
    return None


def _label(moment: LaneMoment) -> str:
    match moment.sort:
        case "close":
            return short(moment.text, 8)
        case "refused":
            return "refused"
        case "identify":
            return "I"
        case "resume":
            return "R"
        case "rejected":
            return "×"
    return ""


def _is_trouble(moment: LaneMoment) -> bool:
    return moment.sort in ("refused", "rejected") or (moment.sort == "close" and moment.text not in _PEACEFUL)


def _said(lane: Lane, moment: LaneMoment, scale: Scale, registry: Registry) -> str:
    text = short(moment.text, 120)
    match moment.sort:
        case "open":
            what = f"opened {short(lane.host, 60)}".strip()
        case "refused":
            what = f"refused: {text}"
        case "close":
            name = registry.close_name(lane.plane, int(moment.text), lane.by) if moment.text else ""
            what = f"close {text} {name}".strip()
        case "identify" | "resume":
            what = moment.sort
        case "rejected":
            what = f"login rejected: {text}"
        case _:
            what = text
    return f"{scale.when(moment.at_ns)} #{lane.id} {what}, row {moment.row:,}"


def _findings(lane: Lane, scale: Scale, links: RowLinks) -> Iterator[Html]:
    """Yield what was noticed, the worst at each place."""
    worst: dict[int, LaneMoment] = {}
    counts: dict[int, int] = {}
    for moment in lane.findings:
        place = int(scale.place(moment.at_ns) * _PLACES / 100)
        counts[place] = counts.get(place, 0) + 1
        if place not in worst or _WEIGHTS[moment.sort] > _WEIGHTS[worst[place].sort]:
            worst[place] = moment
    for place, moment in worst.items():
        more = f", and {counts[place] - 1:,} more near it" if counts[place] > 1 else ""
        said = f"{scale.when(moment.at_ns)} {moment.sort}: {short(moment.text, 80)}, row {moment.row:,}{more}"
        yield links.to(moment.row, tag("title", said), shape(moment.sort, scale.x(moment.at_ns), _NOTICED))

"""Voice calls: each attempt to get into one step by step, and its end-to-end encryption over time."""

from collections.abc import Iterator
from datetime import UTC
from itertools import pairwise

from inspector.analysis.dave_timeline import MemberView, StateChange, Stretch, TransitionView
from inspector.analysis.handshake import Handshake, HandshakeStep
from inspector.analysis.voice_call import VoiceCall
from inspector.export.html.cases import badge
from inspector.export.html.facts import Facts
from inspector.export.html.lanes import HEIGHT, shape
from inspector.export.html.links import RowLinks
from inspector.export.html.markup import Child, Html, tag
from inspector.export.html.scale import Scale, percent
from inspector.export.html.tables import table
from inspector.inert import short
from inspector.protocol.registry import Registry
from inspector.report.voice_words import between, missing_word, short_user, socket_name, step_name, transition_kind
from inspector.session.messages import At
from inspector.words import clock, counted, duration

# Of a recording, of a call, and of its encryption.
MOST_CALLS, MOST_ATTEMPTS, _MOST_MEMBERS, _MOST_TRANSITIONS = 20, 10, 16, 60
_STATES = {"group": "epoch", "forming": "no group yet", "off": "no encryption"}
# Percent of the width from which on a stretch has room for its label.
_ROOMY = 11


def calls(facts: Facts, links: RowLinks) -> Html | None:
    """Return the section with the voice calls; None where there is none."""
    found = facts.calls.calls
    if not found:
        return None
    more = len(found) - MOST_CALLS
    return tag(
        "section",
        tag("h2", "Voice calls", tag("span", f"{len(found):,}", class_="count")),
        *(_call(facts, call, links) for call in found[:MOST_CALLS]),
        tag("p", f"and {counted(more, 'more call')}", class_="quiet") if more > 0 else None,
        id="voice",
    )


def _call(facts: Facts, call: VoiceCall, links: RowLinks) -> Html:
    server = call.server or ""
    place = facts.names.get(int(server)) if server.isascii() and server.isdigit() and len(server) < 20 else None
    lasted = duration(call.end_ns - call.start_ns)
    parts: list[Child] = []
    for at, shaken in enumerate(call.handshakes[:MOST_ATTEMPTS], 1):
        parts.append(_attempt(facts.registry, call, shaken, at, links))
    left_out = call.left_out + len(call.handshakes) - MOST_ATTEMPTS
    if left_out > 0:
        parts.append(tag("p", f"and {counted(left_out, 'more handshake')}", class_="quiet"))
    return tag(
        "article",
        tag(
            "h3",
            f"Call in {short(place or server, 60)}" if server else "Call",
            tag("span", f"from {facts.scale.when(call.start_ns)} for {lasted}", class_="quiet"),
        ),
        *parts,
        *_encryption(call, links),
        class_="call",
    )


# Handshakes.


def _attempt(registry: Registry, call: VoiceCall, shaken: Handshake, number: int, links: RowLinks) -> Html:
    scale = Scale(shaken.start_ns, shaken.end_ns)
    lines = [_step(registry, call, shaken, step, scale, links) for step in shaken.steps]
    heads = ("socket", "op", "step", "", "after", "row")
    outcome, style = _outcome(shaken)
    which = f"Handshake {number}" if len(call.handshakes) > 1 else "Handshake"
    return tag(
        "div",
        tag("h4", which, tag("span", outcome, class_=style)),
        tag("p", shaken.cause, class_="quiet") if shaken.cause else None,
        table(heads, lines, words={0, 2, 3}),
        class_="handshake",
    )


def _outcome(shaken: Handshake) -> tuple[str, str]:
    took = duration(shaken.end_ns - shaken.start_ns)
    missing = sum(step.row is None for step in shaken.steps)
    also = f", {missing} missing" if missing else ""
    match shaken.outcome:
        case "established" | "resumed":
            return f"{shaken.outcome} in {took}{also}", "warn" if missing else "fine"
        case "failed" if shaken.refusal is not None:
            return f"refused: {short(shaken.refusal, 120)}", "error"
        case "failed":
            code = f" with close {shaken.code}" if shaken.code is not None else ""
            return f"failed{code} after {took}{also}", "error"
        case "not recorded":
            return "began before the recording", "quiet"
    if shaken.connection is None:
        return "no connection yet", "warn"
    return f"under way for {took}{also}", "warn"


def _step(
    registry: Registry, call: VoiceCall, shaken: Handshake, step: HandshakeStep, scale: Scale, links: RowLinks
) -> list[Child]:
    name = short(step_name(shaken, step, registry, short=True), 80)
    missing = step.row is None
    if missing:
        name = f"no {name}" + ("" if shaken.closed else " yet")
    severity = call.severity(step.row)
    bar: Html | None = None
    if not step.later:
        start, end = scale.place(step.start_ns), scale.place(step.end_ns)
        turn = "missing" if missing else "sent" if step.from_client else "received"
        bar = tag(
            "svg",
            tag("rect", class_=turn, x=percent(start), width=percent(max(end - start, 0.6)), height=9, y=2),
            class_="span",
            height=13,
            aria_hidden="true",
        )
    after = "never" if shaken.closed else "not yet"
    if not missing:
        after = between(step.end_ns - step.start_ns) if step is not shaken.steps[0] else "0"
    trouble = missing or (step.key == "close" and not step.later)
    return [
        tag("span", socket_name(step)),
        "" if step.op is None else str(step.op),
        tag(
            "span",
            tag("span", "▶ " if step.from_client else "◀ ", class_="send" if step.from_client else "receive"),
            name,
            " ",
            badge(severity) if severity is not None else None,
            class_="error" if trouble else None,
        ),
        bar,
        after,
        links.to(step.row) if step.row is not None else "",
    ]


# Encryption.


def _encryption(call: VoiceCall, links: RowLinks) -> Iterator[Html]:
    dave = call.dave
    if not dave.changes and not dave.transitions:
        return
    scale = Scale(call.start_ns, call.end_ns)
    tracks = [_track("encryption", "", _epochs(dave.changes, call.end_ns, scale, links))]
    members = dave.members[:_MOST_MEMBERS]
    for member in members:
        tracks.append(_track(short_user(member.user), "client" if member.own else "", _member(member, call, scale)))
    if len(dave.members) > len(members):
        tracks.append(tag("p", f"and {len(dave.members) - len(members):,} more users", class_="quiet"))
    tracks.append(_track("transitions", "", _transitions(call, scale, links)))
    if call.violations:
        marks = [
            links.to(
                each.row,
                tag("title", f"{scale.when(each.at_ns)} {each.severity.name.lower()} {each.rule}: {each.text}"),
                shape(each.severity.name.lower(), scale.x(each.at_ns), 12),
            )
            for each in call.violations[:_MOST_TRANSITIONS]
        ]
        tracks.append(_track("noticed", "", marks))
    yield tag("h4", "End-to-end encryption")
    yield tag(
        "p",
        _key("thin", "in the call"),
        _key("thick", "in the group"),
        *(tag("span", mark, f" {text}", class_="key") for mark, text in (
            ("◆", "announced"), ("○", "the client is ready"), ("●", "executed"), ("×", "rejected"),
        )),
        class_="legend",
    )  # fmt: skip
    yield tag("div", *tracks, tag("div", tag("span"), scale.axis(), class_="track"), class_="tracks")
    if dave.transitions:
        yield _table(call, links)


def _key(style: str, text: str) -> Html:
    line = tag("line", class_=f"member {style}", x1=0, x2=22, y1=8, y2=8)
    return tag("span", tag("svg", line, width=22, height=16, aria_hidden="true"), " ", text, class_="key")


def _track(name: str, more: str, marks: list[Html]) -> Html:
    words = tag("div", tag("b", name), tag("span", more, class_="quiet") if more else None, class_="name")
    drawing = tag("svg", *marks, height=HEIGHT // 2, width="100%", role="img", aria_label=name)
    return tag("div", words, drawing, class_="track low")


def _epochs(changes: tuple[StateChange, ...], end_ns: int, scale: Scale, links: RowLinks) -> list[Html]:
    found = []
    for change, after in pairwise((*changes, None)):
        assert change is not None
        if change.state == "apart":
            continue
        until = end_ns if after is None else after.at_ns
        name = _STATES[change.state]
        if change.state == "group":
            name = f"epoch {'?' if change.epoch is None else change.epoch}"
        start, end = scale.place(change.at_ns), scale.place(until)
        parts: list[Child] = [
            tag("title", f"{name}, from {scale.when(change.at_ns)} for {duration(until - change.at_ns)}"),
            tag("rect", class_=f"epoch {change.state}", x=percent(start), width=percent(max(end - start, 0.4)), y=3,
                height=18, rx=2),
        ]  # fmt: skip
        if end - start > _ROOMY:
            parts.append(tag("text", name, class_="epoch", x=percent(start), dx=6, y=16))
        found.append(links.to(change.row, *parts))
    return found


def _member(member: MemberView, call: VoiceCall, scale: Scale) -> list[Html]:
    def line(stretch: Stretch, style: str, word: str) -> Html:
        until = call.end_ns if stretch.end_ns is None else stretch.end_ns
        title = tag("title", f"{word} from {scale.when(stretch.start_ns)} for {duration(until - stretch.start_ns)}")
        ends = {"x1": scale.x(stretch.start_ns), "x2": scale.x(until)}
        return tag("line", title, class_=f"member {style}", y1=12, y2=12, **ends)

    return [
        *(line(stretch, "thin", "in the call") for stretch in member.present),
        *(line(stretch, "thick", "in the group") for stretch in member.grouped),
    ]


def _transitions(call: VoiceCall, scale: Scale, links: RowLinks) -> list[Html]:
    found = []
    for each in call.dave.transitions[-_MOST_TRANSITIONS:]:
        steps: list[tuple[At | None, str, str, str]] = [
            (each.announced, "◇" if each.what == "new group" else "◆", "announced", ""),
            (each.ready, "○", "the client is ready", ""),
            (each.executed, "●", "executed", ""),
            (each.rejected, "×", "the client cannot use it", "error"),
        ]
        for at, sign, words, style in steps:
            if at is not None:
                title = tag("title", f"{scale.when(at.at_ns)} {_name(each)}: {words}, row {at.n:,}")
                mark = tag("text", sign, class_=f"label {style}", x=scale.x(at.at_ns), y=16, text_anchor="middle")
                found.append(links.to(at.n, title, mark))
    return found


def _name(each: TransitionView) -> str:
    kind = short(transition_kind(each), 60)
    return kind if each.id is None else f"transition {each.id}, {kind}"


def _table(call: VoiceCall, links: RowLinks) -> Html:
    shown = call.dave.transitions[-_MOST_TRANSITIONS:]
    heads = ("transition", "what", "epoch", "members", "announced", "ready", "executed", "row")
    lines: list[list[Child]] = []
    for each in shown:
        lines.append(
            [
                "-" if each.id is None else str(each.id),
                short(transition_kind(each), 60),
                "-" if each.epoch is None else str(each.epoch),
                "-" if each.members is None else f"{len(each.members):,}",
                clock(each.announced.at_ns, UTC),
                "rejected" if each.rejected else _after(call, each, each.ready),
                _after(call, each, each.executed),
                links.to(each.announced.n),
            ]
        )
    left_out = call.dave.left_out + len(call.dave.transitions) - len(shown)
    return tag(
        "div",
        table(heads, lines, words={1}),
        tag("p", f"{counted(left_out, 'older transition is/older transitions are')} left out", class_="quiet")
        if left_out
        else None,
    )


def _after(call: VoiceCall, each: TransitionView, at: At | None) -> str:
    if at is not None:
        return between(at.at_ns - each.announced.at_ns)
    return "at once" if each.at_once else missing_word(call, each)

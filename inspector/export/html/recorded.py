"""What was recorded, and with what: the head of the page, the facts of the recording, and its connections."""

from collections.abc import Iterator
from datetime import UTC
from pathlib import PurePath

from inspector import __version__
from inspector.analysis.stats import ConnectionStats
from inspector.export.html.facts import Facts
from inspector.export.html.links import filtered
from inspector.export.html.markup import Child, Html, join, tag
from inspector.export.html.tables import long_table
from inspector.inert import short
from inspector.model import Severity
from inspector.report.about import NOT_RECORDED
from inspector.report.diagnosis_text import found_in
from inspector.report.stats_text import dialect_words, end_words
from inspector.session.redact import is_lost
from inspector.words import clock, counted, day, duration, listed, size

# Characters of a name, and names of connections in a sentence.
_LONGEST, _NAMED = 120, 12
# Ends that are no one's trouble.
PEACEFUL = (None, 1000, 1001)


def head(facts: Facts) -> Html:
    """Return the title, what was found in a sentence, and what to know before passing it on."""
    diagnosis, stats = facts.diagnosis, facts.stats
    worst = diagnosis.worst
    found = found_in(diagnosis) or "No problems found"
    amounts = [
        counted(len(stats.connections), "connection"),
        counted(stats.sessions, "session"),
        counted(stats.rows, "row"),
    ]
    if stats.rows:
        amounts.append(duration(stats.ended_ns - stats.began_ns))
    return tag(
        "header",
        tag("p", "gwinspect report", class_="brand"),
        tag("h1", title(facts)),
        tag(
            "p",
            tag("strong", found, class_=f"verdict {severity_class(worst)}"),
            *(tag("span", amount) for amount in amounts),
            class_="amounts",
        ),
        _warning(facts),
    )


def title(facts: Facts) -> str:
    """Return the names of the files."""
    named = [short(name, _LONGEST) for name in facts.files[:3]]
    more = len(facts.files) - len(named)
    return listed([*named, f"{more:,} more"] if more else named)


def severity_class(severity: Severity | None) -> str:
    """Return the class of what is coloured by its severity."""
    return "fine" if severity is None else severity.name.lower()


def _warning(facts: Facts) -> Html:
    if facts.reveal:
        return tag(
            "p",
            tag("strong", "This report shows secrets. "),
            "Tokens and session ids are readable, and anyone who has this file can log in with them.",
            class_="banner error",
        )
    if "scrubbed" in facts.meta:
        said = "This recording is scrubbed: names, texts and ids in it are invented, secrets are gone."
        return tag("p", said, class_="banner")
    return tag(
        "p",
        "Tokens, session ids and other secrets are masked. Messages, names and ids of people are not: read it before "
        "you pass it on.",
        class_="banner",
    )


def recorded(facts: Facts) -> Html:
    """Return the section on the recording: its source, its span, its clients, what it lacks, and its connections."""
    lines = [tag("div", tag("dt", name), tag("dd", *what)) for name, *what in _lines(facts)]
    return tag(
        "section",
        tag("h2", "What was recorded"),
        tag("dl", *lines, class_="facts"),
        _notes(facts),
        _connections(facts),
        id="recorded",
    )


def _lines(facts: Facts) -> Iterator[tuple[str, *tuple[Child, ...]]]:
    stats, meta = facts.stats, facts.meta
    # Where files lay on someone's machine is no one else's business.
    yield ("File" if len(facts.files) == 1 else "Files"), ", ".join(short(name, _LONGEST) for name in facts.files)
    if stats.rows:
        until = clock(stats.ended_ns, UTC)
        if day(stats.ended_ns, UTC) != day(stats.began_ns, UTC):
            until = f"{day(stats.ended_ns, UTC)} {until}"
        yield "Time", f"{day(stats.began_ns, UTC)} {clock(stats.began_ns, UTC)} to {until}"
    made_by, tool, host = (short(meta.get(key, ""), _LONGEST) for key in ("made_by", "tool", "host"))
    source = short(PurePath(meta.get("source", "").replace("\\", "/")).name, _LONGEST)
    yield "Recorded with", listed(filter(None, [made_by, tool])) + (f", on {host}" if host else "")
    if source and source not in facts.files:
        yield "Read from", source
    if "finished_at" not in meta:
        yield "State", "not finished: the recorder was still running, or was killed"
    yield "Report by", f"gwinspect {__version__}"
    yield from _clients(facts)
    yield from _unknown(facts)
    sent, received = stats.sent, stats.received
    for word, traffic in (("Sent", sent), ("Received", received)):
        decoded = f", {size(traffic.decoded_bytes)} decoded" if traffic.decoded_bytes != traffic.wire_bytes else ""
        yield word, f"{counted(traffic.messages, 'message')}, {size(traffic.wire_bytes)}{decoded}"


def _clients(facts: Facts) -> Iterator[tuple[str, *tuple[Child, ...]]]:
    """Yield which libraries connected, by what they call themselves."""
    found: dict[str, list[int]] = {}
    for connection in facts.connections:
        agent = connection.opened.headers.get("user-agent", "")
        if agent:
            found.setdefault(short(agent, _LONGEST), []).append(connection.id)
    if found:
        parts = [f"{agent} ({_numbers(numbers)})" for agent, numbers in list(found.items())[:_NAMED]]
        yield "Clients", join([tag("span", part, class_="part") for part in parts])


def _unknown(facts: Facts) -> Iterator[tuple[str, *tuple[Child, ...]]]:
    """Yield what the source could not know, by connections."""
    lacking: dict[str, list[int]] = {}
    for connection in facts.connections:
        opened = connection.opened
        if opened.refusal is not None:
            continue
        unknown = [said for knows, said in NOT_RECORDED.items() if knows not in opened.knows]
        if opened.joined_late:
            unknown.insert(0, "how it began")
        if unknown:
            lacking.setdefault(listed(unknown), []).append(connection.id)
    if lacking:
        parts = [f"{what} ({_numbers(numbers)})" for what, numbers in lacking.items()]
        yield "Not recorded", join([tag("span", part, class_="part") for part in parts])


def _numbers(numbers: list[int]) -> str:
    named = [str(number) for number in numbers[:_NAMED]]
    if len(numbers) > _NAMED:
        named.append(f"{len(numbers) - _NAMED:,} more")
    return f"connection{'s' * (len(numbers) > 1)} {listed(named)}"


def _notes(facts: Facts) -> Html | None:
    if not facts.notes:
        return None
    return tag("ul", *(tag("li", note) for note in facts.notes), class_="notes")


def _connections(facts: Facts) -> Html:
    heads = ("#", "plane", "host", "v", "speaks", "session", "opened", "lasted", "end", "rows", "bytes")
    lines: list[list[Child]] = []
    for each in facts.stats.connections:
        trouble = each.refusal is not None or (each.closed is not None and each.closed.code not in PEACEFUL)
        lines.append(
            [
                filtered("conn", each.id),
                each.plane.value,
                short(each.host, 60) or "-",
                "-" if each.version is None else str(each.version),
                dialect_words(each),
                _session(each),
                facts.scale.when(each.opened_ns),
                duration(each.lasted_ns),
                tag("span", end_words(each), class_="error" if trouble else None),
                f"{each.rows:,}",
                size(each.traffic.wire_bytes),
            ]
        )
    return join([tag("h3", "Connections"), long_table(heads, lines, "connection", words={1, 2, 4, 5, 6, 8})])


def _session(connection: ConnectionStats) -> str:
    session = connection.session
    if not session:
        return "-"
    name = f"of row {session.lstrip('*')}" if is_lost(session) else session[:4]
    return f"{short(name, 20)} shard {short(connection.shard, 20)}" if connection.shard else short(name, 20)

"""The timeline: what the script fills in, and a plain table of some rows for where no script runs, and for paper."""

from collections.abc import Iterator, Sequence
from datetime import UTC

from inspector.export.html.cases import badge
from inspector.export.html.links import RowLinks
from inspector.export.html.markup import Child, Html, tag
from inspector.inert import short
from inspector.model import Severity
from inspector.report import cells
from inspector.report.present import Shown, rendered
from inspector.report.recording import Recording
from inspector.words import clock, counted, day, size

# Rows of the plain table: the first and the last, and those that the page links to.
_ENDS, _LINKED = 60, 500
_LONGEST = 300

_CHIPS = (
    ("Errors", "finding:error"),
    ("Findings", "finding:info"),
    ("No heartbeats", "-heartbeat"),
    ("Sent", "dir:send"),
    ("Closes", "kind:close"),
)
_TERMS = (
    ("heartbeat", "rows with this text in their name, summary or findings; capitals do not matter"),
    ('"two words"', "the same, with a space"),
    ("op:10  op:1,11", "opcode; several with commas"),
    ("event:MESSAGE_*", "name of the event or opcode; * is any text"),
    ("dir:send  dir:receive", "direction"),
    ("conn:2", "connection"),
    ("plane:voice", "gateway, voice, media, remote-auth or rpc"),
    ("kind:close", "open, payload, close, undecoded, control or gap"),
    ("finding:warn  finding:late", "a finding at least this severe, or of a rule with this in its name"),
    ("row:120-180  bytes:>4k  seq:<10", "numbers: one, a range, more or less than"),
    ("payload:123456", "a text in the payload, as far as this report has it"),
    ("-heartbeat  -op:1", "not that"),
)
_KEYS = (
    ("/", "filter"), ("j k", "next, previous row"), ("Enter", "unfold, fold"), ("n N", "next, previous finding"),
    ("g G", "first, last row"), ("Esc", "leave the filter; fold"), ("t", "light or dark"),
)  # fmt: skip


def timeline(recording: Recording, links: RowLinks, kept: Sequence[range]) -> Html:
    """Return the section with the timeline of the rows `kept`."""
    last = recording.reader.last()
    count = sum(map(len, kept))
    left_out = "" if count >= last else f" of {last:,}"
    return tag(
        "section",
        tag("h2", "Timeline", tag("span", f"{count:,}{left_out} rows", class_="count")),
        _help(),
        _controls(),
        tag(
            "div",
            tag("div", *(tag("span", name, role="columnheader") for name in _HEADS), class_="row head", role="row"),
            tag("div", id="rows", role="rowgroup", tabindex=0),
            id="virtual",
            role="table",
            aria_label="Rows of the recording",
            hidden=True,
        ),
        _plain(recording, links, last),
        id="timeline",
    )


_HEADS = ("row", "time", "since", "#", "direction", "op", "name", "bytes", "summary")


def _controls() -> Html:
    return tag(
        "div",
        tag(
            "form",
            tag("label", "Filter", for_="filter"),
            tag(
                "input",
                type="search",
                id="filter",
                autocomplete="off",
                spellcheck="false",
                placeholder="words, op:10, dir:send, conn:2, finding:warn, -not",
            ),
            tag("output", id="found", for_="filter"),
            role="search",
        ),
        tag("p", *(tag("button", name, type="button", data_term=term) for name, term in _CHIPS), class_="chips"),
        id="controls",
        hidden=True,
    )


def _help() -> Html:
    return tag(
        "details",
        tag("summary", "Filters and keys"),
        tag("dl", *(tag("div", tag("dt", tag("code", term)), tag("dd", said)) for term, said in _TERMS)),
        tag("p", "All terms have to match.", class_="quiet"),
        tag("p", *(tag("span", tag("kbd", key), f" {said}", class_="key") for key, said in _KEYS)),
        class_="help",
        id="help",
        hidden=True,
    )


def _plain(recording: Recording, links: RowLinks, last: int) -> Html:
    """Return the first and the last rows, and those that are linked to, as a table."""
    linked = [row for row in links.rows if row <= last][:_LINKED]
    numbers = sorted({*range(1, _ENDS + 1), *range(last - _ENDS + 1, last + 1), *linked} & {*range(1, last + 1)})
    lines: list[Html] = []
    before = 0
    today = ""
    for shown in _lines(recording, numbers):
        missing = shown.event.n - before - 1
        if missing:
            lines.append(_between(_more(missing)))
        if day(shown.event.at_ns, UTC) != today:
            today = day(shown.event.at_ns, UTC)
            lines.append(_between(today))
        lines.append(rendered(shown, _row))
        before = shown.event.n
    if last > before:
        lines.append(_between(_more(last - before)))
    heads = (tag("th", name, scope="col") for name in ("row", "time", "#", "direction", "op", "name", "bytes", ""))
    return tag(
        "div",
        tag("p", "The first and the last rows, and those that this report speaks of.", class_="quiet")
        if len(numbers) < last
        else None,
        tag("div", tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *lines)), class_="scroll"),
        id="plain",
    )


def _lines(recording: Recording, numbers: Sequence[int]) -> Iterator[Shown]:
    for start in range(0, len(numbers), 100):
        yield from recording.lines(numbers[start : start + 100])


def _between(text: str) -> Html:
    return tag("tr", tag("td", text, colspan=8, class_="quiet"))


def _more(count: int) -> str:
    return f"… {counted(count, 'more row')}"


def _row(shown: Shown) -> Html:
    event = shown.event
    mark, word, sort = cells.direction(event, cells.UNICODE)
    number, name = cells.what(shown, "…")
    said: list[Child] = [short(cells.summary(shown), _LONGEST)]
    for finding in event.findings:
        said.append(
            tag("div", badge(finding.severity), " ", tag("code", finding.rule), f" {short(finding.text, _LONGEST)}")
        )
    worst = max((finding.severity for finding in event.findings), default=Severity.INFO)
    values: tuple[Child, ...] = (
        f"{event.n:,}", clock(event.at_ns, UTC), event.connection,
        tag("span", f"{mark} {word}", class_=sort), number, tag("b", name),
        size(event.wire_bytes) if event.wire_bytes else "",
    )  # fmt: skip
    sides = ("number", None, "number", None, "number", None, "number")
    return tag(
        "tr",
        *(tag("td", value, class_=side) for value, side in zip(values, sides, strict=True)),
        tag("td", *said, class_="summary"),
        id=f"r{event.n}",
        class_=worst.name.lower() if worst > Severity.INFO else None,
    )

"""What was said how often, and how large it was: a line for each event and opcode."""

from inspector.analysis.stats import MediaStats, NameStats
from inspector.export.html.facts import Facts
from inspector.export.html.links import filtered
from inspector.export.html.markup import Child, Html, tag
from inspector.export.html.scale import percent
from inspector.export.html.tables import long_table
from inspector.inert import short
from inspector.report.stats_text import called
from inspector.words import size

_HEADS = ("name", "direction", "messages", "on the wire", "", "mean", "largest", "decoded")
_STREAMS = ("#", "direction", "user", "media", "packets", "bytes", "lost", "jitter")


def sizes(facts: Facts) -> Html | None:
    """Return the section on events and opcodes by their bytes; None where there was no message."""
    names = sorted(facts.stats.names, key=lambda each: (-each.wire_bytes, -each.count))
    if not names:
        return None
    most = max(each.wire_bytes for each in names)
    lines = [_line(each, most) for each in names]
    return tag(
        "section",
        tag("h2", "Sizes by event"),
        long_table(_HEADS, lines, "name", words={0, 1, 4}),
        _media(facts.stats.media),
        id="sizes",
    )


def _line(name: NameStats, most: int) -> list[Child]:
    width = percent(max(name.wire_bytes * 100 / most, 0.5) if most else 0)
    bar = tag("rect", class_="sent" if name.from_client else "received", width=width, height=9, y=2)
    return [
        tag("code", filtered("event", name.name, short(called(name), 60))),
        way(name.from_client),
        f"{name.count:,}",
        size(name.wire_bytes),
        tag("svg", bar, class_="share", height=13, aria_hidden="true"),
        size(round(name.mean_wire)),
        size(name.largest_wire),
        size(name.decoded_bytes) if name.decoded_bytes else "-",
    ]


def way(from_client: bool | None) -> Html:
    """Return a direction as a mark and a word."""
    if from_client is None:
        return tag("span", "-")
    mark, word = ("▶", "send") if from_client else ("◀", "receive")
    return tag("span", mark, tag("span", f" {word}", class_="word"), class_=word)


def _media(streams: tuple[MediaStats, ...]) -> Html | None:
    if not streams:
        return None
    lines = [
        [
            f"{each.connection}", way(each.from_client), short(each.user_id or "-", 24),
            short(" ".join(filter(None, (each.media, each.codec))) or "-", 40), _number(each.packets),
            "-" if each.bytes is None else size(each.bytes),
            "-" if each.loss is None else f"{each.loss * 100:.1f} %",
            "-" if each.jitter_ms is None else f"{each.jitter_ms:,.1f} ms",
        ]
        for each in streams
    ]  # fmt: skip
    return tag("div", tag("h3", "Voice packets by stream"), long_table(_STREAMS, lines, "stream", words={1, 2, 3}))


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"

"""A table of rows and the cases before it, for an issue: GitHub's Markdown. What the wire brought stays text in it."""

import re
from collections.abc import Iterator

from inspector.analysis.diagnosis import diagnose
from inspector.export.chosen import Chosen
from inspector.inert import inert
from inspector.model import Kind
from inspector.report import cells
from inspector.report.diagnosis_files import markdown
from inspector.report.present import Shown, rendered
from inspector.words import clock

# What Markdown, or GitHub, makes something of.
_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+!|~@:])")


def write(chosen: Chosen) -> Iterator[bytes]:
    """Yield the cases, the head of the table and a line for each row."""
    for line in markdown(diagnose(chosen.recording.path)):
        yield line.encode() + b"\n"
    yield b"\n| row | time | conn | | what | bytes | |\n|---:|---|---:|---|---|---:|---|\n"
    for shown in chosen:
        yield rendered(shown, row)


def row(shown: Shown) -> bytes:
    """Return the line of one row."""
    event = shown.event
    name = event.event or shown.name or ""
    what = f"{event.op} {name}" if event.kind is Kind.PAYLOAD and event.event is None else name or event.kind
    sign = {True: "→", False: "←", None: ""}[event.from_client]
    columns = (str(event.n), clock(event.at_ns), f"#{event.connection}", sign, what, f"{event.wire_bytes:,}")
    said = " | ".join(plain(text) for text in (*columns, cells.summary(shown)))
    return f"| {said} |\n".encode(errors="backslashreplace")


def plain(text: str) -> str:
    """Return a text of one line that Markdown takes for text."""
    return _SIGNS.sub(r"\\\1", " ".join(inert(text).split()))

"""JSON lines, as `gwinspect show --format jsonl` prints them."""

from collections.abc import Iterator

from inspector.export.chosen import Chosen
from inspector.model import Kind
from inspector.report import jsonl


def write(chosen: Chosen) -> Iterator[bytes]:
    """Yield a line for each row."""
    for shown in chosen:
        yield jsonl.line(shown, chosen.raw(shown) if shown.event.kind is Kind.UNDECODED else None)

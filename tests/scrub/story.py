"""What a capture tells once names, texts and ids are left out: the same before and after it is scrubbed."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from inspector.model import Event, Happening
from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.writer import Writer


def written(path: Path, happenings: Iterable[Happening], **more: Any) -> Path:
    """Return a finished capture of what happened."""
    writer = Writer(path, default(), made_by="test", **more)
    writer.write(list(happenings))
    writer.finish()
    return path


def rewritten(source: Path, target: Path, **more: Any) -> Path:
    """Return a capture of what is in another one, read by this version."""
    from inspector.store.reader import stored_happenings

    with closing(Reader(source, reveal=True)) as reader:
        batches = [each for batch in stored_happenings(reader.db) for each in batch]
    return written(target, batches, keep_secrets=True, **more)


def story(path: Path) -> tuple[list[Any], list[Any]]:
    """Return what its rows tell, and its connections."""
    with closing(Reader(path)) as reader:
        rows = [_told(event) for event in reader.all_events()]
        late = sorted((each.event, each.rule, each.severity, each.evidence) for each in reader.findings())
        connections = [
            (
                each.opened.plane,
                each.opened.status,
                each.encoding,
                each.compression,
                each.shard,
                each.parent,
                each.session is not None,
                each.account is not None,
                each.opened.knows,
                each.opened.joined_late,
            )
            for each in reader.connections()
        ]
        return [*rows, *late], connections


def _told(event: Event) -> Any:
    verdict = event.verdict
    return (
        (event.n, event.connection, event.at_ns, event.kind, event.from_client, event.op, event.seq, event.encoding),
        (event.first_frame, event.last_frame, event.marks, event.answers, event.latency_ns),
        verdict and (verdict.reconnect, verdict.resume, verdict.right, verdict.then_event, verdict.evidence),
        event.undecoded and event.undecoded.reason,
        event.closed and (event.closed.code, event.closed.by),
        event.gap and (event.gap.sent, event.gap.received),
    )


def sizes(path: Path) -> tuple[int, int]:
    """Return the bytes of all its messages, as sent and as decoded."""
    with closing(Reader(path)) as reader:
        events = list(reader.all_events())
    return sum(event.wire_bytes for event in events), sum(event.decoded_bytes for event in events)

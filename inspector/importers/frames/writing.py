"""Happenings into records: the other direction of `inspector.importers.frames.file`, and as docs/frames.md has it.

What is written here and read there is equal, whatever happened: only numbers of connections may become others.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from inspector.importers.frames.file import VERSION
from inspector.importers.frames.records import KNOWS, MARKS
from inspector.model import Closed, Control, Frame, Gap, Happening, Knows, Mark, Opened, StartLimit

Fields = dict[str, Any]

_DIRECTIONS = {True: "send", False: "receive"}


def lines(
    happenings: Iterable[Happening], header: Mapping[str, Any], notes: Sequence[str] = (), *, ended: bool = True
) -> Iterator[bytes]:
    """Yield the lines of a file, each with its end: the header, what happened, notes for a person, the end.

    `header`: what `header_of` returns. `ended`: nothing more will come. A line is ASCII, so that none does anything to
    a terminal.
    """
    yield line(header)
    last_ns = 0
    for happening in happenings:
        last_ns = max(last_ns, happening.at_ns)
        yield line(record_of(happening))
    for text in notes:
        yield line({"kind": "note", "text": text})
    if ended:
        yield line({"kind": "end", "at": time_of(last_ns)})


def header_of(tool: str, created_at: str, files: Sequence[str] = ()) -> Fields:
    """Return the first record.

    `created_at`: a time as `time_of` writes it. `files`: names of the recordings, where they are several.
    """
    header = {"format": "gwinspect-frames", "version": VERSION, "tool": tool, "created_at": created_at}
    return header | ({"files": list(files)} if files else {})


def line(record: Mapping[str, Any]) -> bytes:
    """Return a record as a line."""
    # Of ASCII's controls JSON leaves one as it is.
    return json.dumps(record, separators=(",", ":")).replace("\x7f", "\\u007f").encode() + b"\n"


def record_of(happening: Happening) -> Fields:
    """Return the record of a happening."""
    common: Fields = {"connection": happening.connection, "at": time_of(happening.at_ns)}
    match happening:
        case Frame():
            common = {"kind": "message", **common, "direction": _DIRECTIONS[happening.from_client]}
            marks = happening.marks
            if marks and marks & Mark.WITHHELD:
                common |= {"is_text": happening.is_text, "withheld": _why(happening.data)}
            else:
                common |= _said(happening.data, happening.is_text)
            if marks:
                common["marks"] = _names(marks, MARKS)
            if happening.forwarded is not None:
                common["forwarded"] = _said(happening.forwarded, happening.is_text)
            return common
        case Opened():
            return {"kind": "open", **common, **_opening(happening)}
        case Control():
            direction = _DIRECTIONS[happening.from_client]
            return {"kind": happening.name, **common, "direction": direction, "bytes": _base64(happening.data)}
        case Closed():
            ending = {"code": happening.code, "reason": happening.reason, "by": happening.by}
            done = {"marks": _names(happening.marks, MARKS)} if happening.marks else {}
            return {"kind": "close", **common, **ending, **done}
        case Gap():
            span = {"since": time_of(happening.since_ns), "until": time_of(happening.until_ns)}
            missing = {"sent": happening.sent, "received": happening.received, "reason": happening.reason}
            return {"kind": "gap", **common, **span, **missing}
        case StartLimit():
            return _limit(happening)


def _limit(limit: StartLimit) -> Fields:
    told: Fields = {"kind": "start-limit", "at": time_of(limit.at_ns), "token": limit.token, "shards": limit.shards}
    told["session_start_limit"] = {
        "total": limit.total,
        "remaining": limit.remaining,
        "reset_after": limit.reset_after_ms,
        "max_concurrency": limit.max_concurrency,
    }
    return told | ({"recording": limit.recording} if limit.recording else {})


def time_of(at_ns: int) -> str:
    """Return a time, in nanoseconds since the epoch, in RFC 3339, with no more digits than it needs."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    fraction = f"{rest // 1000:06}" if rest % 1000 == 0 else f"{rest:09}"
    return f"{_second(seconds)}.{fraction}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _opening(opened: Opened) -> Fields:
    told: Fields = {"plane": opened.plane.value, "url": opened.url, "client": opened.client, "status": opened.status}
    if opened.refusal is not None:
        told["refusal"] = opened.refusal
    told["headers"] = dict(opened.headers)
    if opened.joined_late:
        told["joined_late"] = True
    if opened.knows != Knows.ALL:
        told["knows"] = _names(opened.knows, KNOWS)
    if opened.recording:
        told["recording"] = opened.recording
    return told


def _said(data: bytes, is_text: bool) -> Fields:
    if not is_text:
        return {"bytes": _base64(data)}
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"bytes": _base64(data), "is_text": True}


def _why(data: bytes) -> Any:
    """Return why a message was withheld, which is stored in its place. Anybody may have written it."""
    try:
        why = json.loads(data)
    except (ValueError, RecursionError):
        why = None
    return why if isinstance(why, dict) else {"reason": "corrupt", "bytes": 0}


def _names(flags: Mark | Knows, names: Mapping[str, Any]) -> list[str]:
    return [name for name, flag in names.items() if flags & flag]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()

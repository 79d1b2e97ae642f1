"""A file into events of the Chrome DevTools Protocol, however they were written down.

- one JSON object a line, ``{"method": …, "params": …}``, with ``sessionId`` where a script listens to several pages:
  what Chrome itself sends (https://chromedevtools.github.io/devtools-protocol/#endpoints, "events");
- the same as one list: what the Protocol Monitor of DevTools saves, and scripts that collect events first;
- each as the ``message`` of an entry of chromedriver's performance log, which Selenium hands out, lines or list
  (https://developer.chrome.com/docs/chromedriver/logging/performance-log).

A line is read on its own: what is wrong with it costs no other.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.importers.frames.records import Lines
from inspector.importers.jsonpull import Damaged, Pull

# Bytes that are read from a file at once.
_CHUNK = 1024 * 1024
# Messages in messages: an entry of the performance log, its text, the event in that.
_DEEPEST = 3
_BOM = b"\xef\xbb\xbf"
# An event, or a text with one in it, before anything that a HAR begins with. Other programs have methods, too.
_EVENT = re.compile(
    rb'(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{(?:(?!"log"\s*:\s*\{).)*?'
    rb'\\?"method\\?"\s*:\s*\\?"(?:Browser|Inspector|Log|Network|Page|Runtime|Security|Target)\.[a-z]\w*\\?"',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    method: str
    """``Network.webSocketFrameSent``."""
    params: Mapping[str, Any]
    session: str
    """Which page or worker it is from, where a file tells several apart; else empty."""
    logged: float | None
    """When it was written down, in seconds since the epoch, where the file says so."""


def is_event_file(head: bytes) -> bool:
    """Say whether a file that begins with `head` holds events."""
    return _EVENT.match(head) is not None


class EventFile:
    """The events of a file. May be gone through several times; the notes are of the last time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read_bytes = 0
        self.notes: list[str] = []
        """Sentences about what could not be read. Complete once the iteration has ended."""

    def events(self, wanted: Callable[[bytes], bool]) -> Iterator[Event]:
        """Yield the events in order. Raises OSError.

        `wanted`: says of a line whether its event is needed. In a list all are read.
        """
        self.notes, self.read_bytes = [], 0
        with self.path.open("rb") as file:
            is_list = file.read(_CHUNK).removeprefix(_BOM).lstrip()[:1] == b"["
            file.seek(0)
            records = self._in_list(Pull(file)) if is_list else self._in_lines(file, wanted)
            for record in records:
                self.read_bytes = file.tell()
                found = _event_in(record)
                if found is not None:
                    yield found

    def _in_list(self, pull: Pull) -> Iterator[Any]:
        try:
            for _ in pull.items():
                yield pull.value()
            pull.end()
        except Damaged:
            place, line, total = pull.place()
            self.notes.append(
                f"{self.path} ends early or is damaged at character {place:,} of {total:,} (line {line:,}): what comes "
                "before that was read"
            )
        except RecursionError:
            self.notes.append(f"{self.path} is nested too deeply to be read to its end")
        if pull.left_out:
            self.notes.append(f"left out of {self.path}, as they are too large: {pull.left_out:,} of its parts")

    def _in_lines(self, file: Any, wanted: Callable[[bytes], bool]) -> Iterator[Any]:
        lines, number, damaged, first = Lines(), 0, 0, 0
        while chunk := file.read(_CHUNK):
            for line in lines.take(chunk):
                number += 1
                record = _record(line, wanted)
                if record is not _BAD:
                    yield record
                    continue
                damaged, first = damaged + 1, first or number
        rest = lines.rest()
        record = _record(rest, wanted)
        if record is not _BAD:
            yield record
        if damaged:
            self.notes.append(
                f"lines of {self.path} that are not JSON and were skipped: {damaged:,}, the first: {first:,}"
            )
        if record is _BAD:
            self.notes.append(
                f"{self.path} ends in the middle of line {number + 1:,}: it is being written, or was cut off"
            )


_BAD = object()
"""Stands for a line that cannot be read."""


def _record(line: bytes | None, wanted: Callable[[bytes], bool]) -> Any:
    """Return what is in a line; None where that is not needed."""
    if line is None:
        return _BAD
    if not wanted(line):
        return None
    try:
        return json.loads(line.removeprefix(_BOM))
    except (ValueError, RecursionError):
        return _BAD


def _event_in(record: Any) -> Event | None:
    """Return the event in what was written down; None where there is none."""
    session, logged = "", None
    for _ in range(_DEEPEST):
        if not isinstance(record, dict):
            return None
        method, params = record.get("method"), record.get("params")
        own = record.get("sessionId", record.get("webview"))
        session = own if isinstance(own, str) else session
        if isinstance(method, str):
            return Event(method, params, session[:100], logged) if isinstance(params, dict) else None
        if logged is None:
            milliseconds = number_in(record, "timestamp")
            logged = None if milliseconds is None else milliseconds / 1000
        record = record.get("message")
        if isinstance(record, str):
            record = _record(record.encode("utf-8", "surrogatepass"), lambda line: True)
    return None


def number_in(values: Mapping[str, Any], name: str) -> float | None:
    """Return the number of that name; None where there is none, or none that can be a time."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e14 < value < 1e14:
        return None
    return float(value)

"""One gateway's flow, read in order as far as somebody has looked, and what each of its messages says.

A message of a compressed stream cannot be read alone, so it is read with those before it, once. What it says is kept
as text and found by the message itself, whatever mitmproxy does to the list that it is in.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import replace
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy.http import HTTPFlow
from mitmproxy.websocket import WebSocketMessage
from msgspec import structs

from inspector.importers.mitm import closed_of, frame_of, originals_of
from inspector.inert import inert
from inspector.model import Event, Frame, Happening, Kind, Opened
from inspector.pipeline import Pipeline
from inspector.proxy.contentviews.lookup import Page, Sort
from inspector.report import cells
from inspector.report.present import Presenter, Shown, rendered
from inspector.report.pretty import text_of
from inspector.report.text import TextRows
from inspector.session.state import Connection
from inspector.words import clock, size

# Pages that are compressed together; one that is asked for costs the inflating of all of them, once.
_TOGETHER = 64
# Characters of one payload. A window that shows a whole flow at once is no place for megabytes.
_LONGEST = 400_000
# Rows have the columns of a terminal so wide. In mitmweb a flow's messages have half of the window, and do not wrap.
_COLUMNS = 89
# Rows with findings that the account of a flow names.
_MOST_NOTICED = 100

_SORTS: dict[str, Sort] = {"r": "row", "n": "note", "j": "json"}
_MARKS = cells.UNICODE


class Transcript:
    """One flow, read as far as somebody has looked."""

    def __init__(
        self,
        opened: Opened,
        presenter: Presenter,
        closes: Mapping[HTTPFlow, Event],
        ended: Callable[[HTTPFlow, Event], None],
    ) -> None:
        self._opened = opened
        self._presenter = presenter
        self._closes = closes
        self._ended = ended
        self._begin()

    def _begin(self) -> None:
        self._pipeline = Pipeline(self._presenter.registry)
        self._rows = TextRows(width=_COLUMNS, whole=True)
        self._connection = Connection.of(self._opened)
        self._unread = 0
        self._pages = _Pages()
        self._places: WeakKeyDictionary[WebSocketMessage, tuple[int, bytes]] = WeakKeyDictionary()
        self._last: WebSocketMessage | None = None
        self._next = 0
        self._last_ns = self._opened.at_ns
        self._noticed: list[str] = []
        self._noticed_rows = 0
        self._end: Event | None = None
        self._ending: list[str] = []
        self._names: dict[int, str] = {}
        self._opening = self._all_rows(self._feed(self._opened))

    @property
    def size(self) -> int:
        """Bytes of what is kept."""
        return self._pages.size

    @property
    def names(self) -> Mapping[int, str]:
        """Names of guilds and channels by id."""
        return self._names

    def connection(self, number: int) -> Connection:
        """Return what is known of the one connection."""
        return self._connection

    def shed(self, excess: int) -> None:
        """Let go of the oldest pages, `excess` bytes of them, for good."""
        self._pages.shed(excess)

    def page(self, flow: HTTPFlow, message: WebSocketMessage, deadline: float) -> Page | None:
        """Return what `message` says; None where it could not be reached until `deadline`, of `perf_counter`.

        Raises ValueError where it is not in `flow`.
        """
        place = self._places.get(message)
        if place is None:
            if not self.read(flow, message, deadline):
                return None
            place = self._places.get(message)
            if place is None:
                raise ValueError("the message is not, or no longer, in its flow")
        text = self._pages.get(place[0])
        if text is None:
            return [("note", "… no longer in memory; gwinspect.open shows the recording")]
        page: Page = [(_SORTS[line[0]], line[1:]) for line in text.split("\n")]
        if message.content is not place[1] and message.content != place[1]:
            page.insert(1, ("note", "! NOTE The proxy has changed this message since. This is what was sent."))
        if self._end is not None and message is self._last:
            page += [(_SORTS[line[0]], line[1:]) for line in self._closing(flow)]
        return page

    def account(self, flow: HTTPFlow, deadline: float) -> tuple[bool, list[str]]:
        """Return whether the flow was read to its end until `deadline`, and the lines on it as a whole."""
        is_whole = self.read(flow, None, deadline)
        more = self._noticed_rows - _MOST_NOTICED
        also = [f"n{more:,} more rows have findings"] if more > 0 else []
        lines = [*self._opening, *self._noticed, *also, *(self._closing(flow) if self._end is not None else ())]
        return is_whole, [line[1:] for line in lines]

    def read(self, flow: HTTPFlow, until: WebSocketMessage | None, deadline: float) -> bool:
        """Read on, up to and including `until`, or to the end. Return False if time was up before."""
        assert flow.websocket is not None
        messages = flow.websocket.messages
        at = self._reached(messages)
        if at is None or (at < len(messages) and self._end is not None):
            # They are others than before: the flow was reverted, or is being loaded again.
            self._begin()
            at = 0
        originals = originals_of(flow)
        for message in islice(messages, at, None):
            if time.perf_counter() > deadline:
                return False
            self._take(message, originals[at : at + 1])
            at += 1
            self._last, self._next = message, at
            if message is until:
                break
        if at == len(messages) and self._end is None:
            self._conclude(flow)
        return True

    def _reached(self, messages: list[WebSocketMessage]) -> int | None:
        """Return the place of the first message that was not read; None where the last that was is gone."""
        if self._last is None:
            return 0
        if self._next <= len(messages) and messages[self._next - 1] is self._last:
            return self._next
        # gwinspect_trim has taken some away in front.
        return next((at + 1 for at in range(len(messages) - 1, -1, -1) if messages[at] is self._last), None)

    def _take(self, message: WebSocketMessage, original: list[Any]) -> None:
        frame = frame_of(message, self._opened, original)
        self._last_ns = frame.at_ns
        # Reverse mode lets go of pieces like this: their bytes are in a later message.
        events = self._feed(frame) if message.content or not message.dropped else []
        lines = [] if len(self._pages) else list(self._opening)
        for event in events:
            shown = self._show(event)
            row, payload = rendered(shown, lambda each: (_row(self._rows, each), _body(each)))
            if event.findings:
                self._noticed_rows += 1
                if self._noticed_rows <= _MOST_NOTICED:
                    self._noticed += row
            lines += row + payload
        if not events:
            lines.append("r" + self._part(frame))
        self._unread = self._connection.unread_frames
        self._places[message] = len(self._pages), message.content
        self._pages.add("\n".join(lines))

    def _conclude(self, flow: HTTPFlow) -> None:
        closed = closed_of(flow, self._opened.connection, self._last_ns)
        if closed is None:
            return
        *left, self._end = self._feed(closed)
        self._ending = self._all_rows(left)
        self._ended(flow, self._end)

    def _closing(self, flow: HTTPFlow) -> list[str]:
        """Return the lines on the end: in the words of the one that knows most of it."""
        assert self._end is not None
        end, known = self._end, self._closes.get(flow)
        if known is not None:
            end = structs.replace(end, findings=known.findings, verdict=known.verdict)
        # A copy, as this is not the last time that somebody asks.
        return self._ending + _row(copy(self._rows), self._show(end))

    def _feed(self, happening: Happening) -> list[Event]:
        outcome = self._pipeline.feed(happening)
        if outcome.changed:
            self._connection = outcome.changed[-1]
        self._names.update(outcome.names)
        return outcome.rows

    def _all_rows(self, events: Iterable[Event]) -> list[str]:
        return [line for event in events for line in _row(self._rows, self._show(event))]

    def _show(self, event: Event) -> Shown:
        verdict = None if event.verdict is None else replace(event.verdict, evidence=())
        findings = tuple(replace(finding, evidence=()) for finding in event.findings)
        return self._presenter.show(structs.replace(event, findings=findings, verdict=verdict), self)

    def _part(self, frame: Frame) -> str:
        """Return the line for a message that completes nothing."""
        mark, word = (_MARKS.send, "send") if frame.from_client else (_MARKS.receive, "receive")
        what = "part of a payload that a later message completes"
        if self._connection.unread_frames > self._unread:
            what = "not decoded, because the stream before it could not be"
        return f"{clock(frame.at_ns)} #{frame.connection:<2} {mark} {word:<7} {size(len(frame.data))}, {what}"


def _row(rows: TextRows, shown: Shown) -> list[str]:
    """Return the row of an event and what is to be said of it, each line with its sort before it."""
    lines = [inert(line) for line in rows.lines(shown)]
    # What is said below a row is indented by two, as mitmweb's window is narrow.
    return ["n  " + line.lstrip() if line.startswith("   ") else "r" + line for line in lines]


def _body(shown: Shown) -> list[str]:
    """Return the lines of a payload, each with its sort before it."""
    says_more = shown.event.kind is Kind.PAYLOAD and not shown.fault and (shown.d is not None or shown.extra)
    text = text_of(shown) if says_more else ""
    lines = ["j" + inert(line) for line in text[:_LONGEST].split("\n")] if text else []
    if len(text) > _LONGEST:
        lines.append(f"n… {len(text) - _LONGEST:,} more characters; gwinspect.open shows all of it")
    return lines


class _Pages:
    """Texts by number, most of them compressed."""

    def __init__(self) -> None:
        self.size = 0
        self._packed: list[bytes | None] = []
        self._loose: list[str] = []
        self._loose_size = 0
        self._inflated: tuple[int, list[str]] = (-1, [])
        self._shed = 0

    def __len__(self) -> int:
        return len(self._packed) * _TOGETHER + len(self._loose)

    def add(self, text: str) -> None:
        self._loose.append(text)
        self._loose_size += len(text)
        self.size += len(text)
        if len(self._loose) == _TOGETHER:
            # No text has a NUL in it, as all are inert.
            packed = zlib.compress("\0".join(self._loose).encode(), 1)
            self.size += len(packed) - self._loose_size
            self._packed.append(packed)
            self._loose, self._loose_size = [], 0

    def get(self, number: int) -> str | None:
        """Return a text; None where it was let go of."""
        together, at = divmod(number, _TOGETHER)
        if together == len(self._packed):
            return self._loose[at]
        if self._inflated[0] != together:
            packed = self._packed[together]
            if packed is None:
                return None
            self._inflated = together, zlib.decompress(packed).decode().split("\0")
        return self._inflated[1][at]

    def shed(self, excess: int) -> None:
        while excess > 0 and self._shed < len(self._packed):
            packed = self._packed[self._shed]
            assert packed is not None
            excess -= len(packed)
            self.size -= len(packed)
            self._packed[self._shed] = None
            self._shed += 1

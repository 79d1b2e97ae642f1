"""The rows of the timeline as data in the page: columns of numbers and texts, and payloads, compressed apart.

A block is base64 of what zlib makes of JSON, in an element that no browser runs. Rows are few bytes each and all read
at once; blocks of payloads are read when someone unfolds one of theirs. Both have a bound: what is left out is said.
"""

import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from inspector.export.html.markup import Html
from inspector.inert import short
from inspector.model import Event, Kind, Plane
from inspector.protocol.registry import Registry
from inspector.report import cells
from inspector.report.outline import body
from inspector.report.present import Presenter, Shown, rendered
from inspector.report.recording import Recording
from inspector.store.reader import explained
from inspector.wire import jsontext

# Rows of a page; of more those are kept that it links to, with some around them, the first, and the newest.
MOST_ROWS, FIRST, _AROUND = 200_000, 2_000, 100
# Rows of a block, read from the capture at once; payloads of a block, in bytes of JSON.
_BLOCK, _BATCH, _PAYLOAD_BLOCK = 10_000, 500, 256 * 1024
# Bytes of one payload's JSON; of a larger one the shape is kept.
MOST_BODY = 32_000
PAYLOAD_BYTES = 32_000_000
"""Bytes of payloads in a page, as JSON, unless more are asked for."""
# Characters of a summary and of a finding's text, and rows that a finding names.
_LONGEST, _MOST_NAMED = 600, 20

# What has become of a payload. The script knows the numbers.
_NO_BODY, _WHOLE, _CUT, _LEFT_OUT = range(4)

# The nesting that is kept of a payload that is cut; items, keys and characters, first generously.
_DEEPEST, _CUTS = 20, ((40, 2_000), (10, 400), (3, 100))


def kept_rows(last: int, linked: Sequence[int], most: int = MOST_ROWS) -> list[range]:
    """Return the rows of a page, in order, out of those up to `last`: all of them, or at most `most`."""
    if last <= most:
        return [range(1, last + 1)]
    around = [range(max(row - _AROUND, 1), min(row + _AROUND, last) + 1) for row in linked[: most // (4 * _AROUND)]]
    around += [range(row, row + 1) for row in linked[len(around) : len(around) + most // 4]]
    first = range(1, min(FIRST, most // 4) + 1)
    newest = range(last + 1 - (most - len(first) - sum(map(len, around))), last + 1)
    kept: list[range] = []
    for rows in sorted([first, *around, newest], key=lambda each: (each.start, each.stop)):
        if kept and rows.start <= kept[-1].stop:
            kept[-1] = range(kept[-1].start, max(kept[-1].stop, rows.stop))
        else:
            kept.append(rows)
    return kept


class Embedded:
    """Makes the blocks of the rows `kept` of a recording. Secrets are masked unless it reveals them.

    At most about `room` bytes of payloads are in them: those of rows that the page links to, of rows with findings, and
    of the newest.
    """

    def __init__(self, recording: Recording, kept: Sequence[range], linked: Iterable[int], room: int) -> None:
        self._recording = recording
        self._kept = kept
        self._presenter = Presenter(recording.registry, reveal=recording.reveal)
        self._room = room
        self._wanted = self._choose([*linked], room)
        self._kinds = _Kinds(recording.registry)
        self.count = 0
        """Rows that were made so far."""
        self.left_out = 0
        """Payloads that there was no room for."""
        self.cut = 0
        """Payloads of which only the shape was kept."""

    def blocks(self, progress: Callable[[int, int], object] = lambda done, total: None) -> Iterator[Html]:
        """Yield the blocks, as elements."""
        columns, payloads = _Columns(self._kinds), _Payloads()
        total = sum(map(len, self._kept))
        for shown in self._rows():
            state, text = self._body(shown)
            if text:
                payloads.add(shown.event.n, text)
                if payloads.size >= _PAYLOAD_BLOCK:
                    yield payloads.block()
                    payloads = _Payloads()
            columns.add(shown, state)
            self.count += 1
            if columns.count >= _BLOCK:
                yield columns.block()
                columns = _Columns(self._kinds)
            if self.count % _BATCH == 0:
                progress(self.count, total)
        yield columns.block()
        if payloads.size:
            yield payloads.block()

    def _rows(self) -> Iterator[Shown]:
        rows, presenter = self._recording.rows, self._presenter
        for kept in self._kept:
            for event in self._events(kept):
                is_wanted = event.kind is not Kind.PAYLOAD or self._wanted is None or event.n in self._wanted
                yield presenter.show(event, rows) if is_wanted else presenter.line(event, rows)

    def _events(self, kept: range) -> Iterator[Event]:
        after = kept.start - 1
        while after < kept.stop - 1:
            batch = self._recording.reader.events(after, min(_BATCH, kept.stop - 1 - after))
            # A number may have no row.
            yield from (event for event in batch if event.n in kept)
            after = batch[-1].n if batch else kept.stop

    def _choose(self, linked: list[int], room: int) -> set[int] | None:
        """Return the rows whose payloads there is room for; None for all of them."""
        with explained(self._recording.path):
            sized = [
                (int(row), min(int(size), MOST_BODY), int(severity))
                for kept in self._kept
                for row, size, severity in self._recording.reader.db.execute(
                    "select id, decoded_bytes, severity from event where id between ? and ? and kind = 'payload'",
                    (kept.start, kept.stop - 1),
                ).fetchall()
            ]
        if sum(size for _, size, _ in sized) <= room:
            return None
        places = {row: place for place, row in enumerate(linked)}
        wanted: set[int] = set()
        sized.sort(key=lambda each: (places.get(each[0], len(places)), -each[2], -each[0]))
        for row, size, _ in sized:
            room -= size
            if room < 0:
                break
            wanted.add(row)
        return wanted

    def _body(self, shown: Shown) -> tuple[int, bytes]:
        """Return what becomes of a row's payload, and its JSON."""
        event = shown.event
        if event.kind is Kind.PAYLOAD and self._wanted is not None and event.n not in self._wanted:
            self.left_out += 1
            return _LEFT_OUT, b""
        value = rendered(shown, body)
        if not value:
            return _NO_BODY, b""
        text, whole = body_text(value)
        # What is claimed to be small may not be.
        self._room -= len(text)
        if self._room < -PAYLOAD_BYTES:
            self.left_out += 1
            return _LEFT_OUT, b""
        self.cut += not whole
        return (_WHOLE if whole else _CUT), text


class _Kinds:
    """Kinds of rows: what is the same of many rows is in the page once."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._places: dict[tuple[str, ...], int] = {}
        self._new: list[list[str]] = []

    def place(self, shown: Shown) -> int:
        """Return the place of a row's kind among all, from 0."""
        event = shown.event
        mark, word, sort = cells.direction(event, cells.UNICODE)
        number, name = cells.what(shown, "…")
        kind = (event.plane.value, event.kind.value, sort, mark, word, number, name)
        place = self._places.get(kind)
        if place is None:
            place = self._places[kind] = len(self._places)
            self._new.append([*kind, meaning(shown, self._registry)])
        return place

    def taken(self) -> list[list[str]]:
        """Return those that came up since the last time."""
        new, self._new = self._new, []
        return new


def meaning(shown: Shown, registry: Registry) -> str:
    """Return what such a row means, in a sentence or two; empty where the tables do not say."""
    event = shown.event
    if event.kind is Kind.CLOSE:
        return shown.close.meaning if shown.close is not None else ""
    if event.kind is not Kind.PAYLOAD or event.op is None:
        return ""
    known = registry.event(event.event) if event.plane is Plane.GATEWAY and event.event else None
    if known is not None:
        return known.meaning
    opcode = registry.opcode(event.plane, event.op, from_client=event.from_client)
    return opcode.meaning if opcode is not None else ""


class _Columns:
    """Rows of a block, each in numbers and texts."""

    def __init__(self, kinds: _Kinds) -> None:
        self._kinds = kinds
        self._rows: dict[str, list[Any]] = {name: [] for name in ("n", "at", "c", "w", "b", "e", "s", "p", "t")}
        self._findings: dict[str, list[Any]] = {}
        self._last_row = self._last_us = 0
        self.count = 0

    def add(self, shown: Shown, state: int) -> None:
        """Add a row; `state` is what has become of its payload."""
        event = shown.event
        at_us = event.at_ns // 1000
        if event.findings:
            self._findings[str(self.count)] = [
                [each.severity.name.lower(), each.rule, short(each.text, _LONGEST), each.evidence[:_MOST_NAMED]]
                for each in event.findings
            ]
        kind, summary = rendered(shown, self._told)
        values = (
            event.n - self._last_row, at_us - self._last_us, event.connection, kind, event.wire_bytes,
            event.decoded_bytes, -1 if event.seq is None else event.seq, state, summary,
        )  # fmt: skip
        for column, value in zip(self._rows.values(), values, strict=True):
            column.append(value)
        self._last_row, self._last_us = event.n, at_us
        self.count += 1

    def block(self) -> Html:
        """Return them as an element."""
        return _element("rows", jsontext.dumps({"k": self._kinds.taken(), "f": self._findings, **self._rows}))

    def _told(self, shown: Shown) -> tuple[int, str]:
        return self._kinds.place(shown), short(cells.summary(shown), _LONGEST)


class _Payloads:
    """Payloads of a block, a line each."""

    def __init__(self) -> None:
        self._texts: list[bytes] = []
        self._first = self._last = 0
        self.size = 0
        """Their bytes."""

    def add(self, row: int, text: bytes) -> None:
        """Add a payload, as JSON in one line."""
        self._first, self._last = self._first or row, row
        self._texts.append(b"%d\t%s" % (row, text))
        self.size += len(text)

    def block(self) -> Html:
        """Return them as an element that says from which row to which they are."""
        return _element("payloads", b"\n".join(self._texts), f' data-first="{self._first}" data-last="{self._last}"')


def _element(name: str, data: bytes, more: str = "") -> Html:
    return Html(f'<script type="text/plain" class="{name}"{more}>{b64encode(zlib.compress(data)).decode()}</script>\n')


def body_text(value: Any, most: int = MOST_BODY) -> tuple[bytes, bool]:
    """Return a payload as inert JSON in one line of at most `most` bytes, and whether that is all of it."""
    text = jsontext.line(value)[:-1]
    if len(text) <= most:
        return text, True
    for items, characters in _CUTS:
        shorter = jsontext.line(_pruned(value, items, characters, _DEEPEST))[:-1]
        if len(shorter) <= most:
            return shorter, False
    return jsontext.line(f"{len(text):,} bytes that are too many for this report")[:-1], False


def _pruned(value: Any, items: int, characters: int, depth: int) -> Any:
    """Return as much of a value: so many items of each list, keys of each object and characters of each text."""
    if isinstance(value, str):
        more = len(value) - characters
        return f"{value[:characters]}… {more:,} more characters" if more > 0 else value
    if isinstance(value, bytes):
        return value[:characters]
    if not isinstance(value, dict | list | tuple):
        return value
    if depth == 0:
        return "… nested deeper"
    more = len(value) - items
    if isinstance(value, dict):
        kept = {key: _pruned(value[key], items, characters, depth - 1) for key in [*value][:items]}
        return kept | {"…": f"{more:,} more keys"} if more > 0 else kept
    listed = [_pruned(item, items, characters, depth - 1) for item in value[:items]]
    return [*listed, f"… {more:,} more items"] if more > 0 else listed

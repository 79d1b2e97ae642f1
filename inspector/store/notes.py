"""What a person wrote about the rows of a capture: marks and notes, in a file of their own next to it.

The capture itself is evidence and is never touched for them. A row is named by what never changes: its connection, the
number and time of its first frame; its number too, but `gwinspect reindex` may change that, and `Notes.relocate` finds
the row again. Two viewers may write: the file is read again before each write, and the last word on a row counts, not
the last word on the file. A file that cannot be understood is left as it is.
"""

import json
import os
import tempfile
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from inspector.errors import CaptureError
from inspector.model import Event
from inspector.store.file import open_file
from inspector.store.reader import Reader, explained, unknown_connection
from inspector.store.rows import EVENT_COLUMNS, events_of

VERSION = 1
# Characters of one note.
LONGEST_NOTE = 10_000
# Rows that may have a mark or a note.
MOST_ROWS = 100_000
# Bytes of a file.
LARGEST_FILE = 64 * 1024 * 1024

# Characters of an opcode or an event's name in `NotedRow.what`; the wire may claim any.
_LONGEST_WORD = 60

_Key = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class NotedRow:
    """What is said of one row. Its fields are the keys in the file."""

    n: int
    """Number of the event when it was last looked up."""
    connection: int
    frame: int
    """Number of its first frame."""
    at_ns: int
    what: str
    """Kind, opcode, event and sequence: for who reads the file, and to tell rows apart that share their frame."""
    marked: bool = False
    note: str = ""

    @property
    def key(self) -> _Key:
        return self.connection, self.frame, self.at_ns, self.n


_TYPES: dict[str, Any] = {field.name: field.type for field in fields(NotedRow)}


class Notes:
    """The marks and notes next to one capture: ``bot.gwcap`` has ``bot.gwcap.notes``.

    Raises CaptureError, and leaves the file alone, where it is damaged or was written by a newer gwinspect. Every
    change is saved at once. One that cannot be saved raises CaptureError, is kept in memory all the same, and is
    written with the next that can be.
    """

    def __init__(self, beside: Path) -> None:
        self.path = beside.with_name(beside.name + ".notes")
        self._stored: dict[_Key, NotedRow] = {}
        self._unsaved: dict[_Key, NotedRow | None] = {}
        self._lost: set[_Key] = set()
        self._seen: tuple[int, ...] | None = None
        self.reload()

    @property
    def marked(self) -> frozenset[int]:
        """Numbers of the rows that have a mark."""
        return self._marked

    @property
    def noted(self) -> frozenset[int]:
        """Numbers of the rows that have a note."""
        return self._noted

    def note(self, number: int) -> str | None:
        """Return the note on row `number`, None where it has none. Its text may be anyone's: it is not inert."""
        row = self._by_number.get(number)
        return row.note if row and row.note else None

    def next(self, after: int) -> int | None:
        """Return the number of the first row after row `after` that has a mark or a note."""
        at = bisect_right(self._order, after)
        return self._order[at] if at < len(self._order) else None

    def previous(self, before: int) -> int | None:
        """Return the number of the last row before row `before` that has a mark or a note."""
        at = bisect_left(self._order, before)
        return self._order[at - 1] if at else None

    def toggle(self, number: int, event: Event) -> bool:
        """Set or take away the mark on row `number`, which is `event`, and say whether it has one now."""
        row = self._row(number, event)
        self._put(replace(row, marked=not row.marked))
        return not row.marked

    def set_note(self, number: int, event: Event, text: str) -> None:
        """Write `text`, of at most `LONGEST_NOTE` characters, beside row `number`; an empty one takes the note away."""
        text = text.strip()
        if len(text) > LONGEST_NOTE:
            raise CaptureError(
                f"a note has room for {LONGEST_NOTE:,} characters, and this one has {len(text):,}; shorten it"
            )
        self._put(replace(self._row(number, event), note=text))

    def changed_on_disk(self) -> bool:
        """Say whether somebody else wrote the file since it was read here; `reload` then reads it."""
        return self._look() != self._seen

    def reload(self) -> None:
        """Read the file again; what could not be saved yet stays. `relocate` should follow."""
        self._read()
        self._index()

    def relocate(self, reader: Reader) -> int:
        """Find the rows in a capture whose events may have got other numbers since; return how many are not in it.

        Those that are not, because the file belonged to another capture of that name, stay in the file and do not show.
        New numbers are written with the next change.
        """
        rows = self._rows()
        moves = list(_astray(reader, rows.values()))
        self._lost = {row.key for row, found in moves if found is None}
        for row, found in moves:
            if found is not None:
                self._unsaved[row.key] = None
                del rows[row.key]
        for _, found in moves:
            if found is not None:
                if other := rows.get(found.key):
                    found = replace(found, marked=found.marked or other.marked, note=found.note or other.note)
                self._unsaved[found.key] = rows[found.key] = found
        self._index()
        return len(self._lost)

    def _row(self, number: int, event: Event) -> NotedRow:
        """Return what is said of a row so far."""
        row = replace(_row_at(event), n=number)
        return self._rows().get(row.key, row)

    def _put(self, row: NotedRow) -> None:
        """Take over what is said of a row, and save it."""
        if row.key not in self._rows() and len(self._rows()) >= MOST_ROWS:
            raise CaptureError(f"{self.path} has room for {MOST_ROWS:,} rows and is full; remove marks to set others")
        self._unsaved[row.key] = row if row.marked or row.note else None
        self._lost.discard(row.key)
        try:
            if self.changed_on_disk():
                self._read()
            self._write()
        finally:
            self._index()

    def _rows(self) -> dict[_Key, NotedRow]:
        return {key: row for key, row in (self._stored | self._unsaved).items() if row is not None}

    def _index(self) -> None:
        rows = self._rows()
        self._by_number = {row.n: row for key, row in rows.items() if key not in self._lost}
        self._order = sorted(self._by_number)
        self._marked = frozenset(row.n for row in self._by_number.values() if row.marked)
        self._noted = frozenset(row.n for row in self._by_number.values() if row.note)

    def _look(self) -> tuple[int, ...] | None:
        """Return what tells one state of the file from another, None where there is no file."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self) -> None:
        seen = self._look()
        try:
            with open_file(self.path) as file:
                # Room is made at once for as many bytes as are asked for.
                data = file.read(min(os.fstat(file.fileno()).st_size, LARGEST_FILE) + 1)
        except FileNotFoundError:
            self._stored, self._seen = {}, None
            return
        except OSError as error:
            raise self._damaged(str(error.strerror or error)) from error
        self._stored, self._seen = self._parse(data), seen

    def _parse(self, data: bytes) -> dict[_Key, NotedRow]:
        if len(data) > LARGEST_FILE:
            raise self._damaged(f"more than {LARGEST_FILE // 1024**2} MB")
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._damaged(str(error)) from error
        version = content.get("gwinspect_notes") if isinstance(content, dict) else None
        if not isinstance(version, int) or isinstance(version, bool):
            raise self._damaged("it does not say its version")
        if version > VERSION:
            raise CaptureError(
                f"{self.path} was written by a newer gwinspect (version {version}, this one reads up to {VERSION}) "
                "and was not changed; upgrade to see and change marks and notes"
            )
        rows = content.get("rows")
        if not isinstance(rows, list) or len(rows) > MOST_ROWS:
            raise self._damaged("its rows are not a list, or too many")
        found = [_row_of(item) for item in rows]
        if None in found:
            raise self._damaged(f"item {found.index(None) + 1} of its rows is malformed")
        return {row.key: row for row in found if row is not None}

    def _damaged(self, reason: str) -> CaptureError:
        return CaptureError(
            f"{self.path} should have marks and notes but cannot be read ({reason}) and was not changed; repair it, "
            "or move it away to start over"
        )

    def _write(self) -> None:
        rows = self._rows()
        try:
            if rows:
                _replace(self.path, _text(rows.values()))
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise CaptureError(
                f"{self.path} cannot be written ({error.strerror or error}); marks and notes last until you leave, "
                "unless a later one can be saved"
            ) from error
        self._stored, self._unsaved, self._seen = rows, {}, self._look()


def _what(*said: str | int | None) -> str:
    return " ".join(str(part)[:_LONGEST_WORD] for part in said if part is not None)


def _row_of(item: Any) -> NotedRow | None:
    """Return the row that an item of the file stands for, None if it is not quite one."""
    if not isinstance(item, dict) or not item.keys() <= _TYPES.keys():
        return None
    # The very types: in Python a bool is an int, too.
    if any(type(value) is not _TYPES[name] for name, value in item.items()):
        return None
    try:
        row = NotedRow(**item)
    except TypeError:
        return None
    in_range = all(0 < number < 1 << 63 for number in (row.n, row.frame))
    return row if in_range and len(row.note) <= LONGEST_NOTE else None


def _text(rows: Iterable[NotedRow]) -> bytes:
    """Return the file: JSON with a line for each row, so that people can read and compare it."""
    lines = ",\n".join("  " + _line(row) for row in sorted(rows, key=lambda row: row.n))
    text = f'{{"gwinspect_notes": {VERSION}, "rows": [\n{lines}\n]}}\n'
    # What is no Unicode becomes \udc80, which is how JSON writes it.
    return text.encode(errors="backslashreplace")


def _line(row: NotedRow) -> str:
    return json.dumps(
        {key: value for key, value in asdict(row).items() if value not in ("", False)}, ensure_ascii=False
    )


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, for its owner's eyes only."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _astray(reader: Reader, rows: Collection[NotedRow]) -> Iterator[tuple[NotedRow, NotedRow | None]]:
    """Yield the rows that are not at their numbers, with the same where it is now, or None."""
    there = {row.n: row for row in _events(reader, "id", {row.n for row in rows})}
    astray = [row for row in rows if replace(row, marked=False, note="") != there.get(row.n)]
    candidates = defaultdict(list)
    if astray:
        for event in _events(reader, "first_frame", {row.frame for row in astray}):
            candidates[event.key[:3]].append(event)
    for row in astray:
        # A message may hold several payloads, and then they share all but their number.
        order = [(event.what != row.what, abs(event.n - row.n), event) for event in candidates[row.key[:3]]]
        best = min(order, key=lambda entry: entry[:2])[2] if order else None
        yield row, best and replace(best, marked=row.marked, note=row.note)


def _events(reader: Reader, column: str, numbers: set[int]) -> Iterator[NotedRow]:
    """Yield the events whose `column` is among `numbers`, each as a row of which nothing is said."""
    sql = f"select {EVENT_COLUMNS} from event where {column} in (select value from json_each(?)) order by id"
    with explained(reader.path):
        found = reader.db.execute(sql, (json.dumps(list(numbers)),)).fetchall()
        return map(_row_at, events_of(found, unknown_connection))


def _row_at(event: Event) -> NotedRow:
    what = _what(event.kind.value, event.op, event.event, event.seq)
    return NotedRow(event.n, event.connection, event.first_frame, event.at_ns, what)

"""Records into happenings.

One line is read on its own: what is wrong with it costs no other. Lines are taken one at a time, so the same code reads
a file and one that grows (`inspector.importers.frames.growing`).
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from inspector.importers.candidates import confirm
from inspector.importers.frames import records
from inspector.importers.frames.records import MAX_LINE, Lines, Record
from inspector.importers.source import Source, clean
from inspector.importers.startlimit import limit_in
from inspector.model import Closed, Control, Frame, Gap, Happening, Mark, Numbered, Opened, Plane
from inspector.protocol.hosts import plane_of, shape_of
from inspector.session.redact import is_digest
from inspector.store.rows import MOST_MISSING

VERSION = 1
"""The version of the format that is read."""

# Bytes that are read from a file at once.
_CHUNK = 1024 * 1024
# Notes of one kind that are given; what comes after is counted.
_NOTES = 5
# The same of those that are in the file itself, and characters of one.
_OWN_NOTES, _LONGEST_NOTE = 100, 1000
# Names of recordings that are taken from a header.
_MOST_FILES = 10_000
# Characters of the reason of a gap.
_LONGEST_REASON = 60
# Connections that have ended of which more may be said: the other end did not know of the close yet.
_MOST_LEFT = 1000

# What a file begins with: the header, or where its beginning is missing (``tail -f``), a record.
_HEADER = re.compile(rb'\s*\{[^\n]{0,2000}?"format"\s*:\s*"gwinspect-frames"')
_RECORD = re.compile(
    rb'\s*\{(?!"n"\s*:)(?=[^\n]*?"connection"\s*:)[^\n]*?"kind"\s*:\s*"(?:open|message|ping|pong|amend|close|gap)"'
)
_BOM = b"\xef\xbb\xbf"

# What is said of lines of which there are too many to name each.
_ABOUT = {
    "damaged": "are damaged and were skipped",
    "gap": "say that something is missing",
    "late": "belong to connections whose opening is missing",
    "time": "have no time that can be read",
}


@dataclass(frozen=True, slots=True)
class Amended:
    """What became of a connection's newest message after it had been recorded."""

    connection: int
    mark: Mark
    forwarded: bytes | None


Place = tuple[int, int | str, int]
"""Run of the recorder, its name for the connection, and number of the message in that."""


@dataclass(slots=True, eq=False)
class _Talk:
    """One connection while it is read."""

    opened: Opened
    number: int = 0
    """In what is given out; 0 while it is not known whether it is a gateway at all."""
    refused: bool = False
    """It is none, and nothing more of it is wanted."""
    messages: int = 0
    held: list[Numbered] = field(default_factory=list)
    """What was said before that was known."""


class FramesFile(Source):
    """Reads frames. Connections are numbered in the order in which they are opened, over all runs of the recorder.

    `path` need not be a file where lines are handed to `receive`; it only names them.
    """

    format = "gwinspect-frames"

    @staticmethod
    def recognizes(head: bytes) -> bool:
        """Say whether the file begins with a header, or with a record of a connection."""
        head = head.removeprefix(_BOM)
        return _HEADER.match(head) is not None or _RECORD.match(head) is not None

    def _begin(self) -> None:
        super()._begin()
        self.ended = False
        """The newest record said that the recorder has finished."""
        self.last_ns = 0
        """The newest time that was read."""
        self._talks: dict[int | str, _Talk] = {}
        self._left: OrderedDict[int | str, _Talk] = OrderedDict()
        """Those that have ended, the newest."""
        self._run = 0
        self._line = 0
        self._opens = 0
        self._own_notes = 0
        self._first_recording = 0
        self._told: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._amendments: dict[Place, tuple[Mark, bytes | None]] = {}

    def receive(self, line: bytes | None) -> list[Happening | Amended]:
        """Take the next line, None for one that was too long, and return what it says."""
        self._line += 1
        try:
            if line is None:
                raise ValueError(f"it is longer than {MAX_LINE:,} bytes")
            if self._line == 1:
                line = line.removeprefix(_BOM)
            return self._take(records.read(line)) if line.strip() else []
        except ValueError as error:
            self._note("damaged", f"line {self._line:,} of {self.path.name} was skipped: {str(error)[:200]}")
            return []

    def finish(self) -> list[Numbered]:
        """Return what is left of connections that have not yet said whether they are gateways, where they are."""
        return [told for talk in self._talks.values() for told in self._decide(talk, final=True)]

    def conclude(self) -> None:
        """Complete `notes`, for those who have handed in the lines themselves."""
        self._conclude()

    def _happenings(self) -> Iterator[Happening]:
        self._amendments = self._foresee()
        for line, is_ended in self._lines():
            if not is_ended and line is not None and not _is_whole(line):
                self.notes.append(
                    f"{self.path.name} ends in the middle of line {self._line + 1:,}: it is being written, or "
                    "was cut off"
                )
                break
            self._read += len(line or b"") + 1
            yield from (told for told in self.receive(line) if not isinstance(told, Amended))
        self._read = self._total
        yield from self.finish()

    def _conclude(self) -> None:
        for what, count in self._told.items():
            if count > _NOTES and what in _ABOUT:
                self.notes.append(f"{count:,} lines of {self.path.name} {_ABOUT[what]}; the first are listed")
        if self._unknown:
            kinds = ", ".join(f"{kind} ({count:,})" for kind, count in self._unknown.most_common(_NOTES))
            self.notes.append(f"records of unknown kinds were skipped: {kinds}")
        super()._conclude()

    def _why_empty(self) -> str:
        if not self._opens:
            return "no connection was recorded; make sure that the client goes through the proxy"
        return "none of the WebSockets in it is a gateway's"

    def _lines(self) -> Iterator[tuple[bytes | None, bool]]:
        """Yield the lines of the file, each with whether it ends."""
        lines = Lines()
        with self.path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield from ((line, True) for line in lines.take(chunk))
        rest = lines.rest()
        if rest is None or rest.strip():
            yield rest, False

    def _foresee(self) -> dict[Place, tuple[Mark, bytes | None]]:
        """Return what became of messages after they were recorded, which the file tells behind them."""
        found: dict[Place, tuple[Mark, bytes | None]] = {}
        run = 0
        for line, _ in self._lines():
            # Within a text, the quotes of these words are escaped.
            if line is None or not (b'"amend"' in line or b'"gwinspect-frames"' in line):
                continue
            try:
                record = records.read(line.removeprefix(_BOM))
                run += "format" in record
                if record.get("kind") == "amend":
                    found[max(run, 1), records.key_of(record), _message_of(record)] = records.amendment_of(record)
            except ValueError:
                continue
        return found

    def _take(self, record: Record) -> list[Happening | Amended]:
        if "format" in record:
            return list(self._header(record))
        if not self._run:
            self._run = 1
            self.notes.append(f"{self.path.name} has no header: its beginning is missing (`tail -n +1 -f` has it)")
        kind = record.get("kind")
        self.ended = kind == "end"
        match kind:
            case "open":
                return list(self._open(record))
            case "message":
                return list(self._message(record))
            case "ping" | "pong":
                from_client, (_, data) = records.from_client(record), records.data_of(record)
                return list(self._say(self._talk(record), Control(0, self._at(record), from_client, kind, data)))
            case "amend":
                return list(self._amend(record))
            case "close":
                return list(self._close(record))
            case "start-limit":
                token = record.get("token")
                limit = limit_in(record, token if is_digest(token) else None, self._at(record))
                if limit is None:
                    raise ValueError("it is not what GET /gateway/bot answers")
                return [replace(limit, recording=self._recording_of(record))]
            case "gap":
                return list(self._gap(record))
            case "note":
                self._own_notes += 1
                if self._own_notes <= _OWN_NOTES:
                    self.notes.append(records.text(record, "text")[:_LONGEST_NOTE] or "a note without a text")
            case "end":
                pass
            case str():
                self._unknown[clean(kind[:40])] += 1
            case _:
                raise ValueError("it has no kind")
        return []

    def _header(self, record: Record) -> Iterator[Numbered]:
        """Begin a run of the recorder: numbers of connections start over."""
        if record["format"] != "gwinspect-frames":
            raise ValueError("its format is not gwinspect-frames")
        if record.get("version") != VERSION:
            newer = str(record.get("version"))[:20]
            self.notes.append(
                f"{self.path.name} is in version {newer} of the format, this gwinspect reads version "
                f"{VERSION}; what it does not know is skipped"
            )
        yield from self.finish()
        self._talks.clear()
        self._left.clear()
        self._run += 1
        self.ended = False
        self._hosts = tuple(dict.fromkeys((*self._hosts, *records.texts(record, "hosts"))))
        files = records.texts(record, "files")[: _MOST_FILES - len(self.recordings)]
        if files or self.recordings:
            self._first_recording = len(self.recordings)
            self.recordings += files or [self.path.name]

    def _open(self, record: Record) -> Iterator[Numbered]:
        key, plane = records.key_of(record), records.plane_in(record)
        status, refusal = record.get("status", 101), record.get("refusal")
        opened = Opened(
            connection=0,
            at_ns=self._at(record),
            plane=plane or Plane.GATEWAY,
            url=records.text(record, "url"),
            client=records.text(record, "client") or None,
            status=status if type(status) is int and 0 < status < 1000 else None,
            refusal=clean(refusal) if isinstance(refusal, str) else None,
            headers=records.headers_of(record),
            joined_late=record.get("joined_late") is True,
            knows=records.knows_of(record),
            recording=self._recording_of(record),
        )
        self._left.pop(key, None)
        before = self._talks.pop(key, None)
        if before is not None:
            yield from self._decide(before, final=True)
        self._opens += 1
        talk = _Talk(opened)
        if plane is not None:
            yield self._accept(talk)
        else:
            yield from self._decide(talk, final=opened.refusal is not None)
        if opened.refusal is None:
            self._talks[key] = talk

    def _recording_of(self, record: Record) -> int:
        """Return which of the recordings that are in the file a connection is from."""
        return self._first_recording + min(records.number(record, "recording"), _MOST_FILES)

    def _message(self, record: Record) -> Iterator[Numbered]:
        is_text, data = records.data_of(record)
        from_client = records.from_client(record)
        marks, forwarded = records.amendment_of(record)
        talk = self._talk(record)
        talk.messages += 1
        later = self._amendments.get((self._run, records.key_of(record), talk.messages))
        if later is not None:
            marks, forwarded = marks | later[0], later[1]
        yield from self._say(talk, Frame(0, self._at(record), from_client, is_text, data, marks, forwarded))

    def _amend(self, record: Record) -> Iterator[Amended]:
        key, number = records.key_of(record), _message_of(record)
        talk = self._talks.get(key) or self._left.get(key)
        foreseen = (self._run, key, number) in self._amendments
        if talk is None or talk.refused or (foreseen and number <= talk.messages):
            return
        if number != talk.messages:
            raise ValueError("it amends a message that is not the newest of its connection")
        mark, forwarded = records.amendment_of(record)
        if talk.number:
            yield Amended(talk.number, mark, forwarded)
        for at in reversed(range(len(talk.held))):
            if isinstance(frame := talk.held[at], Frame):
                talk.held[at] = replace(frame, marks=frame.marks | mark, forwarded=forwarded)
                break

    def _close(self, record: Record) -> Iterator[Numbered]:
        code = record.get("code")
        known = code if type(code) is int and 0 <= code < 2**16 else None
        reason, by, marks = records.text(record, "reason"), records.side_of(record), records.marks_of(record)
        closed = Closed(0, self._at(record), known, reason, by, marks)
        talk = self._talk(record)
        yield from self._say(talk, closed)
        yield from self._decide(talk, final=True)
        key = records.key_of(record)
        self._talks.pop(key, None)
        self._left[key] = talk
        if len(self._left) > _MOST_LEFT:
            self._left.popitem(last=False)

    def _gap(self, record: Record) -> Iterator[Happening]:
        if "connection" in record:
            at = self._at(record)
            since, until = (records.at_ns(record, name) for name in ("since", "until"))
            sent, received = (min(records.number(record, name), MOST_MISSING) for name in ("sent", "received"))
            reason = records.text(record, "reason")[:_LONGEST_REASON]
            gap = Gap(0, at, at if since is None else since, at if until is None else until, sent, received, reason)
            talk = self._talk(record)
            # Those that are missing have numbers, too.
            talk.messages += gap.missing
            yield from self._say(talk, gap)
            return
        count, end, why = record.get("records"), records.text(record, "until"), records.text(record, "reason")
        what = f"{count:,} records are" if type(count) is int else "something is"
        span = f"from {records.text(record, 'at')}" + (f" to {end}" if end else "")
        self._note("gap", f"{what} missing {span}: {why or 'the file could not be written'}")

    def _talk(self, record: Record) -> _Talk:
        """Return the connection of a record. One whose opening is missing is taken for a main gateway's."""
        key = records.key_of(record)
        talk = self._talks.get(key) or self._left.get(key)
        if talk is None:
            self._note(
                "late", f"line {self._line:,}: the opening of connection {key} is missing; it is read from here on"
            )
            opened = Opened(0, self._at(record), Plane.GATEWAY, "", None, joined_late=True)
            talk = self._talks[key] = _Talk(opened)
            self._opens += 1
            talk.held.append(self._accept(talk))
        return talk

    def _say(self, talk: _Talk, what: Frame | Control | Closed | Gap) -> Iterator[Numbered]:
        """Yield what happened on a connection, or hold it until it is known whether that is a gateway."""
        if talk.refused:
            return
        talk.held.append(what)
        if talk.number:
            yield from (replace(each, connection=talk.number) for each in talk.held)
            talk.held.clear()
        elif isinstance(what, Frame):
            yield from self._decide(talk)

    def _decide(self, talk: _Talk, *, final: bool = False) -> Iterator[Numbered]:
        """Decide whether a connection that does not say so is a gateway, as far as that can be told yet."""
        if talk.number or talk.refused:
            return
        opened = talk.opened
        frames = [each for each in talk.held if isinstance(each, Frame)]
        if plane_of(opened.url, self._hosts) is None and not final:
            guess = shape_of(opened.url) if opened.url else Plane.GATEWAY
            if guess is not None and confirm(replace(opened, plane=guess), frames) is None:
                return
        admitted = self._admit(opened, frames)
        if admitted is None:
            talk.refused = True
        else:
            talk.number = admitted.connection
            yield admitted
            yield from (replace(each, connection=talk.number) for each in talk.held)
        talk.held.clear()

    def _accept(self, talk: _Talk) -> Opened:
        self._connections += 1
        talk.number = self._connections
        return replace(talk.opened, connection=talk.number)

    def _at(self, record: Record) -> int:
        """Return the time of a record; that of the one before where it cannot be read."""
        at = records.at_ns(record)
        if at is None:
            self._note("time", f"line {self._line:,} has no time that can be read; it gets that of the record before")
            return self.last_ns
        self.last_ns = at
        return at

    def _note(self, what: str, sentence: str) -> None:
        self._told[what] += 1
        if self._told[what] <= _NOTES:
            self.notes.append(sentence)


def _message_of(record: Record) -> int:
    number: Any = record.get("message")
    if type(number) is not int:
        raise ValueError("it does not say which message it amends")
    return number


def _is_whole(line: bytes) -> bool:
    try:
        records.read(line)
    except ValueError:
        return False
    return True

"""A log as a source of happenings.

It is read twice: the first time to learn what can be known of each connection (see `talks`). Lines that are not about
a gateway are skipped, and counted.
"""

import codecs
import re
from collections.abc import Iterator, Sequence

from inspector.importers.frames.records import Lines
from inspector.importers.logs import times
from inspector.importers.logs.dialects import dialects
from inspector.importers.logs.entries import Dialect, Entry, Line, Said, Unreadable
from inspector.importers.logs.jsonlines import JsonLines, printed_in
from inspector.importers.logs.payloads import is_discords
from inspector.importers.logs.talks import Talks
from inspector.importers.source import Source
from inspector.inert import inert
from inspector.model import Happening
from inspector.words import counted

# Bytes that are read from a file at once.
_CHUNK = 1024 * 1024
# Bytes of a line: a user account's READY has some of its megabytes, and Python shows some more.
_LONGEST = 32 * 1024 * 1024
# Payloads that cannot be read and are named.
_NAMED = 5
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}m")
# What Windows' PowerShell writes where a program's output goes into a file.
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# A record that is longer than the head of a file, so that it is not whole: a dispatch, or a first Hello or Identify.
_CUT = (
    re.compile(rb'\{[^\n]{0,4000}?"t\\?"\s*:\s*\\?"[A-Z_]+\\?"'),
    re.compile(rb'\{[^\n]{0,4000}?"s\\?"\s*:\s*\d'),
    re.compile(rb'\{[^\n]{0,4000}?"op\\?"\s*:\s*0\b'),
)


class LogFile(Source):
    """Reads a log. Its connections come in the order in which they appear."""

    format = "log"
    advice = "have the client log the payloads that it sends and receives (docs/logs.md says how)"

    @staticmethod
    def recognizes(head: bytes) -> bool:
        """Say whether there is a payload of Discord's in the lines that a file begins with."""
        *lines, rest = _utf8(head).split(b"\n")
        readers = dialects()
        for data in (*lines, rest):
            for reader, entry in _asked(_line(data), readers):
                if not isinstance(reader, JsonLines) or (isinstance(entry, Said) and is_discords(entry.envelope)):
                    return True
        return all(each.match(rest) for each in _CUT)

    def _begin(self) -> None:
        super()._begin()
        self._lines = 0
        self._skipped = 0
        self._unreadable = 0
        self._unzoned = False
        self._timed = self._exact = False
        self._names: dict[str, None] = {}

    @property
    def progress(self) -> tuple[int, int]:
        return self._read // 2, self._total

    def _happenings(self) -> Iterator[Happening]:
        first = Talks(self._hosts)
        for entry in self._entries():
            if not isinstance(entry, Unreadable):
                for _ in first.receive(entry):
                    pass
        notes, self.notes = self.notes, []
        second = Talks(self._hosts, first.learned)
        for entry in self._entries():
            if not isinstance(entry, Unreadable):
                yield from second.receive(entry)
        yield from second.finish()
        self.notes = notes
        self._connections = len(first.learned)

    def _entries(self) -> Iterator[Entry]:
        """Yield what the lines say, and note what is wrong with them."""
        readers = dialects(dict(self._fields))
        self._lines = self._skipped = self._unreadable = 0
        for data in self._cut():
            self._lines += 1
            if data is None or len(data) > _LONGEST:
                self._tell(f"is longer than {_LONGEST:,} bytes")
                continue
            said = False
            for _, entry in _asked(_line(data), readers):
                said = True
                if isinstance(entry, Unreadable):
                    self._tell(entry.why)
                elif entry.at is not None:
                    self._timed = True
                    self._exact = self._exact or entry.at.is_exact
                    self._unzoned = self._unzoned or not entry.at.has_zone
                yield entry
            self._skipped += not said and bool(data.strip())

    def _tell(self, why: str) -> None:
        self._unreadable += 1
        if self._unreadable <= _NAMED:
            self.notes.append(f"line {self._lines:,} of {self.path.name} was skipped: its payload {inert(why)}")

    def _cut(self) -> Iterator[bytes | None]:
        """Yield the lines of the file, in UTF-8; None for one that is too long."""
        lines = Lines()
        decoder: codecs.IncrementalDecoder | None = None
        with self.path.open("rb") as file:
            if file.read(2) in _UTF16:
                decoder = codecs.getincrementaldecoder("utf-16")("replace")
            file.seek(0)
            while chunk := file.read(_CHUNK):
                self._read += len(chunk)
                yield from lines.take(decoder.decode(chunk).encode() if decoder is not None else chunk)
        yield lines.rest()

    def _conclude(self) -> None:
        if self._unreadable > _NAMED:
            self.notes.append(f"{self._unreadable:,} lines of {self.path.name} were skipped; the first are listed")
        if self._skipped:
            subject, why = (
                counted(self._skipped, "line was/lines were"),
                "it has" if self._skipped == 1 else "they have",
            )
            self.notes.append(f"{subject} skipped: {why} no message of a gateway")
        if self._connections and not self._timed:
            self.notes.append(f"{self.path.name} has no times: how long anything took is not known")
        elif self._connections and not self._exact:
            self.notes.append(f"the times in {self.path.name} are whole seconds, which is too coarse to judge by")
        if self._unzoned:
            self.notes.append(f"the times in {self.path.name} have no time zone; they are read as UTC")
        super()._conclude()

    def _why_empty(self) -> str:
        return "none of its lines holds a payload of a gateway; docs/logs.md says which are read"


def _asked(line: Line, readers: Sequence[Dialect]) -> Iterator[tuple[Dialect, Entry]]:
    """Yield what the first of the readers that knows a line says of it.

    Of a record without a payload, into which a logger put the line that was printed, it is that line that counts.
    """
    is_record = line.text.startswith("{")
    said = False
    for reader in readers[::-1] if is_record else readers:
        for entry in reader.receive(line):
            said = True
            yield reader, entry
        if said:
            return
        if is_record and (printed := printed_in(line)):
            for each in printed:
                yield from _asked(each, readers)
            return


def _line(data: bytes) -> Line:
    text = data.decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r")
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    return Line(text, times.in_line(text))


def _utf8(head: bytes) -> bytes:
    if head[:2] in _UTF16:
        return codecs.getincrementaldecoder("utf-16")("replace").decode(head).encode()
    return head

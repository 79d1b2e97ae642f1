"""Archives of discordless: the folder ``traffic_archive`` that its mitmproxy addon writes, or a zip archive of that.

``gateway_index`` has a line for each connection: when the upgrade was answered, in seconds since the epoch; the
address; a number. All messages of the server are in ``gateways/NUMBER_data``, one after the other, as they were on the
wire, and ``gateways/NUMBER_timeline`` has a line for each: when it came, and how many bytes it has. What the client
said, pings and ends are not there.

Both files are buffered, each for itself. Where the addon was killed, the timeline breaks off hundreds of messages
before the data does; or the data before the timeline. What is left of either is given.

Source: ``wumpus_in_the_middle.py`` of https://github.com/Roachbones/discordless.
"""

import re
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Self

from inspector.importers.candidates import MAX_FRAMES
from inspector.importers.harfiles import Broken, FileMissing, check_list, open_packed
from inspector.importers.jsonpull import Readable
from inspector.importers.order import OrderedTracks, Track
from inspector.importers.source import Source, at_ns, websocket_url
from inspector.model import Closed, Frame, Happening, Knows, Opened, Plane
from inspector.wire.dialect import Compression, dialect_of
from inspector.words import counted

_INDEX = "gateway_index"
_FOLDER = "traffic_archive"
# What it never tells of: what the client says, pings, ends.
_KNOWS = Knows.TIMES | Knows.WIRE
# A line of the index, and of a timeline. Numbers are those of `str` of a float.
_CONNECTION = re.compile(rb"([\d.e+]{1,40}|None) (https?://[^\s\x00-\x1f]{1,4000}) (\d{1,12})")
_MESSAGE = re.compile(rb"([\d.e+]{1,40}) (\d{1,15})")
_LONGEST_LINE = 5000
# The first files of a zip archive: the folder, or something in it.
_PACKED = re.compile(
    rb"PK\x03\x04.{26}(?:[^/\\\0\n]{1,100}/)?(?:traffic_archive/|gateway_index|request_index|gateways/\d|requests/\d)",
    re.DOTALL,
)
# Connections that are read, bytes of one message, and of what is read at once.
_MOST_CONNECTIONS, _MOST_BYTES, _PIECE = 1_000_000, 64 * 1024 * 1024, 1024 * 1024
# Files that a note names.
_NAMED = 3
_END_OF_PAYLOAD = b"\x00\x00\xff\xff"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A connection, as the index has it."""

    begins_ns: int
    url: str
    number: str


class _Files(ABC):
    """The files of an archive. To be used as a context."""

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all."""

    @abstractmethod
    def open(self, name: str) -> Readable:
        """Open a file by its name in ``traffic_archive``. Raises `FileMissing`, `Broken`, OSError."""


class _Folder(_Files):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def open(self, name: str) -> Readable:
        place = self._folder / name
        try:
            if place.is_symlink() or not place.is_file():
                raise FileMissing("no such file")
            return place.open("rb")
        except OSError as error:
            raise FileMissing(error.strerror or str(error)) from error


class _Zip(_Files):
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        try:
            check_list(self._file)
            self._zip = zipfile.ZipFile(self._file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            self._file.close()
            raise Broken("its list of contents is damaged or missing") from error
        except BaseException:
            self._file.close()
            raise
        names = self._zip.namelist()
        index = next((name for name in names if name == _INDEX or name.endswith("/" + _INDEX)), "")
        self._before = index.removesuffix(_INDEX)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
        self._file.close()

    def open(self, name: str) -> Readable:
        try:
            info = self._zip.getinfo(self._before + name)
        except KeyError:
            raise FileMissing("no such file") from None
        return open_packed(self._zip, info, self._path)


class DiscordlessArchive(Source):
    """Reads one: the folder, its ``gateway_index``, or a zip archive. Connections come in the order of time."""

    format = "discordless archive"
    advice = "have discordless' mitmproxy running before the client connects"

    @staticmethod
    def recognizes(head: bytes) -> bool:
        """Say whether the file is an index of connections, or a zip archive with the folder in it."""
        return _PACKED.search(head) is not None or _CONNECTION.fullmatch(head.partition(b"\n")[0].rstrip()) is not None

    @staticmethod
    def recognizes_folder(folder: Path) -> bool:
        return _root_of(folder) is not None

    def files(self) -> Iterable[Path]:
        root = _root_of(self.path)
        if root is None:
            return (self.path,)
        with _Folder(root) as files:
            numbers = [entry.number for entry in self._entries(files)]
        kinds = ("data", "timeline")
        return (root / _INDEX, *(root / "gateways" / f"{number}_{kind}" for number in numbers for kind in kinds))

    def _begin(self) -> None:
        super()._begin()
        self._missing: list[str] = []
        self._odd = 0
        self._cut = 0
        self._rest = 0

    def _happenings(self) -> Iterator[Happening]:
        try:
            with self._open() as files:
                entries = sorted(self._entries(files), key=lambda entry: entry.begins_ns)
                self._total = len(entries)
                timeline = OrderedTracks(Track(each.begins_ns, partial(self._tell, files, each)) for each in entries)
                yield from timeline
                self.notes += timeline.notes()
        except Broken as error:
            self.notes.append(f"{self.path} cannot be read to the end: {error}; what came before that was read")
        self._read = self._total

    def _conclude(self) -> None:
        if self._missing:
            more = ", …" if len(self._missing) > _NAMED else ""
            names = ", ".join(self._missing[:_NAMED])
            self.notes.append(
                f"files of {self.path.name} that could not be read: {len(self._missing):,} ({names}{more})"
            )
        if self._odd:
            self.notes.append(
                f"skipped in indexes, because they are not in discordless' form: {counted(self._odd, 'line')}"
            )
        if self._cut:
            subject = counted(self._cut, "connection breaks/connections break")
            self.notes.append(f"{subject} off in the middle of a message: the addon was still writing, or was ended")
        if self._rest:
            subject = counted(self._rest, "connection has/connections have")
            self.notes.append(
                f"{subject} messages behind the last time that was recorded; they are given with that time"
            )
        super()._conclude()

    def _why_empty(self) -> str:
        return "its index lists none"

    def _open(self) -> _Files:
        root = _root_of(self.path)
        return _Zip(self.path) if root is None else _Folder(root)

    def _entries(self, files: _Files) -> list[_Entry]:
        found: dict[str, _Entry] = {}
        try:
            with closing(files.open(_INDEX)) as index:
                for line in _lines(index):
                    parts = _CONNECTION.fullmatch(line)
                    if parts is None or len(found) >= _MOST_CONNECTIONS:
                        self._odd += 1
                        continue
                    number = parts[3].decode()
                    url = websocket_url(parts[2].decode("utf-8", "replace"))
                    found.setdefault(number, _Entry(_time(parts[1], 0), url, number))
        except FileMissing as error:
            self._missing.append(f"{_INDEX}: {error}")
        return list(found.values())

    def _tell(self, files: _Files, entry: _Entry) -> Iterator[Happening]:
        """Yield what happened on a connection; nothing where it is none of a gateway's."""
        self._read += 1
        frames = self._frames(files, entry)
        first = list(islice(frames, MAX_FRAMES))
        opened = self._admit(Opened(0, entry.begins_ns, Plane.GATEWAY, entry.url, knows=_KNOWS), first)
        if opened is None:
            return
        yield opened
        self._silent += not first
        last_ns = opened.at_ns
        for frame in chain(first, frames):
            frame.connection, last_ns = opened.connection, max(last_ns, frame.at_ns)
            yield frame
        yield Closed(opened.connection, last_ns, None)

    def _frames(self, files: _Files, entry: _Entry) -> Iterator[Frame]:
        name = f"gateways/{entry.number}_"
        last_ns = entry.begins_ns
        try:
            with closing(files.open(name + "data")) as data:
                for came_ns, size in self._timeline(files, name + "timeline", last_ns):
                    last_ns = came_ns
                    message = _exactly(data, size)
                    if len(message) < size:
                        self._cut += 1
                        return
                    yield _frame(last_ns, message, entry.url)
                for message in self._untimed(data, entry.url):
                    yield _frame(last_ns, message, entry.url)
        except FileMissing as error:
            self._missing.append(f"{name}data: {error}")

    def _timeline(self, files: _Files, name: str, last_ns: int) -> Iterator[tuple[int, int]]:
        """Yield when each message came, and how many bytes it has."""
        try:
            with closing(files.open(name)) as timeline:
                for line in _lines(timeline, whole=True):
                    parts = _MESSAGE.fullmatch(line)
                    if parts is None or int(parts[2]) > _MOST_BYTES:
                        # Where the next one begins is not known.
                        self._odd += 1
                        return
                    last_ns = _time(parts[1], last_ns)
                    yield last_ns, int(parts[2])
        except FileMissing as error:
            self._missing.append(f"{name}: {error}")

    def _untimed(self, data: Readable, url: str) -> Iterator[bytes]:
        """Yield what is behind the last message of a timeline, as messages where their ends can be told."""
        rest = data.read(_PIECE)
        self._rest += bool(rest)
        if dialect_of(url).compression is not Compression.ZLIB:
            while rest and len(rest) < _MOST_BYTES and (more := data.read(_PIECE)):
                rest += more
            if rest:
                yield rest
            return
        while rest:
            *messages, rest = rest.split(_END_OF_PAYLOAD)
            yield from (message + _END_OF_PAYLOAD for message in messages)
            more = data.read(_PIECE)
            if not more or len(rest) > _MOST_BYTES:
                # A message that is not whole.
                self._cut += bool(rest)
                return
            rest += more


def _root_of(path: Path) -> Path | None:
    """Return the folder with the index that a path stands for; None for a zip archive."""
    if path.name == _INDEX and path.is_file():
        return path.parent
    return next((folder for folder in (path, path / _FOLDER) if (folder / _INDEX).is_file()), None)


def _frame(at: int, message: bytes, url: str) -> Frame:
    # Nothing says whether it was text. Outside a compressed stream, neither a payload that was compressed by itself nor
    # a term of ETF begins as an object does.
    is_text = dialect_of(url).compression is None and message.lstrip()[:1] == b"{"
    return Frame(0, at, False, is_text, message)


def _time(seconds: bytes, fallback: int) -> int:
    try:
        return at_ns(float(seconds), fallback)
    except ValueError:
        return fallback


def _exactly(file: Readable, size: int) -> bytes:
    pieces = []
    while size and (piece := file.read(min(size, _PIECE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _lines(file: Readable, *, whole: bool = False) -> Iterator[bytes]:
    """Yield the lines of a file, without their ends; with `whole` not the last where it has none."""
    rest = b""
    while piece := file.read(_PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.rstrip(b"\r") for line in lines)
        # Of a line that is too long the end is as good as any of it: it is none.
        rest = rest[-_LONGEST_LINE:]
    if rest and not whole:
        yield rest

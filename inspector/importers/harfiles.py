"""Where a HAR and the message files that it names are: next to each other in a folder, or in one zip archive.

Names in a HAR are anyone's, so only names of the kind that Playwright gives are looked for, and only below the HAR's
folder. What a zip archive has is read bit by bit and within bounds: a small one can hold any amount of nothing.
"""

import re
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from inspector.importers.jsonpull import Readable

# What `content: "attach"` names the files of messages: 32 hex digits, by Playwright 1.61 to 1.65, with the folders of
# `resourcesDir` in front, which may be anywhere.
_ATTACHED = re.compile(r"(?:(?!\.)[^/\\:\0-\x1f]{1,100}/){0,8}[\w@-]{1,200}\.jsonl", re.ASCII)
# Where a HAR names one, as far as it is in UTF-8; no other names are looked for.
_NAMED = re.compile(rb'"_file"\s{0,99}:\s{0,99}"([^"\\]{1,1000}\.jsonl)"')
_LONGEST_NAMED = 2000
# Bytes that are searched for such names at once, and names that are taken.
_PIECE, _MOST_NAMED = 1024 * 1024, 10_000
# The first file of a zip archive, up to the end of its name: Playwright puts the HAR there, or the actions of a trace.
_FIRST = re.compile(rb"PK\x03\x04.{22}(..)..([^/\\\0]{1,100}\.(?:har|trace|network))", re.DOTALL)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Bytes of a list of contents, which is in memory while the archive is open, at some 10 bytes for each of its own.
_MOST_LISTED = 4 * 1024 * 1024
# Bytes that a file may unpack to, for each byte of the archive, and whatever its size. JSON packs 5 to 20 times.
_MOST_PACKED, _ALWAYS = 200, 64 * 1024 * 1024
# Behind the list: its length, and what is not used here.
_END = struct.Struct("<4s8xI6x")
_LOCATOR = b"PK\x06\x07"


class FileMissing(Exception):
    """There is no such file, or it may not be read: why, in words."""


class Broken(Exception):
    """A file of the archive ends before its end, or is damaged: why, in words."""


class HarFiles(ABC):
    """A HAR and what belongs to it. To be used as a context."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all."""

    @abstractmethod
    def documents(self) -> Iterator[tuple[Readable, bool]]:
        """Open what is to be read, one after the other, each with whether it is a HAR; else it is a trace's network.

        Raises OSError, `Broken`.
        """

    @abstractmethod
    def attached(self, name: str) -> Readable:
        """Open a file of messages that the HAR names. Raises `FileMissing`, `Broken`."""

    @property
    @abstractmethod
    def read(self) -> int:
        """Bytes of `path` that were read so far, as far as that can be said."""


def har_in(folder: Path) -> Path | None:
    """Return the HAR of a folder, as Playwright leaves it; None where it has none, or several. Raises OSError."""
    found = [path for path in folder.iterdir() if path.suffix == ".har" and path.is_file()]
    return found[0] if len(found) == 1 else None


def attached_files(har: Path) -> list[Path]:
    """Return the files of messages that a HAR names, as far as they are there. Raises OSError."""
    names: dict[bytes, None] = {}
    with har.open("rb") as file:
        window = b""
        while piece := file.read(_PIECE):
            window = window[-_LONGEST_NAMED:] + piece
            for found in _NAMED.finditer(window):
                if len(names) < _MOST_NAMED:
                    names[found[1]] = None
    places = (_place_of(har, name.decode("utf-8", "replace")) for name in names)
    return sorted(place for place in places if place is not None)


def _place_of(har: Path, name: str) -> Path | None:
    """Return where the file is that a HAR names; None where there is none, or it is elsewhere. Raises OSError."""
    if not _ATTACHED.fullmatch(name):
        return None
    folder = har.parent.resolve()
    place = (folder / name).resolve()
    return place if place.is_relative_to(folder) and place.is_file() else None


class HarFolder(HarFiles):
    """A HAR that is a file, and what is next to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._har = path.open("rb")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._har.close()

    def documents(self) -> Iterator[tuple[Readable, bool]]:
        yield self._har, True

    def attached(self, name: str) -> Readable:
        _check_name(name)
        try:
            place = _place_of(self.path, name)
            if place is None:
                raise FileMissing("no such file")
            return place.open("rb")
        except OSError as error:
            raise FileMissing(error.strerror or str(error)) from error

    @property
    def read(self) -> int:
        return self._har.tell()


class HarZip(HarFiles):
    """A zip archive of Playwright's: its first file is a HAR, or it is a trace."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = path.open("rb")
        try:
            check_list(self._file)
            self._zip = zipfile.ZipFile(self._file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            self._file.close()
            raise Broken("its list of contents is damaged or missing") from error
        except BaseException:
            self._file.close()
            raise

    @staticmethod
    def recognizes(head: bytes) -> bool:
        """Say whether a file that begins with `head` is such an archive."""
        found = _FIRST.match(head)
        return found is not None and int.from_bytes(found[1], "little") == len(found[2])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
        self._file.close()

    def documents(self) -> Iterator[tuple[Readable, bool]]:
        listed = self._zip.infolist()
        # A trace has a list for each context, "0-trace.network" or just "trace.network".
        hars = [info for info in listed if info.filename.endswith(".har")][:1]
        found = hars or [info for info in listed if info.filename.endswith(".network")]
        if not found:
            raise Broken("there is neither a HAR nor a trace's network in its list of contents")
        for info in found:
            yield self._open(info), bool(hars)

    def attached(self, name: str) -> Readable:
        _check_name(name)
        try:
            return self._open(self._zip.getinfo(name))
        except KeyError:
            raise FileMissing("no such file") from None

    @property
    def read(self) -> int:
        return self._file.tell()

    def _open(self, info: zipfile.ZipInfo) -> Readable:
        return open_packed(self._zip, info, self.path)


def open_packed(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Readable:
    """Open a file of the zip archive that is at `path`, to be read within bounds. Raises `Broken`."""
    if info.compress_type not in _METHODS or info.flag_bits & 1:
        raise Broken(f"{info.filename[:100]!a} is encrypted, or compressed with an unsupported method")
    try:
        unpacked = archive.open(info)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        raise Broken("its list of contents names a file that does not exist") from error
    return _Bounded(unpacked, _ALWAYS + _MOST_PACKED * path.stat().st_size)


def _check_name(name: str) -> None:
    if not _ATTACHED.fullmatch(name):
        is_elsewhere = name.endswith(".jsonl") and (name.startswith("/") or ".." in name.split("/"))
        raise FileMissing("not below the HAR's folder" if is_elsewhere else "not a name in Playwright's form")


class _Bounded:
    """Reads a file of an archive, and no more of it than there may be."""

    def __init__(self, file: Readable, limit: int) -> None:
        self._file = file
        self._left = limit

    def read(self, size: int, /) -> bytes:
        try:
            data = self._file.read(size)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
            raise Broken("it is damaged") from error
        self._left -= len(data)
        if self._left < 0:
            raise Broken(f"it unpacks to more than {_MOST_PACKED} times its size")
        return data

    def close(self) -> None:
        self._file.close()


def check_list(file: BinaryIO) -> None:
    """Raise `Broken` where the list of contents of a zip archive is larger than any that is read here.

    `zipfile` reads all of it into memory.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _END.size - 0xFFFF))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise Broken("its list of contents is missing: it was cut, or is still being written")
    _, listed = _END.unpack_from(tail, at)
    if listed > _MOST_LISTED or _LOCATOR in tail[max(0, at - 20) : at]:
        raise Broken("it lists too many files")

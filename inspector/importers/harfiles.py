"""Where a HAR and the message files that it names are: next to each other in a folder, or in one zip archive.

Names in a HAR are anyone's, so only a plain name of the kind that Playwright gives is looked for. What a zip archive
has is read bit by bit and within bounds: a small one can hold any amount of nothing.
"""

import re
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from inspector.importers.jsonpull import Readable

# What `content: "attach"` names the files of messages: 32 hex digits, by Playwright 1.65.
_ATTACHED = re.compile(r"[\w@-]{1,200}\.jsonl", re.ASCII)
# The first file of a zip archive, up to the end of its name; Playwright puts the HAR there.
_FIRST = re.compile(rb"PK\x03\x04.{22}(..)..([^/\\\0]{1,100}\.har)", re.DOTALL)
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
    def har(self) -> Readable:
        """Open the HAR. Raises OSError, `Broken`."""

    @abstractmethod
    def attached(self, name: str) -> Readable:
        """Open a file of messages that the HAR names. Raises `FileMissing`, `Broken`."""

    @property
    @abstractmethod
    def read(self) -> int:
        """Bytes of `path` that were read so far, as far as that can be said."""


class HarFolder(HarFiles):
    """A HAR that is a file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._har = path.open("rb")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._har.close()

    def har(self) -> Readable:
        return self._har

    def attached(self, name: str) -> Readable:
        if not _ATTACHED.fullmatch(name):
            raise FileMissing("not a name in Playwright's form")
        try:
            place = self.path.with_name(name)
            if not place.is_file() or place.is_symlink():
                raise FileMissing("no such file")
            return place.open("rb")
        except OSError as error:
            raise FileMissing(error.strerror or str(error)) from error

    @property
    def read(self) -> int:
        return self._har.tell()


class HarZip(HarFiles):
    """A zip archive whose first file is a HAR, as Playwright writes it."""

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

    def har(self) -> Readable:
        for info in self._zip.infolist():
            if info.filename.endswith(".har"):
                return self._open(info)
        raise Broken("there is no HAR in its list of contents")

    def attached(self, name: str) -> Readable:
        if not _ATTACHED.fullmatch(name):
            raise FileMissing("not a name in Playwright's form")
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

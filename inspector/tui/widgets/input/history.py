"""The filters that a person wrote before, over all captures: one a line, the newest last, in the user's state folder.

A convenience and nothing more: where the file cannot be read or written, filters are remembered until the program ends.
"""

import os
from contextlib import suppress
from pathlib import Path

from platformdirs import user_state_path

from inspector.store.file import make_folder, open_file

MOST = 500
# Bytes of the file that are read.
_LARGEST = 8 * 1024 * 1024


class History:
    """Remembers filters. `path` is the file, by default ``filters`` in the user's state folder for gwinspect."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or user_state_path("gwinspect", appauthor=False) / "filters"
        self.entries = self._read()
        """The filters, the newest last; none twice."""

    def add(self, text: str) -> None:
        """Remember `text` as the newest."""
        text = text.strip()
        # A line is a filter, so one with line breaks cannot be kept.
        if not text or text.splitlines() != [text]:
            return
        # Another viewer may have added some since.
        entries = [entry for entry in self._read() or self.entries if entry != text]
        self.entries = [*entries, text][-MOST:]
        with suppress(OSError):
            self._write()

    def containing(self, text: str) -> list[str]:
        """Return those with `text` in them, in whatever case, the newest first."""
        wanted = text.strip().lower()
        return [entry for entry in reversed(self.entries) if wanted in entry.lower()]

    def _read(self) -> list[str]:
        try:
            with open_file(self.path) as file:
                lines = file.read(_LARGEST).decode(errors="replace").splitlines()
        except OSError:
            return []
        # The last of those that are equal counts.
        newest_first = dict.fromkeys(line.strip() for line in reversed(lines) if line.strip())
        return list(newest_first)[:MOST][::-1]

    def _write(self) -> None:
        make_folder(self.path.parent)
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        # Filters may hold names and ids: for their owner's eyes only.
        handle = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write("".join(entry + "\n" for entry in self.entries).encode(errors="replace"))
        os.replace(new, self.path)

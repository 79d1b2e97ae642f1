"""The TLS keys of a client: where it is told to write them, and reading them while it does."""

import os
from collections.abc import Mapping
from pathlib import Path

from inspector.importers.pcap.keylog import KeyLog
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.install import lay_hook, node_options, python_path

VARIABLE = "SSLKEYLOGFILE"
"""What Python, Chromium, Electron, Firefox, curl and others read to know where their keys go."""

# Bytes that are read at once, and of the longest line.
_PIECE, _LONGEST_LINE = 1024 * 1024, 1024


class KeyTail:
    """Reads keys out of a file as they are written into it. It need not be there yet."""

    def __init__(self, path: Path, keys: KeyLog) -> None:
        self._path = path
        self._keys = keys
        self._place = (0, 0)
        self._read = 0
        self._rest = b""

    def read(self) -> None:
        """Take what has been written since the last time. Of a file that is replaced or begun anew, all."""
        try:
            found = self._path.stat()
            if (found.st_dev, found.st_ino) != self._place or found.st_size < self._read:
                self._place, self._read, self._rest = (found.st_dev, found.st_ino), 0, b""
            if found.st_size == self._read:
                return
            with self._path.open("rb") as file:
                file.seek(self._read)
                while piece := file.read(_PIECE):
                    self._read += len(piece)
                    lines, newline, rest = (self._rest + piece).rpartition(b"\n")
                    self._keys.add(lines + newline)
                    # No line of a key log is as long.
                    self._rest = rest[-_LONGEST_LINE:]
        except FileNotFoundError:
            # One that comes is another, whatever number it has.
            self._place = (0, 0)
        except OSError:
            # It may be readable yet.
            pass


def key_file(folder: Folder, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where a command writes its keys: where the user has it do so already, else in `folder`, for its owner."""
    theirs = environment.get(VARIABLE)
    if theirs:
        return Path(theirs).absolute()
    # Anyone who has the keys can read the traffic.
    os.close(os.open(folder.keys, os.O_CREAT | os.O_WRONLY, 0o600))
    return folder.keys


def key_environment(folder: Folder, keys: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment that has a command write its keys into the file `keys`.

    `folder` takes a hook, and stays as long as the command.
    """
    folder.reports.touch(0o600)
    lay_hook(folder, "sitecustomize.py", {"keys": str(keys), "reports": str(folder.reports), "hosts": []})
    return {
        **environment,
        VARIABLE: str(keys),
        "PYTHONPATH": python_path(folder, environment),
        "NODE_OPTIONS": node_options(environment, "--tls-keylog", keys),
    }

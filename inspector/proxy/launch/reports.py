"""What launch hooks say of themselves: JSON lines in a file of the launch, each appended in one write.

``{"at": seconds since the epoch, "pid": …, "runtime": "python 3.11.7", "what": …, "name": …, "port": …, "text": …}``,
where `what` is one of the words of `Word`. Hooks run in programs that are not ours, so nothing in it is believed
further than to say it on.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Word = Literal["loaded", "redirected", "own-proxy", "failed"]
"""The hook is in place; a connection was led to the proxy; the client uses a proxy of its own; the hook broke."""

_WORDS = ("loaded", "redirected", "own-proxy", "failed")
# Bytes of the file that are read at most.
_MOST = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Report:
    """One line."""

    pid: int
    runtime: str
    """Name and version: ``node v20.20.2``."""
    what: Word
    name: str = ""
    """The host that the client asked for."""
    port: int = 0
    text: str = ""
    """What went wrong."""


def read_reports(path: Path) -> list[Report]:
    """Return what hooks have written so far; nothing where there is no such file."""
    try:
        with path.open("rb") as file:
            lines = file.read(_MOST).split(b"\n")
    except OSError:
        return []
    return [report for line in lines if (report := _read(line)) is not None]


def write_report(path: Path, report: Report) -> None:
    """Append a line as a hook does, for one that could not be laid."""
    line = {"at": time.time(), **asdict(report)}
    with path.open("ab") as file:
        file.write(json.dumps(line).encode() + b"\n")


def port_of(path: str, name: str) -> int | None:
    """Return the port that a client asked for last of the host `name`, as its hook has written it down in `path`."""
    redirected = (each for each in reversed(read_reports(Path(path))) if each.what == "redirected")
    return next((each.port for each in redirected if each.name == name and 0 < each.port < 65536), None)


def _read(line: bytes) -> Report | None:
    try:
        said: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match said:
        case {"pid": int(pid), "runtime": str(runtime), "what": str(what)} if what in _WORDS:
            name, port, text = said.get("name"), said.get("port"), said.get("text")
            return Report(
                pid,
                runtime[:100],
                what,  # type: ignore[arg-type]
                name if isinstance(name, str) else "",
                port if isinstance(port, int) else 0,
                text[:500] if isinstance(text, str) else "",
            )
    return None

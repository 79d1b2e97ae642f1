"""What a maintainer needs of a recording, in one zip archive: the scrubbed capture, a report, its cases, versions.

All of it is made of the scrubbed capture, so nothing else can be in it.
"""

import platform
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from inspector import __version__
from inspector.analysis.diagnosis import diagnose
from inspector.export.html.page import page
from inspector.inert import inert
from inspector.protocol.registry import Registry
from inspector.report.diagnosis_files import markdown
from inspector.report.recording import Recording
from inspector.store.reader import Reader

CAPTURE, REPORT, CASES, VERSIONS = "capture.gwcap", "report.html", "cases.md", "versions.txt"
# What takes part in a recording, and may be installed beside us.
_PACKAGES = ("mitmproxy", "zstandard", "discord.py", "hikari", "nextcord", "disnake", "py-cord", "interactions.py")
# The time of all files in the archive: when it was made is not for it to tell.
_WHEN = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the bundle."""

    name: str
    size: int
    about: str


def parts(
    capture: Path, folder: Path, registry: Registry, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Part]:
    """Make the other files in `folder`, in which the scrubbed `capture` is, and return what there is.

    Raises CaptureError where the capture has no gateway connection.
    """
    with closing(Recording(capture, registry)) as recording:
        rows = recording.reader.last()
        with (folder / REPORT).open("wb") as file:
            file.writelines(page(recording, [CAPTURE], progress=progress))
    found = diagnose(capture, files=[CAPTURE])
    (folder / CASES).write_text("\n".join(markdown(found)) + "\n", "utf-8")
    (folder / VERSIONS).write_text("\n".join(_versions(capture)) + "\n", "utf-8")
    about = {
        CAPTURE: f"the recording, scrubbed: {rows:,} rows",
        REPORT: "a page that explains it; it opens in any browser",
        CASES: "what is wrong in it, to paste into the issue",
        VERSIONS: "what it was recorded with, and who the clients say they are",
    }
    return [Part(name, (folder / name).stat().st_size, said) for name, said in about.items()]


def pack(folder: Path, made: Sequence[Part], target: Path) -> None:
    """Write the archive. Raises OSError."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in made:
            entry = zipfile.ZipInfo(part.name, _WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (folder / part.name).read_bytes())


def _versions(capture: Path) -> Iterator[str]:
    yield f"gwinspect {__version__}"
    yield f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.machine()}"
    for name in _PACKAGES:
        try:
            yield f"{name} {version(name)} is installed"
        except PackageNotFoundError:
            continue
    with closing(Reader(capture)) as reader:
        agents = {each.opened.headers.get("user-agent", "") for each in reader.connections()}
    for agent in sorted(agents - {""}):
        yield f"client: {inert(agent)}"

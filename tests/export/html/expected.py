"""What reports on a few samples say, in words: kept as files, so that a change of it shows as a diff.

``python -m tests.export.html.expected`` writes the files again, and with ``--picture`` the one in docs/ too.
"""

import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from inspector import __version__
from inspector.export.html.page import page
from inspector.protocol.registry import default
from inspector.report.recording import Recording
from tests.export.html.browser import Browser
from tests.export.html.reading import Read

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "sample_captures"
FOLDER = Path(__file__).parent / "expected"
NAMES = ("blocked-loop", "dave-call", "hostile", "resume-wrong-url", "voice-4006")


def words(name: str) -> str:
    """Return what a report on a sample says, a line for each text, section by section."""
    with closing(Recording(SAMPLES / f"{name}.gwcap", default())) as recording:
        read = Read(b"".join(page(recording, [f"{name}.gwcap"])))
    parts = []
    for section, texts in read.texts.items():
        lines = [line for line in (" ".join(text.split()) for text in texts) if line]
        parts.append("\n".join([f"== {section}", *lines]))
    return "\n\n".join(parts).replace(f"gwinspect {__version__}", "gwinspect VERSION") + "\n"


def picture() -> None:
    """Take the picture that docs/report.md shows."""
    with TemporaryDirectory() as folder, closing(Recording(SAMPLES / "blocked-loop.gwcap", default())) as recording:
        path = Path(folder) / "report.html"
        path.write_bytes(b"".join(page(recording, ["blocked-loop.gwcap"])))
        with Browser() as browser:
            browser.open(path, width=1000, height=860)
            browser.picture(ROOT / "docs/images/report.png")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in NAMES:
        (FOLDER / f"{each}.txt").write_text(words(each), "utf-8")
    if "--picture" in sys.argv:
        picture()

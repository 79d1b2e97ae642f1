"""The pages of docs/ say what is true."""

import re
from pathlib import Path

from inspector.importers import cdp
from inspector.importers.frames import FramesFile, records
from inspector.importers.frames import file as frames
from inspector.model import Mark, Plane

DOCS = Path(__file__).parents[1] / "docs"
FRAMES = (DOCS / "frames.md").read_text("utf-8")
BROWSERS = (DOCS / "browsers.md").read_text("utf-8")


def test_the_frames_of_the_page_are_read_as_they_are(tmp_path: Path) -> None:
    example = re.search(r"^```jsonl\n(.*?)^```$", FRAMES, re.MULTILINE | re.DOTALL)
    assert example is not None
    path = tmp_path / "bot.frames.jsonl"
    path.write_text(example[1], "utf-8")
    source = FramesFile(path)
    assert (len(list(source)), source.notes, source.ended) == (5, [], True)


def test_every_kind_and_key_of_frames_is_on_the_page() -> None:
    code = "".join(Path(str(module.__file__)).read_text("utf-8") for module in (frames, records))
    kinds = re.findall(r'"(\w+)"', "".join(re.findall(r"case ((?:\"\w+\"(?: \| )?)+):", code)))
    keys = re.findall(r'record(?:\.get\(|, |\[)"(\w+)"', code)
    assert {"open", "pong", "end"} <= set(kinds)
    assert {"url", "direction", "forwarded", "until"} <= set(keys)
    marks = [str(mark.name).lower() for mark in Mark if mark]
    missing = [name for name in (*kinds, *keys, *marks, *Plane) if not re.search(rf"`{name}\b", FRAMES)]
    assert missing == []


def test_the_page_names_the_limits_that_hold() -> None:
    assert f"more than {records.MAX_LINE // 2**20} MiB" in FRAMES
    assert f"| `version` | `{frames.VERSION}`." in FRAMES


def test_the_script_listens_to_every_event_that_is_read_and_the_page_says_what_for() -> None:
    listed = re.search(r"for \(const name of \[(.*?)\]\)", BROWSERS, re.DOTALL)
    assert listed is not None
    assert {f"Network.webSocket{name}" for name in re.findall(r"'(\w+)'", listed[1])} == set(cdp._STEPS)
    rows = "".join(re.findall(r"^\| (`webSocket.*?) \|", BROWSERS, re.MULTILINE))
    assert {f"Network.{name}" for name in re.findall(r"`(\w+)`", rows)} == set(cdp._STEPS)

"""The pages of docs/ say what is true."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inspector.export.html import embedded
from inspector.importers import cdp
from inspector.importers.formats import open_source
from inspector.importers.frames import FramesFile, records
from inspector.importers.frames import file as frames
from inspector.importers.logs.jsonlines import FIELDS
from inspector.model import Closed, Frame, Knows, Mark, Opened, Plane

DOCS = Path(__file__).parents[1] / "docs"
FRAMES = (DOCS / "frames.md").read_text("utf-8")
BROWSERS = (DOCS / "browsers.md").read_text("utf-8")
LOGS = (DOCS / "logs.md").read_text("utf-8")
BOTS = Path(__file__).parent / "e2e" / "clients" / "bots"


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
    knows = [str(each.name).lower() for each in Knows]
    missing = [name for name in (*kinds, *keys, *marks, *knows, *Plane) if not re.search(rf"`{name}\b", FRAMES)]
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


# By the language of their block: the name of its file, and what runs it.
_WRITERS = {
    "python": ("writer.py", [sys.executable]),
    "js": ("writer.mjs", ["node"]),
    "go": ("writer.go", ["go", "run"]),
}


@pytest.mark.parametrize("language", _WRITERS)
def test_the_writers_of_the_page_write_frames(language: str, tmp_path: Path) -> None:
    name, command = _WRITERS[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    code = re.search(rf"^```{language}\n(.*?)^```$", FRAMES, re.MULTILINE | re.DOTALL)
    assert code is not None
    (tmp_path / name).write_text(code[1], "utf-8")
    path = tmp_path / "bot.frames.jsonl"
    with path.open("wb") as out:
        subprocess.run([*command, name], cwd=tmp_path, stdout=out, check=True, timeout=200)
    source = FramesFile(path)
    opened, hello, heartbeat, closed = source
    assert isinstance(opened, Opened)
    assert isinstance(hello, Frame)
    assert isinstance(heartbeat, Frame)
    assert isinstance(closed, Closed)
    assert (hello.from_client, hello.is_text, hello.data[:9]) == (False, True, b'{"op":10,')
    assert (heartbeat.from_client, heartbeat.is_text, heartbeat.data) == (True, False, b'{"op":1,"d":null}')
    assert (closed.code, closed.by, source.notes, source.ended) == (1000, "client", [], True)
    assert opened.at_ns <= hello.at_ns <= closed.at_ns


def test_the_page_on_reports_names_the_limits_that_hold() -> None:
    page = (DOCS / "report.md").read_text("utf-8")
    assert f"more than {embedded.MOST_ROWS:,} rows" in page
    assert f"the first {embedded.FIRST:,}" in page
    assert f"more than {embedded.MOST_BODY // 1000} kB" in page
    assert f"megabytes, {embedded.PAYLOAD_BYTES // 1_000_000} by default" in page


def test_every_link_and_picture_of_a_page_is_there() -> None:
    for path in DOCS.glob("*.md"):
        links = re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8"))
        assert [link for link in links if not (DOCS / link).exists()] == [], path.name


def test_the_json_lines_of_the_page_are_read_as_they_are(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```jsonl\n(.*?)^```$", LOGS, re.MULTILINE | re.DOTALL)
    path = tmp_path / "bot.jsonl"
    path.write_text(example, "utf-8")
    source = open_source(path)
    assert (len(list(source)), source.notes) == (5, [])


def test_every_field_that_a_record_may_have_is_on_the_page() -> None:
    table = LOGS[LOGS.index("| WHAT |") :]
    assert [what for what in FIELDS if f"`{what}`" not in table] == []
    unknown = [what for what in re.findall(r"--map (\w+)=", LOGS) if what not in FIELDS]
    assert unknown == []


def test_bots_that_were_recorded_print_what_the_page_has_people_print() -> None:
    printed = "".join((BOTS / f"{name}_log_bot.cjs").read_text("utf-8") for name in ("discordjs", "eris"))
    lines = "".join(re.findall(r"^```js\n(.*?)^```$", LOGS, re.MULTILINE | re.DOTALL)).splitlines()
    assert len(lines) == 4
    assert [line for line in lines if line not in printed] == []

"""The pages of docs/ say what is true."""

import re
from pathlib import Path

from inspector.importers.formats import open_source
from inspector.importers.frames import FramesFile, records
from inspector.importers.frames import file as frames
from inspector.importers.logs.jsonlines import FIELDS
from inspector.model import Mark, Plane

DOCS = Path(__file__).parents[1] / "docs"
FRAMES = (DOCS / "frames.md").read_text("utf-8")
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
    missing = [name for name in (*kinds, *keys, *marks, *Plane) if not re.search(rf"`{name}\b", FRAMES)]
    assert missing == []


def test_the_page_names_the_limits_that_hold() -> None:
    assert f"more than {records.MAX_LINE // 2**20} MiB" in FRAMES
    assert f"| `version` | `{frames.VERSION}`." in FRAMES


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

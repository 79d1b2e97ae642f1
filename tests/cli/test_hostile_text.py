"""Text that acts on terminals, in every place of every kind of file: no command lets it through in any format.

What is unsafe is listed here once more, and not taken from `inspector.inert`, so that a hole there shows.
"""

import json
import re
import sqlite3
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.io import tnetstring

from inspector.protocol.registry import default
from tests.conversation import HELLO, Conversation, identify, usual
from tests.fuzz.writing import cdp_of
from tests.importers.test_frames import HEADER, written
from tests.importers.test_har import entry, har, message
from tests.proxy.flows import flow_of

SAMPLES = Path(__file__).parents[2] / "sample_captures"
CANARY = "\x1b]0;pwned\x07\x9b31m\u202e\u2028\x1b[38;5;201m\u200b\x7f"
# Controls, line ends, bidi, zero width: raw in no output, whatever it is for.
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
# What may hold a joiner, in a sample.
EMOJI = re.compile("\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466|\U0001f3f3\ufe0f\u200d\U0001f308")
# The colours of a terminal, as we paint them.
PAINT = re.compile(r"\x1b\[(?:0|1|2|3[1-6])(?:;1)?m")

ROWS = (
    ("show",),
    ("show", "--format", "jsonl", "--raw", "--reveal"),
    ("stats",),
    ("stats", "--format", "jsonl"),
    ("diagnose",),
    ("diagnose", "--format", "jsonl"),
    ("diagnose", "--format", "junit"),
)


def check(run, *arguments: str | Path, paints: bool = False) -> None:
    """Run a command and look at every character that it prints."""
    result = run(*arguments)
    for printed in (result.out, result.err):
        printed = EMOJI.sub("", PAINT.sub("", printed) if paints else printed)
        found = RAW.search(printed)
        assert found is None, f"{found[0]!a} in {printed[max(0, found.start() - 80) : found.end() + 40]!a}"
    if "jsonl" in arguments:
        for line in result.out.splitlines():
            json.loads(line)
    if "junit" in arguments and result.out:
        ElementTree.fromstring(result.out)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each text in a value of dicts and lists."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))
    elif isinstance(value, (str, bytes)):
        yield path


def with_canary(value: Any, path: tuple[Any, ...]) -> Any:
    """Return a copy of a value in which the text at `path` has the canary behind it; no path: all of them have."""
    canary: Any
    if isinstance(value, dict):
        return {k: with_canary(v, path[1:]) if not path or path[0] == k else v for k, v in value.items()}
    if isinstance(value, list):
        return [with_canary(v, path[1:]) if not path or path[0] == k else v for k, v in enumerate(value)]
    if isinstance(value, (str, bytes)):
        canary = CANARY if isinstance(value, str) else CANARY.encode()
        return value + canary
    return value


# Captures.


def columns() -> list[tuple[str, str]]:
    with sqlite3.connect(SAMPLES / "voice.gwcap") as db:
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table' order by 1")]
        return [
            (table, name)
            for table in tables
            for _, name, sort, *_ in db.execute(f"pragma table_info({table})")
            if sort.lower() in ("text", "")
        ]


def changed(folder: Path, sample: str, *statements: str) -> Path:
    path = folder / f"{sample}.gwcap"
    path.write_bytes((SAMPLES / f"{sample}.gwcap").read_bytes())
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement, {"canary": CANARY} if ":canary" in statement else {})
    db.close()
    return path


@pytest.mark.parametrize("paints", [False, True], ids=["plain", "coloured"])
@pytest.mark.parametrize("sample", ["login-failure", "voice-4006"])
@pytest.mark.parametrize(("table", "column"), columns())
def test_no_column_of_a_capture_reaches_a_terminal(
    run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str, column: str, sample: str, paints: bool
) -> None:
    path = changed(tmp_path, sample, f"update {table} set {column} = coalesce({column}, '') || :canary")
    if paints:
        monkeypatch.setenv("FORCE_COLOR", "1")
        for command in (("show",), ("stats",), ("diagnose",)):
            check(run, *command, path, paints=True)
        return
    for command in ROWS:
        check(run, *command, path)
    for form in ("text", "csv", "jsonl"):
        check(run, "sql", path, f"select * from {table}", "--format", form)
    check(run, "show", "--decrypt", path)
    check(run, "convert", path, "-o", tmp_path / "new.gwcap")
    check(run, "reindex", path)


@pytest.mark.parametrize(
    "meta",
    [
        {"lost": '{"messages": 1, "connections": 2}', "continues": CANARY},
        {"missing": CANARY},
        {"clock": json.dumps([{"at_ns": CANARY, "by_ns": 1}])},
        {"tool": CANARY, "host": CANARY, "made_by": CANARY, "source": CANARY, "finished_at": CANARY},
    ],
    ids=list,
)
def test_nothing_that_a_capture_says_of_itself_does(run, tmp_path: Path, meta: dict[str, str]) -> None:
    path = changed(tmp_path, "login-failure")
    with sqlite3.connect(path) as db:
        db.executemany("insert or replace into meta values (?, ?)", meta.items())
    db.close()
    for command in ROWS:
        check(run, *command, path)


@pytest.mark.parametrize("table", ["event", "frame", "finding", "name", "meta"])
def test_no_name_in_a_foreign_schema_does(run, tmp_path: Path, table: str) -> None:
    """SQLite quotes the names of tables and columns in what it says."""
    path = changed(
        tmp_path,
        "login-failure",
        f"alter table {table} rename to kept",
        f'create view {table} as select "{CANARY}" from "gone {CANARY}"',
    )
    for command in ROWS:
        check(run, *command, path)
    check(run, "sql", path, f"select * from {table}")
    check(run, "reindex", path)


@pytest.mark.parametrize("form", ["text", "csv", "jsonl"])
def test_nothing_that_sql_is_asked_does(run, tmp_path: Path, form: str) -> None:
    path = changed(
        tmp_path,
        "login-failure",
        f'create table "{CANARY}" ("{CANARY}" text)',
        f'insert into "{CANARY}" values (:canary)',
    )
    check(run, "sql", path, f'select *, 1 as "a{CANARY}" from "{CANARY}"', "--format", form)
    check(run, "sql", path, f'select "{CANARY}" from "{CANARY}"', "--format", form)
    check(run, "sql", path, f'select * from "no {CANARY}"', "--format", form)
    check(run, "sql", path, f"selec {CANARY}", "--format", form)
    check(run, "sql", path, "select * from sqlite_master", "--format", form)
    check(run, "sql", path, "select payload(id) from event", "--format", form)


@pytest.mark.parametrize("command", ROWS, ids=" ".join)
def test_no_message_does(run, command: tuple[str, ...]) -> None:
    check(run, *command, SAMPLES / "hostile.gwcap")


@pytest.mark.parametrize("command", ROWS, ids=" ".join)
def test_no_name_of_a_file_does(run, tmp_path: Path, command: tuple[str, ...]) -> None:
    path = tmp_path / f"a{CANARY}\n.gwcap"
    path.write_bytes((SAMPLES / "login-failure.gwcap").read_bytes())
    other = tmp_path / f"b{CANARY}.har"
    other.write_text(har(entry())[:-40], "utf-8")
    check(run, *command, path, other)
    check(run, *command, tmp_path / f"gone{CANARY}")
    other.write_bytes(b"\x00 nothing that is known")
    check(run, *command, other)


# Other people's files.

HAR = json.loads(
    har(
        entry(
            messages=[
                message('{"op":10,"d":{"heartbeat_interval":41250}}', 0.1),
                message('{"op":0,"s":1,"t":"READY","d":{"user":{"username":"a"},"session_id":"b"}}', 0.2),
                {"type": "error", "time": 1_800_000_001, "data": "broken"},
                {"type": "odd", "time": 1_800_000_001, "data": "broken", "opcode": 1},
            ],
            _webSocketClose={"code": 4004, "reason": "no"},
        ),
        entry(status=403, messages=[], _error="refused"),
    )
)
NO_MESSAGES = json.loads(har({"request": {"url": "https://example.invalid/"}}, creator="Some browser"))
TALK = usual()
EVENTS = cdp_of(Conversation().opens().server(HELLO).client(identify()).closes().happenings)
EVENTS.insert(
    -1, {"method": "Network.webSocketFrameError", "params": {"requestId": "1000.1", "errorMessage": "broken"}}
)
FRAMES = [HEADER, *map(written, TALK.happenings)]
FLOW = flow_of(TALK).get_state()


def cases() -> Iterator[Any]:
    for name, value in (
        ("har", HAR),
        ("empty-har", NO_MESSAGES),
        ("events", EVENTS),
        ("frames", FRAMES),
        ("flow", FLOW),
    ):
        for path in [(), *places(value)]:
            yield pytest.param(name, value, path, id=f"{name}-{'.'.join(map(str, path)) or 'all'}")


def file_of(folder: Path, name: str, value: Any) -> Path:
    path = folder / name
    match name:
        case "flow":
            path.write_bytes(tnetstring.dumps(value))
        case "frames":
            path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in value), "utf-8")
        case _:
            path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
    return path


@pytest.mark.parametrize(("name", "value", "place"), cases())
def test_no_text_of_a_foreign_file_does(run, tmp_path: Path, name: str, value: Any, place: tuple[Any, ...]) -> None:
    path = file_of(tmp_path, name, with_canary(value, place))
    for command in (("show",), ("show", "--format", "jsonl"), ("diagnose",), ("stats",)):
        check(run, *command, path)


@pytest.mark.parametrize("name", ["har", "events", "frames", "flow"])
def test_the_files_are_read_where_they_hold_no_canary(run, tmp_path: Path, name: str) -> None:
    value = {"har": HAR, "events": EVENTS, "frames": FRAMES, "flow": FLOW}[name]
    result = run("show", file_of(tmp_path, name, value), "--format", "jsonl")
    assert {json.loads(line)["kind"] for line in result.out.splitlines()} >= {"open", "payload", "close"}


TABLE = """
[[close_code]]
plane = "gateway"
number = 4014
name = "NAME"
meaning = "MEANING"
cause = "CAUSE"
remedy = "REMEDY"

[[event]]
name = "EVENT"
summary = "SUMMARY"
"""


@pytest.fixture
def fresh_tables() -> Iterator[None]:
    default.cache_clear()
    yield
    default.cache_clear()


@pytest.mark.usefixtures("fresh_tables")
@pytest.mark.parametrize(
    "what", ["NAME", "MEANING", "CAUSE", "REMEDY", "EVENT", "SUMMARY", "close_code", "plane", "gateway", "4014"]
)
def test_no_table_of_the_user_does(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str) -> None:
    path = tmp_path / f"own{CANARY}.toml"
    quoted = json.dumps(what + CANARY).replace("\\u007f", "\x7f")
    path.write_text(TABLE.replace(f'"{what}"', quoted).replace(what, quoted, what in ("close_code", "plane", "4014")))
    monkeypatch.setenv("GWINSPECT_TABLES", str(path))
    for command in ROWS:
        check(run, *command, SAMPLES / "login-failure.gwcap")
    check(run, "explain", "4014")
    check(run, "explain", "EVENT")

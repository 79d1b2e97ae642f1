"""Makes tests/corpus/: ``python -m tests.fuzz.corpus``. One function, one file; its docstring says what the file broke.

All that is in the files is invented.
"""

import json
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import zstandard
from mitmproxy.io import tnetstring

from inspector.protocol.registry import default
from inspector.store.writer import Writer
from tests.conversation import HELLO, Conversation, dispatch, message, usual
from tests.fuzz.writing import flows_of, har_of, record_of

CORPUS = Path(__file__).parents[1] / "corpus"

Recipe = Callable[[], bytes]
RECIPES: dict[str, Recipe] = {}
"""By name of the file."""

_HEADER = """# What once broke

Files that made a command crash, hang, write or print what it must not. tests/test_corpus.py takes each through every
command that reads. Made by `python -m tests.fuzz.corpus`; everything in them is invented.

| file | what it broke |
|---|---|
"""
# Whatever acts on a terminal, or ends a line for some programs.
_ACTIVE = "\x1b]0;owned\x07 \x9b31m \u2028 \u202e \u200b \x7f"


def _makes(name: str) -> Callable[[Recipe], Recipe]:
    def keep(recipe: Recipe) -> Recipe:
        RECIPES[name] = recipe
        return recipe

    return keep


def readme() -> str:
    """Return the README of the folder."""
    rows = (f"| `{name}` | {' '.join((RECIPES[name].__doc__ or '').split())} |\n" for name in sorted(RECIPES))
    return _HEADER + "".join(rows)


def _capture(*statements: str, talk: Conversation | None = None, **values: Any) -> bytes:
    """Return a small capture after some SQL in which `:name` is one of the values."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.gwcap"
        writer = Writer(path, default(), made_by="corpus")
        writer.write(list((talk or usual()).happenings))
        writer.finish()
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("update meta set value = 'x' where key in ('host', 'tool', 'recording')")
            db.execute("update meta set value = '2026-01-31T12:00:00+00:00' where key like '%_at'")
            db.executescript("pragma page_size = 512; vacuum")
            for statement in statements:
                db.execute(statement, {name: value for name, value in values.items() if f":{name}" in statement})
        return path.read_bytes()


def _chunk(data: bytes) -> bytes:
    return _capture("update payload_chunk set data = :data", data=data)


def _frames(talk: Conversation) -> bytes:
    header = {"format": "gwinspect-frames", "version": 1, "tool": "invented", "created_at": "2026-01-31T12:00:00Z"}
    return b"".join(json.dumps(each).encode() + b"\n" for each in [header, *map(record_of, talk.happenings)])


@_makes("trigger.gwcap")
def trigger() -> bytes:
    """`reindex` ran a trigger in the file that deletes the frames, and exited with 0."""
    return _capture("create trigger t after insert on event begin delete from frame; end")


@_makes("endless-view.gwcap")
def endless_view() -> bytes:
    """A view without an end in place of `event` let `show`, `stats` and `diagnose` compute for ever."""
    return _endless("event")


@_makes("endless-connections.gwcap")
def endless_connections() -> bytes:
    """The same in place of `connection`."""
    return _endless("connection")


def _endless(table: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(_capture())
        columns = [row[1] for row in db.execute(f"pragma table_info({table})")]
    endless = "with recursive x(n) as (select 1 union all select n + 1 from x) select n from x"
    listed = ", ".join(f"n as {column}" for column in columns)
    return _capture(f"drop table {table}", f"create view {table} as select {listed} from ({endless})")


@_makes("empty-records.gwcap")
def empty_records() -> bytes:
    """Ten million empty records in a chunk of 11 kB: MemoryError."""
    return _chunk(zstandard.compress(bytes(12 * 10_000_000)))


@_makes("large-record.gwcap")
def large_record() -> bytes:
    """A record of 127 MB in a chunk of 12 kB: 2.6 GB, and a crash of the JSON library."""
    return _chunk(zstandard.compress(struct.pack("<QI", 3, 127_000_000) + bytes(127_000_000)))


@_makes("last-id.gwcap")
def last_id() -> bytes:
    """An event with the largest number there is: `stats` went through all before it."""
    return _capture("update event set id = 9223372036854775807 where id = (select max(id) from event)")


@_makes("evidence-infinite.gwcap")
def evidence_infinite() -> bytes:
    """Evidence that is no row: OverflowError."""
    return _capture("update finding set evidence = '[1e999]'", "update verdict set evidence = '[1e999, {}, []]'")


@_makes("evidence-deep.gwcap")
def evidence_deep() -> bytes:
    """Evidence and headers nested 5,000 deep: RecursionError."""
    deep = "[" * 5000
    return _capture("update finding set evidence = :deep", "update connection set headers = :deep", deep=deep)


@_makes("headers-list.gwcap")
def headers_list() -> bytes:
    """Headers that are a list: AttributeError."""
    return _capture("update connection set headers = '[]'")


@_makes("text-for-numbers.gwcap")
def text_for_numbers() -> bytes:
    """Text where numbers belong: TypeError in sums, times and marks."""
    return _capture(
        "update event set wire_bytes = 'many', marks = 'some', latency = 'x'",
        "update connection set opened_at = 'noon', close_code = 'x', status = x'00'",
    )


@_makes("frames-of-text.gwcap")
def frames_of_text() -> bytes:
    """Frames that are text or numbers, not bytes: TypeError and AttributeError."""
    return _capture("update frame set raw = 'text' where id % 2 = 0", "update frame set raw = 7 where id % 3 = 0")


@_makes("not-utf8.gwcap")
def not_utf8() -> bytes:
    """A table whose name is not UTF-8: SQLite's own error text raised UnicodeDecodeError."""
    data = _capture("alter table event rename to eventXXXX")
    return data.replace(b"eventXXXX", b"event\xff\xfe\x9b\x1b")


@_makes("write-ahead.gwcap")
def write_ahead() -> bytes:
    """A main file that was copied while it was written, alone: readers left a -wal and a -shm beside it."""
    data = bytearray(_capture())
    data[18:20] = b"\2\2"
    return bytes(data)


@_makes("closed-by-escape.gwcap")
def closed_by_escape() -> bytes:
    """Escapes in `closed_by` and other short texts: they reached the terminal."""
    names = ("closed_by", "close_reason", "encoding", "compression", "client", "session", "shard", "dave")
    return _capture("update connection set " + ", ".join(f"{name} = :text" for name in names), text=_ACTIVE)


@_makes("deep-payload.gwcap")
def deep_payload() -> bytes:
    """A payload nested 100,000 deep in a chunk: RecursionError."""
    data = b'{"op":0,"d":' + b"[" * 100_000 + b"]" * 100_000 + b',"t":"X","s":9}'
    return _chunk(zstandard.compress(struct.pack("<QI", 5, len(data)) + data))


@_makes("large-ids.frames.jsonl")
def large_ids() -> bytes:
    """Ids of 64 bits and more: OverflowError when they were stored, named or filtered by, and the proxy ended."""
    talk = Conversation().opens().server(HELLO)
    for seq, number in enumerate((2**63, 2**64 - 1, 2**64, 10**40, -1), 1):
        talk.server(dispatch("MESSAGE_CREATE", {"id": number, "guild_id": number, "channel_id": str(number)}, seq))
        talk.client({"op": 4, "d": {"guild_id": number, "channel_id": number}})
    return _frames(talk.closes())


@_makes("separators.frames.jsonl")
def separators() -> bytes:
    """Line separators, C1, bidi and zero-width characters in a message: raw in JSON lines."""
    return _frames(Conversation().opens().server(HELLO).server(message(_ACTIVE)).closes(4000, _ACTIVE))


@_makes("error-message.har")
def error_message() -> bytes:
    """What a browser noted as an error: its escapes reached the terminal."""
    return _har(
        lambda entry: entry["_webSocketMessages"].append({"type": "error", "time": 1, "opcode": -1, "data": _ACTIVE})
    )


@_makes("creator.har")
def creator() -> bytes:
    """A creator with escapes in its name, in a HAR without WebSockets: they reached the terminal."""
    return json.dumps({"log": {"creator": {"name": _ACTIVE, "version": [_ACTIVE]}, "entries": [{}]}}).encode()


def _har(change: Callable[[Any], None]) -> bytes:
    tree = har_of(usual().happenings, "WebInspector")
    change(tree["log"]["entries"][0])
    return json.dumps(tree).encode()


@_makes("unknown-type.mitm")
def unknown_type() -> bytes:
    """A flow of an unknown type with escapes in its name: they reached the terminal."""
    return b"".join(_flows(lambda state: state | {"type": _ACTIVE}))


@_makes("wrong-type.mitm")
def wrong_type() -> bytes:
    """A field of a wrong type: the sentence named classes of Python."""
    return b"".join(_flows(lambda state: state | {"client_conn": state["client_conn"] | {"alpn_offers": "h2"}}))


def _flows(change: Callable[[Any], Any]) -> Iterator[bytes]:
    for state in flows_of(usual().happenings):
        yield tnetstring.dumps(change(state))


def main() -> None:
    """Write all of it."""
    CORPUS.mkdir(exist_ok=True)
    for name, recipe in RECIPES.items():
        (CORPUS / name).write_bytes(recipe())
    (CORPUS / "README.md").write_text(readme(), "utf-8")


if __name__ == "__main__":
    main()

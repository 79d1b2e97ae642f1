"""What each field means, on one recording that has everything; and that nothing in a filter reaches SQLite as SQL."""

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Mark, Plane
from inspector.protocol.registry import default
from inspector.query.fields import FIELDS
from inspector.query.grammar import parse
from inspector.query.search import Search
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import (
    ACK,
    DIALECTS,
    HEARTBEAT,
    HELLO,
    NOON,
    Conversation,
    dispatch,
    identify,
    message,
    ready,
    usual,
)  # fmt: skip
from tests.fed import fed

REGISTRY = default()
GUILD = 1180000000000000042


def happenings() -> list:
    talk = Conversation()
    talk.opens().server(HELLO).client(identify(shard=[1, 2])).server(ready())  # 1 to 4
    talk.server(dispatch("GUILD_CREATE", {"id": str(GUILD), "name": "Test Guild"}, 2))  # 5
    talk.client(HEARTBEAT).server(ACK).server(message("Good morning ")).pings()  # 6 to 9
    talk.injected(dispatch("MESSAGE_DELETE", {"id": "1", "guild_id": str(GUILD)}, 4)).junk(b"{nonsense")  # 10, 11
    talk.client({"op": 97, "d": {"x": 1}}).closes(4009, "Session timed out.", "server")  # 12, 13
    voice = Conversation(
        plane=Plane.VOICE, url="wss://c-fra01.discord.media:2053/?v=8", connection=2, at_ns=NOON + 10**10
    )
    voice.opens().server({"op": 8, "d": {"v": 8, "heartbeat_interval": 13750}})  # 14, 15
    voice.client({"op": 3, "d": {"t": 5, "seq_ack": 1}}).frame(b"\0\7\x1b" + bytes(20))  # 16, 17
    voice.closes(1000, "", "client")  # 18
    refused = Conversation(url="wss://gateway.discord.gg/?v=9&encoding=etf", connection=3, at_ns=NOON + 2 * 10**10)
    refused.opens(status=403, refusal="the server said no")  # 19
    return [*talk.happenings, *voice.happenings, *refused.happenings]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = tmp_path_factory.mktemp("captures") / "all.gwcap"
    writer = Writer(path, REGISTRY, made_by="test")
    writer.write(happenings())
    writer.finish()
    reader = Reader(path)
    yield reader
    reader.close()


def numbers(reader: Reader, text: str) -> list[int]:
    search = Search(parse(text, REGISTRY), REGISTRY)
    return [number for step in search.numbers(reader, 0, reader.last()) for number in step.found]


ALL = list(range(1, 20))
MEANINGS: dict[str, list[int]] = {
    "": ALL,
    "op == 1": [6],
    "op == heartbeat": [6, 16],
    "op == Heartbeat": [6, 16],
    "op == 'heartbeat ack' and plane == gateway": [7],
    "op in (hello, 97)": [2, 12, 15],
    "op >= 10": [2, 7, 12, 17],
    "op == null and kind == payload": [],
    "event == message_create": [8],
    "event =~ MESSAGE_*": [8, 10],
    "event =~ delete": [10],
    "event =~ *_?REATE": [5, 8],
    "event =~ /^(GUILD|MESSAGE)_CREATE$/": [5, 8],
    "event !~ MESSAGE_*": [4, 5, 9],
    "event != null": [4, 5, 8, 9, 10],
    "dir == send": [3, 6, 9, 12, 16, 18],
    "direction == receive and plane == voice": [15, 17],
    "kind in (open, close)": [1, 13, 14, 18, 19],
    "conn == 2": [14, 15, 16, 17, 18],
    "conn != 1": [14, 15, 16, 17, 18, 19],
    "n >= 18": [18, 19],
    "n in (1, 3)": [1, 3],
    "seq > 2": [8, 10, 17],
    "bytes == 0": [1, 13, 14, 18, 19],
    "decoded > 1k": [],
    "wire > 150": [3, 8],
    "encoding == binary": [17],
    "compression == null": [14, 15, 16, 17, 18, 19],
    f"guild == {GUILD}": [5, 10],
    "guild > 1180000000000000000": [5, 10],
    "channel == 1180000000000000050": [8],
    "user == 1180000000000000002": [8],
    "close == 4009": [13],
    "close == session_timed_out": [13],
    "close < 4000": [18],
    "close == null and kind == close": [],
    "by == server": [13],
    "by == client": [18],
    "reason =~ TIMED": [13],
    "reason == 'session timed out.'": [13],
    "reason == not-json": [11],
    "note =~ after*": [4, 7],
    "rule == changed-by-proxy": [10],
    "rule =~ undecod*": [11],
    "answers == 6": [7],
    "latency > 5": [4, 7],
    "session == null": [14, 15, 16, 17, 18, 19],
    "shard == 1/2 and kind == open": [1],
    "host == gateway.discord.gg and kind == open": [1, 19],
    "host == c-fra01.discord.media:2053 and kind == open": [14],
    "host =~ *.media*": [14, 15, 16, 17, 18],
    "url =~ *encoding?etf": [19],
    'url =~ "*v=9*"': [19],
    "url =~ /v.9/": [19],
    "client =~ 127.*": ALL,
    "mark == injected": [10],
    "mark == redacted": [3, 4, 11, 17],
    "mark != redacted and mark != null": [10],
    "finding >= warn": [10, 11, 13, 19],
    "finding == error": [11, 13, 19],
    "finding < error": [10, 12, 16, 17],
    "finding == null": [n for n in ALL if n not in (10, 11, 12, 13, 16, 17, 19)],
    "not finding >= warn": [n for n in ALL if n not in (10, 11, 13, 19)],
    "time < +20ms": [1, 2],
    "time >= +10s and conn != 3": [14, 15, 16, 17, 18],
    "time == 2026-01-31T12:00:20Z": [19],
    "time == 2026-01-31T12:00Z": ALL,
    "time != 2026-01-31T12:00:00Z": [14, 15, 16, 17, 18, 19],
    "d.heartbeat_interval": [2, 15],
    "d.heartbeat_interval > 20k": [2],
    "d == 2": [6],
    "d == null": [],
    "d.id == 1 or d.x == 1": [10, 12],
    "d.shard.1 == 2": [3],
    "d.author.username =~ A?A": [8],
    "'good morning '": [8],
    "Good": [8],
    "GOOD": [],
    "heartbeat and kind == payload and op < 20": [2, 6, 7, 15, 16],
    "timed": [13],
    "discord.media": [14],
    "'said no'": [19],
    "session_timed_out": [13],
    "not (kind == payload or kind == control)": [1, 11, 13, 14, 18, 19],
    "op == 1 or op == 11 and not dir == send": [6, 7],
    "(op == 1 or op == 11) and not dir == send": [7],
}


@pytest.mark.parametrize("text", MEANINGS)
def test_a_filter_finds_the_rows_that_it_should(reader: Reader, text: str) -> None:
    assert numbers(reader, text) == MEANINGS[text]


def test_every_field_is_tried_above() -> None:
    tried = {word for text in MEANINGS for word in re.findall(r"[a-z]+", text)}
    assert {field.name for field in FIELDS} <= tried


@pytest.mark.parametrize("text", MEANINGS)
def test_a_filter_and_its_opposite_part_all_rows(reader: Reader, text: str) -> None:
    if text:
        assert sorted(numbers(reader, text) + numbers(reader, f"not ({text})")) == ALL


def test_what_the_proxy_did_later_is_found(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.gwcap", REGISTRY, made_by="test")
    writer.write(usual().happenings)
    writer.amend(2, Mark.DROPPED, None)
    writer.finish()
    assert numbers(Reader(tmp_path / "a.gwcap"), "mark == dropped and finding == warn") == [2]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_no_value_of_any_field_becomes_sql(reader: Reader, field) -> None:
    if field.type == "text":
        for value in ("' or 1=1 --", '"); drop table event; --', "?1", ":a", "\0", "%_[a-z]", "é'"):
            for operator in ("==", "=~"):
                quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
                assert numbers(reader, f"{field.name} {operator} {quoted}") == []


def test_filters_at_the_limits_of_the_language_are_within_those_of_sqlite(reader: Reader) -> None:
    deep = "finding >= warn"
    for turn in range(6):
        deep = f"(e or not {deep})" if turn % 2 else f"(op == heartbeat and (e or not {deep}))"
    for text in (
        "not " * 19 + "a",
        "(" * 19 + "finding >= warn" + ")" * 19,
        deep,
        " or ".join(["e"] * 99),
        " or ".join(["op == heartbeat"] * 99),
        "n in (" + ", ".join(map(str, range(500))) + ")",
        "op in (" + ", ".join(["hello"] * 400) + ")",
        "not (" + " and ".join(["note !~ e*e*e"] * 99) + ")",
    ):
        numbers(reader, text)


def test_a_name_with_a_million_letters_takes_little_time(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.gwcap", REGISTRY, made_by="test")
    writer.write(Conversation().opens().server(HELLO).server(dispatch("a" * 1_000_000, {}, 1)).happenings)
    writer.finish()
    reader = Reader(tmp_path / "a.gwcap")
    began = time.perf_counter()
    for text in ("event =~ *a*a*a*a*b", "event =~ /(a*)*b/", "event =~ *b", "event =~ a?a", "aaaab"):
        assert numbers(reader, text) == []
    assert time.perf_counter() - began < 2


TERMS = st.sampled_from([text for text in MEANINGS if text and " and " not in text and " or " not in text])
FILTERS = st.recursive(
    TERMS,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner) | st.builds("not {}".format, inner)
    ),
    max_leaves=5,
)


@given(FILTERS, st.sampled_from(DIALECTS))
def test_a_capture_and_single_rows_agree_in_every_dialect(
    captures: dict[tuple[str, str], Reader], text: str, dialect: tuple[str, str]
) -> None:
    reader = captures[dialect]
    found = numbers(reader, text)
    # Rows as an import has them: with connections as far as they are known by then, here at the end.
    single = Search(parse(text, REGISTRY), REGISTRY)
    made = fed(usual(*dialect).happenings)
    assert found == [event.n for event in made.rows if single.matches(event, made.changed[event.connection])]
    steps = list(Search(parse(text, REGISTRY), REGISTRY).backwards(reader, reader.last() + 1))
    assert [n for step in reversed(steps) for n in step.found] == found


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Reader]]:
    folder = tmp_path_factory.mktemp("dialects")
    readers = {}
    for dialect in DIALECTS:
        path = folder / f"{'-'.join(dialect)}.gwcap"
        # The pipeline alone masks nothing.
        writer = Writer(path, REGISTRY, made_by="test", keep_secrets=True)
        writer.write(usual(*dialect).happenings)
        writer.finish()
        readers[dialect] = Reader(path)
    yield readers
    for reader in readers.values():
        reader.close()


def test_ids_in_slices_of_any_size_are_found_once(captures: dict[tuple[str, str], Reader]) -> None:
    reader = next(iter(captures.values()))
    search = Search(parse("dir == receive", REGISTRY), REGISTRY)
    whole = [n for step in search.numbers(reader, 0, reader.last()) for n in step.found]
    dice = random.Random(1)
    for _ in range(20):
        cut = dice.randrange(reader.last() + 1)
        parts = [*search.numbers(reader, 0, cut), *search.numbers(reader, cut, reader.last())]
        assert [n for step in parts for n in step.found] == whole

"""The commands that are a few lines each."""

import json
import sqlite3
from pathlib import Path

from .conftest import TOKEN


def test_sql_prints_a_table(run, capture: Path) -> None:
    out = run("sql", capture, "select kind, count(*) as rows from event group by 1 order by 2 desc, 1").out
    assert out.splitlines() == ["kind     rows", "payload  4", "close    1", "open     1"]


def test_sql_reads_payloads_with_secrets_masked(run, capture: Path) -> None:
    query = "select payload(id) ->> '$.token' as token from event where op = 2"
    masked, revealed = (
        json.loads(run("sql", capture, query, "--format", "jsonl", *more).out)["token"] for more in ((), ("--reveal",))
    )
    assert masked.startswith("••••")
    # The recorder had masked it already: there is nothing left to reveal.
    assert revealed.startswith("masked-")


def test_sql_cannot_write(run, capture: Path) -> None:
    result = run("sql", capture, "delete from event")
    assert result.code == 2
    assert "does not run: delete" in result.err


def test_reindex_restores_rows_that_were_lost(run, capture: Path) -> None:
    before = run("show", capture, "--format", "jsonl").out
    with sqlite3.connect(capture) as db:
        db.execute("delete from event where id > 2")
        db.execute("delete from payload_chunk")
    assert "has 6 events" in run("reindex", capture).err
    assert run("show", capture, "--format", "jsonl").out == before


def test_addon_prints_a_file_that_mitmproxy_can_load(run) -> None:
    path = Path(run("addon").out.strip())
    assert "addons = all_addons()" in path.read_text()


def test_explain_takes_a_topic_of_several_words_or_several_topics(run) -> None:
    assert run("explain", "voice", "4006").out.startswith("4006 Session no longer valid")
    both = run("explain", "4004", "4005").out
    assert "4004 Authentication failed" in both
    assert "4005 Already authenticated" in both


def test_nothing_that_was_recorded_can_reach_the_terminal(run, capture: Path) -> None:
    assert TOKEN not in capture.read_bytes().decode("latin-1")

"""What `gwinspect stats` prints, and that it agrees with what `show` prints of the same rows."""

import json
import re
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from inspector.protocol.registry import default
from inspector.store.writer import Writer
from sample_captures.make import HERE, SAMPLES
from tests.cli.conftest import Run

KINDS = ["capture", "connection", "opcode", "round-trips", "media", "rule"]


def sample(name: str) -> Path:
    return HERE / f"{name}.gwcap"


def records(run: Run, *arguments: str | Path) -> list[dict]:
    result = run("stats", *arguments, "--format", "jsonl")
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


@pytest.fixture
def har(tmp_path: Path) -> Path:
    messages = [
        {"type": "receive", "time": 1769860800.1, "opcode": 1, "data": '{"op":10,"d":{"heartbeat_interval":41250}}'},
        {"type": "send", "time": 1769860800.2, "opcode": 1, "data": '{"op":1,"d":null}'},
        {"type": "receive", "time": 1769860800.25, "opcode": 1, "data": '{"op":11}'},
    ]
    entry = {
        "_resourceType": "websocket",
        "startedDateTime": "2026-01-31T12:00:00.000Z",
        "time": 1000,
        "request": {"method": "GET", "url": "wss://gateway.discord.gg/?v=10&encoding=json", "headers": []},
        "response": {"status": 101, "headers": []},
        "_webSocketMessages": messages,
    }
    path = tmp_path / "browser.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": [entry]}}))
    return path


@pytest.mark.parametrize("where", ["", "dir == receive and op != heartbeat_ack"])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_numbers_are_those_of_the_rows_that_show_prints(run: Run, name: str, where: str) -> None:
    shown = run("show", sample(name), "--format", "jsonl", "--where", where).out
    # Not by `splitlines`: names hold other signs that end a line.
    rows = [json.loads(line) for line in shown.split("\n") if line]
    messages = [row for row in rows if row["kind"] not in ("open", "close")]
    found = records(run, sample(name), "--where", where)
    whole = found[0]
    assert whole["rows"] == len(rows)
    for way in ("send", "receive"):
        same = [row for row in messages if row["direction"] == way]
        assert whole[way]["messages"] == len(same)
        assert whole[way]["wire_bytes"] == sum(row["wire_bytes"] for row in same)
        assert whole[way]["decoded_bytes"] == sum(row["decoded_bytes"] for row in same)
    opcodes = [record for record in found if record["kind"] == "opcode"]
    keys = ("plane", "direction", "op", "event")
    assert {tuple(record[key] for key in keys): record["count"] for record in opcodes} == Counter(
        tuple(row[key] for key in keys) for row in messages
    )
    connections = {record["connection"]: record["rows"] for record in found if record["kind"] == "connection"}
    assert connections == Counter(row["connection"] for row in rows)
    rules = Counter(finding["rule"] for row in rows for finding in row["findings"])
    assert Counter({record["rule"]: 0 for record in found if record["kind"] == "rule"}) + rules == rules
    assert sum(record["count"] for record in found if record["kind"] == "rule") == rules.total()


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_print_tables(run: Run, name: str) -> None:
    result = run("stats", sample(name))
    assert (result.code, result.err) == (0, "")
    head, *rest = result.out.splitlines()
    assert head == str(sample(name))
    assert "Opcodes and events" in rest
    assert "\x1b" not in result.out


def test_records_come_in_the_order_of_kinds_with_their_path(run: Run) -> None:
    found = records(run, sample("resume"))
    assert [*dict.fromkeys(record["kind"] for record in found)] == [kind for kind in KINDS if kind != "media"]
    assert {record["capture"] for record in found} == {str(sample("resume"))}


def test_several_captures_are_counted_one_by_one(run: Run, capture: Path) -> None:
    whole = [record for record in records(run, sample("resume"), capture) if record["kind"] == "capture"]
    assert [record["capture"] for record in whole] == [str(sample("resume")), str(capture)]
    assert [record["rows"] for record in whole] == [22, 6]
    text = run("stats", sample("resume"), capture).out
    assert f"\n\n{capture}\n" in text


def test_other_formats_are_imported_once(run: Run, har: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = records(run, har)
    assert found == records(run, har)
    assert found[0]["capture"] == str(har)
    (trips,) = (record for record in found if record["kind"] == "round-trips")
    assert (trips["sent"], trips["unanswered"], trips["max_ms"]) == (1, 0, 50.0)


def test_names_are_ordered_as_asked(run: Run) -> None:
    def sizes(*arguments: str) -> list[int]:
        found = records(run, sample("resume"), *arguments)
        return [record["wire_bytes"] for record in found if record["kind"] == "opcode"]

    assert sizes("--by", "bytes") == sorted(sizes(), reverse=True) != sizes()


def test_tables_have_as_many_lines_as_asked(run: Run) -> None:
    assert (
        "and 10 more names with 13 messages; --limit 0 shows all" in run("stats", sample("resume"), "--limit", "1").out
    )
    assert "more name" not in run("stats", sample("voice"), "--limit", "0").out


def test_what_passes_nothing_is_no_failure(run: Run, capture: Path) -> None:
    result = run("stats", capture, "--where", "event == NOTHING")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [str(capture), "  0 connections, 0 sessions, 0 rows (filtered)"]


def test_an_empty_capture_is_no_failure(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty.gwcap"
    Writer(path, default(), made_by="test").finish()
    assert run("stats", path).code == 0
    (record,) = records(run, path)
    assert (record["rows"], record["began_at"], record["send"]["ratio"]) == (0, None, None)


def test_a_wrong_filter_is_shown_with_its_place_and_nothing_is_printed(run: Run, capture: Path) -> None:
    result = run("stats", capture, "--where", "evnt == READY")
    assert (result.code, result.out) == (2, "")
    assert "there is no field 'evnt'; did you mean event?" in result.err


def test_what_was_not_decoded_is_noted_beside_the_data(run: Run, tmp_path: Path, capture: Path) -> None:
    with sqlite3.connect(capture) as db:
        db.execute("update connection set unread_frames = 3, unread_bytes = 900")
    result = run("stats", capture, "--format", "jsonl")
    assert "connection 1: 3 messages (900 bytes)" in result.err
    assert all(json.loads(line) for line in result.out.splitlines())


def test_a_terminal_without_our_signs_gets_ascii(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.cli.stats.ascii_only", lambda: True)
    assert run("stats", sample("resume")).out.isascii()


def test_a_terminal_decides_about_colour_and_width(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("inspector.cli.streams._Stdout.isatty", lambda self: True)
    out = run("stats", sample("resume")).out
    plain = re.sub(r"\x1b\[\d*m", "", out)
    assert plain != out
    assert max(map(len, plain.splitlines())) <= 80

import json
from pathlib import Path

import pytest

from inspector.store.reader import Reader

from .conftest import TOKEN, URL


@pytest.fixture
def har(tmp_path: Path) -> Path:
    says = [
        ("receive", '{"op":10,"d":{"heartbeat_interval":41250}}'),
        ("send", json.dumps({"op": 2, "d": {"token": TOKEN, "intents": 1}})),
    ]
    messages = [
        {"type": kind, "time": 1769860800.5 + i, "opcode": 1, "data": data} for i, (kind, data) in enumerate(says)
    ]
    request = {"method": "GET", "url": URL, "headers": []}
    entry = {
        "startedDateTime": "2026-01-31T12:00:00.000Z",
        "request": request,
        "response": {"status": 101, "statusText": "", "headers": []},
        "_webSocketMessages": messages,
    }
    path = tmp_path / "traffic.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "creator": {"name": "invented"}, "entries": [entry]}}))
    return path


def rows(run, path: Path) -> list[dict]:
    return [json.loads(line) for line in run("show", path, "--format", "jsonl").out.splitlines()]


def test_a_converted_file_shows_the_same_rows(run, har: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.gwcap"
    assert run("convert", har, "-o", output).code == 0
    assert rows(run, output) == rows(run, har)


def test_several_files_become_one_with_connections_of_their_own(run, har: Path, capture: Path, tmp_path: Path) -> None:
    output = tmp_path / "both.gwcap"
    result = run("convert", capture, har, "-o", output)
    assert "10 events of 2 connections" in result.err
    found = rows(run, output)
    assert [row["at"] for row in found] == sorted(row["at"] for row in found)
    assert sorted(row["connection"] for row in found) == [1] * 6 + [2] * 4


def test_tokens_are_masked_in_the_file_itself(run, har: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.gwcap"
    run("convert", har, "-o", output)
    assert TOKEN.encode() not in output.read_bytes()


def test_an_existing_file_is_not_replaced_unasked(run, har: Path, capture: Path) -> None:
    before = capture.read_bytes()
    result = run("convert", har, "-o", capture)
    assert (result.code, capture.read_bytes()) == (2, before)
    assert run("convert", har, "-o", capture, "--force").code == 0
    assert Reader(capture).last() == 4


def test_a_file_without_a_gateway_fails_and_says_why(run, har: Path, tmp_path: Path) -> None:
    har.write_text(har.read_text().replace("gateway.discord.gg", "chat.example").replace("?v=10&encoding=json", ""))
    result = run("convert", har, "-o", tmp_path / "out.gwcap")
    assert result.code == 2
    assert "no gateway WebSocket in it" in result.err
    assert not list(tmp_path.glob("out.gwcap*"))

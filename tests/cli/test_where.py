import json
from pathlib import Path

import pytest

SAMPLES = Path("sample_captures")


def numbers(result) -> list[int]:
    assert result.code == 0, result.err
    return [json.loads(line)["n"] for line in result.out.splitlines()]


def test_only_rows_that_pass_are_printed(run, capture: Path) -> None:
    assert numbers(run("show", capture, "--format", "jsonl", "--where", "dir == send")) == [3, 5]


def test_text_has_the_same_rows(run, capture: Path) -> None:
    day, *lines = run("show", capture, "--where", "close == 4014").out.splitlines()
    assert day == "2026-01-31 UTC"
    assert "close 4014" in " ".join(lines[0].split())


def test_no_filter_and_an_empty_one_print_everything(run, capture: Path) -> None:
    assert run("show", capture, "--where", " ").out == run("show", capture).out


def test_the_limit_counts_rows_that_pass(run, capture: Path) -> None:
    result = run("show", capture, "--format", "jsonl", "--where", "dir == receive", "--limit", "2")
    assert numbers(result) == [4, 6]
    assert "showing the last 2 of 3 events" in result.err


def test_following_prints_the_same(run, capture: Path) -> None:
    where = "op == heartbeat or d.intents == 33280"
    assert numbers(run("show", capture, "--follow", "--format", "jsonl", "--where", where)) == [3, 5]
    assert numbers(run("show", capture, "--format", "jsonl", "--where", where)) == [3, 5]


@pytest.mark.parametrize("where", ["dir == send", "d.content", "heartbeat", "finding >= warn", "time >= +100ms"])
def test_rows_that_follow_each_other_or_not_come_in_order(run, where: str) -> None:
    found = numbers(run("show", SAMPLES / "resume.gwcap", "--format", "jsonl", "--where", where))
    assert found == sorted(set(found))
    followed = run("show", SAMPLES / "resume.gwcap", "--follow", "--format", "jsonl", "--where", where)
    assert numbers(followed) == found


def test_other_formats_are_filtered_while_they_are_read(run, tmp_path: Path) -> None:
    messages = [
        {"type": "receive", "time": 1769860800.1, "opcode": 1, "data": '{"op":10,"d":{"heartbeat_interval":41250}}'},
        {"type": "send", "time": 1769860800.2, "opcode": 1, "data": '{"op":1,"d":null}'},
    ]
    entry = {
        "_resourceType": "websocket",
        "startedDateTime": "2026-01-31T12:00:00.000Z",
        "time": 1000,
        "request": {"method": "GET", "url": "wss://gateway.discord.gg/?v=10&encoding=json", "headers": []},
        "response": {"status": 101, "headers": []},
        "_webSocketMessages": messages,
    }
    har = tmp_path / "browser.har"
    har.write_text(json.dumps({"log": {"version": "1.2", "entries": [entry]}}))
    everything = [json.loads(line) for line in run("show", har, "--format", "jsonl").out.splitlines()]
    result = run("show", har, "--format", "jsonl", "--where", "op == heartbeat and host == gateway.discord.gg")
    assert numbers(result) == [row["n"] for row in everything if row["op"] == 1] != []


def test_a_wrong_filter_is_shown_with_its_place_and_nothing_is_printed(run, capture: Path) -> None:
    result = run("show", capture, "--where", "dir == send and evnt == READY")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines() == [
        "dir == send and evnt == READY",
        "                ^^^^",
        "gwinspect: the filter is wrong at column 17: there is no field 'evnt'; did you mean event?",
    ]


def test_a_hostile_filter_is_inert_on_the_terminal(run, capture: Path) -> None:
    result = run("show", capture, "--where", "a \x1b[31m\u202e == 1")
    assert result.code == 2
    assert "\x1b" not in result.err
    assert "\u202e" not in result.err

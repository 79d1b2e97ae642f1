import json
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.io import tnetstring

from inspector.importers.merge import Input
from inspector.model import Event
from inspector.store.reader import Reader
from tests.conversation import HELLO, Conversation, identify
from tests.fuzz.writing import flows_of, record_of
from tests.importers.test_frames import HEADER, OPEN, SAID

from .conftest import TOKEN


def test_the_timeline_has_a_line_a_row(run, capture: Path) -> None:
    result = run("show", capture)
    assert (result.code, result.err) == (0, "")
    day, opened, hello, *_ = result.out.splitlines()
    assert day == "2026-01-31 UTC"
    assert opened.split()[:5] == ["1", "12:00:00.000", "#1", "●", "open"]
    assert hello.split()[:7] == ["2", "12:00:00.007", "+7", "ms", "#1", "◀", "receive"]
    assert hello.endswith("heartbeat every 41.25 s")


def test_a_close_is_explained(run, capture: Path) -> None:
    text = " ".join(run("show", capture).out.split())
    assert "✕ server close 4014" in text
    assert "privileged intent" in text
    assert "reconnect: no, fix it first" in text


def test_text_is_plain_when_piped(run, capture: Path) -> None:
    assert "\x1b" not in run("show", capture).out


def test_secrets_are_masked(run, capture: Path) -> None:
    for output_format in ("text", "jsonl"):
        assert TOKEN not in run("show", capture, "--format", output_format).out


def test_json_lines_are_one_object_each(run, capture: Path) -> None:
    objects = [json.loads(line) for line in run("show", capture, "--format", "jsonl").out.splitlines()]
    assert [one["kind"] for one in objects] == ["open", "payload", "payload", "payload", "payload", "close"]
    assert [one["n"] for one in objects] == [1, 2, 3, 4, 5, 6]
    assert objects[3]["summary"] == "after 7 ms"
    assert objects[5]["close"]["code"] == 4014


def test_a_limit_takes_the_last_and_says_so(run, capture: Path) -> None:
    result = run("show", capture, "--limit", "2", "--format", "jsonl")
    assert [json.loads(line)["n"] for line in result.out.splitlines()] == [5, 6]
    assert "showing the last 2 of 6 events; --limit 0 shows all" in result.err


@pytest.mark.parametrize("where", ["", "n > 0"])
def test_of_rows_before_the_last_none_is_read(run, capture: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long recording has a million; a terminal shows 500."""
    read: list[int] = []
    events = Reader.events

    def watched(self: Reader, *args: Any, **kwargs: Any) -> list[Event]:
        found = events(self, *args, **kwargs)
        read.extend(event.n for event in found)
        return found

    monkeypatch.setattr(Reader, "events", watched)
    result = run("show", capture, "--limit", "2", "--where", where)
    assert read == [5, 6]
    assert "showing the last 2 of 6 events" in result.err


def test_a_limit_beyond_all_rows_shows_them_all(run, capture: Path) -> None:
    for limit in ("6", "7", "9" * 20):
        result = run("show", capture, "--limit", limit)
        assert result.out == run("show", capture).out
        assert result.err == ""


def test_raw_adds_the_frames(run, capture: Path) -> None:
    hello = json.loads(run("show", capture, "--format", "jsonl", "--raw").out.splitlines()[1])
    assert hello["raw"] == "eyJvcCI6MTAsImQiOnsiaGVhcnRiZWF0X2ludGVydmFsIjo0MTI1MH0sInMiOm51bGwsInQiOm51bGx9"


def test_following_ends_with_the_recording(run, capture: Path) -> None:
    assert run("show", "--follow", capture).out == run("show", capture).out


def test_several_captures_are_one_timeline(run, capture: Path) -> None:
    twice = run("show", capture, capture, "--duplicates", "--format", "jsonl")
    rows = [json.loads(line) for line in twice.out.splitlines()]
    assert [row["n"] for row in rows] == list(range(1, 13))
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert sorted(row["connection"] for row in rows) == [1] * 6 + [2] * 6


@pytest.mark.parametrize("output_format", ["text", "jsonl"])
def test_a_file_of_another_program_reads_as_the_capture_made_of_it(run, tmp_path: Path, output_format: str) -> None:
    """What became known of a row later, as what the client did after a close, is there too."""
    path = tmp_path / "resume.frames.jsonl"
    sample = Input(Path("sample_captures/resume.gwcap"))
    records = [HEADER, *map(record_of, sample.happenings())]
    sample.close()
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    made = tmp_path / "made.gwcap"
    assert run("convert", path, "-o", made).code == 0
    wanted = run("show", made, "--format", output_format)
    for _ in range(2):
        assert run("show", path, "--format", output_format) == wanted
    assert "It resumed 18 ms later" in " ".join(wanted.out.split())
    told = run("diagnose", path).out
    assert told.partition("\n")[2] == run("diagnose", made).out.partition("\n")[2]
    assert told.startswith("resume.frames.jsonl ")


def test_what_was_noted_of_a_file_is_said_each_time(run, tmp_path: Path) -> None:
    path = tmp_path / "cut.frames.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in (HEADER, OPEN, SAID)) + '{"kind":"mess')
    for command in ("show", "stats", "diagnose"):
        for _ in range(2):
            assert "cut.frames.jsonl ends in the middle of line 4" in run(command, path).err


def test_secrets_of_another_program_s_file_are_shown_if_that_is_asked_for_and_kept_by_nobody(
    run, tmp_path: Path
) -> None:
    path = tmp_path / "bot.frames.jsonl"
    talk = Conversation().opens().server(HELLO).client(identify())
    path.write_text("".join(json.dumps(record) + "\n" for record in (HEADER, *map(record_of, talk.happenings))))
    assert TOKEN not in run("show", path).out
    assert TOKEN in run("show", path, "--reveal", "--format", "jsonl").out
    assert TOKEN in run("sql", path, "select payload(3)", "--reveal").out
    assert not any(TOKEN.encode() in kept.read_bytes() for kept in (tmp_path / "cache").rglob("*") if kept.is_file())


def test_packets_of_a_call_are_listed_and_opened_if_that_is_asked_for(run) -> None:
    """The sample's server has the same key in every run."""
    sample = Path("sample_captures/dave-call.gwcap")
    sound = ("show", sample, "--where", "op == rtp and dir == send")
    assert len(run(*sound).out.splitlines()) == 2
    closed = run(*sound, "--packets").out.splitlines()
    assert len(closed) == 2 + 45
    assert "seq 65520  ts 48000  PT 120" in closed[2]
    assert "DAVE" not in closed[2]
    assert "DAVE nonce" in run(*sound, "--decrypt").out.splitlines()[2]


def test_packets_are_in_json_lines_too(run) -> None:
    sample = Path("sample_captures/dave-call.gwcap")
    lines = run("show", sample, "--where", "plane == media", "--decrypt", "--format", "jsonl").out.splitlines()
    rows = [json.loads(line) for line in lines]
    counts = [(row["op"], len(row["packets"])) for row in rows if row["kind"] == "payload" and row["op"] == "rtp"]
    assert counts == [("rtp", 44), ("rtp", 45), ("rtp", 45), ("rtp", 45)]
    inside = [packet["opened"] for row in rows if row["op"] == "rtp" for packet in row["packets"]]
    assert {"dave" in each or "silence" in each for each in inside[:100]} == {True}


def test_packets_of_other_formats_are_listed_as_well(run, tmp_path: Path) -> None:
    sample = Input(Path("sample_captures/dave-call.gwcap"))
    flows = tmp_path / "call.mitm"
    flows.write_bytes(b"".join(map(tnetstring.dumps, flows_of(list(sample.happenings())))))
    sample.close()
    sound = ("show", flows, "--where", "op == rtp and dir == send")
    assert len(run(*sound, "--packets").out.splitlines()) > len(run(*sound).out.splitlines()) > 1

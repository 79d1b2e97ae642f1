import json
from pathlib import Path

from .conftest import TOKEN


def test_the_timeline_has_a_line_a_row(run, capture: Path) -> None:
    result = run("show", capture)
    assert (result.code, result.err) == (0, "")
    day, opened, hello, *_ = result.out.splitlines()
    assert day == "2026-01-31 UTC"
    assert opened.split()[:4] == ["12:00:00.000", "#1", "●", "open"]
    assert hello.split()[:6] == ["12:00:00.007", "+7", "ms", "#1", "◀", "receive"]
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


def test_raw_adds_the_frames(run, capture: Path) -> None:
    hello = json.loads(run("show", capture, "--format", "jsonl", "--raw").out.splitlines()[1])
    assert hello["raw"] == "eyJvcCI6MTAsImQiOnsiaGVhcnRiZWF0X2ludGVydmFsIjo0MTI1MH0sInMiOm51bGwsInQiOm51bGx9"


def test_following_ends_with_the_recording(run, capture: Path) -> None:
    assert run("show", "--follow", capture).out == run("show", capture).out


def test_several_captures_are_told_apart(run, capture: Path) -> None:
    result = run("show", capture, capture)
    assert result.err.count(f"{capture}:") == 2


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


def test_packets_need_a_capture(run, tmp_path: Path) -> None:
    har = tmp_path / "a.har"
    har.write_text('{"log": {"version": "1.2", "entries": []}}', "utf-8")
    result = run("show", har, "--packets")
    assert result.code == 2
    assert "gwinspect convert" in result.err

"""What `gwinspect diagnose` says of samples and of files, in each format, and what it exits with."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from inspector.analysis.diagnosis import diagnose
from inspector.diagnose.rules import RULES
from inspector.protocol.registry import default
from inspector.report.diagnosis_text import lines
from inspector.store.writer import Writer
from sample_captures.make import HERE, SAMPLES
from tests.cli.conftest import Run
from tests.conversation import ACK, HELLO, Conversation, dispatch, identify, message, ready, resume

SICK = {
    "login-failure": "close-4004",
    "blocked-loop": "close-4009",
    "zombie-unnoticed": "heartbeat-ack-missing",
    "resume-wrong-url": "resume-at-wrong-url",
    "identify-storm": "identify-storm",
    "send-flood": "close-4008",
    "message-content": "message-content-missing",
    "voice-4006": "voice-close-4006",
    "dave-required": "voice-close-4017",
    "dave-transition": "dave-executed-unready",
}


def sample(name: str) -> str:
    return str(HERE / f"{name}.gwcap")


def written(path: Path, *talks: Conversation) -> Path:
    writer = Writer(path, default(), made_by="test")
    writer.write(sorted((h for talk in talks for h in talk.happenings), key=lambda happening: happening.at_ns))
    writer.finish()
    return path


def dropped(connection: int = 1) -> Conversation:
    talk = Conversation(connection=connection).opens().server(HELLO).client(identify()).server(ready())
    return talk.server(message("one", 2)).server(message("two", 3)).closes(1006, by="server")


def resumed(connection: int = 1) -> Conversation:
    talk = Conversation(connection=connection, at_ns=dropped()._at_ns + 10**9).opens().server(HELLO).client(resume())
    return talk.server(dispatch("RESUMED", {}, 4)).client({"op": 1, "d": 4}).server(ACK).closes(1000)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in SICK])
def test_a_healthy_sample_exits_with_0_and_says_what_was_checked(run: Run, name: str) -> None:
    result = run("diagnose", sample(name))
    assert result.code == 0
    assert "nothing found" in result.out
    assert f"Checked {len(RULES)} rules and every close." in result.out


@pytest.mark.parametrize("name", SICK)
def test_a_sick_sample_exits_with_1_and_its_finding_is_among_the_worst(run: Run, name: str) -> None:
    result = run("diagnose", sample(name), "--format", "jsonl")
    found = [json.loads(line) for line in result.out.splitlines()]
    assert result.code == 1
    assert SICK[name] in [each["rule"] for each in found if each["severity"] == found[0]["severity"]]


def test_every_sample_is_either_sick_or_healthy() -> None:
    assert set(SICK) <= set(SAMPLES)


@pytest.mark.parametrize(("level", "code"), [("info", 1), ("warn", 1), ("error", 0), ("never", 0)])
def test_what_fails_can_be_chosen(run: Run, level: str, code: int) -> None:
    assert run("diagnose", sample("resume-wrong-url"), "--fail-on", level).code == code


def test_a_finding_has_its_row_its_evidence_and_a_remedy(run: Run) -> None:
    [found] = [
        json.loads(line) for line in run("diagnose", sample("login-failure"), "--format", "jsonl").out.splitlines()
    ]
    assert (found["rule"], found["severity"], found["row"], found["connection"]) == ("close-4004", "error", 5, 1)
    assert found["evidence"] == [3]
    assert found["verdict"]["reconnect"] is False
    assert found["verdict"]["right"] is None
    assert found["remedy"].startswith("Stop reconnecting.")


def test_junit_has_a_case_for_each_rule_and_a_failure_for_what_fails(run: Run) -> None:
    result = run("diagnose", sample("blocked-loop"), "--format", "junit", "--fail-on", "error")
    suites = ElementTree.fromstring(result.out)
    [suite] = suites
    names = [case.get("name") for case in suite]
    assert {rule.id for rule in RULES} <= set(names)
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["close-4009"]
    assert (suite.get("tests"), suite.get("failures")) == (str(len(names)), "1")
    told = {case.get("name") for case in suite if case.find("system-out") is not None}
    assert "heartbeat-late" in told


def test_a_session_is_followed_from_one_capture_to_the_next(run: Run, tmp_path: Path) -> None:
    first, second = written(tmp_path / "1.gwcap", dropped()), written(tmp_path / "2.gwcap", resumed())
    result = run("diagnose", str(first), str(second), "--format", "jsonl")
    [found] = [json.loads(line) for line in result.out.splitlines()]
    assert (found["rule"], found["file"]) == ("close-1006", "1.gwcap")
    assert found["verdict"]["right"] is True
    assert "resumed" in found["verdict"]["then"]
    text = run("diagnose", str(first), str(second)).out
    assert "1.gwcap, 2.gwcap" in text
    assert "row 7 of 1.gwcap" in text


def test_one_capture_or_its_two_halves_give_the_same(run: Run, tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.gwcap", dropped(1), resumed(2))
    first, second = written(tmp_path / "1.gwcap", dropped()), written(tmp_path / "2.gwcap", resumed())

    def said(*paths: Path) -> list[dict]:
        lines = run("diagnose", *map(str, paths), "--format", "jsonl").out.splitlines()
        return [{key: value for key, value in json.loads(line).items() if key != "file"} for line in lines]

    assert said(whole) == said(first, second)


def test_many_findings_of_one_rule_are_told_in_a_few_lines(run: Run, tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    for _ in range(30):
        talk.frame(b"{nonsense", is_text=True)
    out = run("diagnose", str(written(tmp_path / "a.gwcap", talk))).out
    assert out.count("ERROR  undecodable") == 3
    assert "and 27 more of undecodable: rows 8, 9" in out


def test_text_from_the_wire_does_nothing(run: Run, tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    talk.server(dispatch("EVIL\x1b[31m\u202e", {"\x1b[2J": 1}, 2)).closes(4321, "\x1b[31mreason\u202e", "server")
    path = written(tmp_path / "a.gwcap", talk)
    for output_format in ("text", "jsonl", "junit"):
        out = run("diagnose", str(path), "--format", output_format).out
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "unknown-name" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing.gwcap"], 2, "nothing.gwcap does not exist"),
        (["README.md"], 2, "README.md"),
        ([], 2, "Missing argument"),
        (["x", "--fail-on", "bad"], 2, "--fail-on"),
    ],
)
def test_bad_input_is_a_sentence(run: Run, arguments: list[str], code: int, said: str) -> None:
    result = run("diagnose", *arguments)
    assert result.code == code
    assert said in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("copies", [1, 2])
def test_where_there_was_nothing_to_check_all_is_not_well(run: Run, tmp_path: Path, copies: int) -> None:
    result = run("diagnose", *[written(tmp_path / "empty.gwcap")] * copies)
    assert (result.code, result.out) == (2, "")
    assert "there is no gateway connection in " in result.err
    assert "see that the client went through the proxy" in result.err


@pytest.mark.parametrize("copies", [1, 2])
def test_a_flood_of_notes_hides_no_error(
    run: Run, tmp_path: Path, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.analysis.diagnosis.MOST", 3)
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    for _ in range(20):
        talk.server(ACK)
    path = written(tmp_path / "a.gwcap", talk.closes(4004, by="server"))
    result = run("diagnose", *[path] * copies, "--format", "jsonl", "--fail-on", "error")
    rules = [json.loads(line)["rule"] for line in result.out.splitlines()]
    assert result.code == 1
    assert rules.count("close-4004") == copies
    assert rules.count("ack-without-heartbeat") <= 3
    assert "these are the first 3 of each severity" in result.err


def test_a_test_case_is_listed_under_the_family_of_its_rule(run: Run) -> None:
    suites = ElementTree.fromstring(run("diagnose", sample("blocked-loop"), "--format", "junit").out)
    families = {case.get("name"): case.get("classname") for case in suites.iter("testcase")}
    assert families["heartbeat-late"] == "gwinspect.heartbeats"
    assert families["close-4009"] == "gwinspect.closes"
    messages = [failure.get("message", "") for failure in suites.iter("failure")]
    assert any(message.startswith("The server closed with 4009 Session timed out") for message in messages)


def test_terminals_that_have_only_ascii_get_ascii() -> None:
    found = diagnose(HERE / "send-flood.gwcap", default())
    assert not "".join(lines(found)).isascii()
    assert "".join(lines(found, ascii_only=True)).isascii()

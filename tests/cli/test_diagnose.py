"""What `gwinspect diagnose` says of samples and of files, in each format, and what it exits with."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from inspector.analysis.diagnosis import diagnose
from inspector.cli.proxying import sum_up
from inspector.diagnose.rules import RULES
from inspector.protocol.registry import default
from inspector.report.diagnosis_text import lines
from inspector.session.redact import digest
from inspector.store.reindex import reindex
from inspector.store.writer import Writer
from sample_captures.make import HERE, SAMPLES
from tests.cli.conftest import Run
from tests.conversation import ACK, HELLO, NOON, TOKEN, Conversation, dispatch, identify, message, ready, resume

SICK = {
    "login-failure": "close-4004",
    "blocked-loop": "heartbeat-overdue",
    "zombie-unnoticed": "heartbeat-ack-missing",
    "resume-wrong-url": "resume-at-wrong-url",
    "identify-storm": "identify-storm",
    "send-flood": "presence-flood",
    "message-content": "message-content-missing",
    "voice-4006": "voice-identify-instead-of-resume",
    "dave-required": "voice-without-dave",
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
    assert "error" not in result.out.splitlines()[-1]
    assert "warning" not in result.out.splitlines()[-1]
    assert f"Checked {len(RULES)} rules and every close." in result.out


@pytest.mark.parametrize("name", SICK)
def test_a_sick_sample_exits_with_1_and_what_is_wrong_is_its_first_case(run: Run, name: str) -> None:
    result = run("diagnose", sample(name), "--format", "jsonl")
    found = [json.loads(line) for line in result.out.splitlines()]
    assert result.code == 1
    assert (found[0]["rule"], found[0]["case"]) == (SICK[name], SICK[name])


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
    assert failed == ["heartbeat-overdue"]
    assert (suite.get("tests"), suite.get("failures")) == (str(len(names)), "1")
    assert (suites.get("tests"), suites.get("failures")) == (str(len(names)), "1")
    told = {case.get("name"): case.findtext("system-out") for case in suite if case.find("system-out") is not None}
    assert told["heartbeat-late"] == "reported with heartbeat-overdue"
    assert "identify-spacing" in told


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
    assert out.count("undecodable") == 2
    assert "ERROR  undecodable   connection 1, 30 times, first at row 5" in out
    assert len(out.splitlines()) < 20


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
    assert "make sure that the client goes through the proxy" in result.err


@pytest.mark.parametrize("copies", [1, 2])
def test_a_flood_of_notes_hides_no_error(
    run: Run, tmp_path: Path, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.analysis.findings.MOST", 3)
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    for _ in range(20):
        talk.server(ACK)
    path = written(tmp_path / "a.gwcap", talk.closes(4004, by="server"))
    result = run("diagnose", *[path] * copies, "--duplicates", "--format", "jsonl", "--fail-on", "error")
    rules = [json.loads(line)["rule"] for line in result.out.splitlines()]
    assert result.code == 1
    assert rules.count("close-4004") == copies
    assert rules.count("ack-without-heartbeat") <= 3
    assert "these are the worst 3" in result.err


def test_a_test_case_is_listed_under_the_family_of_its_rule(run: Run) -> None:
    suites = ElementTree.fromstring(run("diagnose", sample("blocked-loop"), "--format", "junit").out)
    families = {case.get("name"): case.get("classname") for case in suites.iter("testcase")}
    assert families["heartbeat-late"] == "gwinspect.heartbeats"
    messages = [failure.get("message", "") for failure in suites.iter("failure")]
    [message] = messages
    assert message.startswith("No heartbeat for 1.4 s")
    assert message.endswith("(with heartbeat-late and close-4009)")


def test_a_close_that_nothing_led_to_is_a_test_case_of_its_own(run: Run) -> None:
    suites = ElementTree.fromstring(run("diagnose", sample("login-failure"), "--format", "junit").out)
    [failed] = [case for case in suites.iter("testcase") if case.find("failure") is not None]
    assert (failed.get("classname"), failed.get("name")) == ("gwinspect.closes", "close-4004")


def test_terminals_that_have_only_ascii_get_ascii() -> None:
    found = diagnose(HERE / "send-flood.gwcap")
    assert not "".join(lines(found)).isascii()
    assert "".join(lines(found, ascii_only=True)).isascii()


def troubled(path: Path) -> Path:
    """A connection that gets what cannot be read, and then a close that forbids another one."""
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    return written(path, talk.server(ACK).frame(b"{nonsense", is_text=True).closes(4004, by="server"))


def named(out: str) -> list[str]:
    return [json.loads(line)["rule"] for line in out.splitlines()]


def test_all_findings_of_a_case_can_be_had(run: Run) -> None:
    short = run("diagnose", sample("dave-required")).out
    whole = run("diagnose", sample("dave-required"), "--all").out
    for row in (16, 24, 32):
        assert f"row {row}  voice-close-4017: The server closed with 4017" in whole
        assert f"row {row}  voice-close-4017" not in short


def test_rules_can_be_chosen_and_left_out(run: Run, tmp_path: Path) -> None:
    path = str(troubled(tmp_path / "a.gwcap"))
    everything = named(run("diagnose", path, "--format", "jsonl").out)
    assert {"undecodable", "close-4004", "ack-without-heartbeat"} <= set(everything)
    only = run("diagnose", path, "--format", "jsonl", "--only", "undec*")
    assert (named(only.out), only.code) == (["undecodable"], 1)
    ignored = run("diagnose", path, "--format", "jsonl", "--ignore", "undecodable", "--ignore", "close-*")
    assert set(named(ignored.out)) == set(everything) - {"undecodable", "close-4004"}
    assert ignored.code == 0


def test_a_rule_that_there_is_not_is_refused(run: Run) -> None:
    result = run("diagnose", sample("voice"), "--ignore", "heartbeat-lat")
    assert result.code == 2
    assert "no rule is called heartbeat-lat" in result.err


def test_what_a_baseline_accepts_no_longer_fails(run: Run, tmp_path: Path) -> None:
    path, baseline = str(troubled(tmp_path / "a.gwcap")), str(tmp_path / "baseline.json")
    first = run("diagnose", path, "--write-baseline", baseline)
    assert first.code == 1
    assert "accepts 3 cases" in first.err
    again = run("diagnose", path, "--baseline", baseline)
    assert again.code == 0
    assert "No problems found." in again.out
    assert "3 cases accepted by the baseline." in " ".join(again.out.split())
    # What has become worse is new again.
    made = json.loads(Path(baseline).read_text())
    made["accepted"] = [each | {"severity": "info"} for each in made["accepted"]]
    Path(baseline).write_text(json.dumps(made))
    worse = run("diagnose", path, "--baseline", baseline, "--format", "jsonl")
    assert worse.code == 1
    assert sorted(named(worse.out)) == ["close-4004", "undecodable"]


SECOND = "MTAwMDAwMDAwMDAwMDAwMDAw.GaaaaB.another-invented-token-9876543210"


def fine(connection: int, token: str) -> Conversation:
    talk = Conversation(connection=connection).waits(10 * connection).opens().server(HELLO)
    return talk.client(identify(token=token)).server(ready()).closes(1000)


def test_of_several_bots_a_baseline_accepts_what_each_has(run: Run, tmp_path: Path) -> None:
    before = str(written(tmp_path / "1.gwcap", refused(1, TOKEN), fine(2, SECOND)))
    after = str(written(tmp_path / "2.gwcap", fine(1, TOKEN), refused(2, SECOND)))
    known = str(tmp_path / "known.json")
    run("diagnose", before, "--write-baseline", known)
    [case] = [each for each in json.loads(Path(known).read_text())["accepted"] if each["case"] == "close-4004"]
    assert case == {"case": "close-4004", "severity": "error", "account": digest(TOKEN)}
    assert run("diagnose", before, "--baseline", known).code == 0
    assert run("diagnose", after, "--baseline", known).code == 1


def test_of_files_that_are_read_apart_a_baseline_tells_whose_a_case_is_too(run: Run, tmp_path: Path) -> None:
    one, other = written(tmp_path / "1.gwcap", refused(1, TOKEN)), written(tmp_path / "2.gwcap", fine(1, SECOND))
    known = str(tmp_path / "known.json")
    run("diagnose", str(one), str(other), "--separate", "--write-baseline", known)
    worse = str(written(tmp_path / "3.gwcap", refused(1, SECOND)))
    assert run("diagnose", str(one), worse, "--separate", "--baseline", known).code == 1


def test_of_one_bot_a_baseline_holds_whatever_its_token_is(run: Run, tmp_path: Path) -> None:
    known = str(tmp_path / "known.json")
    run("diagnose", str(written(tmp_path / "1.gwcap", refused(1, TOKEN))), "--write-baseline", known)
    assert "account" not in Path(known).read_text()
    assert run("diagnose", str(written(tmp_path / "2.gwcap", refused(1, SECOND))), "--baseline", known).code == 0


def test_a_baseline_of_the_first_version_accepts_a_case_whoever_has_it(run: Run, tmp_path: Path) -> None:
    path = str(written(tmp_path / "1.gwcap", refused(1, TOKEN), refused(2, SECOND)))
    known = tmp_path / "known.json"
    known.write_text('{"baseline": 1, "accepted": [{"case": "close-4004", "severity": "error"}]}')
    assert run("diagnose", path, "--baseline", str(known)).code == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"baseline": 3, "accepted": []}',
        '{"baseline":1,"accepted":[1]}',
        '{"baseline":2,"accepted":[{"case":"x","severity":"warn","account":7}]}',
    ],
)
def test_what_is_no_baseline_is_refused(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text)
    result = run("diagnose", sample("voice"), "--baseline", str(tmp_path / "b.json"))
    assert result.code == 2
    assert "b.json is not a baseline" in result.err


def test_unrelated_files_are_told_one_by_one_and_a_bad_one_hides_no_other(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.gwcap"
    bad.write_bytes(b"nothing")
    result = run("diagnose", "--separate", sample("login-failure"), str(bad), sample("send-flood"))
    assert result.code == 2
    assert "login-failure.gwcap   1 connection" in result.out
    assert "send-flood.gwcap   2 connections" in result.out
    assert "bad.gwcap" in result.err


def test_files_on_their_own_are_not_one_session(run: Run, tmp_path: Path) -> None:
    first, second = written(tmp_path / "1.gwcap", dropped()), written(tmp_path / "2.gwcap", resumed())
    [found] = [
        json.loads(line)
        for line in run("diagnose", "--separate", str(first), str(second), "--format", "jsonl").out.splitlines()
    ]
    assert found["verdict"]["then"] is None


@pytest.mark.parametrize("arguments", [["--separate"], []])
def test_junit_has_a_suite_for_each_file_even_if_one_is_bad(run: Run, tmp_path: Path, arguments: list[str]) -> None:
    good = [sample("login-failure"), sample("zlib-stream")]
    suites = ElementTree.fromstring(run("diagnose", *arguments, *good, "--format", "junit").out)
    assert [suite.get("name") for suite in suites] == ["login-failure.gwcap", "zlib-stream.gwcap"]
    assert [suite.get("failures") for suite in suites] == ["1", "0"]
    (tmp_path / "bad.har").write_text("{")
    result = run("diagnose", *arguments, good[0], str(tmp_path / "bad.har"), "--format", "junit")
    assert result.code == 2
    errors = [error.get("message") or "" for error in ElementTree.fromstring(result.out).iter("error")]
    assert len(errors) == 1
    assert "bad.har" in errors[0]


def test_github_gets_an_annotation_for_each_case(run: Run) -> None:
    out = run("diagnose", sample("blocked-loop"), "--format", "github").out.splitlines()
    assert [line.split("::")[1] for line in out] == [
        "error file=blocked-loop.gwcap,title=heartbeat-overdue",
        "notice file=blocked-loop.gwcap,title=identify-spacing",
    ]
    assert "%0ADo: Look at what the client was doing just before" in out[0]


def test_a_summary_in_markdown_is_a_table_that_nothing_from_the_wire_breaks(run: Run, tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    talk.server(dispatch("EVIL|<img src=x>`\n|", {}, 2)).closes(4321, "", "server")
    path = written(tmp_path / "a.gwcap", talk)
    out = run("diagnose", str(path), "--format", "markdown").out
    lines = out.splitlines()
    assert lines[0].startswith("### gwinspect: 1 warning, 1 info in `a.gwcap`")
    assert all(line.startswith("| ") for line in lines[4:])
    assert len(lines) == 6
    assert "<img" not in out


@pytest.mark.parametrize("name", SAMPLES)
def test_a_diagnosis_fits_a_screen(run: Run, name: str) -> None:
    assert len(run("diagnose", sample(name)).out.splitlines()) <= 50


def test_the_end_of_a_recording_says_what_is_wrong_in_two_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = tmp_path / "bot.gwcap"
    capture.write_bytes((HERE / "send-flood.gwcap").read_bytes())
    assert sum_up(capture, "show")
    counts, verdict = capsys.readouterr().err.splitlines()
    assert counts == f"gwinspect: {capture}: 2 connections, 142 events; gwinspect show {capture}"
    assert verdict == (
        f"gwinspect: 1 case: presence-flood; gwinspect diagnose {capture}, to report it gwinspect bundle {capture} "
        "-o bug.zip"
    )


def refused(connection: int, token: str, shard: tuple[int, int] = (0, 1)) -> Conversation:
    """Return a login that fails, half a minute after that of the connection before."""
    talk = Conversation(connection=connection, at_ns=NOON + connection * 30_000_000_000).opens().server(HELLO)
    return talk.client(identify(token=token, shard=list(shard))).closes(4004, "Authentication failed.", "server")


@pytest.fixture
def two_bots(tmp_path: Path) -> str:
    tokens = ("the first invented token", "the second invented token")
    return str(written(tmp_path / "two.gwcap", *(refused(number, tokens[number % 2]) for number in range(1, 5))))


def test_each_bot_has_its_own_case_and_the_remedy_is_told_once(run: Run, two_bots: str) -> None:
    told = run("diagnose", two_bots).out
    heads = [line for line in told.splitlines() if line.startswith("ERROR")]
    assert [re.sub("[0-9a-f]{4},", "…,", head).split("   ")[:2] for head in heads] == [
        ["ERROR  close-4004", "token ••••…, connections 1, 3, 2 times, first at row 4"],
        ["ERROR  close-4004", "token ••••…, connections 2, 4, 2 times, first at row 8"],
    ]
    assert told.count("Do: Stop reconnecting.") == told.count("Do: the same as above") == 1


def test_programs_read_whose_each_case_is(run: Run, two_bots: str) -> None:
    found = run("diagnose", two_bots, "--format", "jsonl", "--only", "close-4004").out.splitlines()
    lines = [json.loads(line) for line in found]
    assert [line["connection"] for line in lines] == [1, 3, 2, 4]
    assert [len(line["accounts"]) for line in lines] == [1] * 4
    accounts = [line["accounts"][0] for line in lines]
    assert accounts[0] == accounts[1] != accounts[2] == accounts[3]
    suites = ElementTree.fromstring(run("diagnose", two_bots, "--format", "junit").out)
    failed = [case.get("name") for case in suites.iter("testcase") if case.find("failure") is not None]
    assert failed == [f"close-4004 ({account})" for account in dict.fromkeys(accounts)]


def test_shards_with_the_same_trouble_are_one_case_that_counts_them(run: Run, tmp_path: Path) -> None:
    shards = (refused(number + 1, TOKEN, (number, 16)) for number in range(16))
    told = run("diagnose", str(written(tmp_path / "many.gwcap", *shards))).out
    [head] = [line for line in told.splitlines() if line.startswith("ERROR  close-4004")]
    assert "16 times on 16 shards" in head
    assert "token" not in head


def starting(*shards: int) -> list[Conversation]:
    """Return shards of sixteen that start a second after each other."""
    talks = []
    for number, shard in enumerate(shards, 1):
        talk = Conversation(connection=number, at_ns=NOON + number * 10**9).opens().server(HELLO)
        talks.append(talk.client(identify(shard=[shard, 16])).server(ready(f"session {shard}")).closes(1000))
    return talks


def test_how_many_shards_may_start_at_once_is_told_by_an_option(run: Run, tmp_path: Path) -> None:
    path = str(written(tmp_path / "a.gwcap", *starting(0, 1, 16 - 4)))

    def spacing(*options: str) -> list[str]:
        lines = run("diagnose", path, "--format", "jsonl", "--only", "identify-spacing", *options).out.splitlines()
        return [json.loads(line)["severity"] for line in lines]

    assert spacing() == ["info"]
    assert spacing("--max-concurrency", "16") == []
    # An import with another number is another one.
    assert spacing("--max-concurrency", "4") == ["warn"]
    assert run("diagnose", path, "--max-concurrency", "0").code == 2


def test_what_was_told_when_a_capture_was_written_holds_when_it_is_made_anew(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.gwcap"
    writer = Writer(path, default().allowing(16), made_by="test")
    writer.write([each for talk in starting(0, 1) for each in talk.happenings])
    writer.finish()
    reindex(path, default())
    assert run("diagnose", path, "--format", "jsonl", "--only", "identify-spacing").out == ""

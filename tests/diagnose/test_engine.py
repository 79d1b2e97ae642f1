"""How rules are asked, and what becomes of what they say."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector.diagnose.engine import finding
from inspector.diagnose.rule import (
    MAX_EVIDENCE,
    Noticed,
    Rule,
    Situation,
    closes,
    dispatches,
    opens,
    receives,
    rule,
    sends,
    silence,
)
from inspector.model import Event, Finding, Kind, Plane, Severity
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.session.world import World
from inspector.store.reader import Reader
from inspector.store.reindex import reindex
from inspector.store.writer import Writer
from tests.conversation import ACK, HEARTBEAT, HELLO, Conversation, dispatch, identify, message, ready, usual
from tests.fed import asking, fed

SAMPLES = Path("sample_captures")


def asked(talk: Conversation, *when) -> list[int]:
    """Return the numbers of the rows that a rule with such triggers is asked about."""
    rows: list[int] = []

    @rule("a-rule", Severity.INFO, *when, remedy="None.", source=("derived",))
    def check(now: Situation) -> Iterator[Noticed]:
        """A rule."""
        rows.append(now.event.n)
        yield Noticed("It was asked.")

    assert isinstance(check, Rule)
    pipeline = asking(check)
    for happening in talk.happenings:
        pipeline.feed(happening)
    return rows


TALK = usual()  # open, Hello, Identify, READY, GUILD_CREATE, heartbeat, ACK, message, ping, message, close


@pytest.mark.parametrize(
    ("when", "rows"),
    [
        (sends(Plane.GATEWAY), [3, 6]),
        (sends(Plane.GATEWAY, 1), [6]),
        (sends(Plane.VOICE), []),
        (receives(Plane.GATEWAY), [2, 4, 5, 7, 8, 10]),
        (receives(Plane.GATEWAY, 10, 11), [2, 7]),
        (dispatches(), [4, 5, 8, 10]),
        (dispatches("READY"), [4]),
        (opens(), [1]),
        (closes(Plane.GATEWAY), [11]),
        (closes(Plane.VOICE), []),
    ],
)
def test_a_rule_is_asked_about_what_it_wants_to_see(when, rows: list[int]) -> None:
    assert asked(TALK, when) == rows


def test_names_that_no_table_has_reach_the_rules_for_all() -> None:
    talk = Conversation().opens().server(dispatch("INVENTED", {}, 1)).server({"op": 97}).client({"op": 98})
    assert asked(talk, dispatches()) == [2]
    assert asked(talk, receives(Plane.GATEWAY)) == [2, 3]
    assert asked(talk, sends(Plane.GATEWAY)) == [4]


def test_many_invented_names_do_not_fill_the_memory() -> None:
    pipeline = Pipeline(default())
    talk = Conversation().opens()
    for number in range(300):
        talk.server(dispatch(f"INVENTED_{number}", {}, number)).client({"op": 1000 + number})
    for happening in talk.happenings:
        pipeline.feed(happening)
    assert len(pipeline._rule_engine._wanted) < 20


def test_silence_is_looked_into_at_rows_at_ticks_and_at_the_end() -> None:
    talk = Conversation().opens().server(HELLO).server(message("a", 2)).waits(5000).server(message("b", 3)).closes()
    assert asked(talk, silence(Plane.GATEWAY)) == [4, 5]


def test_a_deadline_passes_once() -> None:
    now = Situation(Event(1, 1, 200, Plane.GATEWAY, Kind.CONTROL), None, World(), default(), since_ns=100)  # type: ignore[arg-type]
    assert [now.passed(deadline) for deadline in (99, 100, 101, 200, 201)] == [False, False, True, True, False]


def test_evidence_is_in_order_without_the_row_itself_and_bounded() -> None:
    made = finding("a-rule", Severity.WARN, Noticed("x", (9, None, 3, 3, 0, 5)), 5)
    assert made == Finding("a-rule", Severity.WARN, "x", 5, (3, 9))
    many = finding("a-rule", Severity.WARN, Noticed("x", tuple(range(1, 500))), 999).evidence
    assert (len(many), many[0], many[-1]) == (MAX_EVIDENCE, 1, 499)


def blocked() -> Conversation:
    talk = Conversation().opens().server({"op": 10, "d": {"heartbeat_interval": 1000}}).client(identify())
    talk.server(ready()).client({"op": 1, "d": 1}).server(ACK)
    return talk.waits(5000).server(message("a", 2)).client(HEARTBEAT)


def stored(path: Path) -> tuple[list[Finding], dict[int, int]]:
    reader = Reader(path)
    found = reader.findings(), dict(reader.db.execute("select id, severity from event where severity > 0").fetchall())
    reader.close()
    return found


def test_findings_are_stored_beside_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.gwcap"
    writer = Writer(path, default(), made_by="test")
    writer.write(blocked().happenings)
    writer.finish()
    findings, severities = stored(path)
    late = next(finding for finding in findings if finding.rule == "heartbeat-late")
    assert (late.event, late.evidence) == (8, (5,))
    assert severities[8] == max(finding.severity for finding in findings if finding.event == 8)
    [event] = Reader(path).events(7, 1)
    assert late in event.findings
    assert list(event.findings) == sorted(event.findings, key=lambda each: -each.severity)


def test_a_reindex_finds_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.gwcap"
    writer = Writer(path, default(), made_by="test")
    writer.write(blocked().closes(4009, by="server").happenings)
    writer.finish()
    before, verdicts = stored(path), Reader(path).verdicts()
    reindex(path, default())
    assert stored(path) == before
    assert Reader(path).verdicts() == verdicts
    assert verdicts.keys() == {9}


def test_silence_that_is_noticed_later_marks_the_row_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.gwcap"
    writer = Writer(path, default(), made_by="test")
    talk = Conversation().opens().server({"op": 10, "d": {"heartbeat_interval": 1000}}).client(identify())
    writer.write(talk.happenings)
    writer.tick(talk.happenings[-1].at_ns + 10_000_000_000)
    findings, severities = stored(path)
    assert [(finding.rule, finding.event) for finding in findings] == [("heartbeat-never-began", 3)]
    assert severities == {3: 3}
    writer.finish()


def test_evidence_is_stored_as_json(tmp_path: Path) -> None:
    path = tmp_path / "a.gwcap"
    writer = Writer(path, default(), made_by="test")
    writer.write(blocked().happenings)
    writer.finish()
    rows = sqlite3.connect(path).execute("select evidence from finding").fetchall()
    assert all(isinstance(json.loads(evidence), list) for (evidence,) in rows)


@pytest.mark.usefixtures("lenient")
def test_a_rule_with_a_bug_says_so_and_the_others_go_on() -> None:
    @rule(
        "broken-rule", Severity.ERROR, sends(Plane.GATEWAY, 1), silence(Plane.GATEWAY), remedy="-", source=("derived",)
    )
    def broken(now: Situation) -> Iterator[Noticed]:
        """A rule that breaks."""
        yield Noticed("Half of it.")
        raise KeyError("s3cret-t0ken")

    @rule("sound-rule", Severity.WARN, sends(Plane.GATEWAY, 1), remedy="-", source=("derived",))
    def sound(now: Situation) -> Iterator[Noticed]:
        """A rule that does not."""
        yield Noticed("All of it.")

    pipeline = asking(broken, sound)
    talk = Conversation().opens().server(HELLO).client(HEARTBEAT)
    *_, event = fed(talk.happenings, pipeline).rows
    told = [(found.rule, found.severity) for found in event.findings]
    assert told == [("sound-rule", Severity.WARN), ("broken-rule", Severity.INFO)]
    text = event.findings[1].text
    assert text.startswith("This rule could not look at the row (bug in gwinspect: KeyError in ")
    assert "s3cret" not in text
    # Silence too: of that no row tells.
    late = pipeline.tick(event.at_ns + 1_000_000_000).late
    assert [found.rule for found in late] == ["broken-rule"]

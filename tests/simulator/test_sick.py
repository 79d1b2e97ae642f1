"""What goes wrong in the sick scenarios, between real sockets, is noticed by the rules."""

from functools import cache
from itertools import chain

import pytest

from inspector.diagnose.ids import close_id
from inspector.diagnose.rules import RULES
from inspector.model import Finding, Plane, Severity
from inspector.protocol.registry import default
from inspector.simulator.client.manners import FAULTS
from inspector.simulator.scenarios.catalogue import SCENARIOS, scenario
from inspector.simulator.scenarios.hours import HOURS
from inspector.simulator.scenarios.sick import SICK
from inspector.simulator.script import Scenario
from tests.fed import fed
from tests.simulator.direct import PACES, happenings_of, run

KNOWN = {rule.id for rule in RULES}
# Nothing between the two sees refusals and media; `tests.e2e.test_told` has them.
SEEN_BY_PROXIES = {"resume-url-dead", *(each.name for each in HOURS if each.media)}
# Noticed wherever a machine that is busy makes a client or a server late.
OF_A_BUSY_MACHINE = {"heartbeat-late", "heartbeat-overdue", "first-heartbeat-late", "media-burst", "media-clock-drift"}


@cache
def noticed(name: str) -> list[list[Finding]]:
    """Play a scenario and return what is noticed, row by row."""
    pace = PACES.get(name, 1)
    journal, _ = run(scenario(name), pace)
    made = fed(happenings_of(journal, 1 / pace), finish=True)
    rows = [event.findings for event in made.rows]
    return [list(findings) for findings in (*rows, *((each,) for each in made.late)) if findings]


@pytest.mark.parametrize(
    "name", [each.name for each in SCENARIOS.values() if each.gives and each.name not in SEEN_BY_PROXIES]
)
def test_a_sick_scenario_is_noticed_for_what_it_is(name: str) -> None:
    gives, rows = scenario(name).gives, noticed(name)
    worst: dict[str, Severity] = {}
    for finding in chain.from_iterable(rows):
        worst[finding.rule] = max(finding.severity, worst.get(finding.rule, finding.severity))
    # Rules may still be missing from a branch on which they are not written; none is, once all are merged.
    expected = [each for each in gives if each in KNOWN or "close-" in each]
    assert expected
    assert set(expected) <= set(worst)
    assert {rule for rule, severity in worst.items() if severity >= Severity.WARN} - OF_A_BUSY_MACHINE <= set(gives)
    assert [worst[each] for each in expected] == sorted((worst[each] for each in expected), reverse=True)


@pytest.mark.parametrize("name", ["voice-4006", "reconnect-ignored"])
def test_the_worst_of_a_row_comes_first(name: str) -> None:
    rows = noticed(name)
    assert any(len(findings) > 1 for findings in rows)
    for findings in rows:
        assert findings == sorted(findings, key=lambda finding: -finding.severity)


@pytest.mark.parametrize("chosen", HOURS, ids=lambda each: each.name)
def test_without_its_fault_there_is_nothing_to_warn_of(chosen: Scenario) -> None:
    found = chain.from_iterable(noticed(chosen.sibling().name))
    assert [each for each in found if each.severity >= Severity.WARN] == []


@pytest.mark.parametrize("name", ["healthy", "dave-call", "voice-resume"])
def test_there_is_nothing_to_warn_of_in_a_healthy_scenario(name: str) -> None:
    found = [finding for findings in noticed(name) for finding in findings]
    assert [each for each in found if each.severity >= Severity.WARN and each.rule not in OF_A_BUSY_MACHINE] == []
    expected = {"healthy": "close-1006", "dave-call": "dave-passthrough", "voice-resume": "voice-close-4015"}
    assert expected[name] in {each.rule for each in found}


def test_a_call_that_loses_step_is_told_with_its_transitions_and_rows() -> None:
    by_rule = {each.rule: each for each in chain.from_iterable(noticed("dave-transition"))}
    ignored, unknown = by_rule["dave-executed-unready"], by_rule["dave-commit-unknown-proposal"]
    rejected, missing = by_rule["dave-commit-rejected"], by_rule["dave-key-package-missing"]
    assert ignored.text.startswith("Transition 1 (a commit) is executed 2")
    assert unknown.text.startswith("The commit of transition 2 refers to a proposal that never came: '")
    assert rejected.text == "The client rejects transition 2 (a commit)."
    assert "of op 31 for transition 2" in missing.text
    assert (rejected.evidence, missing.evidence) == ((unknown.event,), (rejected.event,))
    [announced] = ignored.evidence
    assert announced < ignored.event < unknown.event


def test_joining_again_without_encryption_is_told_as_a_loop() -> None:
    rows = [each for each in chain.from_iterable(noticed("dave-required")) if each.rule == "voice-close-4017"]
    assert len(rows) == 3
    assert "offers DAVE version 0, which is none, and the call requires version 1 or above" in rows[0].text
    assert "That makes 3 times within" in rows[2].text
    assert set(rows[2].evidence) > {rows[0].event, rows[1].event}


def test_what_a_scenario_gives_exists() -> None:
    """Strict: it fails while a rule that a scenario is for is on no branch of this history."""
    closes = {close_id(plane, row.number) for plane in (Plane.GATEWAY, Plane.VOICE) for row in default().close_codes()}
    assert {each for chosen in SCENARIOS.values() for each in chosen.gives} <= KNOWN | closes


def test_each_fault_has_its_scenario() -> None:
    assert {each.client_fault for each in (*SICK, *HOURS) if each.client_fault} == set(FAULTS)

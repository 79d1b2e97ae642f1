"""Findings with one cause are one case; findings that have nothing to do with each other are not."""

from inspector.analysis.cases import Case, Listed, cases_of
from inspector.model import Finding, Plane, Severity

SECOND = 1_000_000_000
WARN, ERROR, INFO = Severity.WARN, Severity.ERROR, Severity.INFO


def noticed(
    rule: str,
    row: int,
    severity: Severity = WARN,
    *,
    on: int = 1,
    at: float | None = None,
    evidence: tuple[int, ...] = (),
) -> Listed:
    at_ns = int((row if at is None else at) * SECOND)
    return Listed(row, at_ns, on, Plane.GATEWAY, Finding(rule, severity, f"At row {row}.", row, evidence))


def cases(
    *findings: Listed, connection_of: dict[int, int] | None = None, session_of: dict[int, str | None] | None = None
) -> list[Case]:
    return cases_of(findings, connection_of or {}, session_of or {})


def told(found: list[Case]) -> list[tuple[str, list[int]]]:
    return [(case.name, [each.finding.event for each in case.findings]) for case in found]


def test_what_is_noticed_again_and_again_is_one_case() -> None:
    [case] = cases(*(noticed("odd-payload", row, on=row % 3 + 1) for row in range(1, 1001)))
    assert (case.count, case.lead.finding.event, case.connections) == (1000, 1, [1, 2, 3])
    assert (case.first_ns, case.last_ns) == (SECOND, 1000 * SECOND)


def test_a_close_belongs_to_what_led_to_it() -> None:
    [case] = cases(noticed("heartbeat-late", 3), noticed("close-4009", 5, ERROR))
    assert (case.name, case.severity) == ("heartbeat-late", ERROR)
    assert case.end is not None
    assert case.end.finding.rule == "close-4009"


def test_a_cause_of_a_cause_is_the_cause() -> None:
    found = cases(noticed("presence-flood", 3), noticed("send-budget", 5, ERROR), noticed("close-4008", 7, ERROR))
    assert told(found) == [("presence-flood", [3, 5, 7])]


def test_a_close_on_another_connection_is_a_case_of_its_own() -> None:
    found = cases(noticed("heartbeat-late", 3), noticed("close-4009", 5, ERROR, on=2))
    assert told(found) == [("close-4009", [5]), ("heartbeat-late", [3])]


def test_what_comes_long_after_does_not_follow_unless_it_speaks_of_the_same_rows() -> None:
    late, close = noticed("heartbeat-late", 3), noticed("close-4009", 5, ERROR, at=1000)
    assert len(cases(late, close)) == 2
    assert len(cases(late, noticed("close-4009", 5, ERROR, at=1000, evidence=(3,)))) == 1
    assert len(cases(noticed("heartbeat-late", 3, evidence=(2,)), close._replace(finding=Finding(
        "close-4009", ERROR, "", 5, (2,)
    )))) == 1  # fmt: skip


def test_connections_of_one_session_are_seen_together() -> None:
    wrong, refused = noticed("resume-wrong-seq", 3, ERROR), noticed("invalid-session", 5, INFO, on=2)
    assert len(cases(wrong, refused)) == 2
    assert len(cases(wrong, refused, session_of={1: "a", 2: "a"})) == 1


def test_what_is_noticed_late_explains_the_close_on_a_connection_that_it_speaks_of() -> None:
    close = noticed("close-1000", 5)
    thrown = noticed("session-thrown-away", 9, on=2, evidence=(4,))
    assert told(cases(close, thrown, connection_of={4: 1})) == [("session-thrown-away", [5, 9])]
    assert len(cases(close, thrown, connection_of={4: 3})) == 2


def test_what_came_before_on_the_same_connection_did_not_follow() -> None:
    close, late = noticed("close-4009", 5, ERROR), noticed("heartbeat-late", 9, evidence=(8,))
    assert len(cases(close, late, connection_of={8: 1})) == 2


def test_only_what_followed_belongs_to_a_cause_and_not_all_of_its_kind() -> None:
    found = cases(
        noticed("heartbeat-ack-missing", 3, ERROR), noticed("close-1006", 5, INFO), noticed("close-1006", 9, INFO, on=2)
    )
    assert told(found) == [("heartbeat-ack-missing", [3, 5]), ("close-1006", [9])]


def test_two_causes_of_one_thing_are_one_case() -> None:
    found = cases(
        noticed("voice-stale-credentials", 3), noticed("voice-wrong-endpoint", 4), noticed("voice-close-4006", 5, ERROR)
    )
    assert told(found) == [("voice-stale-credentials", [3, 4, 5])]


def test_what_is_usual_joins_no_causes() -> None:
    found = cases(
        noticed("identify-storm", 2), noticed("heartbeat-ack-missing", 3, ERROR), noticed("close-1006", 5, INFO)
    )
    assert told(found) == [("heartbeat-ack-missing", [3, 5]), ("identify-storm", [2])]


def test_what_ends_connections_comes_first_among_what_is_as_bad() -> None:
    found = cases(
        noticed("undecodable", 1, ERROR), noticed("seq-gap", 2, INFO), noticed("close-4004", 3, ERROR),
        noticed("version-in-url", 4), noticed("heartbeat-late", 5), noticed("close-4009", 6, ERROR),
    )  # fmt: skip
    assert [case.name for case in found] == ["close-4004", "heartbeat-late", "undecodable", "version-in-url", "seq-gap"]

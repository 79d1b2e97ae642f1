"""Findings with one cause are one case; findings that have nothing to do with each other are not."""

from hypothesis import given
from hypothesis import strategies as st

from inspector.analysis.cases import Case, Cases, Client, Listed, cases_of, evidence_wanted
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
    *findings: Listed, connection_of: dict[int, int] | None = None, clients: dict[int, Client] | None = None
) -> list[Case]:
    return cases_of(findings, connection_of or {}, clients or {})


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
    assert len(cases(wrong, refused, clients={1: Client(session="a"), 2: Client(session="a")})) == 1


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


ADA, BOB = Client("ada", "a", "0/1"), Client("bob", "b", "0/1")
"""Two bots."""


def test_two_bots_with_the_same_trouble_are_two_cases() -> None:
    ours, theirs = cases(
        noticed("odd-payload", 3), noticed("odd-payload", 5), noticed("odd-payload", 4, on=2), clients={1: ADA, 2: BOB}
    )
    assert (ours.name, ours.account, ours.accounts, ours.count) == ("odd-payload", "ada", ("ada",), 2)
    assert (theirs.name, theirs.account, theirs.accounts, theirs.count) == ("odd-payload", "bob", ("bob",), 1)


def test_shards_of_one_bot_with_the_same_trouble_are_one_case_that_counts_them() -> None:
    shards = {number: Client("ada", f"{number}", f"{number}/16") for number in range(16)}
    [case] = cases(*(noticed("odd-payload", number + 1, on=number) for number in range(16)), clients=shards)
    assert (case.count, case.shards, case.accounts) == (16, 16, ())


def test_what_lies_outside_of_all_clients_is_one_case() -> None:
    [case] = cases(noticed("close-1001", 3), noticed("close-1001", 4, on=2), clients={1: ADA, 2: BOB})
    assert (case.account, case.accounts) == ("", ("ada", "bob"))


def test_what_one_cause_did_to_two_bots_is_one_case() -> None:
    dead, away = noticed("resume-url-dead", 9, ERROR), noticed("client-never-returned", 12, ERROR, on=2, evidence=(9,))
    other = noticed("client-never-returned", 13, ERROR, evidence=(9,))
    clients = {1: ADA, 2: BOB, 3: Client()}
    [case] = cases(dead._replace(connection=3), away, other, connection_of={9: 3}, clients=clients)
    assert (case.name, case.accounts) == ("resume-url-dead", ("ada", "bob"))


def test_a_connection_of_which_nobody_knows_whose_it_is_belongs_to_the_only_bot_of_its_file() -> None:
    clients = {1: ADA, 2: Client(), 3: BOB._replace(file="b"), 4: Client(file="b")}
    found = cases(*(noticed("odd-payload", number, on=number) for number in range(1, 5)), clients=clients)
    assert {case.account: case.connections for case in found} == {"ada": [1, 2], "bob": [3, 4]}


def test_among_several_bots_it_is_a_case_of_its_own() -> None:
    found = cases(
        *(noticed("odd-payload", number, on=number) for number in range(1, 4)), clients={1: ADA, 2: BOB, 3: Client()}
    )
    assert [(case.account, case.connections) for case in found] == [("ada", [1]), ("bob", [2]), ("", [3])]


RULES = ("heartbeat-late", "heartbeat-overdue", "close-4009", "presence-flood", "send-budget", "close-4008",
         "rate-limited", "members-unanswered", "odd-payload", "close-1006", "heartbeat-ack-missing")  # fmt: skip


@given(st.data())
def test_the_order_in_which_findings_come_makes_no_difference(data: st.DataObject) -> None:
    """Neither does when it is learned who is behind a connection, nor what was there meanwhile."""
    connections = {row: data.draw(st.integers(1, 4)) for row in range(1, 30)}
    found = [
        noticed(
            data.draw(st.sampled_from(RULES)),
            row,
            data.draw(st.sampled_from(Severity)),
            on=connections[row],
            at=row * data.draw(st.sampled_from((1, 40))),
            evidence=tuple(data.draw(st.lists(st.integers(1, 29), max_size=2))),
        )._replace(id=number)
        for number, row in enumerate(data.draw(st.lists(st.integers(1, 29), max_size=25)), 1)
    ]
    clients = {
        number: Client(data.draw(st.sampled_from(("", "ada", "bob"))), data.draw(st.sampled_from((None, "a", "b"))))
        for number in range(1, 5)
    }
    expected = cases_of(found, connections, clients)
    growing = Cases()
    gone = data.draw(st.sets(st.sampled_from(found))) if found else set()
    for number, each in enumerate([*data.draw(st.permutations(found))]):
        if number == len(found) // 2:
            growing.know(dict(list(clients.items())[: data.draw(st.integers(0, 4))]))
        growing.add(each, (connections[row] for row in evidence_wanted(each)))
        if data.draw(st.booleans()):
            growing.made()
    growing.know(clients)
    assert growing.made() == expected
    for each in gone:
        growing.drop(each)
    assert growing.made() == cases_of([each for each in found if each not in gone], connections, clients)


def test_cases_with_nothing_new_are_the_same_objects() -> None:
    growing = Cases()
    growing.know({1: ADA})
    growing.add(noticed("odd-payload", 3))
    growing.add(noticed("version-in-url", 1))
    before = {case.name: case for case in growing.made()}
    growing.add(noticed("odd-payload", 7))
    after = {case.name: case for case in growing.made()}
    assert after["version-in-url"] is before["version-in-url"]
    assert (before["odd-payload"].count, after["odd-payload"].count) == (1, 2)

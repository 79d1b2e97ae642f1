import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Finding, Plane, Severity
from tests.conversation import ACK, Conversation, dispatch, identify, message, ready
from tests.diagnose.finding import found, ids, one

INTERVAL = 10_000
ASKED = {"op": 1, "d": None}


def beat(seq: object = 1) -> dict:
    return {"op": 1, "d": seq}


def login(*, interval: int = INTERVAL, **more) -> Conversation:
    """Rows 1 to 6: open, Hello, Identify, READY, a heartbeat, its ACK."""
    talk = Conversation(**more).opens().server({"op": 10, "d": {"heartbeat_interval": interval}})
    return talk.client(identify()).server(ready()).client(beat()).server(ACK)


def beats(talk: Conversation, count: int, every: float = INTERVAL) -> Conversation:
    for _ in range(count):
        talk.waits(every - 20).client(beat()).server(ACK)
    return talk


def test_regular_heartbeats_are_nothing_to_speak_of() -> None:
    assert found(beats(login(), 5).closes(1000)) == []


def test_a_late_heartbeat_with_traffic_meanwhile_blames_the_client() -> None:
    talk = login().waits(9000).server(message("one", 2)).waits(9000).server(message("two", 3)).client(beat(3))
    late = one(found(talk), "heartbeat-late")
    assert (late.event, late.evidence, late.severity) == (9, (5,), Severity.WARN)
    assert "18 s after the one before; the interval is 10 s" in late.text
    assert "2 messages came from the server meanwhile" in late.text
    assert "blocked" in late.text


def test_a_late_heartbeat_in_silence_may_be_the_networks_fault() -> None:
    assert "network may have been" in one(found(login().waits(18_000).client(beat())), "heartbeat-late").text


def test_a_tenth_of_the_interval_is_not_late() -> None:
    assert "heartbeat-late" not in ids(login().waits(10_900).client(beat()))


def test_a_heartbeat_that_never_comes_is_said_once_while_traffic_goes_on() -> None:
    talk = login()
    for seq in range(2, 9):
        talk.waits(5000).server(message("still here", seq))
    overdue = [finding for finding in found(talk) if finding.rule == "heartbeat-overdue"]
    assert [(finding.evidence, finding.severity) for finding in overdue] == [((5,), Severity.WARN)]


def test_silence_is_noticed_by_ticks_at_the_last_row() -> None:
    assert ids(login(), until_ms=20_000) == []
    [finding] = found(login(), until_ms=25_000)
    assert (finding.rule, finding.event) == ("heartbeat-overdue", 6)


def test_a_client_without_any_heartbeat_is_told_from_one_that_is_late() -> None:
    talk = Conversation().opens().server({"op": 10, "d": {"heartbeat_interval": INTERVAL}}).client(identify())
    never = one(found(talk.waits(25_000).server(ready())), "heartbeat-never-began")
    assert (never.evidence, never.severity) == ((2,), Severity.ERROR)
    assert "heartbeat-overdue" not in ids(talk)


@pytest.mark.parametrize(
    ("wait", "rules"), [(12_000, ["first-heartbeat-late"]), (9990, ["first-heartbeat-unjittered"])]
)
def test_the_first_heartbeat_comes_at_a_random_moment_of_the_interval(wait: int, rules: list[str]) -> None:
    talk = Conversation().opens().server({"op": 10, "d": {"heartbeat_interval": INTERVAL}})
    assert ids(talk.waits(wait).client(beat(None))) == rules


def test_a_client_that_goes_on_without_acks_has_not_noticed_a_zombie() -> None:
    talk = login().waits(9980).client(beat()).waits(9980).client(beat())
    missing = one(found(talk), "heartbeat-ack-missing")
    assert (missing.event, missing.evidence, missing.severity) == (8, (7,), Severity.ERROR)
    assert "1 heartbeat before this one got no ACK; the oldest was sent 10 s ago" in missing.text
    # It may notice a moment later.
    assert "noticed" not in missing.text


def test_a_heartbeat_on_demand_right_after_another_is_no_zombie() -> None:
    assert ids(login().waits(9980).client(beat()).server(ASKED).client(beat()).server(ACK).server(ACK)) == []


def test_a_client_that_closes_a_zombie_did_right() -> None:
    talk = login().waits(9980).client(beat()).waits(9990).closes(4000)
    closed = one(found(talk), "zombie-closed")
    assert (closed.evidence, closed.severity) == ((7,), Severity.INFO)
    assert closed.text == "The client closed with 4000, 10 s after a heartbeat that got no ACK."


def test_closing_a_zombie_with_1000_throws_its_session_away() -> None:
    talk = login().waits(9980).client(beat()).waits(9990).closes(1000)
    assert one(found(talk), "zombie-closed").severity is Severity.WARN


@pytest.mark.parametrize("code", [1000, 4000])
def test_a_client_that_leaves_after_its_stream_was_lost_closed_no_zombie(code: int) -> None:
    """Its ACKs may be in what could not be read."""
    talk = login(compression="zlib-stream").frame(b"not a stream").waits(9980).client(beat()).waits(9990).closes(code)
    assert {each.rule for each in found(talk)} == {"undecodable"}


def test_a_request_for_a_heartbeat_wants_an_answer() -> None:
    asked = one(found(login().server(ASKED).waits(6000).server(message("x", 2))), "heartbeat-request-unanswered")
    assert (asked.event, asked.evidence) == (8, (7,))
    assert "heartbeat-request-unanswered" not in ids(login().server(ASKED).client(beat()).waits(6000).server(ACK))


def test_an_ack_is_not_the_clients_word() -> None:
    finding = one(found(login().server(ASKED).client(ACK)), "heartbeat-request-acknowledged")
    assert (finding.event, finding.evidence) == (8, (7,))


@pytest.mark.parametrize("seq", [None, 500])
def test_a_heartbeat_says_what_was_last_received(seq: int | None) -> None:
    talk = login().server(message("x", 200)).waits(5000).client(beat(seq)).server(ACK)
    assert "200" in one(found(talk), "heartbeat-seq-wrong").text


def test_a_heartbeat_that_stands_still_is_wrong_and_one_that_lags_is_not() -> None:
    still = login().server(message("x", 200)).waits(9900).client(beat(1)).server(ACK)
    lagging = login().server(message("x", 200)).waits(9900).client(beat(160)).server(ACK)
    assert "heartbeat-seq-wrong" in ids(still)
    assert "heartbeat-seq-wrong" not in ids(lagging)


def test_two_timers_on_one_connection_are_noticed_once() -> None:
    flood = beats(login(), 60, every=500)
    assert ids(flood).count("heartbeat-flood") == 1
    assert len(one(found(flood), "heartbeat-flood").evidence) == 24


def test_an_ack_for_nothing_is_odd() -> None:
    assert one(found(login().server(ACK)), "ack-without-heartbeat").severity is Severity.INFO


def test_of_a_connection_that_was_joined_late_little_can_be_said() -> None:
    talk = Conversation().opens(joined_late=True).server(message("x", 9)).server(ACK).client(beat(None))
    assert ids(talk.waits(90_000).client(beat(None))) == ["joined-late"]


def test_voice_heartbeats_are_watched_too() -> None:
    talk = Conversation(plane=Plane.VOICE, url="wss://invented.discord.media/?v=8").opens()
    talk.server({"op": 8, "d": {"v": 8, "heartbeat_interval": INTERVAL}}).client({"op": 3, "d": {"t": 1}})
    late: Finding = one(found(talk.waits(20_000).client({"op": 3, "d": {"t": 2}})), "heartbeat-late")
    assert late.evidence == (3,)


ODD = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0, 1, 10, 11, 40]), ODD, st.integers(0, 30_000)), max_size=8))
def test_no_heartbeat_is_too_odd(steps: list[tuple[bool, int, object, int]]) -> None:
    talk = login()
    for from_client, op, d, wait in steps:
        talk.waits(wait)
        (talk.client if from_client else talk.server)(dispatch("X", d, 2) if op == 0 else {"op": op, "d": d})
    found(talk.closes(1006, by=None))

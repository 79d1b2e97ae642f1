from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Finding, Severity
from tests.conversation import (
    HELLO,
    NOON,
    SESSION,
    TOKEN,
    Conversation,
    Payload,
    dispatch,
    identify,
    message,
    ready,
    resume,
)
from tests.diagnose.finding import found, ids, one

# Of two shards this guild belongs to the second, by bit 22 of its id.
GUILD = 1180000000001048576 | 1 << 22


def login(number: int = 1, **more: Any) -> Conversation:
    """Rows 1 to 5: open, Hello, Identify, READY with number 1, a message with number 2."""
    talk = Conversation(connection=number).opens().server(HELLO).client(identify(**more))
    return talk.server(ready()).server(message("one", 2))


def resuming(number: int = 2, after_ms: float = 1000, **more: Any) -> Conversation:
    """Rows of a connection that resumes after number 3: open, Hello, Resume."""
    talk = Conversation(connection=number, at_ns=NOON + int(after_ms * 1e6)).opens().server(HELLO)
    return talk.client({"op": 6, "d": {"token": TOKEN, "session_id": SESSION, "seq": 3, **more}})


def in_guild(seq: int, name: str = "TYPING_START", guild: int = GUILD) -> Payload:
    return dispatch(name, {"guild_id": str(guild), "channel_id": "1180000000000000050"}, seq)


def of(rule: str, *talks: Conversation) -> list[Finding]:
    return [finding for finding in found(*talks) if finding.rule == rule]


def test_numbers_that_rise_by_one_are_nothing_to_speak_of() -> None:
    first = login().server(message("two", 3)).closes(4000)
    second = resuming().server(message("missed", 4)).server(dispatch("RESUMED", {}, 5)).server(message("new", 6))
    assert ids(first, second.closes(1000)) == []


def test_seq_gap_says_how_much_is_missing() -> None:
    gap = one(found(login().server(message("later", 1005))), "seq-gap")
    assert (gap.event, gap.severity) == (6, Severity.INFO)
    assert gap.text == "The numbers go from 2 to 1,005: 1,002 numbers are skipped."


def test_seq_gap_is_told_five_times_at_most() -> None:
    talk = login()
    for seq in range(4, 40, 2):
        talk.server(message("every other", seq))
    gaps = of("seq-gap", talk)
    assert [gap.event for gap in gaps] == [6, 7, 8, 9, 10]
    assert gaps[-1].text.endswith(" is skipped. Further gaps on this connection are counted, not listed.")


def test_seq_gap_is_not_said_of_a_number_that_came_too_early() -> None:
    talk = login().server(message("two", 4)).server(message("one", 3)).server(message("three", 5))
    assert [gap.event for gap in of("seq-gap", talk)] == [6]


def test_seq_gap_is_not_said_where_something_may_be_there_that_could_not_be_read() -> None:
    assert "seq-gap" not in ids(login().frame(b'{"op":0,"s":3', is_text=True).server(message("later", 4)))
    late = Conversation().opens(joined_late=True).server(message("one", 7)).server(message("two", 9))
    assert "seq-gap" not in ids(late)


def test_seq_gap_is_no_matter_of_a_new_session_on_the_same_connection() -> None:
    talk = Conversation().opens().server(HELLO).client(resume()).server({"op": 9, "d": False}).waits(3000)
    talk.client(identify()).server(ready()).server(message("one", 2))
    assert not {"seq-gap", "seq-not-rising"} & set(ids(talk))


def test_seq_not_rising_tells_a_number_that_comes_again() -> None:
    again = one(found(login().server(message("again", 2)).server(message("and again", 2))), "seq-not-rising")
    assert (again.event, again.severity) == (6, Severity.WARN)
    assert again.text == "Number 2 comes again. Further cases on this connection are counted, not listed."


def test_seq_not_rising_tells_one_that_goes_back() -> None:
    back = one(found(login().server(message("two", 9)).server(message("three", 4))), "seq-not-rising")
    assert back.event == 7
    assert back.text.startswith("Number 4 follows 9.")


def test_seq_not_rising_is_told_again_on_another_connection() -> None:
    first = login().server(message("again", 2)).closes(4000)
    second = resuming(seq=2).server(dispatch("RESUMED", {}, 3)).server(message("back", 2))
    assert [finding.event for finding in of("seq-not-rising", first, second)] == [6, 12]


def test_seq_not_rising_is_right_while_a_resume_sends_again() -> None:
    talk = login().server(message("two", 3)).server({"op": 9, "d": True}).client(resume())
    talk.server(message("two", 3)).server(dispatch("RESUMED", {}, 4))
    assert "seq-not-rising" not in ids(talk)


def test_seq_missing_is_told_once() -> None:
    bare = {"op": 0, "t": "TYPING_START", "d": {}}
    missing = one(found(login().server(bare).server(bare).server(message("two", 3))), "seq-missing")
    assert (missing.event, missing.severity) == (6, Severity.INFO)
    assert missing.text.startswith("The dispatch has no s.")
    assert "seq-missing" not in ids(login().server({"op": 11, "d": None, "s": None, "t": None}))


def test_resume_lost_events_at_the_beginning_of_what_came_again() -> None:
    talk = resuming().server(message("late", 8)).server(dispatch("RESUMED", {}, 9))
    assert ids(talk) == ["resume-lost-events"]
    lost = one(found(talk), "resume-lost-events")
    assert (lost.event, lost.severity, lost.evidence) == (5, Severity.WARN, (3,))
    assert lost.text.startswith("Resume asked for what follows 3, and the first number that came is 8: ")
    assert lost.text.endswith(": 4 numbers in between did not come again.")


def test_resume_lost_events_where_nothing_came_again() -> None:
    first = login().server(message("two", 3)).server(message("three", 4)).closes(4000)
    numbered = resuming().server(dispatch("RESUMED", {}, 5))
    assert one(found(first, numbered), "resume-lost-events").text.endswith(
        "number that came is 5: 1 number in between did not come again."
    )
    bare = resuming().server({"op": 0, "t": "RESUMED", "d": {}})
    lost = one(found(first, bare), "resume-lost-events")
    assert (lost.event, lost.evidence) == (12, (11,))
    assert lost.text == (
        "Resume asked for what follows 3, and nothing came before RESUMED, although the server had counted up to 4."
    )


@pytest.mark.parametrize("first", [3, 4])
def test_resume_lost_events_is_not_said_where_the_numbers_go_on(first: int) -> None:
    assert "resume-lost-events" not in ids(resuming().server(dispatch("RESUMED", {}, first)))
    bare = resuming().server({"op": 0, "t": "RESUMED", "d": {}})
    assert "resume-lost-events" not in ids(login().server(message("two", 3)).closes(4000), bare)


def test_event_before_ready_is_told_of_the_first() -> None:
    talk = Conversation().opens().server(HELLO).client(identify())
    early = one(found(talk.server(message("too soon", 1)).server(message("too", 2))), "event-before-ready")
    assert (early.event, early.severity) == (4, Severity.INFO)
    bare = {"op": 0, "t": "TYPING_START", "d": {}}
    talk = Conversation().opens().server(HELLO).client(identify()).server(bare).server(bare)
    assert len(of("event-before-ready", talk)) == 1


@pytest.mark.parametrize(
    "talk",
    [
        login(),
        resuming().server(message("missed", 4)),
        login().server({"op": 9, "d": False}).server(message("late", 3)),
        Conversation().opens(joined_late=True).server(message("middle", 900)),
    ],
    ids=["ready", "resume", "cancelled", "joined-late"],
)
def test_event_before_ready_is_not_said_of_what_may_come(talk: Conversation) -> None:
    assert "event-before-ready" not in ids(talk)


def test_event_outside_shard_is_told_once_with_the_shard_that_it_should_be() -> None:
    astray = one(found(login(shard=[0, 2]).server(in_guild(3)).server(in_guild(4))), "event-outside-shard")
    assert (astray.event, astray.severity, astray.evidence) == (6, Severity.WARN, (3,))
    assert astray.text.startswith(f"Guild {GUILD} belongs to shard 1 of 2, and this is shard 0.")


@pytest.mark.parametrize(
    "talk",
    [
        login(shard=[1, 2]).server(in_guild(3)),
        login().server(in_guild(3)),
        login(shard=[0, 1]).server(in_guild(3)),
        login(shard=[0, -3]).server(in_guild(3)),
        login(shard=[0, 2]).server(message("direct", 3)),
        login(shard=[0, 2]).server(in_guild(3, "ENTITLEMENT_CREATE")),
    ],
    ids=["its own", "no shard", "one shard", "nonsense", "no guild", "a purchase"],
)
def test_event_outside_shard_is_not_said_of_what_belongs_there(talk: Conversation) -> None:
    assert "event-outside-shard" not in ids(talk)


def test_event_outside_shard_is_still_told_after_a_purchase() -> None:
    talk = login(shard=[0, 2]).server(in_guild(3, "ENTITLEMENT_CREATE")).server(in_guild(4))
    assert one(found(talk), "event-outside-shard").event == 7


NUMBERS = st.none() | st.integers(-3, 9) | st.sampled_from([2**63, 2**64, -(2**64), 1.5, True, "7", [1], {"s": 1}])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["READY", "RESUMED", "TYPING_START", "ENTITLEMENT_CREATE", "X", ""]), NUMBERS, NUMBERS
        ),
        max_size=8,
    ),
    st.booleans(),
    NUMBERS,
)
def test_no_number_makes_a_rule_about_numbers_stumble(
    events: list[tuple[str, Any, Any]], resumes: bool, asked: Any
) -> None:
    talk = resuming(1, 0, seq=asked) if resumes else Conversation().opens().client(identify(shard=[asked, 2]))
    for name, seq, guild in events:
        talk.server({"op": 0, "t": name, "s": seq, "d": {"guild_id": guild}})
    for finding in found(talk.closes(4000)):
        assert len(finding.text) < 400

"""What is noticed when something never comes."""

from collections.abc import Mapping
from typing import Any

import pytest

from inspector.model import Severity
from tests.conversation import (
    ACK,
    HEARTBEAT,
    HELLO,
    NOON,
    TOKEN,
    Conversation,
    dispatch,
    identify,
    message,
    ready,
    resume,
)
from tests.diagnose.finding import found, ids, one

SECOND = 1_000_000_000
BOT_READY = {"v": 10, "session_id": "5e55", "user": {"id": "1180000000000000001", "bot": True}}
ZERO, ONE = "1180000000000000000", "1180000000004194304"


def logged_in(connection: int = 1, at_s: float = 0, token: str = TOKEN, **more: Any) -> Conversation:
    talk = Conversation(connection=connection, at_ns=NOON + int(at_s * SECOND))
    return talk.opens().server(HELLO).client(identify(token=token, **more)).server(ready(f"5e55{connection}"))


def bot(*guilds: str) -> Conversation:
    talk = Conversation().opens().server(HELLO).client(identify())
    return talk.server(
        dispatch("READY", {**BOT_READY, "guilds": [{"id": each, "unavailable": True} for each in guilds]}, 1)
    )


def beats(talk: Conversation, seconds: float) -> Conversation:
    """Let a connection go on for so long."""
    for _ in range(int(seconds / 40)):
        talk.waits(40_000).client(HEARTBEAT).server(ACK)
    return talk


def another() -> Conversation:
    """Another bot that goes on for seven minutes."""
    return beats(logged_in(9, token="another.bot.token"), 420)


def absences(*talks: Conversation, until_ms: float = 0) -> list[str]:
    rules = {"client-never-returned", "login-unanswered", "guilds-missing", "guild-unavailable", "members-cut-short"}
    return [rule for rule in ids(*talks, until_ms=until_ms) if rule in rules]


def left(code: int = 1001, by: Any = "server") -> Conversation:
    return logged_in().waits(10_000).closes(code, by=by)


def test_client_never_returned() -> None:
    finding = one(found(left(), another()), "client-never-returned")
    assert finding.severity is Severity.ERROR
    assert finding.text.startswith(
        "The server closed connection 1 with 1001; 5 min later the client had not reconnected"
    )
    # It is told at the close.
    assert finding.event == one(found(left(), another()), "close-1001").event


def test_a_client_that_was_asked_to_reconnect_and_left_for_good() -> None:
    talk = logged_in().server({"op": 7, "d": None}).closes(4000)
    finding = one(found(talk, another()), "client-never-returned")
    assert finding.text.startswith("The server asked for a reconnect (op 7), and the client closed connection 1 with")
    assert finding.evidence


def test_a_client_that_left_a_dead_connection_for_good() -> None:
    talk = logged_in().client(HEARTBEAT).waits(41_000).closes(4000)
    assert one(found(talk, another()), "client-never-returned").text.startswith(
        "A heartbeat got no ACK, and the client"
    )


def test_a_client_that_left_after_invalid_session_for_good() -> None:
    talk = logged_in().server({"op": 9, "d": False}).closes(4000)
    assert one(found(talk, another()), "client-never-returned").text.startswith(
        "The server sent Invalid Session (op 9)"
    )


def test_time_goes_on_in_a_live_recording_without_any_message() -> None:
    """The recorder's clock ticks each second."""
    from inspector.pipeline import Pipeline
    from inspector.protocol.registry import default

    pipeline = Pipeline(default())
    happenings = left().happenings
    for happening in happenings:
        pipeline.feed(happening)
    late = [each.rule for s in range(1, 400) for each in pipeline.tick(happenings[-1].at_ns + s * SECOND).late]
    assert late == ["client-never-returned"]


@pytest.mark.parametrize(
    "talk",
    [
        left(1000, "client"),
        left(4000, "client"),
        left(1006, "client"),
        left(1006, None),
        left(1001, "proxy"),
        left(4004),
        left(4014),
    ],
)
def test_a_client_that_did_not_have_to_come_back(talk: Conversation) -> None:
    assert absences(talk, another()) == []


def test_a_recording_that_ends_says_nothing_of_what_came_after() -> None:
    assert absences(left()) == []
    assert absences(left(), logged_in(9, token="another.bot.token")) == []


def test_a_recording_that_was_interrupted_says_nothing_of_the_time_between() -> None:
    assert absences(left(), beats(logged_in(9, 3600, token="another.bot.token"), 420)) == []


@pytest.mark.parametrize("after_s", [12, 250])
def test_a_client_that_comes_back(after_s: float) -> None:
    back = Conversation(connection=2, at_ns=NOON + int(after_s * SECOND)).opens().server(HELLO).client(resume("5e551"))
    assert absences(left(), back, another()) == []


def test_a_connection_of_which_nobody_knows_whose_it_is_may_be_the_return() -> None:
    unknown = Conversation(connection=2, at_ns=NOON + 20 * SECOND).opens().server(HELLO)
    refused = Conversation(connection=2, at_ns=NOON + 20 * SECOND).opens(status=503, refusal="503")
    other_shard = logged_in(2, 20, shard=[1, 2])
    for talk in (unknown, refused, other_shard):
        assert absences(left(), talk, another()) == []


def test_one_shard_of_two_that_does_not_come_back() -> None:
    def shard(number: int) -> Conversation:
        return logged_in(1 + number, shard=[number, 2]).waits(10_000).closes(1001, by="server")

    back = Conversation(connection=3, at_ns=NOON + 12 * SECOND).opens().server(HELLO).client(resume("5e552"))
    talks = shard(0), shard(1), beats(back.server(dispatch("RESUMED", {}, 2)), 420)
    assert one(found(*talks), "client-never-returned").text.startswith("The server closed connection 1 with 1001")


def test_login_unanswered() -> None:
    talk = beats(Conversation().opens().server(HELLO).client(identify()), 80)
    finding = one(found(talk), "login-unanswered")
    assert finding.severity is Severity.ERROR
    assert "neither READY nor Invalid Session had come" in finding.text
    assert finding.evidence == (3,)


def test_a_login_that_is_answered_within_a_minute() -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).waits(50_000)
    for answer in (ready(), {"op": 9, "d": False}):
        assert "login-unanswered" not in ids(beats(talk.server(answer), 80))


def create(guild: str, seq: int = 2, **more: Any) -> Mapping[str, Any]:
    return dispatch("GUILD_CREATE", {"id": guild, "name": "g", "channels": [], **more}, seq)


def test_guilds_missing() -> None:
    talk = beats(bot(ZERO, ONE).server(create(ONE)), 120)
    finding = one(found(talk), "guilds-missing")
    assert finding.severity is Severity.WARN
    assert finding.text.startswith("1 of 2 guilds in READY had not come ")
    assert finding.text.endswith(f"after the last of the others: {ZERO}.")
    assert finding.evidence == (4, 5)


def test_a_guild_that_comes_as_unavailable_has_not_come() -> None:
    assert absences(beats(bot(ZERO).server(create(ZERO, unavailable=True)), 120)) == ["guilds-missing"]


def test_guilds_that_come_one_after_the_other() -> None:
    talk = bot(ZERO, ONE).waits(50_000).server(create(ONE)).waits(50_000).server(create(ZERO, 3))
    assert absences(beats(talk, 120)) == []


def test_guilds_that_are_not_to_come() -> None:
    """Without the intent GUILDS none does; users' clients get theirs in READY."""
    without = Conversation().opens().server(HELLO).client(identify(intents=512))
    listed = [{"id": ZERO, "unavailable": True}]
    talk = without.server(dispatch("READY", {**BOT_READY, "guilds": listed}, 1))
    user = Conversation().opens().server(HELLO).client(identify())
    user.server(dispatch("READY", {"session_id": "5e55", "user": {"id": "1"}, "guilds": listed}, 1))
    left = bot(ZERO).server(dispatch("GUILD_DELETE", {"id": ZERO}, 2))
    for each in (talk, user, left):
        assert absences(beats(each, 120)) == []


def test_guild_unavailable() -> None:
    talk = bot(ONE).server(create(ONE)).server(dispatch("GUILD_DELETE", {"id": ONE, "unavailable": True}, 3))
    finding = one(found(beats(talk, 700)), "guild-unavailable")
    assert finding.text.startswith("1 guild has been unavailable for ")
    assert finding.evidence == (6,)


def test_a_guild_that_was_unavailable_for_a_while() -> None:
    talk = bot(ONE).server(create(ONE)).server(dispatch("GUILD_DELETE", {"id": ONE, "unavailable": True}, 3))
    assert absences(beats(beats(talk, 400).server(create(ONE, 4)), 400)) == []


def chunk(index: int, count: int, seq: int) -> Mapping[str, Any]:
    d = {"guild_id": ONE, "members": [], "chunk_index": index, "chunk_count": count, "nonce": "n"}
    return dispatch("GUILD_MEMBERS_CHUNK", d, seq)


def test_members_cut_short() -> None:
    talk = bot().client({"op": 8, "d": {"guild_id": ONE, "query": "", "limit": 0, "nonce": "n"}})
    talk.server(chunk(0, 4, 2)).server(chunk(1, 4, 3))
    finding = one(found(beats(talk, 80)), "members-cut-short")
    assert finding.severity is Severity.WARN
    assert finding.text.startswith("2 of 4 chunks came; ")
    assert finding.evidence == (5, 7)


def test_members_that_come_slowly_but_all() -> None:
    talk = bot().client({"op": 8, "d": {"guild_id": ONE, "query": "", "limit": 0, "nonce": "n"}})
    talk.server(chunk(0, 3, 2)).waits(20_000).server(chunk(1, 3, 3)).waits(20_000).server(chunk(2, 3, 4))
    assert absences(beats(talk, 80)) == []
    lost = bot().client({"op": 8, "d": {"guild_id": ONE, "query": "", "nonce": "n"}}).server(chunk(0, 3, 2))
    assert absences(beats(lost.junk(b"{"), 80)) == []
    assert absences(beats(bot().server(message("x", 2)), 80)) == []


def habits(*seconds: float, other: str = "TYPING_START", every: int = 20) -> Conversation:
    """A session in which MESSAGE_CREATE comes at these times, in seconds, and another event every 20 s for an hour."""
    talk, at, seq = logged_in(), 0, 1
    times = [(second, "MESSAGE_CREATE") for second in seconds] + [(second, other) for second in range(0, 3600, every)]
    for second, name in sorted(times):
        talk.waits((second - at) * 1000)
        at, seq = second, seq + 1
        talk.server(dispatch(name, {}, seq))
    return talk.closes(1000)


def test_events_stopped() -> None:
    finding = one(found(habits(*range(0, 1200, 30))), "events-stopped")
    assert finding.severity is Severity.INFO
    assert finding.text == (
        "'MESSAGE_CREATE' had come 40 times, every 30 s on average; in the last 40 min of this connection it did not, "
        "and other events did."
    )
    assert len(finding.evidence) == 1


@pytest.mark.parametrize(
    "talk",
    [
        # To the end.
        habits(*range(0, 3600, 30)),
        # Too few.
        habits(*range(0, 1200, 60)),
        # Not for long enough.
        habits(*range(0, 500, 10)),
        # With pauses as long as that before.
        habits(*range(0, 300, 10), *range(1200, 1800, 10)),
        # What comes when the client asks.
        habits(other="GUILD_MEMBERS_CHUNK"),
        # Of everything there is less.
        habits(*range(0, 1200, 30), *range(1, 1200, 10), every=100),
    ],
)
def test_events_that_may_well_stay_away(talk: Conversation) -> None:
    assert "events-stopped" not in ids(talk)
